"""Entries of any container: the values of each, missing and masked ones, and types that are refused by name."""

from decimal import Decimal
from uuid import UUID

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from astropy.table import Column, MaskedColumn
from astropy.units import Quantity
from astropy.utils.masked import Masked

from rotary_mae.data.entries import as_entries, has_masked, is_labelled, split_mask

NUMBERS = [1.5, 2.5, None]

CONTAINERS = {
    "list": NUMBERS,
    "masked": np.ma.array([1.5, 2.5, 9.0], mask=[0, 0, 1]),
    "list with a masked entry": [1.5, 2.5, np.ma.masked],
    "objects": np.array(NUMBERS, object),
    "pandas": pd.Series([1.5, 2.5, np.nan]),
    "pandas Float64": pd.Series(NUMBERS, dtype="Float64"),
    "pandas array": pd.array(NUMBERS, dtype="Float64"),
    "pandas arrow": pd.Series(NUMBERS, dtype=pd.ArrowDtype(pa.float64())),
    "pandas sparse": pd.Series(pd.arrays.SparseArray([1.5, 2.5, np.nan])),
    "pandas category": pd.Series(pd.Categorical(NUMBERS)),
    "polars": pl.Series(NUMBERS),
    "pyarrow": pa.array(NUMBERS),
    "pyarrow chunks": pa.chunked_array([NUMBERS[:1], NUMBERS[1:]]),
    "decimals": [Decimal("1.5"), Decimal("2.5"), Decimal("NaN")],
    "astropy": MaskedColumn([1.5, 2.5, 9.0], mask=[0, 0, 1]),
    "astropy quantity": Masked(Quantity([1.5, 2.5, 9.0], "m"), [0, 0, 1]),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_numbers_of_any_container_keep_their_gaps(name: str) -> None:
    array = as_entries(CONTAINERS[name], "y")
    assert array[:2].astype(float).tolist() == [1.5, 2.5]
    assert array[2] is None or np.isnan(array[2])


TEXTS = {
    "list": ["a", "b", None],
    "NaN": ["a", "b", float("nan")],
    "masked": np.ma.array(["a", "b", "c"], mask=[0, 0, 1]),
    "pandas": pd.Series(["a", "b", None]),
    "pandas category": pd.Series(["a", "b", None], dtype="category"),
    "polars": pl.Series(["a", "b", None]),
    "polars category": pl.Series(["a", "b", None], dtype=pl.Categorical),
    "pyarrow": pa.array(["a", "b", None]),
    "pyarrow dictionary": pa.array(["a", "b", None]).dictionary_encode(),
    "bytes": [b"a", b"b", None],
    "astropy": MaskedColumn([b"a", b"b", b"c"], mask=[0, 0, 1]),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_of_any_container_keeps_its_gaps(name: str) -> None:
    assert as_entries(TEXTS[name], "y").tolist() == ["a", "b", None]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.ma.array([1, 2], mask=[0, 1]), [1, None]),
        (np.ma.array([True, False], mask=[0, 1]), [True, None]),
        (pl.Series([True, None]), [True, None]),
        ([True, float("nan")], [True, None]),
        (pd.array([7, None], "Int64"), [7, None]),
        (np.array([b"a", b"b"]), ["a", "b"]),
        (Column([3, 4]), [3, 4]),
        ([UUID(int=1), UUID(int=2)], [str(UUID(int=1)), str(UUID(int=2))]),
        (np.ma.array([[1.0, 2.0], [3.0, 4.0]], mask=[[0, 0], [1, 1]])[:1], [[1.0, 2.0]]),
        ([("a", 1), (None, 2)], [["a", 1], [None, 2]]),
    ],
)
def test_entries_keep_their_type(given: object, expected: list[object]) -> None:
    assert as_entries(given, "y").tolist() == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1, "a"], "y must be all text or all numbers, got both"),
        (pd.Series([1, "a"], dtype=object), "y must be all text or all numbers, got both"),
        (pd.Series(pd.period_range("2020", periods=2, freq="M")), r"got Period, .*to_timestamp\(\)"),
        (pd.Series(pd.interval_range(0, 2)), r"got Interval, .*astype\(str\)"),
        (np.array([1j]), "must be text or numbers, got dtype complex128"),
        (pd.Series([pd.Timestamp("2020", tz="UTC")]), "got Timestamp, for example"),
        ([{"a": 1}], "got a list of dict"),
        ([pd.Series([1.0], index=["k"])], "got a list of Series"),
        ([[1], [1, 2]], "must have entries of one shape"),
        ({1, 2}, "y must be an array or a list with one a sample, got set"),
    ],
)
def test_other_types_are_refused_by_name(given: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_entries(given, "y")


@pytest.mark.parametrize("given", [np.zeros(3), np.ma.zeros(3), pd.Series(np.zeros(3)), pl.Series(np.zeros(3))])
def test_entries_are_a_copy(given: object) -> None:
    array = as_entries(given, "y")
    assert not np.shares_memory(array, np.asarray(given))
    array[:] = 1.0  # also where the given array is read-only


def test_masks_are_found() -> None:
    assert has_masked([np.zeros(2), np.ma.array([1.0, 2.0], mask=[0, 1])])
    assert has_masked(np.ma.masked)
    assert not has_masked(np.ma.array([1.0, 2.0]))
    assert not has_masked([1.0, "a", None])
    values, is_masked = split_mask(MaskedColumn([1, 2], mask=[1, 0]))
    assert (values.tolist(), is_masked.tolist()) == ([1, 2], [True, False])


def test_objects_with_named_axes_are_found() -> None:
    for labelled in (pd.DataFrame({"a": [1]}), pl.DataFrame({"a": [1]}), pa.table({"a": [1]}), {"a": 1}):
        assert is_labelled(labelled)
    assert is_labelled(pd.Series([1.0, 2.0], index=[0.0, 5.0]))
    assert not is_labelled(pd.Series([1.0, 2.0]))
    assert not is_labelled(pl.Series([1.0, 2.0]))
    assert not is_labelled(np.zeros(2))
