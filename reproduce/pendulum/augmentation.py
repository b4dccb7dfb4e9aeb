"""Tokens of pendulum videos, and augmented versions of the training series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import rotary_mae as rm
from reproduce.generated import GeneratedSource
from reproduce.pendulum.data import SIDE, Pendulums

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class AugmentedPendulums(GeneratedSource):
    """Source of ``n_views`` augmented versions of every series; sample i is series i % n in version i // n.

    Augmentation uses the training series alone.

    Attributes
    ----------
    series : Pendulums
        n training series.
    n_views : int
        Number of versions.
    noise_fraction : float
        Largest weight of the fresh noise that is mixed into each frame.
    thinning : float
        Largest fraction of frames that a series loses; the fraction is uniform between 0 and this.
    pool : int
        Side of the blocks of pixels that are averaged into one.
    is_mirrored : bool
        Mirror half of the samples left to right, at random. The laws of motion are symmetric, and angles change sign.
    seed : int
        Seed of the versions.
    """

    series: Pendulums
    n_views: int = 1
    noise_fraction: float = 0.0
    thinning: float = 0.0
    pool: int = 1
    is_mirrored: bool = True
    seed: int = 0

    def __len__(self) -> int:
        return len(self.series) * self.n_views

    def __getitem__(self, index: Any) -> rm.TokenSet:
        indices = np.atleast_1d(np.arange(len(self))[index])
        versions = [self._version(int(i)) for i in indices]
        return tokens_of_frames(*(list(column) for column in zip(*versions, strict=True)), pool=self.pool, ids=indices)

    def _version(self, index: int) -> tuple[Array, Array, Array]:
        """Frames (k, 24, 24), times (k,) and angles (k,) of one version of one series."""
        i = index % len(self.series)
        rng = np.random.Generator(np.random.Philox(key=[self.seed, index]))
        frames, times, angles = self.series.frames[i] / np.float32(255), self.series.times[i], self.series.angles[i]
        kept = np.flatnonzero(rng.random(len(times)) >= rng.uniform(0.0, self.thinning))
        kept = kept if len(kept) else np.arange(1)
        frames, times, angles = frames[kept], times[kept], angles[kept]
        if self.is_mirrored and rng.random() < 0.5:
            frames, angles = frames[:, :, ::-1], -angles
        if self.noise_fraction > 0:
            weight = rng.uniform(0.0, self.noise_fraction, (len(times), 1, 1)).astype(np.float32)
            frames = (1 - weight) * frames + weight * rng.random(frames.shape, np.float32)
        return frames, times, angles


def as_tokens(series: Pendulums, pool: int = 1) -> rm.TokenSet:
    """Return one token per frame, at its time; its target is the sine and cosine of the angle."""
    return tokens_of_frames(list(series.frames / np.float32(255)), list(series.times), list(series.angles), pool=pool)


def tokens_of_frames(
    frames: list[Array], times: list[Array], angles: list[Array], *, pool: int, ids: Any = None
) -> rm.TokenSet:
    """Return the tokens of series given as lists of frames (k, 24, 24), times (k,) and angles (k,)."""
    pixels, angle = np.concatenate(frames), np.concatenate(angles)
    side = SIDE // pool
    pixels = pixels.reshape(-1, side, pool, side, pool).mean((2, 4)).reshape(-1, side * side)
    return rm.TokenSet(
        2.0 * pixels - 1.0,
        np.concatenate(times),
        [len(of_series) for of_series in times],
        axes=("time",),
        ids=ids,
        token_targets=np.stack([np.sin(angle), np.cos(angle)], axis=1),
    )


def with_series_targets(series: Pendulums, pool: int = 1) -> rm.TokenSet:
    """Return the same tokens with all outputs of a series as its target (n, 2 k), as in the official code."""
    tokens = as_tokens(series, pool)
    assert tokens.token_targets is not None
    targets = tokens.token_targets.reshape(len(series), -1)
    return rm.TokenSet(tokens.values, tokens.positions, tokens.lengths, axes=tokens.axes, targets=targets)
