"""One value a sample: by id where the keys are ids, by position where they count rows, an error where either may be."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from rotary_mae.data.sample_values import frame_columns, per_sample, sample_ids

IDS = np.array(["c", "a", "b"])
EXPECTED = [3, 1, 2]

KEYED = {
    "dict": {"a": 1, "b": 2, "c": 3},
    "dict with more": {"a": 1, "b": 2, "c": 3, "d": 4},
    "Series": pd.Series([1, 2, 3], index=["a", "b", "c"]),
    "Series of categories": pd.Series([1, 2, 3], index=pd.CategoricalIndex(["a", "b", "c"])),
    "Series of more": pd.Series([9, 1, 2, 3], index=["x", "a", "b", "c"]),
    "rows that repeat": pd.Series([1, 1, 2, 3, 3], index=["a", "a", "b", "c", "c"]),
    "pandas with an id": pd.DataFrame({"id": ["a", "b", "c"], "label": [1, 2, 3]}),
    "polars with an id": pl.DataFrame({"id": ["a", "b", "c"], "label": [1, 2, 3]}),
    "pyarrow with an id": pa.table({"id": ["a", "b", "c"], "label": [1, 2, 3]}),
}

IN_ORDER = {
    "list": EXPECTED,
    "array": np.array(EXPECTED),
    "masked": np.ma.array(EXPECTED),
    "default index": pd.Series(EXPECTED),
    "rest of a default index": pd.Series([0, 0, *EXPECTED])[2:],
    "fold of a default index": pd.Series([0, *EXPECTED, 0]).iloc[[1, 2, 3]],
    "polars": pl.Series(EXPECTED),
    "pyarrow": pa.array(EXPECTED),
}


@pytest.mark.parametrize("name", KEYED)
def test_keys_that_are_ids_are_read_by_id(name: str) -> None:
    assert per_sample(KEYED[name], 3, "y", IDS).tolist() == EXPECTED


@pytest.mark.parametrize("name", IN_ORDER)
def test_values_without_ids_are_read_by_position(name: str) -> None:
    assert per_sample(IN_ORDER[name], 3, "y", IDS).tolist() == EXPECTED


def test_an_index_is_ignored_if_the_samples_have_no_ids() -> None:
    assert per_sample(pd.Series(EXPECTED, index=[2, 0, 1]), 3, "y").tolist() == EXPECTED
    assert per_sample({2: 30, 0: 10, 1: 20}, 3, "y").tolist() == [10, 20, 30]


PERMUTED = np.arange(8) ^ 1
ROWS = pd.Series(np.arange(8) * 10)


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        (ROWS, slice(None)),
        (ROWS[4:], slice(4, None)),
        (ROWS[::2], [7, 5, 3, 1]),
        (ROWS.iloc[[0, 1, 6, 7]], [0, 1, 6, 7]),
        (ROWS.iloc[[7, 6, 1, 0]], [7, 6, 1, 0]),
        (ROWS, slice(2, 6)),
        (ROWS[2:7], slice(3, 6)),
        (ROWS[1:5], slice(2, 6)),
        (ROWS.to_frame(), slice(None)),
    ],
    ids=["all", "slice", "step", "fold", "shuffled fold", "too many", "too many of a slice", "overlap", "frame"],
)
def test_numbers_that_may_be_ids_or_rows_are_an_error_that_names_both(values: Any, chosen: Any) -> None:
    with pytest.raises(ValueError, match=r"may mean either: ids, .* or rows, .*y.to_dict\(\).*y.to_numpy\(\)"):
        per_sample(values, len(PERMUTED[chosen]), "y", PERMUTED[chosen], max_ndim=2)


def test_numbers_are_not_ambiguous_if_both_readings_agree_or_the_index_has_a_name() -> None:
    in_order = np.arange(8)
    for chosen in (slice(None), slice(4, None), [6, 2, 3]):
        assert (
            per_sample(ROWS.iloc[chosen], len(in_order[chosen]), "y", in_order[chosen]).tolist()
            == (in_order[chosen] * 10).tolist()
        )
    assert per_sample(ROWS, 3, "y", in_order[3:6]).tolist() == [30, 40, 50]
    named = ROWS.rename_axis("stay")
    assert per_sample(named, 8, "y", PERMUTED).tolist() == (PERMUTED * 10).tolist()
    assert per_sample(named[2:], 6, "y", PERMUTED[2:]).tolist() == (PERMUTED[2:] * 10).tolist()
    other = pd.Series([1, 2, 3, 4], index=[70, 30, 50, 10])
    assert per_sample(other, 2, "y", np.array([30, 70])).tolist() == [2, 1]
    assert per_sample(pd.Series([1, 2, 3]), 3, "y", np.array([70, 30, 50])).tolist() == [1, 2, 3]


def test_whole_numbers_of_files_are_found_as_text_and_the_other_way_round() -> None:
    assert per_sample({2: "b", 1: "a"}, 2, "y", np.array(["1", "2"])).tolist() == ["a", "b"]
    assert per_sample({"2": "b", "1": "a"}, 2, "y", np.array([1, 2])).tolist() == ["a", "b"]
    with pytest.raises(ValueError, match="no label for 2 of 2 ids, first '01'"):
        per_sample({2: "b", 1: "a"}, 2, "y", np.array(["01", "2"]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"a": 1}, r"y has no label for 2 of 3 ids, first 'c'; its first keys are \['a'\]; give None"),
        (pd.Series([1, 2, 3], index=["a", "a", "b"]), "several labels for id 'a': 1 and 2"),
        (pd.Series([1, 2], index=[0, 1]), r"no label for 3 of 3 ids|y must be \(3,\)"),
        (pd.Series([1, 2, 3], index=["x", "y", "z"]), "no label for 3 of 3 ids, first 'c'"),
        ([1, 2], r"y must be \(3,\), one a sample, got shape \(2,\): 2 labels for 3 samples"),
        (np.zeros((3, 2)), r"y must be \(3,\), one a sample, got shape \(3, 2\)"),
        (5, r"y must be \(3,\)"),
    ],
)
def test_values_that_do_not_fit_are_a_clear_error(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        per_sample(given, 3, "y", IDS)


def test_masked_and_missing_values_stay_missing_in_the_order_of_the_samples() -> None:
    assert per_sample({"a": None, "b": "B", "c": "C"}, 3, "y", IDS).tolist() == ["C", None, "B"]
    masked = np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0])
    assert np.isnan(per_sample(masked, 3, "y", IDS)).tolist() == [False, True, False]


def test_columns_of_a_frame_keep_their_keys() -> None:
    frame = {"id": ["a", "b", "c"], "age": [1.0, 2.0, 3.0], "dose": [4.0, 5.0, 6.0]}
    for given in (pd.DataFrame(frame), pl.DataFrame(frame), pa.table(frame), pd.DataFrame(frame).set_index("id")):
        columns = frame_columns(given, True, "static")
        assert list(columns) == ["age", "dose"]
        assert per_sample(columns["dose"], 3, "static", IDS).tolist() == [6.0, 4.0, 5.0]
    with pytest.raises(ValueError, match="static has a column 'id', but the samples have no ids"):
        frame_columns(pl.DataFrame(frame), False, "static")


def test_ids_are_copied_and_complete() -> None:
    given = np.array([1, 2])
    ids = sample_ids(given, 2)
    given[0] = 9
    assert ids.tolist() == [1, 2]
    assert sample_ids(pd.Series(["a", "b"], index=[7, 8])).tolist() == ["a", "b"]
    for missing in ([None, "a"], np.ma.array([1, 2], mask=[1, 0]), [np.nan, 1.0]):
        with pytest.raises(ValueError, match="ids must name every sample, but 1 are missing, the first of sample 0"):
            sample_ids(missing)
