"""Files: tables by their suffix, ids as they are written, and what is at a path."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rotary_mae import Scaling, from_frame, open_cache, read_parquet, write_cache
from rotary_mae.data.cache import CachedTokens
from rotary_mae.data.files import (
    check_output,
    check_table_output,
    column_names,
    open_data,
    read_labels,
    read_table,
    write_table,
)
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


def test_names_are_read_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "curves.csv"
    path.write_text("id,time,band,value,kind\n1,0,012,1,NA\n1,1,12,2,NA\n2,0,NA,3,\n2,1,,,\n")
    table = read_table(path, "id", ["band", "kind"])
    assert table["band"].to_pylist() == ["012", "12", "NA", None]
    assert table["kind"].to_pylist() == ["NA", "NA", None, None]
    assert table["id"].to_pylist() == [1, 1, 2, 2]
    assert table["value"].to_pylist() == [1, 2, 3, None]
    assert from_frame(table, channel="band", target="kind").channels == ("012", "12", "NA")
    assert read_table(path)["band"].to_pylist() == [12, 12, None, None]  # not named: numbers, as other columns


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["0389", "389"], ["0389", "389"]),
        (["1", "2"], [1, 2]),
        (["0.5", "1.5"], [0.5, 1.5]),
        (["1.50", "1.5"], ["1.50", "1.5"]),
        (["1e3", "1000.0"], ["1e3", "1000.0"]),
        (["true", "false"], [True, False]),
        (["TRUE", "true"], ["TRUE", "true"]),
        (["2024-01-01", "2024-01-02"], ["2024-01-01", "2024-01-02"]),
        (["nan", "NULL"], ["nan", "NULL"]),
        (["1", ""], [1, None]),
        (["12345678901234567890", "1"], ["12345678901234567890", "1"]),
    ],
)
def test_labels_become_numbers_only_if_their_text_stays_the_same(
    tmp_path: Path, cells: list[str], expected: list[object]
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("id,kind\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells)))
    assert list(read_labels(path, "id", ["kind"]).values()) == expected


def test_numbers_of_a_label_file_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("id,size\na,1.50\nb,NA\n")
    assert read_labels(path, "id", ["size"], are_numbers=True) == {"a": 1.5, "b": None}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "id;time;value\na;1,5;2,5\n", r"separated by semicolons, expected commas; .*decimal comma.*sep=';'"),
        ("t.csv", "id;time, h;value\na;1,5;2,5\n", "separated by semicolons, expected commas"),
        ("t.csv", '"a,b";"c,d"\n1;2\n', "separated by semicolons, expected commas"),
        ("t.csv", "id\ttime\na\t1\n", "separated by tabs, expected commas"),
        ("t.csv", "id|time\na|1\n", "separated by vertical bars, expected commas"),
        ("t.tsv", "id,time\na,1\n", "separated by commas, expected tabs"),
    ],
)
def test_other_separators_are_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    for read in (lambda: read_table(path, "id"), lambda: read_labels(path, "id", ["value"])):
        with pytest.raises(ValueError, match=message):
            read()
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    with pytest.raises(ValueError, match=message):
        read_table(packed)


def test_names_of_columns_are_read_from_the_header(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b'\xef\xbb\xbfid, time,"a, b"\nx,1,2\n')
    assert column_names(path) == tuple(read_table(path).column_names) == ("id", " time", "a, b")
    pq.write_table(pa.table({"id": [1], "x,y": [2]}), tmp_path / "t.parquet")
    assert column_names(tmp_path / "t.parquet") == ("id", "x,y")
    series().to_parquet(tmp_path / "tokens.parquet")
    for other in ("tokens.parquet", "none.csv", "."):
        assert column_names(tmp_path / other) == ()


def test_paths_may_start_with_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    tokens = series()
    tokens.to_parquet("~/tokens.parquet")
    assert_same(read_parquet("~/tokens.parquet"), tokens)
    assert_same(write_cache(tokens, "~/cache")[:], tokens)
    assert_same(open_cache("~/cache")[:], tokens)
    assert_same(open_data("~/cache")[:], tokens)
    write_table(pa.table({"id": [1]}), "~/new/t.csv")
    assert read_table("~/new/t.csv").num_rows == 1
    scaling = Scaling.fit(tokens)
    scaling.save("~/scaling.json")
    assert Scaling.load("~/scaling.json") == scaling
    assert sorted(path.name for path in home.iterdir()) == ["cache", "new", "scaling.json", "tokens.parquet"]
    with pytest.raises(ValueError, match="is an input and would be overwritten"):
        check_output("~/t.csv", home / "t.csv")
    assert not list(here.iterdir())


def test_a_failed_write_leaves_neither_files_nor_folders(tmp_path: Path) -> None:
    unstorable = series().with_targets(np.arange(len(series())).astype("datetime64[D]"))
    with pytest.raises(ValueError, match="targets must be text or numbers to be written"):
        unstorable.to_parquet(tmp_path / "new" / "deep" / "tokens.parquet")
    with pytest.raises(ValueError, match="text or numbers"):
        write_cache(unstorable, tmp_path / "new" / "cache")
    assert not list(tmp_path.iterdir())
