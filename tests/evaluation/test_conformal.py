"""Calibrated quantiles have the stated coverage, whatever the distribution of the scores."""

import json
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri

import rotary_mae as rm
from rotary_mae.data.schema import Schema
from rotary_mae.evaluation.conformal import LEVELS, Calibration, count_channels, fit_calibration


def fitted(score: Any, channel: Any = None, series: Any = None, n_channels: int = 1) -> Calibration:
    channel = np.zeros(len(score), np.int64) if channel is None else channel
    series = np.arange(len(score)) if series is None else series
    return fit_calibration(np.asarray(score), channel, series, np.arange(len(score)), np.zeros(n_channels), "series")


@pytest.mark.parametrize("level", [0.01, 0.05, 0.25, 0.5, 0.8, 0.975])
def test_skewed_scores_of_different_channels_are_covered(level: float) -> None:
    rng = np.random.default_rng(0)
    channel = rng.integers(0, 2, 40_000)
    score = rng.gamma(2.0, 1.0, len(channel)) * np.array([0.5, 3.0])[channel] - 1.0
    held_out, new = slice(0, 20_000), slice(20_000, None)
    calibration = fitted(score[held_out], channel[held_out], n_channels=2)
    is_below = score[new] <= calibration.standard_quantile(level)[channel[new]]
    for c in (0, 1):
        assert is_below[channel[new] == c].mean() == pytest.approx(level, abs=0.01)


def test_few_scores_have_the_stated_coverage_on_average() -> None:
    rng = np.random.default_rng(1)
    below = [
        (rng.standard_t(3, 500) <= fitted(rng.standard_t(3, 79)).standard_quantile(0.9)).mean() for _ in range(800)
    ]
    # the plain quantile of 79 scores would be short by about a point
    assert np.mean(below) == pytest.approx(0.9, abs=0.004)


@pytest.mark.parametrize("n", [0, 1, 3, 4, 7, 30, 1_000])
def test_quantiles_increase_and_are_finite_far_beyond_the_scores(n: int) -> None:
    calibration = fitted(np.random.default_rng(n).standard_cauchy(n))
    levels = [1e-9, 1e-5, 0.0004, 0.001, 0.01, 0.049, 0.05, 0.3, 0.5, 0.50001, 0.9, 0.995, 0.9999, 1 - 1e-9]
    quantiles = np.array([calibration.standard_quantile(p)[0] for p in levels])
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles) > 0).all()


def test_the_tail_continues_as_that_of_a_normal_distribution() -> None:
    calibration = fitted(2.0 * np.random.default_rng(0).normal(size=5_000))
    for p in (1e-6, 1e-4, 1 - 1e-5):
        assert calibration.standard_quantile(p)[0] == pytest.approx(2.0 * ndtri(p), rel=0.1)
    assert calibration.scale[0] == pytest.approx(2.0, rel=0.05)


def test_a_channel_of_few_series_is_shrunk_towards_all_channels() -> None:
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


def test_few_held_out_series_are_shrunk_towards_the_models_own_distribution() -> None:
    score, value = 3.0 * np.random.default_rng(0).normal(size=4_000), np.arange(4_000)
    few, many = (
        fit_calibration(score, np.zeros(4_000, np.int64), value % n, value, np.zeros(1), "series", 10)
        for n in (5, 2_000)
    )
    assert 1.8 < few.scale[0] < 2.2
    assert many.scale[0] == pytest.approx(3.0, rel=0.05)


def test_a_channel_known_exactly_is_not_widened_by_the_others() -> None:
    rng = np.random.default_rng(0)
    channel, series = np.repeat([0, 1], [4_000, 400]), np.r_[np.arange(4_000) % 100, np.arange(400) % 50]
    score = rng.normal(size=4_400) * np.array([1.0, 1e-3])[channel]
    assert fitted(score, channel, series, n_channels=2).scale[1] == pytest.approx(1e-3, rel=0.2)


def test_to_standard_normal_is_the_inverse_of_a_quantile() -> None:
    rng = np.random.default_rng(0)
    channel = rng.integers(0, 2, 3_000)
    calibration = fitted(rng.gamma(2.0, 1.0, 3_000) * (1 + channel), channel, n_channels=2)
    for p in (1e-7, 0.001, 0.2, 0.5, 0.94, 1 - 1e-6):
        transformed = calibration.to_standard_normal(calibration.standard_quantile(p), np.array([0, 1]))
        np.testing.assert_allclose(transformed, ndtri(p), atol=1e-6)


def test_json_restores_a_calibration() -> None:
    calibration = fitted(np.random.default_rng(0).normal(size=50), n_channels=1)
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration


def test_without_calibration_quantiles_are_those_of_the_model() -> None:
    calibration = Calibration.uncalibrated(2)
    assert not calibration.is_fitted
    assert calibration.standard_quantile(0.95) == pytest.approx([ndtri(0.95)] * 2)
    assert calibration.scale == pytest.approx([1.0, 1.0])


def test_levels_are_symmetric_and_increase() -> None:
    assert (np.diff(LEVELS) > 0).all()
    np.testing.assert_allclose(LEVELS + LEVELS[::-1], 1.0)


def test_channels_are_named_ones_values_of_a_step_or_all_patches_together() -> None:
    assert count_channels(Schema(("time", "channel"), ("g", "r"), ("value",))) == 2
    assert count_channels(Schema(("time",), ("a", "b", "c"), ("value",) * 3)) == 3
    images = rm.from_images(np.zeros((2, 8, 8, 3)), patch=(4, 4))
    assert count_channels(images.schema) == 1
