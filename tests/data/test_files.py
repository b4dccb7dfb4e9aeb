"""Files: tables by their suffix, ids as they are written, and what is at a path."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rotary_mae import from_frame, write_cache
from rotary_mae.data.cache import CachedTokens
from rotary_mae.data.files import check_output, check_table_output, open_data, read_labels, read_table, write_table
from tests.data.examples import series
from tests.data.same_tokens import assert_same
from tests.data.test_columns import COLUMNS, LONG, nested


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".tsv", ".parquet", ".pq"])
def test_a_table_is_read_by_its_suffix(tmp_path: Path, suffix: str) -> None:
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


def test_files_that_cannot_be_read_are_errors(tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["01", "1", "2"], ["01", "1", "2"]),
        (["3", "1", "-2"], [3, 1, -2]),
        (["a", "1", "2"], ["a", "1", "2"]),
        (["1.0", "2", "3"], ["1.0", "2", "3"]),
    ],
)
def test_ids_become_whole_numbers_only_if_their_text_stays_the_same(
    tmp_path: Path, ids: list[str], expected: list[str] | list[int]
) -> None:
    path = tmp_path / "curves.csv"
    path.write_text("id,time,value\n" + "".join(f"{name},1,2\n" for name in ids))
    assert from_frame(read_table(path, id="id")).ids.tolist() == expected
    labels = tmp_path / "labels.csv"
    labels.write_text("id,kind\n" + "".join(f"{name},{'x' if i else ''}\n" for i, name in enumerate(ids)))
    assert read_labels(labels, "id", ["kind"]) == dict(zip(expected, [None, "x", "x"], strict=True))


def test_a_path_is_opened_by_its_content(tmp_path: Path) -> None:
    tokens = series()
    write_cache(tokens, tmp_path / "cache")
    tokens.to_parquet(tmp_path / "tokens.parquet")
    pq.write_table(pa.table(nested()), tmp_path / "table.parquet")
    cache = open_data(tmp_path / "cache")
    assert isinstance(cache, CachedTokens)
    assert_same(cache[:], tokens)
    assert_same(open_data(tmp_path / "tokens.parquet"), tokens)
    assert open_data(tmp_path / "table.parquet").column_names == list(nested())
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="is a folder, but no cache of samples"):
        open_data(tmp_path / "folder")


def test_labels_need_one_row_an_id(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("id,kind,size\na,x,1\nb,,2\n")
    assert read_labels(path, "id", ["kind"]) == {"a": "x", "b": None}
    assert read_labels(path, "id", ["kind", "size"]) == {"a": ("x", 1), "b": (None, 2)}
    path.write_text("id,kind\na,x\na,y\n")
    with pytest.raises(ValueError, match="id 'a' occurs more than once; labels need one row an id"):
        read_labels(path, "id", ["kind"])
    path.write_text("id,kind\na,x\n,y\n")
    with pytest.raises(ValueError, match=r"column 'id' is empty in row 1 \(1 such rows\)"):
        read_labels(path, "id", ["kind"])


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".pq"])
def test_a_written_table_is_read_back(tmp_path: Path, suffix: str) -> None:
    table = pa.table({"id": ["a", "b"], "value": [1.5, np.pi]})
    write_table(table, tmp_path / f"new/table{suffix}")
    assert read_table(tmp_path / f"new/table{suffix}").equals(table)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [f"table{suffix}"]


def test_an_output_is_no_input_no_folder_and_has_the_suffix_of_a_table(tmp_path: Path) -> None:
    assert check_output(tmp_path / "page.html", None, tmp_path / "in.csv") == tmp_path / "page.html"
    with pytest.raises(ValueError, match="is an input and would be overwritten"):
        check_table_output(tmp_path / "in.csv", tmp_path / "x" / ".." / "in.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ValueError, match="is a folder; give the name of a file"):
        check_table_output(tmp_path / "folder.csv")
    with pytest.raises(ValueError, match=r"has suffix '.xlsx'; a table is written as one of .csv, .parquet, .pq"):
        check_table_output(tmp_path / "out.xlsx")
