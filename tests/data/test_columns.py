"""Columns: nested tables become long, and columns of any type become arrays."""

from datetime import time
from decimal import Decimal
from uuid import UUID

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from rotary_mae import from_frame
from rotary_mae.data.columns import times
from tests.data.same_tokens import assert_same

LONG = pd.DataFrame(
    {
        "id": ["b", "b", "b", "a", "a"],
        "time": [3.0, 1.0, 2.0, 5.0, 4.0],
        "band": ["r", "g", "r", "g", "r"],
        "flux": [1.0, 2.0, np.nan, 4.0, 5.0],
        "label": ["x", "x", "x", "y", "y"],
    }
)
COLUMNS = {"channel": "band", "value": "flux", "target": "label"}


def nested() -> dict[str, list[object]]:
    """Return the long table as one with a row an object."""
    groups = LONG.groupby("id", sort=False)
    lists = {name: [group[name].tolist() for _, group in groups] for name in ("time", "band", "flux")}
    return {"id": ["b", "a"], "label": ["x", "y"], **lists}


def structs() -> pa.Table:
    """Return the nested table as nested-pandas writes it, with the lists in one struct column."""
    table = pa.table(nested())
    names = ["time", "band", "flux"]
    curve = pa.StructArray.from_arrays([table[n].combine_chunks() for n in names], names)
    return pa.table({"id": table["id"], "label": table["label"], "curve": curve})


@pytest.mark.parametrize(
    "frame",
    [
        pa.table(nested()),
        pl.DataFrame(nested()),
        pd.DataFrame(nested()),
        pa.concat_tables([pa.table(nested())[:1], pa.table(nested())[1:]]),
        structs(),
        pl.from_arrow(structs()),
    ],
    ids=["pyarrow", "polars", "pandas", "chunks", "structs", "polars structs"],
)
def test_nested_tables_become_long(frame: object) -> None:
    assert_same(from_frame(frame, **COLUMNS), from_frame(LONG, **COLUMNS))


def test_fields_of_structs_can_be_named_in_full() -> None:
    named = {"time": "curve.time", "channel": "curve.band", "value": "curve.flux", "target": "label"}
    assert_same(from_frame(structs(), **named), from_frame(LONG, **COLUMNS))
    with pytest.raises(ValueError, match=r"no column 'curve.fluxx'; did you mean 'curve.flux'"):
        from_frame(structs(), **{**named, "value": "curve.fluxx"})
    twice = structs().append_column("other", structs()["curve"])
    with pytest.raises(ValueError, match=r"no column 'time'; did you mean 'curve.time' or 'other.time'"):
        from_frame(twice, **COLUMNS)


def test_lists_of_a_nested_row_must_be_equally_long_and_not_empty() -> None:
    table = nested()
    with pytest.raises(ValueError, match=r"id 'a' has no observation"):
        from_frame(pa.table({**table, "time": [[1], []], "band": [["r"], []], "flux": [[1], []]}), **COLUMNS)
    with pytest.raises(ValueError, match=r"id 'a' 'time' has 2 entries and 'flux' has 1"):
        from_frame(pa.table({**table, "flux": [[1.0] * 3, [1.0]]}), **COLUMNS)


@pytest.mark.parametrize(
    "values",
    [
        pd.array([1, 2, None, 4, 5], dtype="Int64"),
        pd.array([1, 2, None, 4, 5], dtype="float32"),
        [Decimal(1), Decimal(2), None, Decimal(4), Decimal(5)],
        pd.Categorical([1, 2, None, 4, 5]),
    ],
    ids=["Int64", "float32", "decimal", "category"],
)
def test_numbers_of_all_types_are_read(values: object) -> None:
    assert_same(from_frame(LONG.assign(flux=values), **COLUMNS), from_frame(LONG, **COLUMNS))


def test_bools_are_numbers_and_dates_are_no_values() -> None:
    flags = from_frame(LONG.assign(flux=[True, False, True, True, True]), **COLUMNS)
    assert sorted(flags.values[:, 0].tolist()) == [0, 1, 1, 1, 1]
    with pytest.raises(ValueError, match=r"column 'flux' must be numbers, got timestamp"):
        from_frame(LONG.assign(flux=pd.Timestamp("2020-01-01")), **COLUMNS)
    with pytest.raises(ValueError, match=r"column 'id' must be text, numbers or categories, got timestamp"):
        from_frame(LONG.assign(id=pd.Timestamp("2020-01-01")), **COLUMNS)


def test_the_error_shows_the_entry_that_is_no_number():
    table = pa.table({"mjd": ["1", None, "2.5e3", "noon"]})
    with pytest.raises(ValueError, match="'noon'"):
        times(table, "mjd")


