"""Training spirals seen in other ways: the other way round, mixed, and with less noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import savgol_filter

import rotary_mae as rm
from reproduce.series import tokens_at_shared_times
from reproduce.spirals.data import Spirals

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Views:
    """``n_views`` versions of every noisy spiral, a Source: sample i is spiral i % n in version i // n, ever the same.

    is_mirrored: each is upside down with probability 1/2, and so turns the other way. mixing: probability that it is
    a weighted mean (1 - w, w) with another that turns the same way, w even in [-0.5, 1.5]. n_components: so many
    principal components of the spirals are kept, which takes most of their noise away; all of them if 0. smoothing:
    (points, order) of the polynomials that smooth them along time before (Savitzky-Golay), or None. noise: what is left
    out is made up for by noise of a standard deviation even between 0 and this many times that of what was left out.
    n_noisy: the first points alone, which a model may be shown, get that noise (all, if None): in what it is asked for
    noise only hides the answer.
    Nothing is looked at but the noisy training spirals; which way they turn is seen from them. unit: what is 1 in the
    values of tokens.
    """

    spirals: Spirals
    n_views: int = 1
    is_mirrored: bool = False
    mixing: float = 0.0
    n_components: int = 0
    smoothing: Sequence[int] | None = None
    noise: float = 0.0
    n_noisy: int | None = None
    unit: float = 1.0
    seed: int = 0

    @property
    def schema(self) -> Any:
        return self[[0]].schema

    def __len__(self) -> int:
        return len(self.spirals) * self.n_views

    def __getitem__(self, index: Any) -> rm.TokenSet:
        chosen = np.atleast_1d(np.arange(len(self))[index])
        return tokens_at_shared_times(self.spirals.times, np.stack([self._view(int(i)) for i in chosen]) / self.unit, chosen)

    @cached_property
    def _turned(self) -> tuple[Array, Array]:
        """(n, 75, 2) the noisy spirals, all one way round, and smoothed."""
        noisy = np.stack([one_way(points) for points in self.spirals.noisy])
        return noisy, noisy if self.smoothing is None else savgol_filter(noisy, *self.smoothing, axis=1)

    @cached_property
    def components(self) -> tuple[Array, Array]:
        """(75, 2) mean of all spirals turned one way, and the (n_components, 75, 2) directions they vary in."""
        _, smoothed = self._turned
        mean = smoothed.mean(0)
        *_, directions = np.linalg.svd((smoothed - mean).reshape(len(smoothed), -1), full_matrices=False)
        return mean, directions[: self.n_components or None].reshape(-1, *mean.shape)

    @cached_property
    def _smooth(self) -> tuple[Array, float]:
        """(n, 75, 2) all spirals turned one way, of what is kept, and the standard deviation of what that lacks."""
        noisy, smoothed = self._turned
        mean, directions = self.components
        along = np.tensordot(smoothed - mean, directions, ([1, 2], [1, 2]))
        smooth = mean + np.tensordot(along, directions, 1)
        return smooth, float((noisy - smooth).std())

    def _view(self, index: int) -> Array:
        """(75, 2) points of one version of one spiral."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, index]))
        smooth, deviation = self._smooth
        points: Array = smooth[index % len(self.spirals)]
        if rng.random() < self.mixing:
            points = points + rng.uniform(-0.5, 1.5) * (smooth[rng.integers(len(self.spirals))] - points)
        noise = self.noise * deviation * rng.random() * rng.normal(size=points.shape)
        points = points.copy()
        points[: self.n_noisy] += noise[: self.n_noisy]
        is_over = rng.random() < 0.5 if self.is_mirrored else turn_of(self.spirals.noisy[index % len(self.spirals)]) < 0
        return points * [1.0, -1.0] if is_over else points


def turn_of(points: Array) -> float:
    """1 if (k, 2) points go round anticlockwise, else -1."""
    x, y = points.T
    return float(np.sign((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()))


def one_way(points: Array) -> Array:
    """The spiral turned upside down if it goes clockwise."""
    return points * [1.0, turn_of(points)]


def as_tokens(spirals: Spirals, points: Array | None = None, unit: float = 1.0) -> rm.TokenSet:
    """A token a point at its time; the noisy points if none are given."""
    return tokens_at_shared_times(spirals.times, (spirals.noisy if points is None else points) / unit)
