"""from_arrays: NaN was not observed, and the tokens are those of a wide data frame."""

from itertools import permutations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rotary_mae import from_arrays, from_frame
from tests.data.same_tokens import assert_same


def as_frame(X: np.ndarray, times: np.ndarray) -> pd.DataFrame:
    n, n_channels, n_steps = X.shape
    flat = X.transpose(0, 2, 1).reshape(-1, n_channels)
    wide = pd.DataFrame(flat, columns=[str(c) for c in range(n_channels)])
    return wide.assign(id=np.repeat(np.arange(n), n_steps), time=times.reshape(-1))


cells = st.floats(-100, 100, width=32) | st.just(np.nan)


@settings(max_examples=50, deadline=None)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 6)), elements=cells),
    st.sampled_from(["auto", "steps", "measurements"]),
)
def test_arrays_become_the_tokens_of_a_wide_frame(X: np.ndarray, layout: str) -> None:
    X[:, 0, 0] = 1.0  # every sample has an observation
    times = np.random.default_rng(0).permuted(np.tile(np.arange(X.shape[2]) / 3, (len(X), 1)), axis=1)
    names = [str(c) for c in range(X.shape[1])]
    expected = from_frame(as_frame(X, times), value=names, layout=layout)
    assert_same(from_arrays(X, times, layout=layout), expected)
    assert_same(from_arrays(list(X), list(times), layout=layout), expected)


def test_a_list_may_hold_series_of_different_lengths() -> None:
    tokens = from_arrays([np.ones((2, 3)), np.ones((2, 5))], targets=["a", "b"], channels=["hr", "sbp"])
    assert tokens.lengths.tolist() == [3, 5]
    assert tokens.channels == ("hr", "sbp")
    assert tokens.positions[:, 0].tolist() == [0, 1, 2, 0, 1, 2, 3, 4]
    one_channel = from_arrays([np.ones(3), np.ones(5)], ids=["x", "y"])
    assert one_channel.values.shape == (8, 1)
    assert_same(from_arrays(np.ones((2, 4))), from_arrays(np.ones((2, 1, 4))))


def test_padding_becomes_no_token() -> None:
    X = np.array([[[1.0, 2.0, np.nan]], [[np.nan, 3.0, np.nan]]])
    tokens = from_arrays(X, times=[[0.5, 1.5, np.nan], [np.nan, 4.0, np.nan]])
    assert tokens.lengths.tolist() == [2, 1]
    assert tokens.positions[:, 0].tolist() == [0.5, 1.5, 4.0]
    assert_same(from_arrays(X, times=[0.0, 1.0, 2.0]), from_arrays(X))


def irregular(n: int = 4, n_channels: int = 3, n_steps: int = 5) -> np.ndarray:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, n_channels, n_steps))
    X[rng.random(X.shape) < 0.3] = np.nan
    X[:, 0, 0] = 1.0
    return X


def test_masked_cells_were_not_observed() -> None:
    values = np.arange(12.0).reshape(2, 2, 3)
    is_masked = values % 5 == 0
    masked = np.ma.masked_array(values, is_masked)
    expected = from_arrays(np.where(is_masked, np.nan, values))
    assert_same(from_arrays(masked), expected)
    assert_same(from_arrays(list(masked)), expected)


@pytest.mark.parametrize("order", list(permutations(("sample", "channel", "time"))))
def test_axes_may_have_any_stated_order(order: tuple[str, ...]) -> None:
    X, times = irregular(), np.arange(20.0).reshape(4, 5) ** 2
    where = [("sample", "channel", "time").index(name) for name in order]
    expected = from_arrays(X, times)
    assert_same(from_arrays(X.transpose(where), times, axis_order=order), expected)
    own = np.broadcast_to(times[:, None], (4, 1, 5)).transpose(where)
    assert_same(from_arrays(X.transpose(where), own, axis_order=order), expected)


def test_arrays_of_a_list_have_the_stated_order_without_the_sample() -> None:
    ragged = [np.arange(6.0).reshape(2, 3), np.arange(10.0).reshape(2, 5)]
    transposed = from_arrays([part.T for part in ragged], axis_order=("sample", "time", "channel"))
    assert_same(transposed, from_arrays(ragged))
    with pytest.raises(ValueError, match="has its samples first"):
        from_arrays(ragged, axis_order=("time", "sample", "channel"))


