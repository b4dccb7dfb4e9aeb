"""What people get wrong is one line with what to do, exit code 2, and leaves nothing behind."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cli.conftest import LONG, SMALL, WIDE, Files, Romae, long_frame, wide_frame

Frame = pd.DataFrame


def _infinite_time(frame: Frame) -> Frame:
    return frame.assign(mjd=[np.inf, *frame["mjd"][1:]])


def _no_time(frame: Frame) -> Frame:
    return frame.assign(mjd=[np.nan, *frame["mjd"][1:]])


def _twice(frame: Frame) -> Frame:
    return pd.concat([frame, frame[:3]])


def _empty_series(frame: Frame) -> Frame:
    return frame.assign(flux=frame["flux"].where(frame["object_id"] != "sim-000002"))


def _text_value(frame: Frame) -> Frame:
    return frame.assign(flux=frame["flux"].astype(str).where(frame.index > 0, "bright"))


def _text_time(frame: Frame) -> Frame:
    return frame.assign(mjd="yesterday")


def _no_rows(frame: Frame) -> Frame:
    return frame[:0]


def _no_id(frame: Frame) -> Frame:
    return frame.assign(object_id=[None, *frame["object_id"][1:]])


def _changing_static(frame: Frame) -> Frame:
    return frame.assign(z=np.arange(len(frame)) / 7)


BAD: dict[str, tuple[Callable[[Frame], Frame], str]] = {
    "infinite time": (_infinite_time, "times must be finite"),
    "no time": (_no_time, "times must be finite"),
    "empty series": (_empty_series, "'sim-000002' has no observation"),
    "text as value": (_text_value, "column 'flux' must be numbers"),
    "text as time": (_text_time, "time column 'mjd' holds text"),
    "no rows": (_no_rows, "no rows"),
    "no id": (_no_id, "each row needs an id"),
    "static that changes": (_changing_static, "'z' must be constant within an id"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_bad_data(romae: Romae, tmp_path: Path, case: str, suffix: str) -> None:
    spoil, expected = BAD[case]
    data = tmp_path / f"data.{suffix}"
    frame = spoil(long_frame())
    frame.to_csv(data, index=False) if suffix == "csv" else frame.to_parquet(data)
    said = romae("pretrain", data, *LONG, *SMALL, "--out", tmp_path / "run")
    assert expected in said.error
    assert str(data) in said.error
    assert [p.name for p in tmp_path.iterdir()] == [data.name]


@pytest.mark.parametrize("how", ["mean", "keep", "error", None])
def test_rows_twice(romae: Romae, tmp_path: Path, how: str | None) -> None:
    _twice(long_frame()).to_csv(tmp_path / "data.csv", index=False)
    flags = [*LONG, *SMALL, "--out", tmp_path / "run", *(["--duplicates", how] if how else [])]
    said = romae("pretrain", tmp_path / "data.csv", *flags)
    assert (said.code == 0) == (how != "error")
    assert ("has 2 values of channel" in said.err) == (how in ("error", None))


def test_columns_that_are_not_there(romae: Romae, files: Files, tmp_path: Path) -> None:
    out = ["--out", tmp_path / "run"]
    said = romae("pretrain", files.long_csv, *out)
    assert "there is no column 'id'" in said.error
    assert "object_id, mjd, band, flux, flux_err, class, z" in said.error
    assert "say with --id which one is meant" in said.error
    said = romae("pretrain", files.long_csv, *LONG, "--value", "fluxx", *out)
    assert "did you mean 'flux'" in said.error
    assert "--value" in said.error
    said = romae("classify", files.long_csv, *LONG, "--label", "klass", *out)
    assert "--label" in said.error
    assert "--label COLUMN" in romae("classify", files.long_csv, *LONG, *out).error
    assert "--target COLUMN" in romae("regress", files.long_csv, *LONG, *out).error
    assert "--label" in romae("classify", files.long_csv, *LONG, "--labels", files.labels_csv, *out).error
    more = ["--labels", files.labels_csv, "--label", "nothing"]
    assert "labels.csv: there is no column 'nothing'" in romae("classify", files.long_csv, *LONG, *more, *out).error
    assert not list(tmp_path.iterdir())


def test_files_that_are_not_what_they_should_be(romae: Romae, files: Files, tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    for whole in (files.long_parquet, files.tokens_parquet):
        broken.write_bytes(whole.read_bytes()[:-100])
        assert "broken.parquet" in romae("pretrain", broken, *LONG, "--out", tmp_path / "run").error
    (tmp_path / "empty.csv").touch()
    (tmp_path / "data.xlsx").touch()
    (tmp_path / "folder").mkdir()
    for name, expected in {
        "missing.csv": "there is no file",
        "empty.csv": "cannot read",
        "data.xlsx": "expected .csv",
        "folder": "is a folder, but no cache",
    }.items():
        said = romae("pretrain", tmp_path / name, "--out", tmp_path / "run")
        assert expected in said.error
        assert name in said.error
    assert not (tmp_path / "run").exists()


def test_labels_that_do_not_fit(romae: Romae, files: Files, tmp_path: Path) -> None:
    flags = [*LONG, "--label", "kind", "--labels", tmp_path / "labels.csv", "--out", tmp_path / "run"]
    labels = pd.read_csv(files.labels_csv)
    labels[1:].to_csv(tmp_path / "labels.csv", index=False)
    assert "no label for 1 of 24 ids" in romae("classify", files.long_csv, *flags).error
    pd.concat([labels, labels[:1]]).to_csv(tmp_path / "labels.csv", index=False)
    assert "comes more than once" in romae("classify", files.long_csv, *flags).error
    labels.assign(kind="star").to_csv(tmp_path / "labels.csv", index=False)
    assert "at least two classes" in romae("classify", files.long_csv, *flags).error
    labels.assign(**{labels.columns[0]: [None, *labels[labels.columns[0]][1:]]}).to_csv(
        tmp_path / "labels.csv", index=False
    )
    assert "is empty in row 0" in romae("classify", files.long_csv, *flags).error
    more = ["--target", "kind", "--labels", files.labels_csv, "--out", tmp_path / "run"]
    assert "numbers" in romae("regress", files.long_csv, *LONG, *more).error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", ["predict", "embed", "interpolate", "evaluate"])
def test_folders_that_are_no_run(romae: Romae, files: Files, tmp_path: Path, command: str) -> None:
    more = {"interpolate": ["--at", "grid:3"]}.get(command, [])
    for run, expected in ((files.folder, "is not the folder of an estimator"), (tmp_path / "no", "no folder")):
        said = romae(command, run, files.long_csv, "--out", tmp_path / "out.csv", *more)
        assert expected in said.error
    assert not list(tmp_path.iterdir())


def test_a_damaged_run(romae: Romae, files: Files, runs: dict[str, Path], tmp_path: Path) -> None:
    import shutil

    run = tmp_path / "run"
    shutil.copytree(runs["classify"], run)
    for weights in run.rglob("model.safetensors"):
        weights.write_bytes(weights.read_bytes()[:200])
    said = romae("predict", run, files.long_csv, "--out", tmp_path / "out.csv")
    assert "cannot be read" in said.error
    (run / "estimator.json").write_text("{")
    assert "cannot be read" in romae("predict", run, files.long_csv, "--out", tmp_path / "out.csv").error


def test_a_channel_never_seen(romae: Romae, runs: dict[str, Path], tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    frame = long_frame()
    frame.assign(band=frame["band"].replace("g", "u")).to_csv(data, index=False)
    said = romae("predict", runs["classify"], data, "--out", tmp_path / "out.csv")
    assert "['u'] were never seen in training" in said.error
    assert [p.name for p in tmp_path.iterdir()] == ["data.csv"]


def test_a_band_less_is_fine(romae: Romae, runs: dict[str, Path], tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    long_frame().query("band != 'g'").to_csv(data, index=False)
    assert romae("predict", runs["classify"], data, "--out", tmp_path / "out.csv").code == 0


def test_a_column_less_is_fine_in_a_wide_file(romae: Romae, runs: dict[str, Path], tmp_path: Path) -> None:
    data, out = tmp_path / "data.csv", ["--out", tmp_path / "out.csv"]
    wide_frame().drop(columns="sbp").to_csv(data, index=False)
    assert romae("predict", runs["regress"], data, *out).code == 0
    assert "no column 'spb'" in romae("predict", runs["regress"], data, "--value", "hr,spb", *out).error
    wide_frame().drop(columns=["hr", "sbp"]).to_csv(data, index=False)
    assert "no column 'hr'" in romae("predict", runs["regress"], data, *out).error


def test_a_class_never_seen(romae: Romae, runs: dict[str, Path], tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    long_frame().replace({"class": {"agn": "quasar"}}).to_csv(data, index=False)
    assert "labels ['quasar'] were never seen" in romae("evaluate", runs["classify"], data).error


def test_answers_that_are_not_there(romae: Romae, files: Files, runs: dict[str, Path], tmp_path: Path) -> None:
    assert "has no column 'nope'" in romae("evaluate", runs["classify"], files.long_csv, "--label", "nope").error
    long_frame().drop(columns="class").to_csv(tmp_path / "data.csv", index=False)
    assert "has no column 'class'" in romae("evaluate", runs["classify"], tmp_path / "data.csv").error


def test_questions_that_cannot_be_answered(romae: Romae, files: Files, runs: dict[str, Path], tmp_path: Path) -> None:
    out = ["--out", tmp_path / "out.csv"]
    data, run = files.long_csv, runs["interpolate"]
    frame = long_frame()[["object_id", "mjd", "band"]][:5]
    for spoiled, expected in (
        (frame.assign(object_id="unknown"), "asks about id 'unknown'"),
        (frame.assign(band="u"), "asks about channels ['u']"),
        (frame.assign(mjd=np.inf), "must be finite"),
        (frame.drop(columns="band"), "no column 'band'"),
        (frame.assign(mjd=pd.Timestamp("2024-01-01")), "give numbers"),
    ):
        spoiled.to_parquet(tmp_path / "at.parquet")
        assert expected in romae("interpolate", run, data, "--at", tmp_path / "at.parquet", *out).error
    for at, expected in {"grid:x": "whole number", "grid:1": "at least 2", "none.csv": "no file"}.items():
        assert expected in romae("interpolate", run, data, "--at", at, *out).error
    assert [p.name for p in tmp_path.iterdir()] == ["at.parquet"]


@pytest.mark.parametrize("name", ["out.txt", "out", "."])
def test_outputs_that_cannot_be_written(
    romae: Romae, files: Files, runs: dict[str, Path], tmp_path: Path, name: str
) -> None:
    said = romae("predict", runs["classify"], files.long_csv, "--out", tmp_path / name)
    assert "written as one of .csv" in said.error
    assert not list(tmp_path.iterdir())


def test_an_earlier_output_stays_whole_when_something_goes_wrong(
    romae: Romae, files: Files, runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.csv"
    out.write_text("before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rotary_mae.data.files.pa_csv.write_csv", full)
    assert "No space left" in romae("predict", runs["classify"], files.long_csv, "--out", out).error
    assert out.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]


def test_a_single_observation_is_enough(romae: Romae, runs: dict[str, Path], tmp_path: Path) -> None:
    long_frame()[:1].to_csv(tmp_path / "one.csv", index=False)
    for command, run in (("predict", "classify"), ("embed", "pretrain"), ("evaluate", "classify")):
        said = romae(command, runs[run], tmp_path / "one.csv", "--out", tmp_path / "out.csv")
        assert said.code == 0, said.err
    said = romae(
        "interpolate", runs["interpolate"], tmp_path / "one.csv", "--at", "grid:2", "--out", tmp_path / "o.csv"
    )
    assert said.code == 0, said.err
    assert "no value could be hidden" in romae("evaluate", runs["pretrain"], tmp_path / "one.csv").error


def test_a_single_series_can_be_trained_on(romae: Romae, tmp_path: Path) -> None:
    wide_frame().query("stay == 0").to_csv(tmp_path / "one.csv", index=False)
    assert romae("pretrain", tmp_path / "one.csv", *WIDE, *SMALL, "--out", tmp_path / "run").code == 0


def test_debug_shows_where(romae: Romae, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="no column 'id'"):
        romae("pretrain", files.long_csv, "--out", tmp_path / "run", "--debug")
    monkeypatch.setenv("ROMAE_DEBUG", "1")
    with pytest.raises(ValueError, match="no column 'id'"):
        romae("pretrain", files.long_csv, "--out", tmp_path / "run")


@pytest.mark.parametrize("command", ["predict", "embed", "evaluate", "interpolate"])
def test_what_is_read_is_never_written_over(
    romae: Romae, files: Files, runs: dict[str, Path], tmp_path: Path, command: str
) -> None:
    data = tmp_path / "mine.csv"
    data.write_bytes(files.long_csv.read_bytes())
    kind = {"predict": "classify", "embed": "pretrain", "evaluate": "classify", "interpolate": "interpolate"}[command]
    at = ["--at", "grid:3"] if command == "interpolate" else []
    said = romae(command, runs[kind], data, *at, "--out", tmp_path / "." / "mine.csv")
    assert "is an input and would be overwritten" in said.error
    assert data.read_bytes() == files.long_csv.read_bytes()
    assert "is a folder" in romae(command, runs[kind], data, *at, "--out", tmp_path).error or command != "evaluate"
