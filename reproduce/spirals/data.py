"""Archimedean spirals with noise, after the description in the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

N_TIMES, END, NOISE = 75, 6 * np.pi, 0.1
N_FIRST_HALF, N_SEEN = 38, 30


@dataclass(frozen=True)
class Spirals:
    """n spirals at the same 75 times. times: (75,). truth, noisy: (n, 75, 2) points without and with noise.

    is_hidden: (n, 75), False at 30 points of the first half. turns: (n,) 1 or -1, which way round.
    """

    times: Array
    truth: Array
    noisy: Array
    is_hidden: Array
    turns: Array

    def __len__(self) -> int:
        return len(self.truth)

    def __getitem__(self, part: slice) -> Spirals:
        return Spirals(self.times, self.truth[part], self.noisy[part], self.is_hidden[part], self.turns[part])


def make_spirals(n: int, seed: int) -> Spirals:
    """``n`` spirals: radius a + b t at angle t, either way round, a ~ N(0, 0.02), b ~ N(0.3, 0.02), t to 6 pi."""
    rng = np.random.default_rng(seed)
    times = np.linspace(0.0, END, N_TIMES)
    turns = rng.choice([-1.0, 1.0], n)
    radius = rng.normal(0.0, 0.02, (n, 1)) + rng.normal(0.3, 0.02, (n, 1)) * times
    truth = np.stack([radius * np.cos(times), turns[:, None] * radius * np.sin(times)], axis=-1)
    seen = rng.random((n, N_FIRST_HALF)).argsort(1)[:, :N_SEEN]
    is_hidden = np.ones((n, N_TIMES), bool)
    np.put_along_axis(is_hidden, seen, False, axis=1)
    return Spirals(times, truth, truth + rng.normal(0.0, NOISE, truth.shape), is_hidden, turns)
