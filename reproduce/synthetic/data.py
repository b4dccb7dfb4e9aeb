"""Smoothed random series seen at a few points (the synthetic set of HeTVAE, Shukla and Marlin 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

N_TIMES, N_REFERENCES, SHARPNESS, NOISE = 50, 10, 120.0, 0.1
MIN_SEEN, MAX_SEEN = 3, 10


@dataclass(frozen=True)
class Series:
    """n series at the same 50 times. times: (50,). values: (n, 50) with noise. is_hidden: (n, 50)."""

    times: Array
    values: Array
    is_hidden: Array

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, part: slice) -> Series:
        return Series(self.times, self.values[part], self.is_hidden[part])


def make_series(n: int, seed: int) -> Series:
    """``n`` series: ten N(0, 1) reference values, smoothed, with noise N(0, 0.1), seen at 3 to 10 points."""
    rng = np.random.default_rng(seed)
    times = np.linspace(0.0, 1.0, N_TIMES)
    values = rng.normal(size=(n, N_REFERENCES)) @ smoothing(times).T
    values = values + rng.normal(0.0, NOISE, values.shape)
    n_seen = rng.integers(MIN_SEEN, MAX_SEEN + 1, (n, 1))
    is_hidden = rng.random((n, N_TIMES)).argsort(1).argsort(1) >= n_seen
    return Series(times, values, is_hidden)


def smoothing(times: Array) -> Array:
    """(times, 10) weight of every reference value at every time; they add up to 1."""
    references = np.linspace(0.0, 1.0, N_REFERENCES)
    weights = np.exp(-SHARPNESS * np.square(times[:, None] - references))
    return weights / weights.sum(1, keepdims=True)


def best_possible(series: Series) -> Array:
    """(M,) the mean of every hidden value given those seen, from the law that made them: no method can do better."""
    weights = smoothing(series.times)
    covariance = weights @ weights.T
    answers = []
    for values, hidden in zip(series.values, series.is_hidden, strict=True):
        seen = ~hidden
        known = covariance[np.ix_(seen, seen)] + NOISE**2 * np.eye(seen.sum())
        answers.append(covariance[np.ix_(hidden, seen)] @ np.linalg.solve(known, values[seen]))
    return np.concatenate(answers)
