"""Baselines that interpolate or extrapolate each channel of a series from its visible values."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

import rotary_mae as rm

Array = npt.NDArray[Any]
Baseline = Callable[[Array, Array, Array, Array], tuple[Array, Array]]
"""From times, values and errors of the visible values and the query times to predictions and standard deviations."""


def predict_with(
    visible: rm.TokenSet, masked: rm.TokenSet, baseline: Baseline, mean: Array, std: Array
) -> tuple[Array, Array]:
    """Return the predictions of a baseline for masked tokens.

    Parameters
    ----------
    visible, masked : TokenSet
        Tokens of the same samples.
    baseline : callable
        Applied to each channel of each sample that has at least two visible values.
    mean, std : array
        (C,) mean and standard deviation of each channel, the prediction elsewhere.

    Returns
    -------
    tuple of array
        (M,) predictions and (M,) standard deviations.
    """
    n_channels = len(mean)
    group = masked.sample_idx * n_channels + masked.positions[:, 1].astype(np.int64)
    group_of_visible = visible.sample_idx * n_channels + visible.positions[:, 1].astype(np.int64)
    group_of_visible[visible.is_static] = -1
    predicted, predicted_std = mean[group % n_channels], std[group % n_channels]
    order = np.argsort(group_of_visible, kind="stable")
    starts = np.searchsorted(group_of_visible[order], np.arange(len(masked) * n_channels + 1))
    for g in np.unique(group):
        rows, queries = order[starts[g] : starts[g + 1]], group == g
        if len(rows) >= 2:
            error = visible.values[rows, 1] if "error" in visible.schema.roles else np.zeros(len(rows))
            values = visible.values[rows, 0].astype(np.float64)
            predicted[queries], predicted_std[queries] = baseline(
                visible.positions[rows, 0], values, error, masked.positions[queries, 0]
            )
    return predicted, predicted_std


def linear_interpolation(times: Array, values: Array, errors: Array, queries: Array) -> tuple[Array, Array]:
    """Linear interpolation between neighbours in time."""
    return np.interp(queries, times, values), np.zeros(len(queries))


def last_value(times: Array, values: Array, errors: Array, queries: Array) -> tuple[Array, Array]:
    """Last observation carried forward."""
    return np.full(len(queries), values[-1]), np.zeros(len(queries))


def series_mean(times: Array, values: Array, errors: Array, queries: Array) -> tuple[Array, Array]:
    """Mean of the channel in the series."""
    return np.full(len(queries), values.mean()), np.zeros(len(queries))


def gaussian_process(times: Array, values: Array, errors: Array, queries: Array) -> tuple[Array, Array]:
    """Gaussian process of scikit-learn, with hyper-parameters fitted to the visible values and errors as ``alpha``.

    The standard deviation is that of a new measurement with the median error.
    """
    centre, scale = values.mean(), values.std() or 1.0
    unit = float(np.ptp(times)) or 1.0
    kernel = ConstantKernel(1.0, (1e-2, 1e2)) * RBF(0.1, (1e-4, 1e1)) + WhiteKernel(0.1, (1e-4, 1e1))
    model = GaussianProcessRegressor(kernel, alpha=np.square(errors / scale) + 1e-8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(times[:, None] / unit, (values - centre) / scale)
        mean, std = model.predict(queries[:, None] / unit, return_std=True)
    return centre + scale * mean, np.hypot(scale * std, np.median(errors))
