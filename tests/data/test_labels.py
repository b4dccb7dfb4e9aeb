"""Labels: missing ones stay missing, and what can be stored."""

import numpy as np
import pandas as pd
import pytest

from rotary_mae.data.labels import fill_missing, is_missing, restore_missing, to_storable


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.array([1.0, np.nan]), [False, True]),
        (np.array(["2024-01-01", "NaT"], "datetime64[D]"), [False, True]),
        (np.array(["a", None, np.nan, pd.NA, pd.NaT, ""], object), [False, True, True, True, True, False]),
        (np.array([-1, 0]), [False, False]),
        (np.array([["a", None], ["b", "c"]], object), [[False, True], [False, False]]),
    ],
)
def test_none_nan_nat_and_na_are_missing(labels: np.ndarray, expected: list[object]) -> None:
    assert is_missing(labels).tolist() == expected


@pytest.mark.parametrize(
    ("labels", "filled"),
    [(["a", None], ["a", ""]), ([3, None], [3, 0]), ([True, None], [True, False]), ([None, None], ["", ""])],
)
def test_filled_labels_are_restored(labels: list[object], filled: list[object]) -> None:
    targets = np.array(labels, object)
    stored, is_known = fill_missing(targets)
    assert stored.tolist() == filled
    assert stored.dtype != object
    assert restore_missing(stored, is_known).tolist() == labels


def test_all_labels_decide_the_type_of_a_part_without_known_labels() -> None:
    all_targets = np.array([None, None, 7], object)
    stored, is_known = fill_missing(all_targets[:2], all_targets)
    assert stored.dtype.kind == "i"
    assert not is_known.any()


def test_labels_of_several_types_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"targets must be text or numbers .* all of one kind, got int, str"):
        fill_missing(np.array([1, "a", None], object))


def test_entries_that_only_pickle_could_store_are_an_error() -> None:
    assert to_storable(np.array(["a", "bc"], object), "ids").dtype == np.dtype("<U2")
    with pytest.raises(ValueError, match="ids must be text or numbers to be written, got dtype object"):
        to_storable(np.array([("a", 1), None], object), "ids")
