"""Calibration of regressors: coverage with many and few residuals, weights, and independence of the numbers."""

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student_t

from rotary_mae.evaluation.conformal_residuals import fit_on_residuals


def coverage(calibration, scores, level=0.9):
    """Fraction (k,) of the scores (n, k) in the central interval."""
    low, high = (calibration.standard_quantile(0.5 + side * level / 2) for side in (-1, 1))
    return ((low < scores) & (scores < high)).mean(0)


def test_quantiles_of_many_residuals_are_those_of_their_distribution():
    rng = np.random.default_rng(0)
    # the std of the model is three times too small, errors are skewed, and the mean is biased
    errors = 3.0 * (rng.exponential(size=(20_000, 1)) - 0.5)
    calibration = fit_on_residuals(errors, np.ones_like(errors))
    for p in (0.05, 0.5, 0.95):
        assert calibration.standard_quantile(p)[0] == pytest.approx(3.0 * (-np.log(1 - p) - 0.5), rel=0.03)


def test_the_rank_of_a_quantile_has_the_finite_sample_correction():
    # 39 scores: the quantile 0.9 is the score of rank 0.9 * 40 = 36
    scores = np.random.default_rng(0).permutation(np.arange(1.0, 40.0))[:, None]
    calibration = fit_on_residuals(scores, np.ones_like(scores))
    assert calibration.standard_quantile(0.9)[0] == pytest.approx(36.0)
    assert calibration.standard_quantile(0.1)[0] == pytest.approx(4.0)


@pytest.mark.parametrize("distribution", [norm, student_t(3)])
@pytest.mark.parametrize("n", [2, 3, 6, 12, 20, 30, 100])
def test_intervals_have_their_coverage_for_any_number_of_residuals(n, distribution):
    rng = np.random.default_rng(n)
    found = []
    for _ in range(400):
        calibration = fit_on_residuals(5.0 * distribution.rvs(size=(n, 1), random_state=rng), np.ones((n, 1)))
        low, high = (calibration.standard_quantile(p)[0] for p in (0.05, 0.95))
        found.append(distribution.cdf(high / 5.0) - distribution.cdf(low / 5.0))
    # below 20 residuals the tails are taken to be normal
    assert np.mean(found) == pytest.approx(0.9, abs=0.02 if n >= 20 or distribution is norm else 0.06)


def test_quantiles_increase_with_their_level():
    rng = np.random.default_rng(0)
    for n in (1, 2, 5, 19, 40):
        table = np.array(fit_on_residuals(rng.standard_t(2, (n, 3)), np.ones((n, 3)), rng.random(n) + 0.1).table)
        assert (np.diff(table, axis=1) >= 0).all()


def test_two_residuals_have_quantiles_close_to_students_t_distribution():
    calibration = fit_on_residuals(np.array([[3.0], [-4.0]]), np.ones((2, 1)))
    expected = np.sqrt(12.5) * student_t(2).ppf(0.95)
    # ranks 1/3 and 2/3 of two residuals, beyond them the distribution; a tenth of them counts
    beyond = 3.0 + expected - np.sqrt(12.5) * student_t(2).ppf(2 / 3)
    expected = 0.9 * expected + 0.1 * beyond
    assert calibration.standard_quantile(0.95)[0] == pytest.approx(expected)
    low = calibration.standard_quantile(0.05)[0]
    expected = (expected - low) / 2
    assert calibration.scale[0] == pytest.approx(expected / norm.ppf(0.95))


def test_every_number_is_calibrated_for_itself():
    rng = np.random.default_rng(0)
    for n in (8, 200):
        residuals = rng.normal(size=(n, 2)) * [1.0, 20.0]
        both = fit_on_residuals(residuals, np.ones((n, 2)))
        for k in range(2):
            alone = fit_on_residuals(residuals[:, [k]], np.ones((n, 1)))
            assert both.table[k] == alone.table[0]


def test_residuals_count_by_weight():
    rng = np.random.default_rng(0)
    residuals = np.concatenate([rng.normal(size=(2_000, 1)), 10.0 * rng.normal(size=(2_000, 1))])
    weights = np.r_[np.ones(2_000), np.full(2_000, 1e-6)]
    calibration = fit_on_residuals(residuals, np.ones_like(residuals), weights)
    assert coverage(calibration, residuals[:2_000])[0] == pytest.approx(0.9, abs=0.01)
    assert calibration.scale[0] == pytest.approx(1.0, rel=0.05)


def test_equal_weights_change_nothing():
    residuals = np.random.default_rng(0).normal(size=(30, 1))
    equal = fit_on_residuals(residuals, np.ones_like(residuals), np.full(30, 2.5))
    np.testing.assert_allclose(equal.table, fit_on_residuals(residuals, np.ones_like(residuals)).table)


def test_a_residual_of_weight_two_counts_as_two():
    residuals = np.random.default_rng(0).normal(size=(400, 1))
    weights = np.where(np.arange(400) < 200, 2.0, 1.0)
    repeated = np.concatenate([residuals, residuals[:200]])
    weighted = fit_on_residuals(residuals, np.ones_like(residuals), weights)
    twice = fit_on_residuals(repeated, np.ones_like(repeated))
    for p in (0.05, 0.5, 0.95):
        assert weighted.standard_quantile(p)[0] == pytest.approx(twice.standard_quantile(p)[0], abs=0.03)


def test_residuals_of_weight_zero_do_not_count():
    residuals = np.random.default_rng(0).normal(size=(30, 1))
    residuals[20:] *= 100.0
    weights = (np.arange(30) < 20).astype(float)
    weighted = fit_on_residuals(residuals, np.ones_like(residuals), weights)
    assert weighted.table == fit_on_residuals(residuals[:20], np.ones((20, 1))).table
    assert weighted.n_values == (20,)


def test_residuals_of_zero_give_intervals_of_width_zero():
    calibration = fit_on_residuals(np.zeros((25, 1)), np.ones((25, 1)))
    assert calibration.standard_quantile(0.95)[0] == 0.0
    assert np.isfinite(calibration.scale).all()
