"""Columns: nested tables become long, and columns of any type become arrays."""

from decimal import Decimal

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
