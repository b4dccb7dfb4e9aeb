"""Waves of known frequency on [0, 1], with half of their points masked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

N_TIMES, N_HIDDEN, MAX_FREQUENCY, NOISE = 100, 50, 24, 0.01


def sine(phase: Array) -> Array:
    """Return the sine of phases in turns."""
    return np.sin(2 * np.pi * phase)


def square(phase: Array) -> Array:
    """Return 1 in the first half of a turn and -1 in the second."""
    return np.where(phase % 1.0 < 0.5, 1.0, -1.0)


def cycloid(phase: Array) -> Array:
    """Return the height of a point on a rolling wheel, between -1 and 1, with one cusp per turn."""
    angle = np.linspace(0.0, 2 * np.pi, 10_001)
    return np.interp(2 * np.pi * (phase % 1.0), angle - np.sin(angle), -np.cos(angle))


WAVES: dict[str, Callable[[Array], Array]] = {"sines": sine, "square waves": square, "cycloids": cycloid}


@dataclass(frozen=True)
class Waves:
    """n series at 100 regular times.

    Attributes
    ----------
    values : array
        (n, 100) values with noise.
    is_hidden : array
        (n, 100) True at the 50 masked points of each series.
    """

    values: Array
    is_hidden: Array

    @property
    def times(self) -> Array:
        """(100,) times in [0, 1)."""
        return np.arange(N_TIMES) / N_TIMES

    def __len__(self) -> int:
        return len(self.values)


def make_waves(kind: str, n: int, seed: int, frequency: int | None = None) -> Waves:
    """Return series of waves with random phases.

    Parameters
    ----------
    kind : str
        A key of WAVES.
    n : int
        Number of series.
    seed : int
        Seed of frequencies, phases, noise and masks.
    frequency : int, optional
        Frequency of a single wave in each series. By default a series is the sum of one or two waves of integer
        frequencies from 0 to 24.

    Returns
    -------
    Waves
        The series.
    """
    rng = np.random.default_rng(seed)
    times = np.arange(N_TIMES) / N_TIMES
    values = np.zeros((n, N_TIMES))
    is_present = [np.ones(n, bool), rng.random(n) < 0.5]
    for present in is_present if frequency is None else is_present[:1]:
        frequencies = rng.integers(0, MAX_FREQUENCY + 1, (n, 1)) if frequency is None else frequency
        values += present[:, None] * WAVES[kind](frequencies * times + rng.random((n, 1)))
    is_hidden = rng.random((n, N_TIMES)).argsort(1).argsort(1) < N_HIDDEN
    return Waves(values + rng.normal(0.0, NOISE, values.shape), is_hidden)
