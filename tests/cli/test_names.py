"""Names in CSV files: ids, channels and labels as they are written, from training to prediction and evaluation."""

from pathlib import Path

import pandas as pd
import pytest

import rotary_mae as rm
from tests.cli.conftest import SMALL, Romae

HEADER = "id,time,channel,value,label\n"


def rows(n: int = 24) -> list[str]:
    return [
        f"{i:03d},{t},{'012' if t < 3 else '12'},{i + t},{'0389' if i % 2 else '389'}"
        for i in range(n)
        for t in range(6)
    ]


@pytest.fixture
def trained(romae: Romae, tmp_path: Path) -> Path:
    (tmp_path / "t.csv").write_text(HEADER + "\n".join(rows()) + "\n")
    result = romae(
        "classify", tmp_path / "t.csv", "--label", "label", *SMALL, "--out", tmp_path / "run", "--no-verbose"
    )
    assert result.code == 0, result.err
    return tmp_path / "run"


def test_codes_keep_their_zeros(trained: Path, romae: Romae, tmp_path: Path) -> None:
    classifier = rm.load(trained)
    assert classifier.classes_.tolist() == ["0389", "389"]
    assert classifier.scaling_.schema.channels == ("012", "12")
    assert romae("predict", trained, tmp_path / "t.csv", "--out", tmp_path / "p.csv").code == 0
    table = pd.read_csv(tmp_path / "p.csv", dtype=str)
    assert table["id"][0] == "000"
    assert {"p_0389", "p_389"} < set(table.columns)


def test_labels_that_look_like_numbers_are_found_among_codes(trained: Path, romae: Romae, tmp_path: Path) -> None:
    some = [row for row in rows() if row.endswith(",389")]
    (tmp_path / "some.csv").write_text(HEADER + "\n".join(some) + "\n")
    assert romae("evaluate", trained, tmp_path / "some.csv").code == 0
    (tmp_path / "labels.csv").write_text("id,label\n" + "".join(f"{i:03d},389\n" for i in range(24)))
    assert romae("evaluate", trained, tmp_path / "some.csv", "--labels", tmp_path / "labels.csv").code == 0
    (tmp_path / "other.csv").write_text(HEADER + "\n".join(row.replace(",389", ",390") for row in some) + "\n")
    assert "labels ['390'] were never seen" in romae("evaluate", trained, tmp_path / "other.csv").error


def test_na_is_a_name_and_an_empty_cell_is_none(romae: Romae, tmp_path: Path) -> None:
    named = [row.replace("0389", "NA").replace(",012,", ",NA,") for row in rows()]
    empty = [row.rpartition(",")[0] + "," if row.startswith("001") else row for row in named]
    (tmp_path / "t.csv").write_text(HEADER + "\n".join(empty) + "\n")
    result = romae("classify", tmp_path / "t.csv", "--label", "label", *SMALL, "--out", tmp_path / "r", "--no-verbose")
    assert result.code == 0, result.err
    classifier = rm.load(tmp_path / "r")
    assert classifier.classes_.tolist() == ["389", "NA"]
    assert classifier.scaling_.schema.channels == ("12", "NA")


def test_paths_of_the_command_may_start_with_the_home_folder(
    trained: Path, romae: Romae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert romae("predict", "~/run", "~/t.csv", "--out=~/p.parquet").code == 0
    assert romae("pretrain", "~/t.csv", *SMALL, "--out=~/new", "--init=~/run", "--no-verbose").code == 0
    assert romae("info", "~/new").code == 0
    assert {"p.parquet", "new"} < {path.name for path in tmp_path.iterdir()}
    assert not list((tmp_path / "here").iterdir())


def test_semicolons_are_named(romae: Romae, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id;time;value\na;1,5;2,5\n")
    assert "separated by semicolons, expected commas" in romae("info", tmp_path / "t.csv").error
