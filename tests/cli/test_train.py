"""Every command that trains, from every kind of file."""

import json
from pathlib import Path

import pandas as pd
import pytest

import rotary_mae as rm
from tests.cli.conftest import LONG, SMALL, WIDE, Files, Romae

KINDS = {
    "long_csv": LONG,
    "long_parquet": LONG,
    "wide_csv": WIDE,
    "wide_parquet": WIDE,
    "tokens_parquet": [],
    "nested_parquet": ["--id=object_id", "--time=mjd", "--channel=band", "--value=flux"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_pretrain_reads_any_file(romae: Romae, files: Files, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "run"
    said = romae("pretrain", getattr(files, kind), *KINDS[kind], "--out", out, *SMALL)
    assert said.code == 0, said.err
    assert {p.name for p in out.iterdir()} >= {"run.json", "metrics.jsonl", "last", "command.yaml", "estimator.json"}
    assert isinstance(rm.load(out), rm.RoMAEEmbedder)
    assert "24 samples" in said.err
    assert "epoch 1/1" in said.err


def test_pretrain_reads_a_cache(romae: Romae, files: Files, tmp_path: Path) -> None:
    assert romae("pretrain", files.folder / "cache", "--out", tmp_path / "run", *SMALL).code == 0


def test_csv_and_parquet_train_the_same(romae: Romae, files: Files, tmp_path: Path) -> None:
    for kind in ("csv", "parquet"):
        assert romae("pretrain", getattr(files, f"wide_{kind}"), *WIDE, "--out", tmp_path / kind, *SMALL).code == 0
    weights = [(tmp_path / kind / "last" / "model.safetensors").read_bytes() for kind in ("csv", "parquet")]
    assert weights[0] == weights[1]


def test_what_is_not_used_is_said(romae: Romae, files: Files, tmp_path: Path) -> None:
    flags = ["--id=object_id", "--time=mjd", "--channel=band", "--value=flux"]
    said = romae("info", files.long_csv, *flags)
    assert "columns not used: flux_err, class, z" in said.err


@pytest.mark.parametrize("kind", ["long_csv", "long_parquet"])
def test_classify_from_a_pretrained_run(
    romae: Romae, files: Files, runs: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "run"
    flags = ["--label", "class", "--init", runs["pretrain"], "--epochs", 1, "--training.max_steps", 2]
    said = romae("classify", getattr(files, kind), *LONG, *flags, "--out", out, "--class-weight", "balanced")
    assert said.code == 0, said.err
    assert "copied" in said.out
    assert sorted(rm.load(out).classes_) == ["agn", "eclipsing", "pulsator", "supernova"]


def test_labels_from_a_second_file_are_the_same_labels(romae: Romae, files: Files, tmp_path: Path) -> None:
    flags = ["--label", "kind", "--labels", files.labels_csv, *SMALL]
    assert romae("classify", files.long_csv, *LONG, *flags, "--out", tmp_path / "second").code == 0
    assert romae("classify", files.long_csv, *LONG, "--label", "class", *SMALL, "--out", tmp_path / "own").code == 0
    weights = [(tmp_path / name / "last" / "model.safetensors").read_bytes() for name in ("second", "own")]
    assert weights[0] == weights[1]


def test_labels_inside_a_file_of_samples(romae: Romae, files: Files, tmp_path: Path) -> None:
    assert romae("classify", files.tokens_parquet, "--out", tmp_path / "run", *SMALL).code == 0
    again = romae("classify", files.tokens_parquet, "--label", "class", "--out", tmp_path / "other", *SMALL)
    assert "leave out the name of the label" in again.error


@pytest.mark.parametrize("kind", ["wide_csv", "wide_parquet"])
def test_regress_several_numbers(romae: Romae, files: Files, tmp_path: Path, kind: str) -> None:
    out, answers = tmp_path / "run", tmp_path / "answers.csv"
    data = getattr(files, kind)
    assert romae("regress", data, *WIDE, "--target", "days,score", "--out", out, *SMALL).code == 0
    assert romae("predict", out, data, "--out", answers).code == 0
    assert answers.read_text().splitlines()[0] == '"id","prediction_days","prediction_score"'


def test_regress_with_a_second_file(romae: Romae, files: Files, tmp_path: Path) -> None:
    flags = ["--target", "brightness", "--labels", files.labels_csv]
    assert romae("regress", files.long_csv, *LONG, *flags, "--out", tmp_path / "run", *SMALL).code == 0
    said = romae("evaluate", tmp_path / "run", files.long_csv, "--labels", files.labels_csv)
    assert said.code == 0, said.err
    assert said.out.split()[::2] == ["mse", "r2"]


def test_hiding_of_an_interpolator_is_what_was_asked_for(runs: dict[str, Path]) -> None:
    assert json.loads((runs["gaps"] / "run.json").read_text())["training"]["hiding"]["strategy"] == "times"


def test_another_run_is_never_touched(romae: Romae, files: Files, runs: dict[str, Path]) -> None:
    before = {p: p.stat().st_mtime_ns for p in runs["pretrain"].rglob("*")}
    said = romae("pretrain", files.folder / "not-even-there.csv", "--out", runs["pretrain"])
    assert "is not empty" in said.error
    assert {p: p.stat().st_mtime_ns for p in runs["pretrain"].rglob("*")} == before


def test_a_folder_with_other_files_is_no_place_for_a_run(romae: Romae, files: Files) -> None:
    for more in ([], ["--resume"]):
        said = romae("pretrain", files.long_csv, *LONG, "--out", files.folder, *SMALL, *more)
        assert "choose another folder" in said.error
    assert not (files.folder / "command.yaml").exists()


def test_convert_gives_a_start(romae: Romae, parity: Path, files: Files, tmp_path: Path) -> None:
    out = tmp_path / "converted"
    said = romae("convert", parity / "pretrain-series-1d", "--out", out)
    assert said.code == 0, said.err
    model, official = rm.RoMAEForPreTraining.from_pretrained(out), rm.from_official(parity / "pretrain-series-1d")
    assert all((model.state_dict()[k] == v).all() for k, v in official.state_dict().items())
    assert "is not empty" in romae("convert", parity / "pretrain-series-1d", "--out", out).error
    assert "RoMAEForPreTraining" in romae("info", out).out
    flags = ["--id", "stay", "--time", "when", "--value", "hr,days,score", "--init", out, "--epochs", 1]
    said = romae("pretrain", files.wide_csv, *flags, "--out", tmp_path / "run")
    assert said.code == 0, said.err
    assert "one was fitted to this data" in said.err


def test_convert_of_something_else(romae: Romae, files: Files, tmp_path: Path) -> None:
    assert "no official checkpoint" in romae("convert", files.folder, "--out", tmp_path / "out").error
    (tmp_path / "model_config.json").write_text("{}")
    assert "not what the official trainer writes" in romae("convert", tmp_path, "--out", tmp_path / "out").error
    assert "romae convert" in romae("info", tmp_path).out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("how", ["in the table", "in a second file"])
def test_labels_may_be_missing_from_training_to_report(romae: Romae, files: Files, tmp_path: Path, how: str) -> None:
    table, labels = pd.read_csv(files.long_csv), pd.read_csv(files.labels_csv)
    unknown = set(labels["object_id"][::3])
    table["class"] = table["class"].where(~table["object_id"].isin(unknown))
    labels["kind"] = labels["kind"].where(~labels["object_id"].isin(unknown))
    table.to_csv(tmp_path / "part.csv", index=False)
    labels.to_csv(tmp_path / "labels.csv", index=False)
    second = how == "in a second file"
    which = ["--label", "kind", "--labels", tmp_path / "labels.csv"] if second else ["--label", "class"]
    run = tmp_path / "run"
    assert romae("classify", tmp_path / "part.csv", *LONG, *which, *SMALL, "--out", run).code == 0
    judged = romae("evaluate", run, tmp_path / "part.csv", *(which if second else []))
    assert judged.code == 0
    assert "balanced_accuracy" in judged.out
