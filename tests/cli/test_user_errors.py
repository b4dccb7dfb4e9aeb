"""User errors are one line with what to do and exit code 2, and leave no files behind."""

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
def test_unusable_data_is_reported_with_its_path(romae: Romae, tmp_path: Path, case: str, suffix: str) -> None:
    spoil, expected = BAD[case]
    data = tmp_path / f"data.{suffix}"
    frame = spoil(long_frame())
    frame.to_csv(data, index=False) if suffix == "csv" else frame.to_parquet(data)
    result = romae("pretrain", data, *LONG, *SMALL, "--out", tmp_path / "run")
    assert expected in result.error
    assert str(data) in result.error
    assert [p.name for p in tmp_path.iterdir()] == [data.name]


@pytest.mark.parametrize("how", ["mean", "keep", "error", None])
def test_duplicate_rows_follow_their_flag(romae: Romae, tmp_path: Path, how: str | None) -> None:
    _twice(long_frame()).to_csv(tmp_path / "data.csv", index=False)
    flags = [*LONG, *SMALL, "--out", tmp_path / "run", *(["--duplicates", how] if how else [])]
    result = romae("pretrain", tmp_path / "data.csv", *flags)
    assert (result.code == 0) == (how != "error")
    assert ("has 2 values of channel" in result.err) == (how in ("error", None))


def test_missing_columns_are_reported_with_their_flag(romae: Romae, files: Files, tmp_path: Path) -> None:
    out = ["--out", tmp_path / "run"]
    result = romae("pretrain", files.long_csv, *out)
    assert "there is no column 'id'" in result.error
    assert "object_id, mjd, band, flux, flux_err, class, z" in result.error
    assert "name the column with --id" in result.error
    misspelt = [flag.replace("flux", "fluxx") if flag.startswith("--value") else flag for flag in LONG]
    result = romae("pretrain", files.long_csv, *misspelt, *out)
    assert "did you mean 'flux'" in result.error
    assert "--value" in result.error
    result = romae("classify", files.long_csv, *LONG, "--label", "klass", *out)
    assert "--label" in result.error
    assert "--label COLUMN" in romae("classify", files.long_csv, *LONG, *out).error
    assert "--target COLUMN" in romae("regress", files.long_csv, *LONG, *out).error
    assert "--label" in romae("classify", files.long_csv, *LONG, "--labels", files.labels_csv, *out).error
    more = ["--labels", files.labels_csv, "--label", "nothing"]
    assert "labels.csv: there is no column 'nothing'" in romae("classify", files.long_csv, *LONG, *more, *out).error
    assert not list(tmp_path.iterdir())


def test_unreadable_files_are_reported(romae: Romae, files: Files, tmp_path: Path) -> None:
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
        result = romae("pretrain", tmp_path / name, "--out", tmp_path / "run")
        assert expected in result.error
        assert name in result.error
    assert not (tmp_path / "run").exists()


def test_wrong_label_files_are_reported(romae: Romae, files: Files, tmp_path: Path) -> None:
    flags = [*LONG, "--label", "kind", "--labels", tmp_path / "labels.csv", "--out", tmp_path / "run"]
    labels = pd.read_csv(files.labels_csv)
    labels[1:].to_csv(tmp_path / "labels.csv", index=False)
    assert "no label for 1 of 24 ids" in romae("classify", files.long_csv, *flags).error
    pd.concat([labels, labels[:1]]).to_csv(tmp_path / "labels.csv", index=False)
    assert "occurs more than once" in romae("classify", files.long_csv, *flags).error
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
def test_other_folders_are_not_taken_for_runs(romae: Romae, files: Files, tmp_path: Path, command: str) -> None:
    more = {"interpolate": ["--at", "grid:3"]}.get(command, [])
    for run, expected in ((files.folder, "holds neither an estimator nor a model"), (tmp_path / "no", "no folder")):
        result = romae(command, run, files.long_csv, "--out", tmp_path / "out.csv", *more)
        assert expected in result.error
    assert not list(tmp_path.iterdir())


def test_a_damaged_run_is_reported(romae: Romae, files: Files, runs: dict[str, Path], tmp_path: Path) -> None:
    import shutil

    run = tmp_path / "run"
    shutil.copytree(runs["classify"], run)
    for weights in run.rglob("model.safetensors"):
        weights.write_bytes(weights.read_bytes()[:200])
    result = romae("predict", run, files.long_csv, "--out", tmp_path / "out.csv")
    assert "cannot be read" in result.error
    (run / "estimator.json").write_text("{")
    assert "cannot be read" in romae("predict", run, files.long_csv, "--out", tmp_path / "out.csv").error


def test_an_unknown_channel_is_reported_and_a_missing_one_is_fine(
    romae: Romae, runs: dict[str, Path], tmp_path: Path
) -> None:
    data = tmp_path / "data.csv"
    frame = long_frame()
    frame.assign(band=frame["band"].replace("g", "u")).to_csv(data, index=False)
    result = romae("predict", runs["classify"], data, "--out", tmp_path / "out.csv")
    assert "['u'] were never seen in training" in result.error
    assert [p.name for p in tmp_path.iterdir()] == ["data.csv"]


