"""Predictive distributions: moments of mixtures, calibrated statistics, and the validation of what is requested."""

from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri

import rotary_mae as rm
from rotary_mae.data.schema import Schema
from rotary_mae.estimators._predict.distribution import (
    PredictiveDistribution,
    Statistics,
    mixture_moments,
    quantile_name,
)
from rotary_mae.evaluation.conformal import Calibration

SCHEMA = Schema(("time", "channel"), ("g", "r"), ("value", "error"))
SCALING = rm.Scaling(SCHEMA, (10.0, -5.0), (2.0, 4.0), "first", (1.0, 1.0), (0.0, 0.0))


def distribution(**changes: Any) -> PredictiveDistribution:
    """Two queries, one of each channel, with measurement errors and an identity calibration."""
    given = {
        "mean": np.array([[0.5], [-1.0]]),
        "model_std": np.array([[3.0], [1.5]]),
        "error": np.array([4.0, 2.0]),
        "channel": np.array([0, 1]),
        "scaling": SCALING,
        "calibration": Calibration.uncalibrated(2),
    }
    return PredictiveDistribution(**{**given, **changes})


def test_the_moments_of_a_mixture_are_those_of_its_samples() -> None:
    means, stds = np.array([[0.0, 1.0], [2.0, 1.0], [-1.0, 1.0]]), np.array([[1.0, 2.0], [0.5, 2.0], [2.0, 2.0]])
    mean, std = mixture_moments(means, stds)
    # exact moments of samples at evenly spaced quantiles of every member
    samples = means[..., None] + stds[..., None] * ndtri((np.arange(200_000) + 0.5) / 200_000)
    np.testing.assert_allclose(mean, samples.mean((0, 2)), atol=1e-6)
    np.testing.assert_allclose(std, np.sqrt((samples**2).mean((0, 2)) - samples.mean((0, 2)) ** 2), rtol=1e-4)


def test_statistics_are_in_the_units_of_each_channel() -> None:
    found = distribution()
    np.testing.assert_allclose(found.value(), [[11.0], [-9.0]])
    np.testing.assert_allclose(found.std("value"), [[6.0], [6.0]])
    # the error of a measurement is added in quadrature: (3, 4, 5) and (1.5, 2, 2.5)
    np.testing.assert_allclose(found.std("measurement"), [[10.0], [10.0]])
    np.testing.assert_allclose(found.quantile(0.9, "value"), found.value() + 6.0 * ndtri(0.9))
    np.testing.assert_allclose(found.quantile(0.9, "measurement"), found.value() + 10.0 * ndtri(0.9))


def test_every_channel_has_its_own_calibration() -> None:
    plain = Calibration.uncalibrated(2)
    # residuals of the second channel are three times as wide as the model's standard deviation
    table = (plain.table[0], tuple(3.0 * z for z in plain.table[1]))
    calibration = Calibration(plain.levels, table, plain.error, plain.n_values, plain.n_series, plain.held_out)
    found = distribution(calibration=calibration)
    np.testing.assert_allclose(found.std("value"), [[6.0], [18.0]])
    np.testing.assert_allclose(found.quantile(0.05, "value")[1], -9.0 + 18.0 * ndtri(0.05))


def test_statistics_are_named_and_computed_in_the_order_of_the_request() -> None:
    assert Statistics().names == ["value"]
    assert not Statistics().are_calibrated
    assert Statistics(return_std=True).names == ["value", "std"]
    requested = Statistics(quantiles=[0.5, 0.05, 0.5])
    assert requested.are_calibrated
    assert requested.names == ["q50", "q05", "q50"]
    middle, low, again = requested.compute(distribution())
    np.testing.assert_allclose(middle, distribution().value())
    np.testing.assert_array_equal(middle, again)
    assert (low < middle).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"of": "noise"}, "of must be 'measurement' or 'value', got 'noise'"),
        ({"return_std": True, "quantiles": [0.5]}, "return_std or quantiles, not both"),
        ({"quantiles": 0.5}, r"quantiles must be a list of them, got 0\.5"),
        ({"quantiles": [0.0, 0.5]}, r"quantiles must be in \(0, 1\), got \[0\.0, 0\.5\]"),
    ],
)
def test_statistics_that_do_not_exist_are_an_error(settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Statistics(**settings)


def test_names_of_quantiles_are_unique() -> None:
    quantiles = (0.001, 0.004, 0.025, 0.05, 0.5, 0.95)
    assert [quantile_name(q) for q in quantiles] == ["q0.1", "q0.4", "q2.5", "q05", "q50", "q95"]
