"""Predictors that bound the scores on Gaussian processes, baselines, and the scores of a model."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, Matern, WhiteKernel

from pretraining.baselines import baseline_crps
from pretraining.gaussian_process_draws import (
    Laws,
    averaged_log_prob,
    draw_gaussian_processes,
    log_normal,
    predictions,
)
from rotary_mae.series_model.views import make_views

RNG = np.random.default_rng(0)
TIMES, VALUES, QUERIES = RNG.random(6), RNG.normal(size=6), RNG.random(4)


@pytest.mark.parametrize("kernel", range(4))
def test_predictions_are_those_of_the_gaussian_process(kernel: int) -> None:
    law = Laws(np.array([kernel]), np.array([0.3]), np.array([0.2]), np.array([1.0]))
    mean, std, evidence = predictions(law, TIMES, VALUES, QUERIES)
    prior = (RBF(0.3) if kernel == 0 else Matern(0.3, nu=(0.5, 1.5, 2.5)[kernel - 1])) + WhiteKernel(0.04)
    process = GaussianProcessRegressor(prior, optimizer=None, alpha=0.0).fit(TIMES[:, None], VALUES)
    expected_mean, expected_std = process.predict(QUERIES[:, None], return_std=True)
    np.testing.assert_allclose(mean[0], expected_mean, rtol=1e-7)
    np.testing.assert_allclose(std[0], expected_std, rtol=1e-7)
    constant = -0.5 * len(TIMES) * np.log(2 * np.pi)
    assert evidence[0] + constant == pytest.approx(process.log_marginal_likelihood_value_)


def test_level_and_amplitude_enter_the_covariance() -> None:
    law = Laws(np.array([1]), np.array([0.3]), np.array([0.2]), np.array([2.0]))
    lags = np.abs(TIMES[:, None] - TIMES)
    covariance = 4 * np.exp(-lags / 0.3) + 9 + 4 * 0.04 * np.eye(6)
    _, _, evidence = predictions(law, TIMES, VALUES, QUERIES, level_std=3.0)
    expected = multivariate_normal.logpdf(VALUES, np.zeros(6), covariance)
    assert evidence[0] - 3 * np.log(2 * np.pi) == pytest.approx(expected)


def test_the_average_over_one_law_is_that_law_and_over_equal_laws_too() -> None:
    laws = Laws.draw(1, np.random.default_rng(1))
    equal = Laws(*(np.repeat(getattr(laws, name), 5) for name in ("kernel", "length", "noise", "amplitude")))
    mean, std, _ = predictions(laws, TIMES, VALUES, QUERIES)
    y = np.zeros(4)
    for chosen in (laws, equal):
        found = averaged_log_prob(chosen, 0.0, TIMES, VALUES, QUERIES, y)
        np.testing.assert_allclose(found, log_normal(y, mean[0], std[0]), rtol=1e-9)


def test_the_better_informed_predictor_scores_better_on_average() -> None:
    views, known = draw_gaussian_processes(5, seed=0, n_series=40)
    assert len(views) == 40
    assert known["oracle"].mean() > known["law"].mean() > known["law_and_scale"].mean()


def test_baselines_of_a_straight_line_are_nearly_exact() -> None:
    times = np.arange(20.0)
    zeros = np.zeros(20, np.int64)
    queries = np.arange(0.5, 18.0)
    views = make_views(
        3 * times, np.zeros(20), times, zeros, zeros, queries, np.zeros(18, np.int64), 1, 3 * queries, np.zeros(18)
    )
    scores = baseline_crps(views)
    assert scores["linear"][0] == pytest.approx(0.0, abs=1e-9)
    assert scores["gaussian_process"][0] < 0.2
