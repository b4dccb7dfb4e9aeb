"""Rotated versions of the series of worn sensors, as other orientations of the sensors would give them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

import rotary_mae as rm
from reproduce.generated import GeneratedSource

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class RotatedSensors(GeneratedSource):
    """Source of ``n_views`` versions of every series; sample i is series i % n in version i // n.

    Version 0 is the series without rotation. In the others the values are rotated about a random axis.

    Attributes
    ----------
    series : TokenSet
        n training series.
    sensors : sequence of sequences of int
        Columns of the values of each sensor, three directions each. All sensors of a sample rotate together, as they
        are worn on one body.
    n_views : int
        Number of versions.
    angle : float
        Rotation angles are uniform between -``angle`` and ``angle``, in degrees.
    seed : int
        Seed of the rotations.
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
        targets = self.series.targets
        return None if targets is None else np.tile(np.asarray(targets), self.n_views)

    @property
    def lengths(self) -> Array:
        return np.tile(self.series.lengths, self.n_views)

    def __len__(self) -> int:
        return len(self.series) * self.n_views

    def __getitem__(self, index: Any) -> rm.TokenSet:
        indices = np.atleast_1d(np.arange(len(self))[index])
        tokens = self.series[indices % len(self.series)]
        rotations = self._rotations[indices][tokens.sample_idx]
        values = tokens.values.copy()
        for columns in self.sensors:
            values[:, columns] = np.einsum("tij,tj->ti", rotations, tokens.values[:, columns])
        return tokens.replace(values=values)

    @cached_property
    def _rotations(self) -> Array:
        """(n * n_views, 3, 3) rotation matrices."""
        rng = np.random.default_rng(self.seed)
        axes = rng.normal(size=(len(self), 3))
        axes /= np.linalg.norm(axes, axis=1, keepdims=True)
        angles = np.deg2rad(rng.uniform(-self.angle, self.angle, (len(self), 1)))
        angles[: len(self.series)] = 0.0
        rotations: Array = Rotation.from_rotvec(axes * angles).as_matrix()
        return rotations
