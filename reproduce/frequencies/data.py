"""Waves of known frequency on [0, 1], with half of their points hidden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

N_TIMES, N_HIDDEN, MAX_FREQUENCY, NOISE = 100, 50, 24, 0.01


def sine(phase: Array) -> Array:
    """Of phases in turns."""
    return np.sin(2 * np.pi * phase)


def square(phase: Array) -> Array:
    """1 in the first half of a turn, -1 in the second."""
    return np.where(phase % 1.0 < 0.5, 1.0, -1.0)


def cycloid(phase: Array) -> Array:
    """Height of a point on a rolling wheel, a cusp a turn; between -1 and 1."""
    angle = np.linspace(0.0, 2 * np.pi, 10_001)
    return np.interp(2 * np.pi * (phase % 1.0), angle - np.sin(angle), -np.cos(angle))


WAVES: dict[str, Callable[[Array], Array]] = {"sines": sine, "square waves": square, "cycloids": cycloid}


@dataclass(frozen=True)
class Waves:
    """n series at 100 even times. values: (n, 100) with noise. is_hidden: (n, 100), True at 50 points of each."""

    values: Array
    is_hidden: Array

    @property
    def times(self) -> Array:
        return np.arange(N_TIMES) / N_TIMES

    def __len__(self) -> int:
        return len(self.values)


def make_waves(kind: str, n: int, seed: int, frequency: int | None = None) -> Waves:
    """Sums of one or two waves of whole frequencies 0-24 and any phase; or single ones of that ``frequency``."""
    rng = np.random.default_rng(seed)
    times = np.arange(N_TIMES) / N_TIMES
    values = np.zeros((n, N_TIMES))
    is_there = [np.ones(n, bool), rng.random(n) < 0.5]
    for present in is_there if frequency is None else is_there[:1]:
        frequencies = rng.integers(0, MAX_FREQUENCY + 1, (n, 1)) if frequency is None else frequency
        values += present[:, None] * WAVES[kind](frequencies * times + rng.random((n, 1)))
    is_hidden = rng.random((n, N_TIMES)).argsort(1).argsort(1) < N_HIDDEN
    return Waves(values + rng.normal(0.0, NOISE, values.shape), is_hidden)
