"""Ensembles average the models of several seeds, which must have been measured."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reproduce import run as running
from reproduce.__main__ import main
from reproduce.ensemble import ensemble_label, ensemble_mean, evaluate_ensemble
from reproduce.experiment import Experiment, Measure, StageResult, load
from reproduce.run import Run, measure
from reproduce.table import rows_of, write
from tests.reproduce.toy import toy


def with_ensemble() -> Experiment:
    """The toy experiment with an ensemble of two test sets, each with the sum of the seeds."""

    def sum_of_seeds(runs: Sequence[Run]) -> StageResult:
        total = float(sum(run.seed for run in runs))
        return StageResult(
            [Measure("toy", "weights", "test", total + draw, ensemble_label(len(runs)), 7, 1.0) for draw in (0, 2)]
        )

    return replace(toy(), evaluate_ensemble=sum_of_seeds)


def test_ensemble_prediction_is_the_mean() -> None:
    assert ensemble_mean([np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])]).tolist() == [
        [0.5, 0.5]
    ]


def test_an_ensemble_has_a_row_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "RESULTS", tmp_path / "results")
    experiment = with_ensemble()
    for seed in (1, 2):
        measure(experiment, "quick", seed, runs=tmp_path / "runs")
    path = evaluate_ensemble(experiment, "quick", [1, 2], runs=tmp_path / "runs")
    result = json.loads(path.read_text())
    assert result["seeds"] == [1, 2]
    assert "--seeds [1, 2]" in result["command"]
    assert {"settings", "versions", "hardware", "commit", "seconds"} <= set(result)
    assert write(tmp_path, [experiment]) == 0
    rows = {row["method"]: row for row in json.loads((tmp_path / "results.json").read_text())}
    assert rows["RoMAE"]["seeds"] == [1, 2]
    row = rows[ensemble_label(2)]
    assert (row["value"], row["std"], row["seeds"]) == (4.0, pytest.approx(2**0.5), [1, 2])
    assert row["published"] == 3.0
    assert ensemble_label(2) in (tmp_path / "README.md").read_text()


def test_ensemble_needs_measured_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(running, "RESULTS", tmp_path / "results")
    experiment = with_ensemble()
    with pytest.raises(ValueError, match="the experiment toy has no ensemble"):
        evaluate_ensemble(toy(), "quick", [0, 1], runs=tmp_path)
    with pytest.raises(ValueError, match="at least two seeds"):
        evaluate_ensemble(experiment, "quick", [0, 0], runs=tmp_path)
    with pytest.raises(ValueError, match="seed 0 is not measured; do so first: python -m reproduce run toy"):
        evaluate_ensemble(experiment, "quick", [0, 1], runs=tmp_path)
    for seed in (0, 1):
        measure(experiment, "quick", seed, runs=tmp_path / "runs")
    with pytest.raises(ValueError, match="the models of seed 0 are not in"):
        evaluate_ensemble(experiment, "quick", [0, 1], runs=tmp_path / "elsewhere")
    assert main(["ensemble", "spirals", "--seeds", "[0,1]"]) == 2
    assert "seed 0 is not measured" in capsys.readouterr().err
    assert rows_of(experiment, []) == []


def test_ensemble_of_spirals_is_better_than_its_worst_member(tmp_path: Path) -> None:
    published = load("spirals")
    small = {"width": 24, "heads": 2, "depth": 1, "decoder": {"width": 24, "heads": 2, "depth": 1}}
    model = {**published.profiles["quick"].settings["model"], **small}
    experiment = replace(published, trial={**published.trial, "model": model})
    result = json.loads(evaluate_ensemble(experiment, "quick", [0, 1], runs=tmp_path, is_trial=True).read_text())
    alone = [
        json.loads(measure(experiment, "quick", seed, runs=tmp_path, is_trial=True).read_text()) for seed in (0, 1)
    ]
    single = [m["value"] for one in alone for m in one["measures"] if m["method"] == "RoMAE"]
    assert result["measures"][0]["value"] < max(single)
    size = alone[0]["measures"][0]["n_parameters"]
    assert {m["n_parameters"] for m in result["measures"]} == {2 * size}
