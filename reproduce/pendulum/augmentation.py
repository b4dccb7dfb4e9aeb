"""Training series seen in other ways: mirrored, with more noise, with fewer frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import rotary_mae as rm
from reproduce.pendulum.data import SIDE, Pendulums

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Views:
    """``n_views`` versions of every series, a Source: sample i is series i % n in version i // n, and always the same.

    Nothing is looked at but the training series themselves. is_mirrored: every second one, at random, is mirrored left
    to right, which turns its angles about (the laws of motion are the same on both sides). noise_fraction: each frame
    is mixed with up to this share of fresh noise. thinning: a series loses a share of its frames, drawn from 0 to
    this. pool: side of the blocks of pixels that are averaged into one.
    """

    series: Pendulums
    n_views: int = 1
    noise_fraction: float = 0.0
    thinning: float = 0.0
    pool: int = 1
    is_mirrored: bool = True
    seed: int = 0

    @property
    def schema(self) -> Any:
        return self[[0]].schema

    def __len__(self) -> int:
        return len(self.series) * self.n_views

    def __getitem__(self, index: Any) -> rm.TokenSet:
        chosen = np.atleast_1d(np.arange(len(self))[index])
        parts = [self._view(int(i)) for i in chosen]
        return tokens_of(*(list(column) for column in zip(*parts, strict=True)), pool=self.pool, ids=chosen)

    def _view(self, index: int) -> tuple[Array, Array, Array]:
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
            share = rng.uniform(0.0, self.noise_fraction, (len(times), 1, 1)).astype(np.float32)
            frames = (1 - share) * frames + share * rng.random(frames.shape, np.float32)
        return frames, times, angles


def as_tokens(series: Pendulums, pool: int = 1) -> rm.TokenSet:
    """One token a frame, at its time, to be answered with the sine and cosine of its angle."""
    return tokens_of(list(series.frames / np.float32(255)), list(series.times), list(series.angles), pool=pool)


def tokens_of(
    frames: list[Array], times: list[Array], angles: list[Array], *, pool: int, ids: Any = None
) -> rm.TokenSet:
    """Tokens of series given as lists of (k, 24, 24), (k,) and (k,)."""
    pixels, angle = np.concatenate(frames), np.concatenate(angles)
    side = SIDE // pool
    pixels = pixels.reshape(-1, side, pool, side, pool).mean((2, 4)).reshape(-1, side * side)
    return rm.TokenSet(
        2.0 * pixels - 1.0,
        np.concatenate(times),
        [len(part) for part in times],
        axes=("time",),
        ids=ids,
        token_targets=np.stack([np.sin(angle), np.cos(angle)], axis=1),
    )


def together(series: Pendulums, pool: int = 1) -> rm.TokenSet:
    """The same tokens with all answers of a series as its target (n, 2 k), as the official code has them."""
    tokens = as_tokens(series, pool)
    assert tokens.token_targets is not None
    answers = tokens.token_targets.reshape(len(series), -1)
    return rm.TokenSet(tokens.values, tokens.positions, tokens.lengths, axes=tokens.axes, targets=answers)
