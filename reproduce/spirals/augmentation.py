"""Tokens of spirals, and augmented and denoised versions of the training spirals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import savgol_filter

import rotary_mae as rm
from reproduce.generated import GeneratedSource
from reproduce.series import tokens_at_shared_times
from reproduce.spirals.data import Spirals

Array = npt.NDArray[Any]

MIRROR = np.array([1.0, -1.0])
"""Factors of the coordinates of a mirrored spiral, which turns in the other direction."""


@dataclass(frozen=True)
class AugmentedSpirals(GeneratedSource):
    """Source of ``n_views`` versions of every noisy spiral; sample i is spiral i % n in version i // n.

    Augmentation uses the noisy training spirals alone; their directions are estimated from them.

    Attributes
    ----------
    spirals : Spirals
        n training spirals.
    n_views : int
        Number of versions.
    is_mirrored : bool
        Mirror half of the samples, at random.
    mixing : float
        Probability that a spiral is replaced by a weighted mean (1 - w, w) with another spiral of its direction, w
        uniform on [-0.5, 1.5].
    n_components : int
        Principal components that are kept, which removes most of the noise; 0 keeps all.
    smoothing : sequence of int or None
        (points, order) of the Savitzky-Golay filter that is applied along time before, or None.
    noise : float
        Noise is added again, of a standard deviation uniform between 0 and this many times that of what the components
        remove.
    n_noisy : int or None
        Only the first ``n_noisy`` points get that noise; None means all. Noise on points that are never visible would
        disturb the targets alone.
    unit : float
        Value that is 1 in the values of tokens.
    seed : int
        Seed of the versions.
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

    def __len__(self) -> int:
        return len(self.spirals) * self.n_views

    def __getitem__(self, index: Any) -> rm.TokenSet:
        indices = np.atleast_1d(np.arange(len(self))[index])
        points = np.stack([self._version(int(i)) for i in indices])
        return tokens_at_shared_times(self.spirals.times, points / self.unit, indices)

    @cached_property
    def _aligned(self) -> tuple[Array, Array]:
        """(n, 75, 2) noisy spirals in one direction, and the same smoothed."""
        noisy = np.stack([make_anticlockwise(points) for points in self.spirals.noisy])
        return noisy, noisy if self.smoothing is None else savgol_filter(noisy, *self.smoothing, axis=1)

    @cached_property
    def components(self) -> tuple[Array, Array]:
        """(75, 2) mean of the spirals in one direction, and their (n_components, 75, 2) principal components."""
        _, smoothed = self._aligned
        mean = smoothed.mean(0)
        *_, directions = np.linalg.svd((smoothed - mean).reshape(len(smoothed), -1), full_matrices=False)
        return mean, directions[: self.n_components or None].reshape(-1, *mean.shape)

    @cached_property
    def _denoised(self) -> tuple[Array, float]:
        """(n, 75, 2) spirals in one direction, made of the components, and the standard deviation of the rest."""
        noisy, smoothed = self._aligned
        mean, directions = self.components
        coefficients = np.tensordot(smoothed - mean, directions, ([1, 2], [1, 2]))
        denoised = mean + np.tensordot(coefficients, directions, 1)
        return denoised, float((noisy - denoised).std())

    def _version(self, index: int) -> Array:
        """(75, 2) points of one version of one spiral."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, index]))
        denoised, std = self._denoised
        points: Array = denoised[index % len(self.spirals)]
        if rng.random() < self.mixing:
            points = points + rng.uniform(-0.5, 1.5) * (denoised[rng.integers(len(self.spirals))] - points)
        noise = self.noise * std * rng.random() * rng.normal(size=points.shape)
        points = points.copy()
        points[: self.n_noisy] += noise[: self.n_noisy]
        if self.is_mirrored:
            is_clockwise = rng.random() < 0.5
        else:
            is_clockwise = direction_of(self.spirals.noisy[index % len(self.spirals)]) < 0
        return points * MIRROR if is_clockwise else points


def direction_of(points: Array) -> float:
    """Return 1 if (k, 2) points turn anticlockwise, else -1."""
    x, y = points.T
    return float(np.sign((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()))


def make_anticlockwise(points: Array) -> Array:
    """Return the points, mirrored if they turn clockwise."""
    return points * [1.0, direction_of(points)]


def as_tokens(spirals: Spirals, points: Array | None = None, unit: float = 1.0) -> rm.TokenSet:
    """Return one token per point at its time; ``points`` (n, 75, 2) are by default the noisy ones."""
    return tokens_at_shared_times(spirals.times, (spirals.noisy if points is None else points) / unit)
