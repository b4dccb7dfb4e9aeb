"""Random convolutions of series on a grid, after MiniRocket (Dempster, Schmidt, Webb 2021, arXiv 2012.08791)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from typing import Any, Self

import numpy as np
import numpy.typing as npt

KERNEL_LENGTH = 9
"""Length of the kernels, as in MiniRocket."""

N_BIASES = 3
"""Thresholds a kernel: a thousand features are enough for a baseline. Not tuned."""

MAX_CHANNELS = 9
"""Number of channels that a kernel adds up, at most, as in MiniRocket."""

N_BIAS_SERIES = 8
"""Number of series that the thresholds of a kernel are drawn from. Not tuned."""

Array = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Kernel:
    """A convolution kernel, applied to the sum of some channels.

    Attributes
    ----------
    positions : tuple of int, length 3
        Positions of the weights 2 in the kernel; the other six weights are -1.
    dilation : int
        Distance between neighbouring weights, in time steps.
    channels : array of int
        Channels that are added up.
    biases : array of float, shape (N_BIASES,)
        Thresholds of the response.
    """

    positions: tuple[int, ...]
    dilation: int
    channels: npt.NDArray[np.int64]
    biases: npt.NDArray[np.float32]


@dataclass(frozen=True)
class RandomConvolutions:
    """Features of series: the fraction of times at which each kernel's response is above each of its thresholds.

    Unlike in MiniRocket, channels are standardised first and there are fewer thresholds.

    Attributes
    ----------
    mean, scale : array of float, shape (1, channels, 1)
        Mean and standard deviation of the channels of the training series.
    kernels : list of Kernel
    """

    mean: Array
    scale: Array
    kernels: list[Kernel]

    @classmethod
    def fit(cls, series: Array, seed: int) -> Self:
        """Draw the kernels, with thresholds from the responses to training series.

        Parameters
        ----------
        series : array of float, shape (n, channels, times)
            Training series on a regular grid.
        seed : int
            Seed of the kernels.
        """
        mean, scale = series.mean((0, 2), keepdims=True), series.std((0, 2), keepdims=True) + 1e-9
        scaled = ((series - mean) / scale).astype(np.float32)
        rng = np.random.default_rng(seed)
        n_channels, n_times = scaled.shape[1:]
        dilations = [d for d in 2 ** np.arange(10) if d == 1 or d * (KERNEL_LENGTH - 1) < n_times]
        kernels = []
        for dilation, positions in product(dilations, combinations(range(KERNEL_LENGTH), 3)):
            n_chosen = int(2 ** rng.uniform(0.0, np.log2(min(n_channels, MAX_CHANNELS) + 1)))
            channels = rng.choice(n_channels, n_chosen, replace=False)
            drawn = scaled[rng.integers(0, len(scaled), N_BIAS_SERIES)]
            response = _convolve(drawn[:, channels].sum(1), positions, int(dilation))
            biases = np.quantile(response, rng.uniform(0.05, 0.95, N_BIASES)).astype(np.float32)
            kernels.append(Kernel(positions, int(dilation), channels, biases))
        return cls(mean, scale, kernels)

    def transform(self, series: Array) -> npt.NDArray[np.float32]:
        """Return the features of series.

        Parameters
        ----------
        series : array of float, shape (n, channels, times)

        Returns
        -------
        array of float, shape (n, len(kernels) * N_BIASES)
            Fractions in [0, 1].
        """
        scaled = ((series - self.mean) / self.scale).astype(np.float32)
        features = np.empty((len(scaled), len(self.kernels), N_BIASES), np.float32)
        for k, kernel in enumerate(self.kernels):
            response = _convolve(scaled[:, kernel.channels].sum(1), kernel.positions, kernel.dilation)
            for b, bias in enumerate(kernel.biases):
                features[:, k, b] = (response > bias).mean(1)
        return features.reshape(len(scaled), -1)


def _convolve(series: npt.NDArray[np.float32], positions: tuple[int, ...], dilation: int) -> npt.NDArray[np.float32]:
    """Return the response (n, times) of one kernel to series (n, times), padded with zeros."""
    n_times = series.shape[1]
    padded = np.pad(series, ((0, 0), (KERNEL_LENGTH // 2 * dilation,) * 2))
    shifted = [padded[:, j * dilation : j * dilation + n_times] for j in range(KERNEL_LENGTH)]
    a, b, c = (shifted[j] for j in positions)
    response: npt.NDArray[np.float32] = np.float32(3) * (a + b + c) - np.sum(shifted, axis=0)
    return response
