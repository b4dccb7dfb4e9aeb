"""Training spirals seen in other ways: the other way round, and mixed."""

from __future__ import annotations

from dataclasses import dataclass
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
    a weighted mean (1 - w, w) with another that turns the same way, w even in [-0.5, 1.5]. Nothing is looked at but
    the noisy training spirals; which way they turn is seen from them. unit: what is 1 in the values of tokens.
    """

    spirals: Spirals
    n_views: int = 1
    is_mirrored: bool = False
    mixing: float = 0.0
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

    def _view(self, index: int) -> Array:
        """(75, 2) points of one version of one spiral."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, index]))
        points: Array = _one_way(self.spirals.noisy[index % len(self.spirals)])
        if rng.random() < self.mixing:
            other = _one_way(self.spirals.noisy[rng.integers(len(self.spirals))])
            points = points + rng.uniform(-0.5, 1.5) * (other - points)
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
