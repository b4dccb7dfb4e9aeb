"""Series of worn sensors as sensors worn a little otherwise would have given them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

import rotary_mae as rm

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Turned:
    """``n_views`` versions of every series, a Source: sample i is series i % n in version i // n, ever the same.

    The first version is the series as it is. In the others the values are turned about a random axis by an angle even
    between -``angle`` and ``angle`` (degrees). sensors: columns of the values, three for each sensor that measures
    along three directions; those on one body turn together.
    """

    series: rm.TokenSet
    sensors: Sequence[Sequence[int]]
    n_views: int
    angle: float
    seed: int = 0

    @property
    def schema(self) -> Any:
        return self.series.schema

    @property
    def targets(self) -> Array | None:
        known = self.series.targets
        return None if known is None else np.tile(np.asarray(known), self.n_views)

    @property
    def lengths(self) -> Array:
        return np.tile(self.series.lengths, self.n_views)

    def __len__(self) -> int:
        return len(self.series) * self.n_views

    def __getitem__(self, index: Any) -> rm.TokenSet:
        which = np.atleast_1d(np.arange(len(self))[index])
        tokens = self.series[which % len(self.series)]
        turns = self._turns[which][tokens.sample_idx]
        values = tokens.values.copy()
        for columns in self.sensors:
            values[:, columns] = np.einsum("tij,tj->ti", turns, tokens.values[:, columns])
        return tokens.replace(values=values)

    @cached_property
    def _turns(self) -> Array:
        """(n * n_views, 3, 3) rotations."""
        rng = np.random.default_rng(self.seed)
        axes = rng.normal(size=(len(self), 3))
        axes /= np.linalg.norm(axes, axis=1, keepdims=True)
        angles = np.deg2rad(rng.uniform(-self.angle, self.angle, (len(self), 1)))
        angles[: len(self.series)] = 0.0
        turns: Array = Rotation.from_rotvec(axes * angles).as_matrix()
        return turns
