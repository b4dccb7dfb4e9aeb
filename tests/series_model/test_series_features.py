"""Features of views and queries, and the bank of Gaussian processes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicHermiteSpline
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from rotary_mae.series_model import gaussian_process_bank as bank
from rotary_mae.series_model.query_context import CANDIDATES, N_FEATURES, query_context
from rotary_mae.series_model.series_features import N_SUMMARY, channel_relation, compress, roughness, view_summary
from rotary_mae.series_model.series_scaling import scale_views
from rotary_mae.series_model.views import Views, make_views


def view_of(channels: list[np.ndarray], queries: np.ndarray | None = None) -> Views:
    """View of channels (n, 2) of times and values; the first is predicted."""
    tokens = np.concatenate(channels)
    number = np.repeat(np.arange(len(channels)), [len(c) for c in channels])
    at = np.array([0.5]) if queries is None else queries
    zeros = np.zeros(len(tokens), np.int64)
    return make_views(
        tokens[:, 1], np.zeros(len(tokens)), tokens[:, 0], number, zeros, at, np.zeros(len(at), np.int64), 1
    )


def test_roughness_tells_smooth_from_white_series() -> None:
    rng, times = np.random.default_rng(0), np.arange(300.0)
    smooth, white = np.sin(times / 30), rng.normal(size=300)
    found = []
    for values in (smooth, white):
        views = view_of([np.column_stack([times, values])])
        found.append(roughness(views, scale_views(views))[0])
    assert found[0][1] < found[0][0] < -1
    assert abs(found[1][0]) < 0.2
    assert abs(found[1][1]) < 0.2


def test_roughness_is_zero_with_fewer_than_three_values() -> None:
    views = view_of([np.array([[0.0, 1.0], [1.0, 2.0]])])
    np.testing.assert_allclose(roughness(views, scale_views(views)), 0.0, atol=2e-3)


def test_relation_has_the_sign_of_the_correlation_and_grows_with_the_number_of_values() -> None:
    rng = np.random.default_rng(0)
    times = np.sort(rng.random(60))
    wave = np.sin(6 * times)
    channels = [wave, 5 * wave + 2, -wave, rng.normal(size=60)]
    views = view_of([np.column_stack([times, values]) for values in channels] + [np.column_stack([times, wave])[:3]])
    relation = channel_relation(views, scale_views(views))
    of_channel = [relation[views.channels == c] for c in range(5)]
    assert all(np.ptp(numbers) < 1e-12 for numbers in of_channel)
    own, same, opposite, noise, few = (numbers[0] for numbers in of_channel)
    assert own == 0
    assert same > 0.9
    assert opposite < -0.9
    assert abs(noise) < 0.35
    assert 0 < few < same


def test_a_view_without_values_of_the_predicted_channel_has_finite_features() -> None:
    views = view_of([np.empty((0, 2)), np.array([[0.0, 1.0], [1.0, 2.0]])])
    scaled = scale_views(views)
    assert view_summary(views, scaled).shape == (1, N_SUMMARY)
    assert np.isfinite(view_summary(views, scaled)).all()
    assert (channel_relation(views, scaled) == 0).all()
    predicted = bank.bank_predictions(views, scaled)
    assert predicted.mean[0] == 0
    assert 0.5 < predicted.std[0] < 3


def candidates(times: list[float], values: list[float], queries: list[float]) -> torch.Tensor:
    t, v, q = (torch.tensor(numbers, dtype=torch.float64) for numbers in (times, values, queries))
    around = query_context(v, t, torch.zeros(len(t), dtype=torch.long), q, torch.zeros(len(q), dtype=torch.long))
    assert around.features.shape == (len(q), N_FEATURES)
    assert torch.isfinite(around.features).all()
    return around.candidates


def test_candidates_are_mean_neighbours_and_interpolations() -> None:
    times, values = [0.0, 1.0, 3.0, 4.0], [1.0, 2.0, 0.0, 5.0]
    found = dict(zip(CANDIDATES, candidates(times, values, [2.0])[0].tolist(), strict=True))
    slopes = [(1 * -1.0 + 2 * 1.0) / 3, (1 * -1.0 + 2 * 5.0) / 3]
    cubic = CubicHermiteSpline([1.0, 3.0], [2.0, 0.0], slopes)(2.0)
    assert found == pytest.approx({"mean": 2.0, "before": 2.0, "after": 0.0, "linear": 1.0, "cubic": float(cubic)})


def test_candidates_beyond_the_ends_are_the_nearest_values() -> None:
    found = candidates([0.0, 1.0], [1.0, 3.0], [-5.0, 0.0, 1.0, 5.0])
    assert found[:, CANDIDATES.index("linear")].tolist() == [1.0, 1.0, 3.0, 3.0]
    assert found[:, CANDIDATES.index("cubic")].tolist() == [1.0, 1.0, 3.0, 3.0]


def test_candidates_without_values_are_the_level() -> None:
    assert candidates([], [], [1.0]).abs().max() == 0


def test_a_process_of_the_bank_is_the_gaussian_process_of_its_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, length, noise = "matern32", 5.0, 0.35
    monkeypatch.setattr(bank, "PROCESSES", ((kernel, length, noise),))
    monkeypatch.setattr(bank, "N_PROCESSES", 1)
    rng = np.random.default_rng(0)
    times = np.sort(rng.random(12)) * 10
    views = view_of([np.column_stack([times, rng.normal(size=12)])], np.array([0.0, 3.3, 30.0]))
    scaled = scale_views(views)
    predicted = bank.bank_predictions(views, scaled)
    prior = Matern(length, nu=1.5) + ConstantKernel(1.0) + WhiteKernel(noise**2 + bank.JITTER)
    process = GaussianProcessRegressor(prior, optimizer=None, alpha=0.0)
    y = compress(scaled.values)
    process.fit(scaled.times[:, None], y)
    mean, std = process.predict(scaled.query_times[:, None], return_std=True)
    quadratic = float(y @ process.alpha_) + bank.PRIOR_VALUES
    np.testing.assert_allclose(compress(predicted.mean), mean, rtol=1e-8)
    np.testing.assert_allclose(predicted.std, std * np.sqrt(quadratic / (12 + bank.PRIOR_VALUES)), rtol=1e-4)


def test_the_bank_weights_are_the_normalised_evidences_and_do_not_depend_on_padding() -> None:
    rng = np.random.default_rng(0)
    parts = []
    for n in (3, 4, 30, 31, 1):
        times = np.sort(rng.random(n))
        parts.append(view_of([np.column_stack([times, np.cumsum(rng.normal(size=n))])], rng.random(n + 2)))
    together = Views.concatenate(parts)
    all_at_once = bank.bank_predictions(together, scale_views(together))
    np.testing.assert_allclose(all_at_once.weights.sum(1), 1.0)
    alone = [bank.bank_predictions(part, scale_views(part)) for part in parts]
    np.testing.assert_allclose(all_at_once.mean, np.concatenate([one.mean for one in alone]), rtol=1e-9)
    np.testing.assert_allclose(all_at_once.std, np.concatenate([one.std for one in alone]), rtol=1e-9)


def test_the_bank_prefers_long_lengths_for_smooth_series_and_noise_for_white_ones() -> None:
    rng, times = np.random.default_rng(0), np.arange(100.0)
    for values, kernel in ((np.sin(times / 15), "matern52"), (rng.normal(size=100), "white")):
        views = view_of([np.column_stack([times, values])])
        weights = bank.bank_predictions(views, scale_views(views)).weights[0]
        by_kernel = [weight for weight, process in zip(weights, bank.PROCESSES, strict=True) if process[0] == kernel]
        assert sum(by_kernel) > 0.9
