"""Simple answers for hidden values, series by series and channel by channel, from what is visible there."""

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
Filler = Callable[[Array, Array, Array, Array], tuple[Array, Array]]


def fill(seen: rm.TokenSet, held: rm.TokenSet, filler: Filler, mean: Array, std: Array) -> tuple[Array, Array]:
    """(N,) answers for the tokens of ``held`` and their standard deviations.

    filler: times, values and errors of what is visible of the channel, and times asked about -> answers and deviations.
    mean, std: (C,) of the channels, where fewer than two values of the channel are visible.
    """
    n_channels = len(mean)
    group = held.sample_idx * n_channels + held.positions[:, 1].astype(np.int64)
    known = seen.sample_idx * n_channels + seen.positions[:, 1].astype(np.int64)
    known[seen.is_static] = -1
    answer, spread = mean[group % n_channels], std[group % n_channels]
    order = np.argsort(known, kind="stable")
    starts = np.searchsorted(known[order], np.arange(len(held) * n_channels + 1))
    for g in np.unique(group):
        mine, asked = order[starts[g] : starts[g + 1]], group == g
        if len(mine) >= 2:
            error = seen.values[mine, 1] if "error" in seen.schema.roles else np.zeros(len(mine))
            answer[asked], spread[asked] = filler(
                seen.positions[mine, 0], seen.values[mine, 0].astype(np.float64), error, held.positions[asked, 0]
            )
    return answer, spread


def lines(times: Array, values: Array, errors: Array, asked: Array) -> tuple[Array, Array]:
    """Straight lines between neighbours in time."""
    return np.interp(asked, times, values), np.zeros(len(asked))


def last(times: Array, values: Array, errors: Array, asked: Array) -> tuple[Array, Array]:
    """The last value."""
    return np.full(len(asked), values[-1]), np.zeros(len(asked))


def own_mean(times: Array, values: Array, errors: Array, asked: Array) -> tuple[Array, Array]:
    """The mean of the channel in the series."""
    return np.full(len(asked), values.mean()), np.zeros(len(asked))


def gaussian_process(times: Array, values: Array, errors: Array, asked: Array) -> tuple[Array, Array]:
    """scikit-learn's, its hyper-parameters fitted to the visible values; known errors are in ``alpha``.

    The spread is that of a new measurement, whose error is the median one.
    """
    centre, scale = values.mean(), values.std() or 1.0
    unit = float(np.ptp(times)) or 1.0
    kernel = ConstantKernel(1.0, (1e-2, 1e2)) * RBF(0.1, (1e-4, 1e1)) + WhiteKernel(0.1, (1e-4, 1e1))
    model = GaussianProcessRegressor(kernel, alpha=np.square(errors / scale) + 1e-8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(times[:, None] / unit, (values - centre) / scale)
        mean, std = model.predict(asked[:, None] / unit, return_std=True)
    return centre + scale * mean, np.hypot(scale * std, np.median(errors))
