"""Training series seen in other ways: upside down, backwards, and mixed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import rotary_mae as rm
from reproduce.series import tokens_at_shared_times
from reproduce.synthetic.data import Series

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Views:
    """``n_views`` versions of every series, a Source: sample i is series i % n in version i // n, always the same.

    is_turned: upside down, and backwards, with probability 1/2 each. mixing: probability that it is mixed with another
    training series, cos(a) x + sin(a) y for any a: values that vary as much and hang together as before. Nothing is
    looked at but the training series. unit: what is a distance of 1 between times.
    """

    series: Series
    n_views: int = 1
    is_turned: bool = False
    mixing: float = 0.0
    unit: float = 1.0
    seed: int = 0

    @property
    def schema(self) -> Any:
        return self[[0]].schema

    def __len__(self) -> int:
        return len(self.series) * self.n_views

    def __getitem__(self, index: Any) -> rm.TokenSet:
        chosen = np.atleast_1d(np.arange(len(self))[index])
        return tokens_at_shared_times(self.series.times / self.unit, np.stack([self._view(int(i)) for i in chosen]), chosen)

    def _view(self, index: int) -> Array:
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
    """A token a value at its time."""
    return tokens_at_shared_times(series.times / unit, series.values)
