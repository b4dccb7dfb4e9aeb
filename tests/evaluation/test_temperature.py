"""Temperature scaling: the right temperature is found, the class stays, and few samples are not trusted."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from rotary_mae.evaluation.temperature import fit_temperature, without_smoothing


def sample(n: int, temperature: float, seed: int = 0, n_classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Logits (n, K) that are right when divided by the temperature, and classes drawn from these probabilities."""
    rng = np.random.default_rng(seed)
    logits = 2.0 * temperature * rng.normal(size=(n, n_classes))
    classes = (rng.random((n, 1)) > softmax(logits / temperature, axis=1).cumsum(axis=1)).sum(axis=1)
    return logits, classes


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_a_known_temperature_is_found(temperature):
    assert fit_temperature(*sample(20_000, temperature)) == pytest.approx(temperature, rel=0.03)


def test_the_temperature_has_the_lowest_log_loss_of_many_samples():
    logits, classes = sample(5_000, 2.0)
    found = fit_temperature(logits, classes)

    def loss(t):
        return -log_softmax(logits / t, axis=1)[np.arange(len(classes)), classes].mean()

    assert loss(found) <= min(loss(0.9 * found), loss(1.1 * found), loss(1.0))


def test_with_few_samples_the_temperature_is_near_1():
    distances = [abs(np.log(fit_temperature(*sample(n, 2.5, seed=1)))) for n in (3, 30, 3_000)]
    assert distances[0] < 0.5 * distances[2]
    assert distances[0] < distances[1] < distances[2]


def test_without_samples_or_differences_the_temperature_is_1():
    assert fit_temperature(np.zeros((0, 3)), np.zeros(0, int)) == 1.0
    assert fit_temperature(np.zeros((8, 3)), np.zeros(8, int)) == 1.0
    assert fit_temperature(*sample(8, 2.0), np.zeros(8)) == 1.0


def test_a_sample_of_weight_two_counts_as_two_samples():
    logits, classes = sample(2_000, 2.0)
    is_repeated = np.arange(2_000) < 1_000
    repeated = fit_temperature(
        np.concatenate([logits, logits[is_repeated]]), np.concatenate([classes, classes[is_repeated]])
    )
    weighted = fit_temperature(logits, classes, np.where(is_repeated, 2.0, 1.0))
    # the prior counts a little more, because the effective number of samples is lower
    assert weighted == pytest.approx(repeated, rel=0.01)


def test_only_ratios_of_weights_count():
    logits, classes = sample(50, 2.0)
    assert fit_temperature(logits, classes, np.full(50, 7.0)) == pytest.approx(fit_temperature(logits, classes))


def test_samples_of_weight_zero_do_not_count():
    logits, classes = sample(60, 2.0)
    weights = np.r_[np.ones(40), np.zeros(20)]
    expected = fit_temperature(logits[:40], classes[:40])
    # the prior takes the mean of weighted samples
    assert fit_temperature(logits, classes, weights) == pytest.approx(expected)


def test_correct_predictions_alone_do_not_make_probabilities_certain():
    logits = 4.0 * np.eye(3)[np.arange(10) % 3]
    confidence = softmax(logits / fit_temperature(logits, np.arange(10) % 3), axis=1).max()
    assert 0.9 < confidence < 0.99


def test_smoothing_is_undone_exactly():
    true = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(without_smoothing(0.9 * true + 0.1 / 3, 0.1), true, atol=1e-12)
    np.testing.assert_allclose(without_smoothing(true, 0.0), true, atol=1e-12)


def test_label_smoothing_is_undone_with_few_samples():
    rng = np.random.default_rng(0)
    true = softmax(3.0 * rng.normal(size=(5, 4)), axis=1)
    logits = np.log(0.9 * true + 0.1 / 4)
    assert fit_temperature(logits, true.argmax(axis=1), label_smoothing=0.1) < 0.85
