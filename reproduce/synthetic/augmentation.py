"""Tokens of synthetic series, and augmented versions of the training series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import rotary_mae as rm
from reproduce.generated import GeneratedSource
from reproduce.series import tokens_at_shared_times
from reproduce.synthetic.data import Series

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class AugmentedSeries(GeneratedSource):
    """Source of ``n_views`` augmented versions of every series; sample i is series i % n in version i // n.

    Augmentation uses the training series alone.

    Attributes
    ----------
    series : Series
        n training series.
    n_views : int
        Number of versions.
    is_turned : bool
        Change the sign of half of the samples, and the direction of time of half of them, at random.
    mixing : float
        Probability that a series x is replaced by cos(a) x + sin(a) y with another training series y and a random angle
        a. This keeps the covariance of the values.
    unit : float
        Distance of 1 between positions.
    seed : int
        Seed of the versions.
    """

    series: Series
    n_views: int = 1
    is_turned: bool = False
    mixing: float = 0.0
    unit: float = 1.0
    seed: int = 0

    def __len__(self) -> int:
        return len(self.series) * self.n_views

    def __getitem__(self, index: Any) -> rm.TokenSet:
        indices = np.atleast_1d(np.arange(len(self))[index])
        values = np.stack([self._version(int(i)) for i in indices])
        return tokens_at_shared_times(self.series.times / self.unit, values, indices)

    def _version(self, index: int) -> Array:
        """(50,) values of one version of one series."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, index]))
        values: Array = self.series.values[index % len(self.series)]
        if rng.random() < self.mixing:
            angle = rng.uniform(0.0, 2 * np.pi)
            values = np.cos(angle) * values + np.sin(angle) * self.series.values[rng.integers(len(self.series))]
        if self.is_turned:
            values = values * rng.choice([-1.0, 1.0])
            values = values[:: int(rng.choice([-1, 1]))]
        return values


def as_tokens(series: Series, unit: float = 1.0) -> rm.TokenSet:
    """Return one token per value at its time; ``unit`` is the distance 1 between positions."""
    return tokens_at_shared_times(series.times / unit, series.values)
