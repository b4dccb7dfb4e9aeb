"""Archimedean spirals with noise, generated after the description in the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

N_TIMES, END, NOISE = 75, 6 * np.pi, 0.1
N_FIRST_HALF, N_VISIBLE = 38, 30


@dataclass(frozen=True)
class Spirals:
    """n spirals at the same 75 times.

    Attributes
    ----------
    times : array
        (75,) times.
    truth, noisy : array
        (n, 75, 2) points without and with noise.
    is_hidden : array
        (n, 75) False at the 30 visible points of the first half.
    turns : array
        (n,) 1 if anticlockwise, else -1.
    """

    times: Array
    truth: Array
    noisy: Array
    is_hidden: Array
    turns: Array

    def __len__(self) -> int:
        return len(self.truth)

    def __getitem__(self, rows: slice) -> Spirals:
        return Spirals(self.times, self.truth[rows], self.noisy[rows], self.is_hidden[rows], self.turns[rows])


def make_spirals(n: int, seed: int) -> Spirals:
    """Return generated spirals.

    The radius is a + b t at angle t, in either direction, with a ~ N(0, 0.02), b ~ N(0.3, 0.02) and t from 0 to 6 pi.

    Parameters
    ----------
    n : int
        Number of spirals.
    seed : int
        Seed of directions, coefficients, visible points and noise.

    Returns
    -------
    Spirals
        The spirals.
    """
    rng = np.random.default_rng(seed)
    times = np.linspace(0.0, END, N_TIMES)
    turns = rng.choice([-1.0, 1.0], n)
    radius = rng.normal(0.0, 0.02, (n, 1)) + rng.normal(0.3, 0.02, (n, 1)) * times
    truth = np.stack([radius * np.cos(times), turns[:, None] * radius * np.sin(times)], axis=-1)
    visible = rng.random((n, N_FIRST_HALF)).argsort(1)[:, :N_VISIBLE]
    is_hidden = np.ones((n, N_TIMES), bool)
    np.put_along_axis(is_hidden, visible, False, axis=1)
    return Spirals(times, truth, truth + rng.normal(0.0, NOISE, truth.shape), is_hidden, turns)
