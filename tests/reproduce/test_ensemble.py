"""Models of several seeds answer as one, and only those that were measured."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reproduce import run as running
from reproduce.__main__ import main
from reproduce.ensemble import mean, evaluate_ensemble, method
from reproduce.experiment import Experiment, StageResult, Measure, load
from reproduce.run import Run, measure
from reproduce.table import rows_of, write
from tests.reproduce.toy import toy


def with_together() -> Experiment:
    """The toy; two draws of a test, each with the sum of the seeds."""

    def together(runs: Sequence[Run]) -> StageResult:
        total = float(sum(run.seed for run in runs))
        return StageResult([Measure("toy", "weights", "test", total + draw, method(len(runs)), 7, 1.0) for draw in (0, 2)])

    return replace(toy(), together=together)


def test_the_answer_is_the_mean() -> None:
    assert mean([np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])]).tolist() == [[0.5, 0.5]]


def test_an_ensemble_has_a_row_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "RESULTS", tmp_path / "results")
    experiment = with_together()
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
    row = rows[method(2)]
    assert (row["value"], row["std"], row["seeds"]) == (4.0, pytest.approx(2**0.5), [1, 2])
    assert row["published"] == 3.0
    assert method(2) in (tmp_path / "README.md").read_text()


def test_only_measured_models_are_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(running, "RESULTS", tmp_path / "results")
    experiment = with_together()
    with pytest.raises(ValueError, match="not asked together"):
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


def test_models_of_spirals_answer_together(tmp_path: Path) -> None:
    whole = load("spirals")
    small = {"width": 24, "heads": 2, "depth": 1, "decoder": {"width": 24, "heads": 2, "depth": 1}}
    model = {**whole.profiles["quick"].settings["model"], **small}
    experiment = replace(whole, trial={**whole.trial, "model": model})
    result = json.loads(evaluate_ensemble(experiment, "quick", [0, 1], runs=tmp_path, is_trial=True).read_text())
    alone = [
        json.loads(measure(experiment, "quick", seed, runs=tmp_path, is_trial=True).read_text()) for seed in (0, 1)
    ]
    single = [m["value"] for one in alone for m in one["measures"] if m["method"] == "RoMAE"]
    assert result["measures"][0]["value"] < max(single)
    size = alone[0]["measures"][0]["n_parameters"]
    assert {m["n_parameters"] for m in result["measures"]} == {2 * size}
