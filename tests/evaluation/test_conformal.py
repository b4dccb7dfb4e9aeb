"""Calibrated quantiles hold what they claim, whatever the model says of itself."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import ndtri

import rotary_mae as rm
from rotary_mae.batches.masking import Masking
from rotary_mae.evaluation.conformal import Calibration, fit_calibration
from rotary_mae.evaluation.conformal_scores import fit_on_masked_values, typical_errors, withhold_values


def fitted(score: Any, channel: Any = None, series: Any = None, n_channels: int = 1) -> Calibration:
    channel = np.zeros(len(score), np.int64) if channel is None else channel
    series = np.arange(len(score)) if series is None else series
    return fit_calibration(np.asarray(score), channel, series, np.arange(len(score)), np.zeros(n_channels), "series")


@pytest.mark.parametrize("level", [0.01, 0.05, 0.25, 0.5, 0.8, 0.975])
def test_skewed_scores_of_channels_that_differ_are_covered(level: float) -> None:
    rng = np.random.default_rng(0)
    channel = rng.integers(0, 2, 40_000)
    score = rng.gamma(2.0, 1.0, len(channel)) * np.array([0.5, 3.0])[channel] - 1.0
    old, new = slice(0, 20_000), slice(20_000, None)
    calibration = fitted(score[old], channel[old], n_channels=2)
    is_below = score[new] <= calibration.standard_quantile(level)[channel[new]]
    for c in (0, 1):
        assert is_below[channel[new] == c].mean() == pytest.approx(level, abs=0.01)


def test_few_scores_cover_as_much_on_average() -> None:
    rng = np.random.default_rng(1)
    below = [
        (rng.standard_t(3, 500) <= fitted(rng.standard_t(3, 79)).standard_quantile(0.9)).mean() for _ in range(800)
    ]
    # the plain quantile of 79 scores would be short by about a point
    assert np.mean(below) == pytest.approx(0.9, abs=0.004)


@pytest.mark.parametrize("n", [0, 1, 3, 4, 7, 30, 1_000])
def test_quantiles_rise_and_are_finite_far_beyond_what_was_seen(n: int) -> None:
    calibration = fitted(np.random.default_rng(n).standard_cauchy(n))
    levels = [1e-9, 1e-5, 0.0004, 0.001, 0.01, 0.049, 0.05, 0.3, 0.5, 0.50001, 0.9, 0.995, 0.9999, 1 - 1e-9]
    found = np.array([calibration.standard_quantile(p)[0] for p in levels])
    assert np.isfinite(found).all()
    assert (np.diff(found) > 0).all()


def test_the_tail_goes_on_as_that_of_a_normal_distribution() -> None:
    calibration = fitted(2.0 * np.random.default_rng(0).normal(size=5_000))
    for p in (1e-6, 1e-4, 1 - 1e-5):
        assert calibration.standard_quantile(p)[0] == pytest.approx(2.0 * ndtri(p), rel=0.1)
    assert calibration.scale[0] == pytest.approx(2.0, rel=0.05)


def test_a_channel_of_few_series_is_drawn_towards_all() -> None:
    rng = np.random.default_rng(0)
    # many values of the last channel, but of two series only
    channel = np.repeat([0, 1, 2], [4_000, 4_000, 400])
    series = np.r_[np.arange(8_000) % 200, np.arange(400) % 2]
    score = rng.normal(size=8_400) * np.array([1.0, 2.0, 8.0])[channel]
    calibration = fitted(score, channel, series, n_channels=4)
    assert calibration.n_series == (200, 200, 2, 0)
    low, high, rare, unseen = calibration.scale
    assert low < 1.2
    assert high == pytest.approx(2.0, rel=0.1)
    assert unseen < rare < 0.5 * (8.0 + unseen)


def test_few_held_out_series_do_not_outweigh_the_models_own_word() -> None:
    score, value = 3.0 * np.random.default_rng(0).normal(size=4_000), np.arange(4_000)
    few, many = (
        fit_calibration(score, np.zeros(4_000, np.int64), value % n, value, np.zeros(1), "series", n_own=10)
        for n in (5, 2_000)
    )
    assert 1.8 < few.scale[0] < 2.2
    assert many.scale[0] == pytest.approx(3.0, rel=0.05)


def test_a_channel_known_exactly_is_not_spread_by_the_others() -> None:
    rng = np.random.default_rng(0)
    channel, series = np.repeat([0, 1], [4_000, 400]), np.r_[np.arange(4_000) % 100, np.arange(400) % 50]
    score = rng.normal(size=4_400) * np.array([1.0, 1e-3])[channel]
    assert fitted(score, channel, series, n_channels=2).scale[1] == pytest.approx(1e-3, rel=0.2)


def test_surprise_is_the_inverse_of_a_quantile() -> None:
    rng = np.random.default_rng(0)
    channel = rng.integers(0, 2, 3_000)
    calibration = fitted(rng.gamma(2.0, 1.0, 3_000) * (1 + channel), channel, n_channels=2)
    for p in (1e-7, 0.001, 0.2, 0.5, 0.94, 1 - 1e-6):
        got = calibration.to_standard_normal(calibration.standard_quantile(p), np.array([0, 1]))
        np.testing.assert_allclose(got, ndtri(p), atol=1e-6)


def test_json_brings_it_back() -> None:
    import json

    calibration = fitted(np.random.default_rng(0).normal(size=50), n_channels=1)
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration
    assert not Calibration.none(2).is_fitted
    assert Calibration.none(2).standard_quantile(0.95) == pytest.approx([ndtri(0.95)] * 2)


def test_a_new_measurement_is_expected_to_err_as_its_neighbours_do() -> None:
    found = typical_errors(
        np.array([7.0, 8.0]),
        series=np.array([0, 0, 0, 0, 1, 1]),
        channel=np.array([0, 0, 0, 1, 0, 2]),
        error=np.array([0.1, 9.0, 0.3, 2.0, 5.0, 0.0]),
        asked_series=np.array([0, 0, 1, 1, 2]),
        asked_channel=np.array([0, 1, 0, 1, 0]),
    )
    # the median; then the channel's, where the series has none of it (channel 2 is a static covariate)
    np.testing.assert_array_equal(found, [0.3, 2.0, 5.0, 8.0, 7.0])


def measured(n: int = 60, noise: float = 0.5) -> rm.TokenSet:
    """Values that are 0 but for their errors, in two channels."""
    rng = np.random.default_rng(0)
    error = noise * rng.uniform(0.8, 1.2, n * 20)
    return rm.TokenSet(
        np.column_stack([error * rng.normal(size=n * 20), error]),
        np.column_stack([np.tile(np.arange(20.0), n), np.tile([0.0, 1.0], 10 * n)]),
        [20] * n,
        schema=rm.simulate_light_curves(1).schema,
    )


def test_known_errors_explain_what_the_model_need_not() -> None:
    def knows_the_truth(batch: rm.TokenBatch) -> tuple[torch.Tensor, torch.Tensor]:
        n = len(batch.split.hidden_idx)
        return torch.zeros(n, 1), torch.full((n, 1), 1e-3)

    calibration = fit_on_masked_values(knows_the_truth, measured(), Masking("uniform", 0.5), 0, "series")
    np.testing.assert_allclose(calibration.scale[:2], 1.0, atol=0.1)
    np.testing.assert_allclose(calibration.error[:2], 0.5, atol=0.05)


def test_a_model_too_sure_of_itself_is_corrected_and_may_say_nothing_of_its_spread() -> None:
    def too_sure(batch: rm.TokenBatch) -> tuple[torch.Tensor, torch.Tensor | None]:
        hidden = batch.split.hidden_idx
        return batch.values[hidden, :1] + torch.randn(len(hidden), 1), torch.full((len(hidden), 1), 0.25)

    def silent(batch: rm.TokenBatch) -> tuple[torch.Tensor, torch.Tensor | None]:
        return too_sure(batch)[0], None

    torch.manual_seed(0)
    data = measured(noise=1e-6)
    assert fit_on_masked_values(too_sure, data, Masking("times", 0.5), 0, "series").scale[0] == pytest.approx(
        4.0, rel=0.1
    )
    assert fit_on_masked_values(silent, data, Masking("future", 0.5), 0, "series").scale[0] == pytest.approx(
        1.0, rel=0.15
    )


def test_only_held_values_count_where_no_series_is_held_out() -> None:
    data = measured(n=8)
    is_held = withhold_values(data, seed=3)
    per_series = is_held.reshape(8, 20).sum(1)
    assert (per_series == 3).all()

    def wrong_on_training(batch: rm.TokenBatch) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = batch.split.hidden_idx
        known = torch.from_numpy(
            is_held[batch.keys.numpy()[batch.sample_idx] * 20 + batch.positions[:, 0].long().numpy()]
        )
        return torch.where(known[hidden, None], batch.values[hidden, :1], 100.0), torch.ones(len(hidden), 1)

    calibration = fit_on_masked_values(wrong_on_training, data, Masking("uniform", 0.5), 0, "values", is_held)
    assert 0 < sum(calibration.n_values) <= is_held.sum()
    assert max(calibration.scale) < 1e-3
