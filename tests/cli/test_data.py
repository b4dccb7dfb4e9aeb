"""Data files as samples and labels."""

from pathlib import Path

import pandas as pd
import pytest

import rotary_mae as rm
from rotary_mae.cli.data import is_main_process, read_label_file, read_source, with_default_columns
from rotary_mae.cli.parser import run
from tests.cli.conftest import LONG, Files, Romae, long_frame

COLUMNS = {"id": "object_id", "time": "mjd", "channel": "band", "value": ["flux"]}


def test_columns_with_default_names_need_no_flags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "curves.csv"
    rm.simulate_light_curves(6, seed=0).to_frame("pandas").to_csv(path, index=False)
    run(["info", str(path)])
    plain = capsys.readouterr().out
    run(["info", str(path), "--channel", "channel", "--error", "error"])
    assert plain == capsys.readouterr().out
    assert "layout measurements" in " ".join(plain.split())


def test_a_table_with_a_column_per_channel_has_no_default_channel_column(files: Files) -> None:
    wide = {"id": "stay", "time": "when", "value": ["hr", "sbp"]}
    assert with_default_columns(files.wide_csv, wide) == wide


def test_unused_columns_are_printed(romae: Romae, files: Files) -> None:
    result = romae("info", files.long_csv, "--id=object_id", "--time=mjd", "--channel=band", "--value=flux")
    assert "columns not used: flux_err, class, z" in result.err
    assert "24 samples" in result.err
    assert "columns not used: class" in romae("info", files.long_csv, *LONG).err


def test_only_the_main_process_prints(
    files: Files, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert not is_main_process()
    read_source(files.long_csv, COLUMNS)
    assert capsys.readouterr().err == ""


def test_labels_of_a_second_file_are_in_the_order_of_the_samples(files: Files, tmp_path: Path) -> None:
    source = read_source(files.long_csv, COLUMNS)
    expected = long_frame().drop_duplicates("object_id")["class"].tolist()
    pd.read_csv(files.labels_csv)[::-1].to_csv(tmp_path / "labels.csv", index=False)
    labels = read_label_file(tmp_path / "labels.csv", source, "object_id", "kind")
    assert labels is not None
    assert labels.tolist() == expected


def test_a_second_file_needs_the_name_of_its_label_column(files: Files) -> None:
    with pytest.raises(ValueError, match="add --label COLUMN"):
        read_label_file(files.labels_csv, read_source(files.long_csv, COLUMNS), "object_id", None)


def test_columns_with_spaces_and_commas_can_be_named(romae: Romae, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('id, time, value,"a, b",c\n' + "".join(f"{i},{t},{t},{2 * t},3\n" for i in "xy" for t in range(3)))
    time = ["--time", " time"]
    assert "channels  value;" in romae("info", path, *time, "--value", " value").err
    for value in (["--value", "a, b"], ["--value", '"a, b"']):
        assert "channels a, b;" in romae("info", path, *time, *value).err
    for values in (["--value", "a, b", "--value= value"], ["--value", '"a, b", value']):
        assert "channels a, b,  value;" in romae("info", path, *time, *values).err
    static = romae("info", path, *time, "--value", " value", "--static", "c")
    assert static.code == 0
    assert "did you mean ' value'" in romae("info", path, *time).error
    assert "--value '\"a, b\",c'" in " ".join(romae("info", "--help").out.split())
