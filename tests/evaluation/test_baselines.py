"""Baselines on the same training and validation samples."""

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.evaluation.baselines import CONVOLUTIONS, FOREST, BaselineComparison
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


def test_without_a_validation_set_there_is_nothing_to_compare():
    comparison = BaselineComparison.prepare(
        rm.from_arrays(series(9)[0]), np.arange(9), np.zeros(0, np.int64), np.zeros(9), None, 0
    )
    summary = FitSummary(0, note="none")
    assert comparison.evaluate() == {}
    assert comparison.add_to(summary) == summary


def test_images_of_several_sizes_are_left_out_with_a_note():
    images = [np.zeros((8, 8, 1)), np.zeros((8, 8, 1)), np.zeros((8, 12, 1))]
    tokens = rm.from_images(images, patch=(4, 4))
    comparison = BaselineComparison.prepare(tokens, np.arange(2), np.arange(2, 3), np.arange(3), None, 0)
    assert comparison.evaluate() == {}
    assert comparison.add_to(FitSummary(1)).note == (
        "no baseline was trained: images of several sizes have no features in common"
    )


def test_samples_of_weight_0_are_not_learned():
    X, names = series(60)
    y = (names == "rises").astype(np.int64)
    # half of the training classes are wrong, and weigh nothing
    is_wrong = np.arange(60) % 4 < 2
    given = np.where(is_wrong & (np.arange(60) < 50), 1 - y, y)
    weights = np.where(is_wrong, 0.0, 1.0)
    comparison = BaselineComparison.prepare(rm.from_arrays(X), np.arange(50), np.arange(50, 60), given, weights, seed=0)
    assert {name: scores["accuracy"] for name, scores in comparison.evaluate().items()} == {
        FOREST: 1.0,
        CONVOLUTIONS: 1.0,
    }


@pytest.mark.parametrize("n_targets", [1, 2])
def test_numbers_are_predicted_by_regression(n_targets):
    X, names = series(60)
    y = np.repeat((names == "rises").astype(np.float64)[:, None], n_targets, axis=1)
    comparison = BaselineComparison.prepare(rm.from_arrays(X), np.arange(50), np.arange(50, 60), y, None, seed=0)
    scores = comparison.evaluate()
    assert scores.keys() == {FOREST, CONVOLUTIONS}
    assert all(metrics.keys() == {"mse", "r2"} and metrics["r2"] > 0.5 for metrics in scores.values())


def test_large_grids_are_left_out(monkeypatch):
    monkeypatch.setattr("rotary_mae.evaluation.baselines.MAX_GRID_CELLS", 100)
    X, names = series(30)
    y = (names == "rises").astype(np.int64)
    comparison = BaselineComparison.prepare(rm.from_arrays(X), np.arange(20), np.arange(20, 30), y, None, 0)
    assert comparison.evaluate().keys() == {FOREST}
