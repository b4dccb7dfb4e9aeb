"""Baselines on the same training and validation samples."""

import numpy as np

import rotary_mae as rm
from rotary_mae.evaluation.baselines import FOREST, BaselineComparison
from rotary_mae.evaluation.fit_summary import FitSummary
from tests.estimators.small import series


def test_many_samples_are_compared_on_some_and_the_note_says_so(monkeypatch):
    monkeypatch.setattr("rotary_mae.evaluation.baselines.MAX_TRAINING", 30)
    X, y = series(80)
    comparison = BaselineComparison.prepare(
        rm.from_arrays(X), np.arange(60), np.arange(60, 80), (y == "rises").astype(np.int64), None, 0
    )
    assert comparison.training is not None
    assert len(comparison.training.targets) == 30
    assert comparison.note == "baselines were trained on 30 samples and evaluated on 20"
    assert comparison.evaluate()[FOREST]["accuracy"] == 1.0


def test_baselines_are_trained_once_and_their_inputs_are_then_released():
    X, y = series(30)
    comparison = BaselineComparison.prepare(
        rm.from_arrays(X), np.arange(20), np.arange(20, 30), (y == "rises").astype(np.int64), None, 0
    )
    scores = comparison.evaluate()
    assert comparison.training is None
    assert comparison.evaluate() is scores
    summary = comparison.add_to(FitSummary(10, {"balanced_accuracy": 0.5}))
    assert summary.baselines[FOREST] == {"balanced_accuracy": scores[FOREST]["balanced_accuracy"]}
