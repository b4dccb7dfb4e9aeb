"""Metrics are those of scikit-learn, and their intervals say what the luck of the draw may do."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss, r2_score, roc_auc_score

from rotary_mae.report.bootstrap import (
    bootstrap,
    channel_errors,
    class_estimates,
    coverage,
    hidden_estimates,
    number,
    number_estimates,
)
from tests.report.answers import QUANTILES, of_classes, of_numbers, of_series


@pytest.mark.parametrize("n_classes", [2, 3])
def test_metrics_of_classes_are_those_of_scikit_learn(n_classes: int) -> None:
    samples = of_classes(90, n_classes).samples
    chances = np.column_stack([samples[f"p_{k}"].to_numpy() for k in range(n_classes)])
    truth = np.arange(90) % n_classes
    guess, found = chances.argmax(1), class_estimates(truth, chances)
    area = roc_auc_score(truth, chances[:, 1] if n_classes == 2 else chances, multi_class="ovr")
    expected = {
        "accuracy": accuracy_score(truth, guess),
        "balanced accuracy": balanced_accuracy_score(truth, guess),
        "macro F1": f1_score(truth, guess, average="macro"),
        "AUC": area,
        "log loss": log_loss(truth, chances),
    }
    assert {name: estimate.value for name, estimate in found.items()} == pytest.approx(expected)
    assert all(estimate.low < estimate.value < estimate.high for estimate in found.values())


def test_a_class_that_is_not_among_the_samples_is_no_class_to_be_judged_by() -> None:
    truth, chances = np.array([0, 1] * 20), np.full((40, 3), 1 / 3)
    chances[np.arange(40), truth] += 0.5
    found = class_estimates(truth, chances / chances.sum(1, keepdims=True))
    assert found["balanced accuracy"].value == found["macro F1"].value == 1.0
    assert "AUC" not in found


def test_intervals_hold_the_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(100):
        values = rng.normal(size=60)
        found = bootstrap(lambda w, values=values: w @ values / w.sum(1), 60)
        inside += found.low <= 0.0 <= found.high
    assert 87 <= inside <= 100


def test_values_of_one_sample_are_drawn_together() -> None:
    # ten samples, whose hundred values each are the same: there are ten opinions, not a thousand
    evidence = of_series()
    errors = hidden_estimates(evidence.masked)
    alike = evidence.masked.set_column(
        evidence.masked.column_names.index("truth"), "truth", [np.repeat(np.arange(6.0), 80)]
    )
    repeated = hidden_estimates(alike)["the model"]
    assert errors["the model"].high - errors["the model"].low < 0.3
    assert repeated.high - repeated.low > 1.0
    assert errors["straight lines between neighbours"].value == pytest.approx(errors["the model"].value / 2)


def test_errors_by_channel_add_up_to_the_error_of_all() -> None:
    evidence = of_series()
    by_channel = channel_errors(evidence.masked, 5)["the model"]
    assert set(by_channel) == {"g", "r & <i>"}
    whole = hidden_estimates(evidence.masked)["the model"].value
    assert np.sqrt(np.mean(np.square(list(by_channel.values())))) == pytest.approx(whole)
    assert len(channel_errors(evidence.masked, 1)["the model"]) == 1


def test_normal_errors_are_covered_as_often_as_promised() -> None:
    found = coverage(of_series().masked, QUANTILES)
    assert list(found) == [0.5, 0.8, 0.9, 0.95]
    for promised, estimate in found.items():
        assert abs(estimate.value - promised) < 0.06
        assert estimate.low <= estimate.value <= estimate.high


def test_metrics_of_numbers_are_those_of_scikit_learn() -> None:
    samples = of_numbers().samples
    truth, answer = samples["truth_0"].to_numpy(), samples["prediction_0"].to_numpy()
    found = number_estimates(truth, answer)
    assert found["R²"].value == pytest.approx(r2_score(truth, answer))
    assert found["root mean squared error"].value == pytest.approx(np.sqrt(np.mean((truth - answer) ** 2)))
    assert found["R²"].low < found["R²"].value < found["R²"].high
    assert not np.isfinite(number_estimates(np.ones(5), np.arange(5.0))["R²"].value)


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.81234, "0.812"), (0.0, "0.000"), (0.000123, "0.000123"), (12345.6, "1.23e+04"), (float("nan"), "unknown")],
)
def test_numbers_are_written_with_the_digits_that_count(value: float, written: str) -> None:
    assert number(value) == written
