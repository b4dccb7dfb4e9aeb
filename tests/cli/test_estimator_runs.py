"""Estimators in run folders."""

import json
from pathlib import Path

import pytest

import rotary_mae as rm
from rotary_mae.cli.estimator_runs import TRAINING_COMMANDS, load_run
from rotary_mae.cli.parser import COMMANDS
from rotary_mae.evaluation.held_out import HeldOutPredictions
from tests.cli.conftest import N_OBJECTS, Files, Romae


def test_every_class_has_its_training_command(runs: dict[str, Path]) -> None:
    assert set(TRAINING_COMMANDS.values()) <= set(COMMANDS)
    commands = {"pretrain": "pretrain", "classify": "classify", "regress": "regress", "gaps": "fit-interpolator"}
    for name, command in commands.items():
        assert TRAINING_COMMANDS[type(rm.load(runs[name])).__name__] == command


def test_a_missing_folder_is_not_looked_up_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no folder owner/name"):
        load_run(Path("owner/name"), "predict", *TRAINING_COMMANDS)


def test_a_model_without_an_estimator_is_refused(
    romae: Romae, files: Files, runs: dict[str, Path], tmp_path: Path
) -> None:
    rm.load(runs["pretrain"]).model_.save_pretrained(tmp_path / "model")
    result = romae("report", tmp_path / "model", "--data", files.long_csv)
    assert "has a model (RoMAEForPreTraining) but no estimator" in result.error


@pytest.mark.parametrize("name", ["pretrain", "classify", "regress", "interpolate"])
def test_training_saves_predictions_for_its_validation_set(runs: dict[str, Path], name: str) -> None:
    predictions = HeldOutPredictions.load(runs[name])
    assert predictions is not None
    assert predictions.about["part"] == "validation"
    assert predictions.about["kind"] == type(rm.load(runs[name])).__name__
    n_training = json.loads((runs[name] / "run.json").read_text())["data"]["n_samples"]
    assert predictions.about["n_samples"] + n_training == N_OBJECTS