def test_each_channel_may_have_its_own_times() -> None:
    X = np.array([[[1.0, 2.0], [3.0, np.nan]], [[4.0, np.nan], [5.0, 6.0]]])
    times = np.array([[[0.5, 9.0], [7.0, np.nan]], [[1.0, np.nan], [1.0, 2.0]]])
    tokens = from_arrays(X, times, channels=["g", "r"])
    assert tokens.axes == ("time", "channel")
    assert tokens.positions.tolist() == [[0.5, 0], [7, 1], [9, 0], [1, 0], [1, 1], [2, 1]]
    assert tokens.values[:, 0].tolist() == [1, 3, 2, 4, 5, 6]
    assert from_arrays(X, times, layout="steps").lengths.tolist() == [3, 2]


@pytest.mark.parametrize("layout", ["measurements", "steps"])
def test_static_covariates_become_the_tokens_of_a_frame(layout: str) -> None:
    X = irregular(n_channels=2)
    given = {"age": np.array([30.0, 41, 52, 63]), "dose": np.array([1.0, 2, 1, 2])}
    frame = as_frame(X, np.tile(np.arange(5.0), (4, 1)))
    frame = frame.assign(**{name: np.repeat(column, 5) for name, column in given.items()})
    expected = from_frame(frame, value=["0", "1"], static=["age", "dose"], layout=layout)
    for static in (given, pd.DataFrame(given), pl.DataFrame(given)):
        assert_same(from_arrays(X, static=static, layout=layout), expected)
    unnamed = from_arrays(X, static=np.column_stack(list(given.values())), layout=layout)
    assert unnamed.schema.statics == ("static_0", "static_1")
    np.testing.assert_array_equal(unnamed.values, expected.values)


def test_unknown_static_covariates_become_no_token() -> None:
    tokens = from_arrays(np.ones((3, 1, 2)), static=[1.0, np.nan, 3.0])
    assert tokens.lengths.tolist() == [3, 2, 3]
    assert tokens.is_static.sum() == 2


