"""Each group of queries has the stated coverage."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri

from rotary_mae.evaluation.conformal import Calibration, fit_calibration
from rotary_mae.evaluation.conformal_groups import fit_groups
from rotary_mae.evaluation.query_groups import AFTER, BETWEEN, SHARED, QueryFeatures


def with_groups(
    score: Any, channel: Any, series: Any, value: Any, *others: Any, features: QueryFeatures
) -> Calibration:
    calibration = fit_calibration(score, channel, series, value, *others)
    return fit_groups(calibration, score, channel, series, value, features)


def of_distance(distance: np.ndarray, kind: int = BETWEEN) -> QueryFeatures:
    return QueryFeatures(np.full(len(distance), kind), distance)


def is_covered(calibration: Calibration, score: np.ndarray, channel: np.ndarray, features: QueryFeatures) -> np.ndarray:
    place = calibration.places(features)
    low, high = (calibration.quantile_of_queries(p, channel, place) for p in (0.05, 0.95))
    covered: np.ndarray = (low <= score) & (score <= high)
    return covered


def test_each_of_five_groups_of_distances_is_covered() -> None:
    rng = np.random.default_rng(0)
    n = 40_000
    distance, channel = rng.exponential(2.0, n), rng.integers(0, 2, n)
    # the residuals grow with the distance, and are skewed in one channel
    score = np.where(channel == 0, rng.normal(size=n), rng.gamma(2.0, 1.0, n) - 1.0) * (0.5 + distance)
    held_out, new = slice(0, n // 2), slice(n // 2, n)
    features = of_distance(distance[held_out])
    index = np.arange(n // 2)
    calibration = with_groups(
        score[held_out], channel[held_out], index, index, np.zeros(2), "series", features=features
    )
    assert len(calibration.group_table) == len(calibration.group_n_series) == sum(map(len, calibration.knots))
    covered = is_covered(calibration, score[new], channel[new], of_distance(distance[new]))
    group = np.argsort(np.argsort(distance[new])) * 5 // (n // 2)
    for g in range(5):
        # the residuals differ within a group too
        assert covered[group == g].mean() == pytest.approx(0.9, abs=0.03)
    pooled = replace(calibration, knots=(), group_table=())
    without = is_covered(pooled, score[new], channel[new], of_distance(distance[new]))
    assert without[group == 0].mean() > 0.98
    assert without[group == 4].mean() < 0.8


def test_queries_at_the_time_of_other_channels_and_at_new_times_are_calibrated_separately() -> None:
    rng = np.random.default_rng(1)
    n = 20_000
    kind = rng.choice([BETWEEN, SHARED], n, p=[0.2, 0.8])
    score = rng.normal(size=n) * np.where(kind == SHARED, 0.2, 3.0)
    features, channel, index = QueryFeatures(kind, rng.integers(1, 4, n).astype(float)), np.zeros(n, int), np.arange(n)
    calibration = with_groups(score, channel, index, index, np.zeros(1), "series", features=features)
    new = rng.normal(size=n) * np.where(kind == SHARED, 0.2, 3.0)
    covered = is_covered(calibration, new, channel, features)
    for k in (BETWEEN, SHARED):
        assert covered[kind == k].mean() == pytest.approx(0.9, abs=0.015)


def test_the_horizons_of_forecasts_are_calibrated_separately() -> None:
    rng = np.random.default_rng(2)
    horizon = np.tile(np.arange(1.0, 31.0), 600)
    channel, index = np.zeros(len(horizon), int), np.arange(len(horizon))
    score = rng.normal(size=len(horizon)) * np.sqrt(horizon)
    features = of_distance(horizon, AFTER)
    calibration = with_groups(score, channel, index, index, np.zeros(1), "series", features=features)
    covered = is_covered(calibration, rng.normal(size=len(horizon)) * np.sqrt(horizon), channel, features)
    for h in (1, 5, 30):
        # 600 scores: a binomial deviation of 0.012
        assert covered[horizon == h].mean() == pytest.approx(0.9, abs=0.04)
    assert calibration.farthest[AFTER] == 30.0


def test_a_group_of_few_series_is_shrunk_towards_all_groups() -> None:
    rng = np.random.default_rng(0)
    kind = np.repeat([BETWEEN, AFTER], [8_000, 400])
    score = rng.normal(size=8_400) * np.where(kind == AFTER, 8.0, 1.0)
    channel, features, value = np.zeros(8_400, int), QueryFeatures(kind, np.ones(8_400)), np.arange(8_400)
    scales = []
    for n_series in (2, 400):
        series = np.r_[np.arange(8_000) % 100, np.arange(400) % n_series]
        calibration = with_groups(score, channel, series, value, np.zeros(1), "series", features=features)
        assert calibration.group_n_series == (100, n_series)
        scales.append(calibration.scale_of_queries(np.zeros(2, int), np.array([0.0, 1.0])))
    (near, few), (_, many) = scales
    assert near == pytest.approx(1.0, rel=0.1)
    assert near < few < 2.0
    assert many == pytest.approx(8.0, rel=0.1)


def test_a_query_of_a_kind_that_did_not_occur_has_the_quantiles_of_its_channel() -> None:
    rng = np.random.default_rng(0)
    n = 2_000
    channel, index = rng.integers(0, 2, n), np.arange(n)
    calibration = with_groups(
        rng.normal(size=n) * (1 + channel),
        channel,
        index,
        index,
        np.zeros(2),
        "series",
        features=of_distance(rng.exponential(size=n)),
    )
    place = calibration.places(of_distance(np.ones(2), AFTER))
    for p in (0.001, 0.1, 0.95, 1 - 1e-7):
        found = calibration.quantile_of_queries(p, np.array([0, 1]), place)
        np.testing.assert_allclose(found, calibration.standard_quantile(p), rtol=1e-9)


def test_to_standard_normal_is_the_inverse_of_a_quantile_within_groups() -> None:
    rng = np.random.default_rng(0)
    n = 3_000
    channel, distance, index = rng.integers(0, 2, n), rng.exponential(size=n), np.arange(n)
    score = rng.gamma(2.0, 1.0, n) * (1 + channel) * (1 + distance)
    calibration = with_groups(score, channel, index, index, np.zeros(2), "series", features=of_distance(distance))
    queries, of_channel = of_distance(np.array([0.01, 0.3, 1.234, 50.0, 0.7])), np.array([0, 1, 0, 1, 1])
    place = calibration.places(queries)
    for p in (1e-7, 0.001, 0.2, 0.5, 0.94, 1 - 1e-6):
        quantile = calibration.quantile_of_queries(p, of_channel, place)
        np.testing.assert_allclose(calibration.to_standard_normal(quantile, of_channel, place), ndtri(p), atol=1e-6)
    restored = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict())))
    assert restored == calibration


def test_the_width_of_intervals_changes_continuously_with_the_distance() -> None:
    rng = np.random.default_rng(0)
    n = 5_000
    distance, channel, index = rng.exponential(size=n), np.zeros(n, int), np.arange(n)
    calibration = with_groups(
        rng.normal(size=n) * (1 + distance),
        channel,
        index,
        index,
        np.zeros(1),
        "series",
        features=of_distance(distance),
    )
    fine = np.geomspace(0.01, 10, 2_000)
    scale = calibration.scale_of_queries(np.zeros(2_000, int), calibration.places(of_distance(fine)))
    assert np.abs(np.diff(scale)).max() < 0.03
    assert scale[-1] > 2 * scale[0]


def test_a_calibration_of_an_earlier_version_has_no_groups() -> None:
    zeros, index = np.zeros(50, int), np.arange(50)
    score = np.random.default_rng(0).normal(size=50)
    fields = with_groups(score, zeros, index, index, np.zeros(1), "series", features=of_distance(np.ones(50))).to_dict()
    old = {name: fields[name] for name in ("levels", "table", "error", "n_values", "n_series", "held_out")}
    calibration = Calibration.from_dict(json.loads(json.dumps(old)))
    assert calibration.places(of_distance(np.ones(3))) is None
    found = calibration.quantile_of_queries(0.9, np.zeros(3, int), None)
    np.testing.assert_array_equal(found, np.repeat(calibration.standard_quantile(0.9), 3))