def test_a_band_less_is_fine(romae: Romae, runs: dict[str, Path], tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    long_frame().query("band != 'g'").to_csv(data, index=False)
    assert romae("predict", runs["classify"], data, "--out", tmp_path / "out.csv").code == 0


def test_a_channel_may_be_missing_from_a_wide_file(romae: Romae, runs: dict[str, Path], tmp_path: Path) -> None:
    data, out = tmp_path / "data.csv", ["--out", tmp_path / "out.csv"]
    wide_frame().drop(columns="sbp").to_csv(data, index=False)
    assert romae("predict", runs["regress"], data, *out).code == 0
    assert "no column 'spb'" in romae("predict", runs["regress"], data, "--value", "hr,spb", *out).error
    wide_frame().drop(columns=["hr", "sbp"]).to_csv(data, index=False)
    assert "no column 'hr'" in romae("predict", runs["regress"], data, *out).error


def test_an_unknown_class_is_reported(romae: Romae, runs: dict[str, Path], tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    long_frame().replace({"class": {"agn": "quasar"}}).to_csv(data, index=False)
    assert "labels ['quasar'] were never seen" in romae("evaluate", runs["classify"], data).error


def test_missing_labels_are_reported(romae: Romae, files: Files, runs: dict[str, Path], tmp_path: Path) -> None:
    assert "has no column 'nope'" in romae("evaluate", runs["classify"], files.long_csv, "--label", "nope").error
    long_frame().drop(columns="class").to_csv(tmp_path / "data.csv", index=False)
    assert "has no column 'class'" in romae("evaluate", runs["classify"], tmp_path / "data.csv").error


def test_wrong_queries_are_reported(romae: Romae, files: Files, runs: dict[str, Path], tmp_path: Path) -> None:
    out = ["--out", tmp_path / "out.csv"]
    data, run = files.long_csv, runs["interpolate"]
    frame = long_frame()[["object_id", "mjd", "band"]][:5]
    for spoiled, expected in (
        (frame.assign(object_id="unknown"), "at has id 'unknown'"),
        (frame.assign(band="u"), "at has channels ['u']"),
        (frame.assign(mjd=np.inf), "must be finite"),
        (frame.drop(columns="band"), "no column 'band'"),
        (frame.assign(mjd=pd.Timestamp("2024-01-01")), "give numbers"),
    ):
        spoiled.to_parquet(tmp_path / "at.parquet")
        assert expected in romae("interpolate", run, data, "--at", tmp_path / "at.parquet", *out).error
    for at, expected in {"grid:x": "integer N", "grid:1": "at least 2", "none.csv": "no file"}.items():
        assert expected in romae("interpolate", run, data, "--at", at, *out).error
    assert [p.name for p in tmp_path.iterdir()] == ["at.parquet"]


@pytest.mark.parametrize("name", ["out.txt", "out", "."])
def test_unwritable_outputs_are_refused_before_any_work(
    romae: Romae, files: Files, runs: dict[str, Path], tmp_path: Path, name: str
) -> None:
    result = romae("predict", runs["classify"], files.long_csv, "--out", tmp_path / name)
    assert "written as one of .csv" in result.error
    assert not list(tmp_path.iterdir())


def test_a_failed_write_keeps_the_existing_file(
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
        result = romae(command, runs[run], tmp_path / "one.csv", "--out", tmp_path / "out.csv")
        assert result.code == 0, result.err
    result = romae(
        "interpolate", runs["interpolate"], tmp_path / "one.csv", "--at", "grid:2", "--out", tmp_path / "o.csv"
    )
    assert result.code == 0, result.err
    assert "no value could be masked" in romae("evaluate", runs["pretrain"], tmp_path / "one.csv").error


def test_a_single_series_can_be_trained_on(romae: Romae, tmp_path: Path) -> None:
    wide_frame().query("stay == 0").to_csv(tmp_path / "one.csv", index=False)
    assert romae("pretrain", tmp_path / "one.csv", *WIDE, *SMALL, "--out", tmp_path / "run").code == 0


@pytest.mark.parametrize("command", ["predict", "embed", "evaluate", "interpolate"])
def test_inputs_are_never_overwritten(
    romae: Romae, files: Files, runs: dict[str, Path], tmp_path: Path, command: str
) -> None:
    data = tmp_path / "mine.csv"
    data.write_bytes(files.long_csv.read_bytes())
    kind = {"predict": "classify", "embed": "pretrain", "evaluate": "classify", "interpolate": "interpolate"}[command]
    at = ["--at", "grid:3"] if command == "interpolate" else []
    result = romae(command, runs[kind], data, *at, "--out", tmp_path / "." / "mine.csv")
    assert "is an input and would be overwritten" in result.error
    assert data.read_bytes() == files.long_csv.read_bytes()
    assert "is a folder" in romae(command, runs[kind], data, *at, "--out", tmp_path).error or command != "evaluate"
