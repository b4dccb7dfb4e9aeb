"""Training commands on every kind of file, and the command convert."""

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
    result = romae("pretrain", getattr(files, kind), *KINDS[kind], "--out", out, *SMALL)
    assert result.code == 0, result.err
    assert {p.name for p in out.iterdir()} >= {"run.json", "metrics.jsonl", "last", "command.yaml", "estimator.json"}
    assert isinstance(rm.load(out), rm.RoMAEEmbedder)
    assert "24 samples" in result.err
    assert "epoch 1/1" in result.err


def test_pretrain_reads_a_cache(romae: Romae, files: Files, tmp_path: Path) -> None:
    assert romae("pretrain", files.folder / "cache", "--out", tmp_path / "run", *SMALL).code == 0


def test_csv_and_parquet_files_give_equal_weights(romae: Romae, files: Files, tmp_path: Path) -> None:
    for kind in ("csv", "parquet"):
        assert romae("pretrain", getattr(files, f"wide_{kind}"), *WIDE, "--out", tmp_path / kind, *SMALL).code == 0
    weights = [(tmp_path / kind / "last" / "model.safetensors").read_bytes() for kind in ("csv", "parquet")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("kind", ["long_csv", "long_parquet"])
def test_classify_copies_weights_of_a_pretrained_run(
    romae: Romae, files: Files, runs: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "run"
    flags = ["--label", "class", "--init", runs["pretrain"], "--epochs", 1, "--training.max_steps", 2]
    result = romae("classify", getattr(files, kind), *LONG, *flags, "--out", out, "--class-weight", "balanced")
    assert result.code == 0, result.err
    assert "copied" in result.out
    assert sorted(rm.load(out).classes_) == ["agn", "eclipsing", "pulsator", "supernova"]


def test_labels_from_a_second_file_give_the_same_weights_as_labels_in_the_table(
    romae: Romae, files: Files, tmp_path: Path
) -> None:
    flags = ["--label", "kind", "--labels", files.labels_csv, *SMALL]
    assert romae("classify", files.long_csv, *LONG, *flags, "--out", tmp_path / "second").code == 0
    assert romae("classify", files.long_csv, *LONG, "--label", "class", *SMALL, "--out", tmp_path / "own").code == 0
    weights = [(tmp_path / name / "last" / "model.safetensors").read_bytes() for name in ("second", "own")]
    assert weights[0] == weights[1]


def test_samples_with_labels_need_no_label_flag_and_refuse_one(romae: Romae, files: Files, tmp_path: Path) -> None:
    assert romae("classify", files.tokens_parquet, "--out", tmp_path / "run", *SMALL).code == 0
    again = romae("classify", files.tokens_parquet, "--label", "class", "--out", tmp_path / "other", *SMALL)
    assert "remove the flag that names the label column" in again.error


@pytest.mark.parametrize("kind", ["wide_csv", "wide_parquet"])
def test_regress_predicts_several_targets(romae: Romae, files: Files, tmp_path: Path, kind: str) -> None:
    out, table = tmp_path / "run", tmp_path / "predictions.csv"
    data = getattr(files, kind)
    assert romae("regress", data, *WIDE, "--target", "days,score", "--out", out, *SMALL).code == 0
    assert romae("predict", out, data, "--out", table).code == 0
    assert table.read_text().splitlines()[0] == '"id","prediction_days","prediction_score"'


def test_regress_reads_targets_from_a_second_file(romae: Romae, files: Files, tmp_path: Path) -> None:
    flags = ["--target", "brightness", "--labels", files.labels_csv]
    assert romae("regress", files.long_csv, *LONG, *flags, "--out", tmp_path / "run", *SMALL).code == 0
    result = romae("evaluate", tmp_path / "run", files.long_csv, "--labels", files.labels_csv)
    assert result.code == 0, result.err
    assert result.out.split()[::2] == ["mse", "r2"]


def test_the_hiding_flag_sets_the_masking_strategy(runs: dict[str, Path]) -> None:
    assert json.loads((runs["gaps"] / "run.json").read_text())["training"]["hiding"]["strategy"] == "times"


def test_a_folder_with_another_run_is_not_changed(romae: Romae, files: Files, runs: dict[str, Path]) -> None:
    before = {p: p.stat().st_mtime_ns for p in runs["pretrain"].rglob("*")}
    result = romae("pretrain", files.folder / "not-even-there.csv", "--out", runs["pretrain"])
    assert "is not empty" in result.error
    assert {p: p.stat().st_mtime_ns for p in runs["pretrain"].rglob("*")} == before


def test_a_folder_with_other_files_is_an_error(romae: Romae, files: Files) -> None:
    for more in ([], ["--resume"]):
        result = romae("pretrain", files.long_csv, *LONG, "--out", files.folder, *SMALL, *more)
        assert "choose another folder" in result.error
    assert not (files.folder / "command.yaml").exists()


def test_convert_writes_weights_that_init_accepts(romae: Romae, parity: Path, files: Files, tmp_path: Path) -> None:
    out = tmp_path / "converted"
    result = romae("convert", parity / "pretrain-series-1d", "--out", out)
    assert result.code == 0, result.err
    model, official = rm.RoMAEForPreTraining.from_pretrained(out), rm.from_official(parity / "pretrain-series-1d")
    assert all((model.state_dict()[k] == v).all() for k, v in official.state_dict().items())
    assert "is not empty" in romae("convert", parity / "pretrain-series-1d", "--out", out).error
    assert "RoMAEForPreTraining" in romae("info", out).out
    flags = ["--id", "stay", "--time", "when", "--value", "hr,days,score", "--init", out, "--epochs", 1]
    result = romae("pretrain", files.wide_csv, *flags, "--out", tmp_path / "run")
    assert result.code == 0, result.err
    assert "one was fitted to this data" in result.err


def test_folders_without_an_official_checkpoint_are_an_error(romae: Romae, files: Files, tmp_path: Path) -> None:
    assert "has no model_config.json" in romae("convert", files.folder, "--out", tmp_path / "out").error
    (tmp_path / "model_config.json").write_text("{}")
    assert "as the official trainer writes it" in romae("convert", tmp_path, "--out", tmp_path / "out").error
    assert "romae convert" in romae("info", tmp_path).out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", ["in the table", "in a second file"])
def test_series_without_a_label_are_accepted(romae: Romae, files: Files, tmp_path: Path, place: str) -> None:
    table, labels = pd.read_csv(files.long_csv), pd.read_csv(files.labels_csv)
    unknown = set(labels["object_id"][::3])
    table["class"] = table["class"].where(~table["object_id"].isin(unknown))
    labels["kind"] = labels["kind"].where(~labels["object_id"].isin(unknown))
    table.to_csv(tmp_path / "table.csv", index=False)
    labels.to_csv(tmp_path / "labels.csv", index=False)
    second = place == "in a second file"
    which = ["--label", "kind", "--labels", tmp_path / "labels.csv"] if second else ["--label", "class"]
    run = tmp_path / "run"
    assert romae("classify", tmp_path / "table.csv", *LONG, *which, *SMALL, "--out", run).code == 0
    evaluated = romae("evaluate", run, tmp_path / "table.csv", *(which if second else []))
    assert evaluated.code == 0
    assert "balanced_accuracy" in evaluated.out
