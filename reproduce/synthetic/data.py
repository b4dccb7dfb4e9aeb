"""Smoothed random series of which few points are visible: the synthetic set of HeTVAE (Shukla and Marlin 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

N_TIMES, N_REFERENCES, SHARPNESS, NOISE = 50, 10, 120.0, 0.1
MIN_VISIBLE, MAX_VISIBLE = 3, 10


@dataclass(frozen=True)
class Series:
    """n series at the same 50 times.

    Attributes
    ----------
    times : array
        (50,) times.
    values : array
        (n, 50) values with noise.
    is_hidden : array
        (n, 50) True at the masked points.
    """

    times: Array
    values: Array
    is_hidden: Array

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice) -> Series:
        return Series(self.times, self.values[rows], self.is_hidden[rows])


def make_series(n: int, seed: int) -> Series:
    """Return generated series: ten smoothed N(0, 1) reference values, noise N(0, 0.1), 3 to 10 visible points.

    Parameters
    ----------
    n : int
        Number of series.
    seed : int
        Seed of values, noise and visible points.

    Returns
    -------
    Series
        The series.
    """
    rng = np.random.default_rng(seed)
    times = np.linspace(0.0, 1.0, N_TIMES)
    values = rng.normal(size=(n, N_REFERENCES)) @ smoothing(times).T
    values = values + rng.normal(0.0, NOISE, values.shape)
    n_visible = rng.integers(MIN_VISIBLE, MAX_VISIBLE + 1, (n, 1))
    is_hidden = rng.random((n, N_TIMES)).argsort(1).argsort(1) >= n_visible
    return Series(times, values, is_hidden)


def smoothing(times: Array) -> Array:
    """Return (times, 10) weights of the reference values at each time; they sum to 1."""
    references = np.linspace(0.0, 1.0, N_REFERENCES)
    weights = np.exp(-SHARPNESS * np.square(times[:, None] - references))
    return weights / weights.sum(1, keepdims=True)


def optimal_prediction(series: Series) -> Array:
    """Return (M,) conditional means of the masked values given the visible ones, from the generating distribution.

    No method has a lower expected squared error.
    """
    weights = smoothing(series.times)
    covariance = weights @ weights.T
    predictions = []
    for values, hidden in zip(series.values, series.is_hidden, strict=True):
        visible = ~hidden
        of_visible = covariance[np.ix_(visible, visible)] + NOISE**2 * np.eye(visible.sum())
        predictions.append(covariance[np.ix_(hidden, visible)] @ np.linalg.solve(of_visible, values[visible]))
    return np.concatenate(predictions)
