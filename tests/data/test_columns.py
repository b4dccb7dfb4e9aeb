"""Files, nested tables and column types on their way to arrays."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rotary_mae import from_frame
from rotary_mae.data.columns import times
from rotary_mae.data.files import read_labels, read_table
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
    """The long table with a row an object."""
    groups = LONG.groupby("id", sort=False)
    lists = {name: [group[name].tolist() for _, group in groups] for name in ("time", "band", "flux")}
    return {"id": ["b", "a"], "label": ["x", "y"], **lists}


def structs() -> pa.Table:
    """As nested-pandas writes it: the lists in one struct column."""
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
def test_nested_tables_are_made_long(frame: object) -> None:
    assert_same(from_frame(frame, **COLUMNS), from_frame(LONG, **COLUMNS))


def test_columns_in_structs_can_be_named_in_full() -> None:
    named = {"time": "curve.time", "channel": "curve.band", "value": "curve.flux", "target": "label"}
    assert_same(from_frame(structs(), **named), from_frame(LONG, **COLUMNS))
    with pytest.raises(ValueError, match=r"no column 'curve.fluxx'; did you mean 'curve.flux'"):
        from_frame(structs(), **{**named, "value": "curve.fluxx"})
    twice = structs().append_column("other", structs()["curve"])
    with pytest.raises(ValueError, match=r"no column 'time'; did you mean 'curve.time' or 'other.time'"):
        from_frame(twice, **COLUMNS)


def test_nested_rows_must_hold_something_and_agree() -> None:
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
def test_numbers_of_any_type(values: object) -> None:
    assert_same(from_frame(LONG.assign(flux=values), **COLUMNS), from_frame(LONG, **COLUMNS))


def test_flags_are_numbers_but_dates_are_no_values() -> None:
    flags = from_frame(LONG.assign(flux=[True, False, True, True, True]), **COLUMNS)
    assert sorted(flags.values[:, 0].tolist()) == [0, 1, 1, 1, 1]
    with pytest.raises(ValueError, match=r"column 'flux' must be numbers, got timestamp"):
        from_frame(LONG.assign(flux=pd.Timestamp("2020-01-01")), **COLUMNS)
    with pytest.raises(ValueError, match=r"column 'id' must be text, numbers or categories, got timestamp"):
        from_frame(LONG.assign(id=pd.Timestamp("2020-01-01")), **COLUMNS)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".tsv", ".parquet", ".pq"])
def test_files_are_read_as_what_their_name_says(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"curves{suffix}"
    if suffix in (".parquet", ".pq"):
        LONG.to_parquet(path)
    else:
        LONG.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    assert_same(from_frame(read_table(path), **COLUMNS), from_frame(LONG, **COLUMNS))


def test_empty_cells_of_a_file_are_null(tmp_path: Path) -> None:
    path = tmp_path / "curves.csv"
    path.write_text("id,time,band,flux\na,1,g,2\n,2,g,2\n")
    with pytest.raises(ValueError, match=r"column 'id' is null in row 1"):
        from_frame(read_table(path), channel="band", value="flux")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    whole = tmp_path / "whole.parquet"
    pq.write_table(pa.table(nested()), whole)
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(whole.read_bytes()[:-20])
    ragged = tmp_path / "ragged.csv"
    ragged.write_text("id,time\n1,2\n1,2,3\n")
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none\.csv"):
        read_table(tmp_path / "none.csv")
    for path in (cut, ragged):
        with pytest.raises(ValueError, match=rf"cannot read .*{path.name}.* may be truncated"):
            read_table(path)
    other = tmp_path / "curves.xlsx"
    other.touch()
    with pytest.raises(ValueError, match=r"has suffix '.xlsx'; expected .csv"):
        read_table(other)


def test_the_entry_that_is_no_number_is_shown():
    table = pa.table({"mjd": ["1", None, "2.5e3", "noon"]})
    with pytest.raises(ValueError, match="'noon'"):
        times(table, "mjd")


@pytest.mark.parametrize(
    ("ids", "read"),
    [
        (["01", "1", "2"], ["01", "1", "2"]),
        (["3", "1", "-2"], [3, 1, -2]),
        (["a", "1", "2"], ["a", "1", "2"]),
        (["1.0", "2", "3"], ["1.0", "2", "3"]),
    ],
)
def test_ids_of_a_file_are_whole_numbers_only_where_they_are_written_so(
    tmp_path: Path, ids: list[str], read: list[str] | list[int]
) -> None:
    path = tmp_path / "curves.csv"
    path.write_text("id,time,value\n" + "".join(f"{name},1,2\n" for name in ids))
    assert from_frame(read_table(path, id="id")).ids.tolist() == read
    labels = tmp_path / "labels.csv"
    labels.write_text("id,kind\n" + "".join(f"{name},{'x' if i else ''}\n" for i, name in enumerate(ids)))
    assert read_labels(labels, "id", ["kind"]) == dict(zip(read, [None, "x", "x"], strict=True))
