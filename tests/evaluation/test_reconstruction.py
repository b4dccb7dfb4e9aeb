"""Metrics of masked values, against values computed by hand."""

import numpy as np
import pytest
from scipy.stats import norm

import rotary_mae as rm
from rotary_mae.evaluation.conformal import fit_calibration
from rotary_mae.evaluation.reconstruction import ReconstructionMetrics, observed_targets

TIMES = np.array([0.0, 1.0, 2.0, 3.0, 4.0])


def two_channels() -> rm.TokenSet:
    """Return one sample: a line of slope 2 in channel a, and squares of the time in channel b."""
    values = np.r_[2.0 * TIMES, TIMES**2]
    positions = np.column_stack([np.tile(TIMES, 2), np.repeat([0.0, 1.0], 5)])
    return rm.TokenSet(values, positions, [10], axes=("time", "channel"), channels=("a", "b"))


def collected(tokens, masked, prediction, std=None, **given):
    is_masked = np.zeros(tokens.n_tokens, bool)
    is_masked[masked] = True
    metrics = ReconstructionMetrics(tokens.schema)
    column = None if std is None else np.full((len(masked), 1), std)
    metrics.add(
        rm.TokenBatch.collate(tokens).hide(is_hidden=is_masked), np.reshape(prediction, (-1, 1)), column, **given
    )
    return metrics


def test_baselines_use_the_visible_values_of_the_same_channel():
    rows = collected(two_channels(), [2, 7, 9], [4.0, 5.0, 16.0]).rows()
    np.testing.assert_allclose(rows["truth"], [4.0, 4.0, 16.0])
    np.testing.assert_array_equal(rows["channel"], [0, 1, 1])
    # at the end of a series the last visible value is the nearest
    np.testing.assert_allclose(rows["linear"], [4.0, 5.0, 9.0])
    np.testing.assert_allclose(rows["last"], [2.0, 1.0, 9.0])
    np.testing.assert_allclose(rows["mean"], [4.0, 10 / 3, 10 / 3])


def test_before_the_first_visible_value_the_next_one_counts():
    rows = collected(two_channels(), [0], [0.0]).rows()
    assert (rows["linear"][0], rows["last"][0]) == (2.0, 2.0)


def test_mean_squared_errors_are_over_all_masked_values_of_all_batches():
    metrics = collected(two_channels(), [2, 7], [4.5, 5.0])
    batch = rm.TokenBatch.collate(two_channels()).hide(is_hidden=np.arange(10) == 9)
    metrics.add(batch, np.array([[18.0]]), None)
    result = metrics.metrics()
    assert result["n_hidden"] == 3
    assert result["mse"] == pytest.approx((0.25 + 1.0 + 4.0) / 3)
    assert result["mse_linear"] == pytest.approx((0.0 + 1.0 + 49.0) / 3)
    assert result["mse_last"] == pytest.approx((4.0 + 9.0 + 49.0) / 3)
    assert "log_likelihood" not in result


def test_a_channel_without_visible_values_falls_back_to_the_mean_of_the_channel():
    tokens = two_channels()
    both = rm.TokenSet(
        np.concatenate([tokens.values, [[3.0], [7.0]]]),
        np.concatenate([tokens.positions, [[0.0, 0.0], [0.0, 1.0]]]),
        [10, 2],
        schema=tokens.schema,
    )
    is_masked = np.arange(12) == 11
    metrics = ReconstructionMetrics(both.schema)
    metrics.add(rm.TokenBatch.collate(both).hide(is_hidden=is_masked), np.array([[7.0]]), None)
    assert np.isnan(metrics.rows()["linear"][0])
    # the mean of channel b, 6
    assert metrics.metrics()["mse_linear"] == metrics.metrics()["mse_last"] == metrics.metrics()["mse_mean"] == 1.0


def test_the_log_likelihood_is_that_of_normal_distributions():
    metrics = collected(two_channels(), [2, 3], [4.5, 5.0], std=2.0)
    result = metrics.metrics()
    assert result["log_likelihood"] == pytest.approx(norm.logpdf([4.0, 6.0], [4.5, 5.0], 2.0).mean())
    visible = np.array([0.0, 2.0, 8.0])
    assert result["log_likelihood_mean"] == pytest.approx(norm.logpdf([4.0, 6.0], visible.mean(), visible.std()).mean())
    assert result["coverage_90"] == 1.0


def test_measurement_errors_widen_the_distribution():
    schema = rm.simulate_light_curves(1).schema
    tokens = rm.TokenSet([[1.0, 3.0], [1.0, 3.0]], [[0.0, 0.0], [1.0, 0.0]], [2], schema=schema)
    metrics = collected(tokens, [1], [5.0], std=4.0).metrics()
    assert metrics["log_likelihood"] == pytest.approx(norm.logpdf(1.0, 5.0, 5.0))


def test_coverage_is_that_of_the_calibrated_interval():
    tokens, n = two_channels(), 4_000
    score = np.random.default_rng(0).normal(size=n)
    wide, narrow = (
        fit_calibration(scale * score, np.arange(n) % 2, np.arange(n) // 2, np.arange(n), np.zeros(2), "series")
        for scale in (3.0, 0.1)
    )
    # four deviations off: outside of the model's own interval and inside of one three times as wide
    metrics = collected(tokens, [2], [4.0 + 4.0], std=1.0)
    assert [metrics.metrics(c)["coverage_90"] for c in (None, wide, narrow)] == [0.0, 1.0, 0.0]


def test_extra_columns_are_those_of_the_masked_values():
    rows = collected(two_channels(), [2, 7], [4.0, 5.0], extra={"time": TIMES[[2, 2]][:, None]}).rows()
    np.testing.assert_array_equal(rows["time"], [2.0, 2.0])


def test_without_masked_values_there_is_a_clear_error():
    tokens = rm.TokenSet([1.0, 2.0], [0.0, 1.0], [1, 1], channels=("a",))
    metrics = ReconstructionMetrics(tokens.schema)
    metrics.add(rm.TokenBatch.collate(tokens).hide(0.5, seed=0), np.zeros((0, 1)), None)
    with pytest.raises(ValueError, match="no value could be masked: every sample has a single token"):
        metrics.metrics()


def test_unobserved_values_and_static_covariates_are_no_targets():
    steps = rm.from_arrays(np.array([[[1.0, 2.0], [3.0, np.nan]]]), layout="steps")
    values, is_observed, channel = observed_targets(rm.TokenBatch.collate(steps))
    np.testing.assert_array_equal(is_observed, [[True, True], [True, False]])
    np.testing.assert_array_equal(channel, [[0, 1], [0, 1]])
    np.testing.assert_array_equal(values[is_observed], [1.0, 3.0, 2.0])


def test_patches_are_normalized_by_their_own_mean_and_std():
    images = rm.from_images(np.random.default_rng(0).uniform(size=(2, 8, 8, 1)), patch=(4, 4))
    values, _, _ = observed_targets(rm.TokenBatch.collate(images), is_normalized=True)
    np.testing.assert_allclose(values.mean(1), 0.0, atol=1e-6)
    np.testing.assert_allclose(values.std(1, ddof=1), 1.0, atol=1e-4)