U = [UUID(int=1), UUID(int=1), UUID(int=2)]
UUIDS = {
    "pandas": pd.DataFrame({"id": U, "time": [0.0, 1.0, 0.0], "value": [1.0, 2.0, 3.0]}),
    "polars": pl.DataFrame({"id": pl.Series(U, dtype=pl.Object), "time": [0.0, 1.0, 0.0], "value": [1.0, 2.0, 3.0]}),
    "pyarrow": pa.table({"id": pa.array(U), "time": [0.0, 1.0, 0.0], "value": [1.0, 2.0, 3.0]}),
}


@pytest.mark.parametrize("library", UUIDS)
def test_uuids_are_read_as_text(library: str) -> None:
    assert from_frame(UUIDS[library]).ids.tolist() == [str(U[0]), str(U[2])]


SMALL = pd.DataFrame({"id": [1, 1, 2], "time": [0.0, 1.0, 0.0], "value": [1.0, 2.0, 3.0]})


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(pd.arrays.SparseArray([1.0, 2.0, 3.0])),
        pd.Series([Decimal(1), Decimal(2), Decimal(3)]),
        pd.Series([1, 2, 3], dtype="UInt8"),
        pd.Series([1, 2, 3], dtype=np.float16),
        pd.Series([1, 2, 3], dtype="category"),
        pd.Series([1, 2.0, 3], dtype=object),
    ],
)
def test_values_times_and_statics_of_other_types_are_read(column: pd.Series) -> None:
    for name in ("value", "time"):
        tokens = from_frame(SMALL.assign(**{name: column}))
        expected = from_frame(SMALL.assign(**{name: [1.0, 2.0, 3.0]}))
        np.testing.assert_array_equal(tokens.values, expected.values)
        np.testing.assert_array_equal(tokens.positions, expected.positions)
    by_id = column.iloc[[0, 0, 2]].reset_index(drop=True)
    tokens = from_frame(SMALL.assign(age=by_id, label=by_id), static="age", target="label", layout="measurements")
    assert tokens.values[tokens.is_static, 0].tolist() == [1.0, 3.0]
    assert tokens.targets.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pd.Series([b"a", b"a", b"b"]), ["a", "b"]),
        (pd.Series([Decimal(1), Decimal(1), Decimal(2)]), [1, 2]),
        (pd.Series([1, 1, 2], dtype="Int64"), [1, 2]),
        (pd.Series(["a", "a", "b"], dtype="category"), ["a", "b"]),
        (pd.Series(["a", "a", "b"], dtype=pd.ArrowDtype(pa.string())), ["a", "b"]),
        (pd.Series([True, True, False]), [True, False]),
    ],
)
def test_names_of_other_types_are_read(column: pd.Series, expected: list[object]) -> None:
    tokens = from_frame(SMALL.assign(id=column, label=column), target="label")
    assert tokens.ids.tolist() == tokens.targets.tolist() == expected


ODD = {
    "period": (pd.period_range("2020-01", periods=3, freq="M"), r"to_timestamp\(\)"),
    "interval": (pd.interval_range(0, 3), "take the middle"),
    "cut": (pd.cut([1, 2, 3], 3), "take the middle|convert it to text"),
    "complex": (np.array([1j, 2, 3]), "give real and imaginary parts"),
    "mixed": (np.array([1, "a", 2.5], object), r"several types, float, int, str; .*astype\(str\)"),
    "bools and numbers": (np.array([1, True, 2], object), "several types, bool, int"),
    "lists": ([[1], [2], [3]], "must be|lists of one row|no observation"),
    "time of day": ([time(1), time(2), time(3)], "must be"),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("name", ["id", "time", "value", "channel", "static", "target"])
def test_other_types_are_refused_by_name(kind: str, name: str) -> None:
    column, message = ODD[kind]
    if kind == "lists" and name == "time":
        return  # a nested table
    frame = SMALL.assign(**{name: column})
    with pytest.raises(ValueError, match=message) as error:
        from_frame(frame, **({name: name} if name in ("channel", "static", "target") else {}))
    assert repr(name) in str(error.value)


def test_a_decimal_comma_is_named() -> None:
    with pytest.raises(ValueError, match=r"for example '1,5'; its numbers have a decimal comma, .*decimal=','"):
        from_frame(SMALL.assign(value=["1,5", "2,5", "3"]))


def test_columns_of_one_name_are_an_error() -> None:
    twice = pd.DataFrame([[1, 0.0, 1.0, 2.0]], columns=["id", "time", "value", "value"])
    with pytest.raises(ValueError, match="columns of a frame need different names"):
        from_frame(twice)
