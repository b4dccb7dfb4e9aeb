"""Random convolutions of series on a grid, after MiniRocket (Dempster, Schmidt, Webb 2021, arXiv 2012.08791)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from typing import Any, Self

import numpy as np
import numpy.typing as npt

KERNEL = 9

N_BIASES = 3

MAX_CHANNELS = 9

Array = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Kernel:
    """Weights -1, but 2 at three ``places`` of nine; over the sum of some channels. biases: thresholds."""

    places: tuple[int, ...]
    dilation: int
    channels: npt.NDArray[np.int64]
    biases: npt.NDArray[np.float32]


@dataclass(frozen=True)
class RandomConvolutions:
    """Features of series (n, channels, times): how often each kernel's answer is above each of its biases.

    Unlike MiniRocket, channels are standardised first and biases are fewer: a thousand features are enough here.
    """

    mean: Array
    scale: Array
    kernels: list[Kernel]

    @classmethod
    def fit(cls, series: Array, seed: int) -> Self:
        """Draw channels and biases from training series."""
        mean, scale = series.mean((0, 2), keepdims=True), series.std((0, 2), keepdims=True) + 1e-9
        scaled = ((series - mean) / scale).astype(np.float32)
        rng = np.random.default_rng(seed)
        n_channels, n_times = scaled.shape[1:]
        dilations = [d for d in 2 ** np.arange(10) if d == 1 or d * (KERNEL - 1) < n_times]
        kernels = []
        for dilation, places in product(dilations, combinations(range(KERNEL), 3)):
            n_chosen = int(2 ** rng.uniform(0.0, np.log2(min(n_channels, MAX_CHANNELS) + 1)))
            channels = rng.choice(n_channels, n_chosen, replace=False)
            some = scaled[rng.integers(0, len(scaled), 8)]
            answers = _convolve(some[:, channels].sum(1), places, int(dilation))
            biases = np.quantile(answers, rng.uniform(0.05, 0.95, N_BIASES)).astype(np.float32)
            kernels.append(Kernel(places, int(dilation), channels, biases))
        return cls(mean, scale, kernels)

    def transform(self, series: Array) -> npt.NDArray[np.float32]:
        """(n, kernels * biases)."""
        scaled = ((series - self.mean) / self.scale).astype(np.float32)
        features = np.empty((len(scaled), len(self.kernels), N_BIASES), np.float32)
        for k, kernel in enumerate(self.kernels):
            answers = _convolve(scaled[:, kernel.channels].sum(1), kernel.places, kernel.dilation)
            for b, bias in enumerate(kernel.biases):
                features[:, k, b] = (answers > bias).mean(1)
        return features.reshape(len(scaled), -1)


def _convolve(series: npt.NDArray[np.float32], places: tuple[int, ...], dilation: int) -> npt.NDArray[np.float32]:
    """(n, times) of one kernel, with zeros around."""
    n_times = series.shape[1]
    padded = np.pad(series, ((0, 0), (KERNEL // 2 * dilation,) * 2))
    shifted = [padded[:, j * dilation : j * dilation + n_times] for j in range(KERNEL)]
    a, b, c = (shifted[j] for j in places)
    answer: npt.NDArray[np.float32] = np.float32(3) * (a + b + c) - np.sum(shifted, axis=0)
    return answer
