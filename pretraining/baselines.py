"""Baselines of development data: a Gaussian process fitted to each series, and linear interpolation."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from rotary_mae.series_model.views import Floats, Views


def baseline_crps(views: Views) -> dict[str, Floats]:
    """Return the mean CRPS of each view of two baselines, which use the predicted channel alone.

    Parameters
    ----------
    views : Views
        B views with targets, each with at least three values of the predicted channel.

    Returns
    -------
    dict of str to ndarray, shape (B,)
        ``gaussian_process``: Matérn-3/2 and noise with fitted length, amplitude and noise (known errors are not used).
        ``linear``: linear interpolation, constant beyond the ends, whose CRPS is the absolute error.
    """
    scores: dict[str, list[float]] = {"gaussian_process": [], "linear": []}
    for i in range(len(views)):
        view = views.take(np.array([i]))
        own = view.channels == 0
        times, values = view.times[own], view.values[own]
        mean, std = _fitted_process(times, values, view.query_times)
        std = np.hypot(std, view.target_errors)
        z = (view.targets - mean) / std
        crps = std * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
        scores["gaussian_process"].append(float(crps.mean()))
        linear = np.interp(view.query_times, times, values)
        scores["linear"].append(float(np.abs(linear - view.targets).mean()))
    return {name: np.array(of_views) for name, of_views in scores.items()}


def _fitted_process(times: Floats, values: Floats, queries: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation at queries, of a process fitted by its marginal likelihood."""
    span = float(np.ptp(times)) + 1e-9
    level, scale = values.mean(), values.std() + 1e-9
    kernel = ConstantKernel(1.0) * Matern(span / 5, (span / 200, span * 3), nu=1.5) + WhiteKernel(0.05, (1e-6, 2.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        process = GaussianProcessRegressor(kernel).fit(times[:, None], (values - level) / scale)
    mean, std = process.predict(queries[:, None], return_std=True)
    return mean * scale + level, std * scale + 1e-9
