"""Metrics are those of scikit-learn, and one table holds their directions."""

import warnings

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, mean_squared_error, r2_score

from rotary_mae.evaluation.metrics import HIGHER_IS_BETTER, is_better, prediction_metrics, probability_metrics


def test_metrics_of_classes_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    targets, logits = rng.integers(0, 3, 200), rng.normal(size=(200, 3))
    predicted = logits.argmax(1)
    assert prediction_metrics(logits, targets) == {
        "accuracy": pytest.approx((predicted == targets).mean()),
        "balanced_accuracy": pytest.approx(balanced_accuracy_score(targets, predicted)),
        "macro_f1": pytest.approx(f1_score(targets, predicted, average="macro")),
    }


def test_a_class_that_is_predicted_but_absent_gives_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics = prediction_metrics(np.eye(3), np.array([0, 1, 0]))
    assert metrics["balanced_accuracy"] == pytest.approx((0.5 + 1.0) / 2)


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_metrics_of_numbers_are_those_of_scikit_learn(n_outputs):
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(50, n_outputs))
    predictions = targets + 0.3 * rng.normal(size=targets.shape)
    metrics = prediction_metrics(predictions, targets[:, 0] if n_outputs == 1 else targets)
    assert metrics["mse"] == pytest.approx(mean_squared_error(targets, predictions))
    # over all outputs together
    weights = np.square(targets - targets.mean(0)).sum(0)
    expected = np.average(r2_score(targets, predictions, multioutput="raw_values"), weights=weights)
    assert metrics["r2"] == pytest.approx(expected)


def test_r2_of_equal_targets_is_nan():
    assert np.isnan(prediction_metrics(np.zeros((1, 1)), np.ones(1))["r2"])


@pytest.mark.parametrize("metric", HIGHER_IS_BETTER)
def test_better_is_higher_or_lower_as_the_table_says(metric):
    assert is_better(metric, 2.0, than=1.0) == HIGHER_IS_BETTER[metric]
    assert is_better(metric, 1.0, than=2.0) != HIGHER_IS_BETTER[metric]
    assert not is_better(metric, 1.0, than=1.0)
    assert is_better(metric, 1.0, than=None)
    assert not is_better(metric, float("nan"), than=None)
    assert not is_better(metric, float("nan"), than=1.0)


def test_the_table_has_all_metrics_of_predictions_and_an_unknown_one_is_an_error():
    classes, numbers = prediction_metrics(np.eye(2), np.arange(2)), prediction_metrics(np.eye(2), np.eye(2))
    probabilities = probability_metrics(np.eye(2), np.arange(2))
    assert {"loss", *classes, *numbers, *probabilities} == set(HIGHER_IS_BETTER)
    with pytest.raises(KeyError, match="acuracy"):
        is_better("acuracy", 1.0, than=None)


def test_classes_of_predictions_that_are_not_finite_have_no_accuracy():
    metrics = prediction_metrics(np.array([[np.nan, 1.0], [0.0, 1.0]]), np.array([0, 1]))
    assert np.isnan(list(metrics.values())).all()


def test_log_loss_and_calibration_error_are_those_computed_by_hand():
    probabilities = np.array([[0.95, 0.05], [0.92, 0.08], [0.35, 0.65], [0.62, 0.38]])
    metrics = probability_metrics(probabilities, np.array([0, 1, 1, 1]))
    assert metrics["log_loss"] == pytest.approx(-np.log([0.95, 0.08, 0.65, 0.38]).mean())
    # two samples in the bin from 0.9, one of them right; two in the bin from 0.6, one of them right
    assert metrics["ece"] == pytest.approx(0.5 * abs(0.935 - 0.5) + 0.5 * abs(0.635 - 0.5))


def test_a_probability_of_one_is_in_the_last_bin_and_of_zero_has_a_finite_loss():
    metrics = probability_metrics(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1]))
    assert metrics["ece"] == pytest.approx(0.5)
    assert metrics["log_loss"] == pytest.approx(-np.log(1e-12) / 2)


def test_calibrated_probabilities_have_a_small_calibration_error():
    rng = np.random.default_rng(0)
    probability = rng.random(50_000)
    classes = (rng.random(50_000) < probability).astype(int)
    assert probability_metrics(np.column_stack([1 - probability, probability]), classes)["ece"] < 0.01
