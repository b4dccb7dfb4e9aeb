"""Metrics are those of scikit-learn, and their intervals have their nominal coverage."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss, r2_score, roc_auc_score

from rotary_mae.evaluation.metrics import probability_metrics
from rotary_mae.report.bootstrap import (
    bootstrap,
    channel_errors,
    classification_estimates,
    coverage,
    coverage_by_distance,
    format_number,
    reconstruction_estimates,
    regression_estimates,
)
from tests.report.held_out_examples import (
    QUANTILES,
    classifier_predictions,
    interpolator_predictions,
    regressor_predictions,
)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classification_metrics_are_those_of_scikit_learn(n_classes: int) -> None:
    samples = classifier_predictions(90, n_classes).samples
    probabilities = np.column_stack([samples[f"p_{k}"].to_numpy() for k in range(n_classes)])
    truth = np.arange(90) % n_classes
    guess, found = probabilities.argmax(1), classification_estimates(truth, probabilities)
    area = roc_auc_score(truth, probabilities[:, 1] if n_classes == 2 else probabilities, multi_class="ovr")
    expected = {
        "accuracy": accuracy_score(truth, guess),
        "balanced accuracy": balanced_accuracy_score(truth, guess),
        "macro F1": f1_score(truth, guess, average="macro"),
        "AUC": area,
        "log loss": log_loss(truth, probabilities),
        "calibration error": probability_metrics(probabilities, truth)["ece"],
    }
    assert {name: estimate.value for name, estimate in found.items()} == pytest.approx(expected)
    assert all(estimate.low < estimate.value < estimate.high for estimate in found.values())


def test_classes_without_samples_do_not_count() -> None:
    truth, probabilities = np.array([0, 1] * 20), np.full((40, 3), 1 / 3)
    probabilities[np.arange(40), truth] += 0.5
    found = classification_estimates(truth, probabilities / probabilities.sum(1, keepdims=True))
    assert found["balanced accuracy"].value == found["macro F1"].value == 1.0
    assert "AUC" not in found


def test_intervals_contain_the_true_mean_with_their_nominal_frequency() -> None:
    rng = np.random.default_rng(0)
    n_inside = 0
    for _ in range(100):
        values = rng.normal(size=60)
        found = bootstrap(lambda w, values=values: w @ values / w.sum(1), 60)
        n_inside += found.low <= 0.0 <= found.high
    # four standard deviations of a binomial count below 95
    assert 87 <= n_inside <= 100


def test_values_of_one_sample_are_drawn_together() -> None:
    # six samples whose 80 values each have the same error: six independent errors, not 480
    predictions = interpolator_predictions()
    errors = reconstruction_estimates(predictions.masked)
    alike = predictions.masked.set_column(
        predictions.masked.column_names.index("truth"), "truth", [np.repeat(np.arange(6.0), 80)]
    )
    repeated = reconstruction_estimates(alike)["the model"]
    assert errors["the model"].high - errors["the model"].low < 0.3
    assert repeated.high - repeated.low > 1.0
    assert errors["linear interpolation"].value == pytest.approx(errors["the model"].value / 2)


def test_errors_by_channel_add_up_to_the_error_of_all() -> None:
    predictions = interpolator_predictions()
    by_channel = channel_errors(predictions.masked, 5)["the model"]
    assert set(by_channel) == {"g", "r & <i>"}
    whole = reconstruction_estimates(predictions.masked)["the model"].value
    assert np.sqrt(np.mean(np.square(list(by_channel.values())))) == pytest.approx(whole)
    assert len(channel_errors(predictions.masked, 1)["the model"]) == 1


def test_intervals_of_normal_errors_have_nominal_coverage() -> None:
    found = coverage(interpolator_predictions().masked, QUANTILES)
    assert list(found) == [0.5, 0.8, 0.9, 0.95]
    for nominal, estimate in found.items():
        assert abs(estimate.value - nominal) < 0.06
        assert estimate.low <= estimate.value <= estimate.high


def test_coverage_by_distance_is_that_of_each_group() -> None:
    masked = interpolator_predictions(n=6).masked
    assert masked is not None
    assert coverage_by_distance(masked, QUANTILES) == []
    n = masked.num_rows
    distance = np.tile(np.arange(1.0, 11.0), n // 10)
    # errors ten times as large beyond a distance of 6
    truth = masked["truth"].to_numpy() * np.where(distance > 6, 10.0, 0.1)
    masked = masked.set_column(masked.column_names.index("truth"), "truth", pa.array(truth))
    masked = masked.append_column("distance", pa.array(np.where(np.arange(n) < 10, np.inf, distance)))
    groups = coverage_by_distance(masked, QUANTILES)
    assert [(g.nearest, g.farthest) for g in groups] == [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10)]
    assert [g.n_values for g in groups] == [n // 5 - 2] * 5
    assert [g.coverage.value == 1.0 for g in groups] == [True, True, True, False, False]
    assert all(g.coverage.value < 0.3 for g in groups[3:])
    assert coverage_by_distance(masked, [0.25, 0.75]) == []


def test_regression_metrics_are_those_of_scikit_learn() -> None:
    samples = regressor_predictions().samples
    truth, prediction = samples["truth_0"].to_numpy(), samples["prediction_0"].to_numpy()
    found = regression_estimates(truth, prediction)
    assert found["R²"].value == pytest.approx(r2_score(truth, prediction))
    assert found["root mean squared error"].value == pytest.approx(np.sqrt(np.mean((truth - prediction) ** 2)))
    assert found["R²"].low < found["R²"].value < found["R²"].high
    assert not np.isfinite(regression_estimates(np.ones(5), np.arange(5.0))["R²"].value)


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.81234, "0.812"), (0.0, "0.000"), (0.000123, "0.000123"), (12345.6, "1.23e+04"), (float("nan"), "unknown")],
)
def test_numbers_have_three_decimals_or_three_significant_digits(value: float, written: str) -> None:
    assert format_number(value) == written