BAD_ARRAYS = {
    "axis twice": ({"X": np.ones((1, 1, 1)), "axis_order": ("sample", "time", "time")}, "axis_order must hold each of"),
    "axis by letter": ({"X": np.ones((1, 1, 1)), "axis_order": "ntc"}, "axis_order must hold each of .* got 'ntc'"),
    "times of the other axis": (
        {"X": np.ones((4, 9, 2)), "times": np.arange(9.0)},
        r"times of id 0 must be \(2,\), .*; if X is \('sample', 'time', 'channel'\), give axis_order=",
    ),
    "names of the other axis": (
        {"X": np.ones((4, 9, 2)), "channels": ["a", "b"]},
        r"must name the 9 channels of X, got 2.*; if X is \('sample', 'time', 'channel'\), give axis_order=",
    ),
    "labels of the other axis": (
        {"X": np.ones((9, 2, 4)), "targets": [0, 1, 1, 0]},
        r"targets must be \(9,\).*; if X is \('time', 'channel', 'sample'\), give axis_order=",
    ),
    "times of cells": ({"X": np.ones((4, 3, 2)), "times": np.ones((4, 2, 2))}, "must have the shape of X"),
    "times as text": ({"X": [[1.0]], "times": ["noon"]}, "times of id 0 must be numbers or time stamps, got <U4"),
    "static too short": ({"X": np.ones((3, 1, 2)), "static": {"age": [1.0]}}, r"'age' must be \(3,\)"),
    "static infinite": ({"X": np.ones((1, 1, 2)), "static": [np.inf]}, "'static_0' must be finite"),
    "nothing observed": ({"X": np.full((2, 1, 3), np.nan), "ids": ["u", "v"]}, "id 'u' has no observation"),
    "no samples": ({"X": []}, "X has no samples"),
    "a frame": ({"X": pd.DataFrame({"a": [1.0]})}, "got DataFrame; data frames go to from_frame"),
    "a dictionary": ({"X": {"X": np.ones((1, 1, 1))}}, "got dict; .* from a dictionary, take the array in it"),
    "nothing": ({"X": None}, r"X must be \(n, channels, times\), .*got NoneType"),
    "other channels": (
        {"X": [np.ones((2, 3)), np.ones((3, 3))]},
        r"\(2, 3\) for sample 0 and \(3, 3\) for sample 1",
    ),
    "four axes": (
        {"X": np.ones((1, 2, 3, 4))},
        r"samples of X must be \(channels, times\).*images go through rotary_mae.from_images",
    ),
    "text": ({"X": [["a", "b"]]}, "sample 0 of X must be numbers, got dtype <U1"),
    "infinite": (
        {"X": [[1.0, np.inf]]},
        "each value must be finite .* got inf for channel '0' of id 0 at time 1.0",
    ),
    "time missing": (
        {"X": [[1.0, 2.0]], "times": [[0, np.nan]]},
        "times must be finite .* got nan in row 1 of id 0",
    ),
    "times too short": (
        {"X": [[1.0, 2.0]], "times": [0]},
        r"times of id 0 must be \(2,\), .* got shape \(1,\)",
    ),
    "times of others": ({"X": [[1.0]], "times": [[0], [1]]}, "for each of 1 samples, got 2"),
    "names missing": ({"X": [[1.0]], "channels": ["a", "b"]}, "must name the 1 channels of X, got 2"),
    "targets missing": ({"X": [[1.0]], "targets": [1, 2]}, r"targets must be \(1,\)"),
    "ids missing": ({"X": [[1.0], [2.0]], "ids": ["a"]}, r"ids must be \(2,\)"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_bad_arrays_are_errors_that_name_the_problem(case: str) -> None:
    arguments, message = BAD_ARRAYS[case]
    with pytest.raises(ValueError, match=message):
        from_arrays(**arguments)


def test_arrays_may_be_tensors_and_times_may_have_an_index() -> None:
    torch = pytest.importorskip("torch")
    X, times = np.arange(12.0).reshape(2, 1, 6), np.arange(10.0, 16.0)
    plain = from_arrays(X, times)
    indexed = from_arrays(X, pd.Series(times, index=range(20, 26)))
    assert np.array_equal(indexed.positions, plain.positions)
    last = from_arrays(torch.tensor(X).permute(2, 1, 0), times, axis_order=("time", "channel", "sample"))
    assert np.array_equal(last.values, plain.values)
    each = from_arrays(torch.tensor(X), torch.tensor(times).expand(2, 1, 6))
    assert np.array_equal(each.positions, plain.positions)


def labelled_parts() -> dict[str, list[object]]:
    frame = pd.DataFrame({"hr": np.arange(5.0), "sbp": np.arange(5.0) + 100})
    return {
        "frames": [frame] * 3,
        "one frame": [np.ones((2, 5)), frame],
        "polars frames": [pl.DataFrame(frame)] * 3,
        "Series": [pd.Series([1.0, 2.0, 3.0], index=[0.0, 5.0, 50.0])] * 3,
        "dictionaries": [{"hr": np.arange(5.0)}] * 3,
        "pairs": [frame["hr"].set_axis(list("abcde")), np.ones(5)],
    }


@pytest.mark.parametrize("case", labelled_parts())
def test_series_with_names_of_their_own_are_refused(case: str) -> None:
    with pytest.raises(ValueError, match=r"sample \d of X is a \w+, .* give it to from_frame"):
        from_arrays(labelled_parts()[case])


def test_a_series_of_samples_with_an_index_is_refused() -> None:
    X = pd.Series([np.ones(3), np.zeros(4)], index=["b", "a"])
    with pytest.raises(
        ValueError, match=r"X is a Series whose index would be ignored; give X.tolist\(\), and ids=X.index"
    ):
        from_arrays(X)
    assert from_arrays(X.tolist(), ids=X.index).ids.tolist() == ["b", "a"]
    assert from_arrays(X.reset_index(drop=True)).lengths.tolist() == [3, 4]
    assert from_arrays([pd.Series(np.ones(3)), pd.Series(np.ones(4))]).lengths.tolist() == [3, 4]


IDS = ["c", "a", "b"]


@pytest.mark.parametrize(
    "static",
    [
        pd.Series([1.0, 2.0, 3.0], index=["a", "b", "c"]),
        {"a": 1.0, "b": 2.0, "c": 3.0},
        {"age": {"a": 1.0, "b": 2.0, "c": 3.0}},
        {"age": pd.Series([1.0, 2.0, 3.0], index=["a", "b", "c"])},
        pd.DataFrame({"age": [1.0, 2.0, 3.0]}, index=["a", "b", "c"]),
        pd.DataFrame({"id": ["a", "b", "c"], "age": [1.0, 2.0, 3.0]}),
        pl.DataFrame({"id": ["a", "b", "c"], "age": [1.0, 2.0, 3.0]}),
        [3.0, 1.0, 2.0],
        {"age": pd.Series([3, 1, 2], dtype="Int64")},
    ],
)
def test_static_covariates_are_read_by_id(static: object) -> None:
    tokens = from_arrays(np.zeros((3, 1, 2)), ids=IDS, static=static, layout="measurements")
    assert tokens.values[tokens.is_static, 0].tolist() == [3.0, 1.0, 2.0]


@pytest.mark.parametrize(
    "static",
    [
        np.ma.array([64.0, -999.0, 3.0], mask=[0, 1, 0]),
        np.ma.array([[64.0], [-999.0], [3.0]], mask=[[0], [1], [0]]),
        {"age": np.ma.array([64, -999, 3], mask=[0, 1, 0])},
        {"age": [64, None, 3]},
        pl.DataFrame({"age": [64, None, 3]}),
        pd.DataFrame({"age": pd.array([64, None, 3], "Int64")}),
        [64.0, np.ma.masked, 3.0],
    ],
)
def test_masked_static_covariates_are_unknown(static: object) -> None:
    tokens = from_arrays(np.zeros((3, 1, 2)), static=static, layout="measurements")
    assert tokens.lengths.tolist() == [3, 2, 3]
    assert tokens.values[tokens.is_static, 0].tolist() == [64.0, 3.0]


def test_targets_are_read_by_id_and_masked_ones_are_missing() -> None:
    X = np.zeros((3, 1, 2))
    for targets in ({"a": 1, "b": 2, "c": 3}, pd.Series([1, 2, 3], index=["a", "b", "c"])):
        assert from_arrays(X, targets=targets, ids=IDS).targets.tolist() == [3, 1, 2]
    assert from_arrays(X, targets=pd.Series([3, 1, 2]), ids=IDS).targets.tolist() == [3, 1, 2]
    assert from_arrays(X, targets=pd.Series([3, 1, 2], index=[5, 6, 4])).targets.tolist() == [3, 1, 2]
    masked = np.ma.array([3, 1, 2], mask=[0, 0, 1])
    assert from_arrays(X, targets=masked).targets.tolist() == [3, 1, None]
    with pytest.raises(ValueError, match="the index of targets may mean either"):
        from_arrays(X, targets=pd.Series([3, 1, 2]), ids=[1, 0, 2])


def test_tokens_of_arrays_share_no_memory_with_them() -> None:
    X, times, ids = np.ones((2, 1, 3)), np.arange(3.0), np.array([5, 6])
    targets, static = np.array([0.0, 1.0]), np.array([1.0, 2.0])
    for layout in ("steps", "measurements"):
        tokens = from_arrays(X, times, targets, ids=ids, static=static, layout=layout)
        before = [tokens.values.copy(), tokens.positions.copy(), tokens.ids.copy(), tokens.targets.copy()]
        for array in (X, times, targets, ids, static):
            array += 1
        for one, other in zip([tokens.values, tokens.positions, tokens.ids, tokens.targets], before, strict=True):
            np.testing.assert_array_equal(one, other)


def test_masked_rows_of_a_list_were_not_observed() -> None:
    row = np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0])
    assert from_arrays([row, row]).lengths.tolist() == [2, 2]
    assert from_arrays([[row, row], [row, row]]).lengths.tolist() == [2, 2]
