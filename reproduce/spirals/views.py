"""Training spirals seen in other ways: the other way round, mixed, and with less noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

import rotary_mae as rm
from reproduce.same_times import at_same_times
from reproduce.spirals.data import Spirals

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Views:
    """``n_views`` versions of every noisy spiral, a Source: sample i is spiral i % n in version i // n, ever the same.

    is_mirrored: each is upside down with probability 1/2, and so turns the other way. mixing: probability that it is
    a weighted mean (1 - w, w) with another that turns the same way, w even in [-0.5, 1.5]. n_components: so many
    principal components of the spirals are kept, which takes most of their noise away; all of them if 0. noise: what is
    left out is made up for by noise of a standard deviation even between 0 and this many times that of what was left
    out. Nothing is looked at but the noisy training spirals; which way they turn is seen from them. unit: what is 1 in
    the values of tokens.
    """

    spirals: Spirals
    n_views: int = 1
    is_mirrored: bool = False
    mixing: float = 0.0
    n_components: int = 0
    noise: float = 0.0
    unit: float = 1.0
    seed: int = 0

    @property
    def schema(self) -> Any:
        return self[[0]].schema

    def __len__(self) -> int:
        return len(self.spirals) * self.n_views

    def __getitem__(self, index: Any) -> rm.TokenSet:
        chosen = np.atleast_1d(np.arange(len(self))[index])
        return at_same_times(self.spirals.times, np.stack([self._view(int(i)) for i in chosen]) / self.unit, chosen)

    @cached_property
    def _smooth(self) -> tuple[Array, float]:
        """(n, 75, 2) all spirals turning one way, of few components, and the standard deviation of what those lack."""
        noisy = np.stack([_one_way(points) for points in self.spirals.noisy])
        if not self.n_components:
            return noisy, 0.0
        mean, flat = noisy.mean(0), noisy.reshape(len(noisy), -1)
        *_, components = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
        kept = components[: self.n_components]
        smooth = mean + ((flat - flat.mean(0)) @ kept.T @ kept).reshape(noisy.shape)
        return smooth, float((noisy - smooth).std())

    def _view(self, index: int) -> Array:
        """(75, 2) points of one version of one spiral."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, index]))
        one_way, deviation = self._smooth
        points: Array = one_way[index % len(self.spirals)]
        if rng.random() < self.mixing:
            points = points + rng.uniform(-0.5, 1.5) * (one_way[rng.integers(len(self.spirals))] - points)
        points = points + self.noise * deviation * rng.random() * rng.normal(size=points.shape)
        is_over = rng.random() < 0.5 if self.is_mirrored else turn_of(self.spirals.noisy[index % len(self.spirals)]) < 0
        return points * [1.0, -1.0] if is_over else points


def turn_of(points: Array) -> float:
    """1 if (k, 2) points go round anticlockwise, else -1."""
    x, y = points.T
    return float(np.sign((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()))


def _one_way(points: Array) -> Array:
    """The spiral turned upside down if it goes clockwise."""
    return points * [1.0, turn_of(points)]


def as_tokens(spirals: Spirals, points: Array | None = None, unit: float = 1.0) -> rm.TokenSet:
    """A token a point at its time; the noisy points if none are given."""
    return at_same_times(spirals.times, (spirals.noisy if points is None else points) / unit)
