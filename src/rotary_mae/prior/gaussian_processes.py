"""Gaussian processes: eight stationary kernels, their sums and products, drawn exactly at the needed times.

All draws use the Cholesky factor of the covariance at the times themselves, so they are exact up to the nugget
``NUGGET``. Sizes go up to 512 times, for which the factor takes some milliseconds; no approximation is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rotary_mae.prior.random_streams import Bools, Floats, Ints, Streams

NUGGET = 1e-8
"""Variance added to each value of a process of variance 1. It makes the factor exist for smooth kernels: rounding
changes eigenvalues by about 1e-10 at 512 times."""

SINGLE, SUM, PRODUCT = range(3)

_CHUNK_ENTRIES = 2**18
"""Entries of the covariances that are held at once, 2 MB: they stay in the processor's cache. Not tuned."""


# -- kernels: absolute lags (J, M) in windows, parameters (J, 1) each -> correlations (J, M) ------------------


def _rbf(lags: Floats, length: Floats, period: Floats, shape: Floats) -> Floats:
    return np.exp(-0.5 * np.square(lags / length))


def _matern12(lags: Floats, length: Floats, period: Floats, shape: Floats) -> Floats:
    return np.exp(-lags / length)


def _matern32(lags: Floats, length: Floats, period: Floats, shape: Floats) -> Floats:
    r = lags * (np.sqrt(3.0) / length)
    return (1 + r) * np.exp(-r)


def _matern52(lags: Floats, length: Floats, period: Floats, shape: Floats) -> Floats:
    r = lags * (np.sqrt(5.0) / length)
    return (1 + r * (1 + r / 3)) * np.exp(-r)


def _rational_quadratic(lags: Floats, length: Floats, period: Floats, shape: Floats) -> Floats:
    return np.exp(-shape * np.log1p(np.square(lags / length) / (2 * shape)))


def _periodic(lags: Floats, length: Floats, period: Floats, shape: Floats) -> Floats:
    return np.exp(-2 * np.square(np.sin(np.pi / period * lags) / shape))


def _quasi_periodic(lags: Floats, length: Floats, period: Floats, shape: Floats) -> Floats:
    wave = np.sin(np.pi / period * lags)
    return np.exp(-2 * np.square(wave / shape) - 0.5 * np.square(lags / length))


def _harmonic_oscillator(lags: Floats, length: Floats, period: Floats, shape: Floats) -> Floats:
    """A damped harmonic oscillator driven by white noise (Foreman-Mackey et al. 2017), quality above 1/2."""
    ratio = np.sqrt(1 - 1 / np.square(2 * shape))
    angle = 2 * np.pi / period * lags
    wave = np.cos(ratio * angle) + np.sin(ratio * angle) / (2 * ratio * shape)
    return np.exp(-angle / (2 * shape)) * wave


Kernel = Callable[[Floats, Floats, Floats, Floats], Floats]

KERNELS: dict[str, Kernel] = {
    "rbf": _rbf,
    "matern12": _matern12,
    "matern32": _matern32,
    "matern52": _matern52,
    "rational_quadratic": _rational_quadratic,
    "periodic": _periodic,
    "quasi_periodic": _quasi_periodic,
    "harmonic_oscillator": _harmonic_oscillator,
}
"""Kernels of variance 1 by name."""

_KERNEL_WEIGHTS = (3, 2, 3, 3, 2, 1.5, 2, 1.5)

# range of the parameter ``shape`` of each kernel; (1, 1) where it has no meaning
_SHAPE_RANGES = np.array(
    [(1, 1), (1, 1), (1, 1), (1, 1), (0.3, 10), (0.3, 3), (0.3, 3), (0.6, 30)],
    np.float64,
)


@dataclass(frozen=True)
class Kernels:
    """J stationary kernels of variance 1.

    Attributes
    ----------
    kind : ndarray of int, shape (J,)
        Index into ``KERNELS``.
    length : ndarray, shape (J,)
        Length scale in windows.
    period : ndarray, shape (J,)
        Period in windows, of the kernels that have one.
    shape : ndarray, shape (J,)
        Mixture exponent of the rational quadratic kernel, relative width of the periodic kernels, quality factor of
        the harmonic oscillator.
    """

    kind: Ints
    length: Floats
    period: Floats
    shape: Floats

    def take(self, rows: npt.NDArray[np.generic] | slice) -> Kernels:
        """Return the kernels of the given rows."""
        return Kernels(self.kind[rows], self.length[rows], self.period[rows], self.shape[rows])

    def correlation(self, lags: Floats) -> Floats:
        """Return the correlations at absolute lags (J, M) in windows; shape (J, M)."""
        result = np.empty_like(lags)
        for kind, kernel in enumerate(KERNELS.values()):
            rows = np.flatnonzero(self.kind == kind)
            if len(rows):
                own = (parameter[rows, None] for parameter in (self.length, self.period, self.shape))
                result[rows] = kernel(lags[rows], *own)
        return result


@dataclass(frozen=True)
class GaussianProcesses:
    """J zero-mean Gaussian processes of variance 1: a kernel, or the sum or product of two.

    Attributes
    ----------
    first, second : Kernels
        J kernels each. The second has no meaning where ``operation`` is ``SINGLE``.
    operation : ndarray of int, shape (J,)
        ``SINGLE``, ``SUM`` or ``PRODUCT``.
    weight : ndarray, shape (J,)
        Variance of the first kernel in a sum.
    """

    first: Kernels
    second: Kernels
    operation: Ints
    weight: Floats

    def take(self, rows: npt.NDArray[np.generic] | slice) -> GaussianProcesses:
        """Return the processes of the given rows."""
        return GaussianProcesses(self.first.take(rows), self.second.take(rows), self.operation[rows], self.weight[rows])

    def correlation(self, lags: Floats) -> Floats:
        """Return the correlations at absolute lags (J, M) in windows; shape (J, M)."""
        result = self.first.correlation(lags)
        rows = np.flatnonzero(self.operation != SINGLE)
        if len(rows):
            first = result[rows]
            second = self.second.take(rows).correlation(lags[rows])
            weight = self.weight[rows, None]
            is_sum = self.operation[rows, None] == SUM
            result[rows] = np.where(is_sum, weight * first + (1 - weight) * second, first * second)
        return result

    def covariance(self, times: Floats) -> Floats:
        """Return the covariances, without the nugget, at times (J, N) in windows; shape (J, N, N)."""
        n = times.shape[1]
        lags = np.abs(times[:, :, None] - times[:, None, :])
        return self.correlation(lags.reshape(len(times), n * n)).reshape(len(times), n, n)


def draw_processes(streams: Streams) -> GaussianProcesses:
    """Return one random process for each stream.

    Parameters
    ----------
    streams : Streams
        J streams.

    Returns
    -------
    GaussianProcesses
        J processes: 65 % a single kernel, 25 % a sum, 10 % a product. Lengths are log-uniform from 0.02 to 5
        windows and periods from 0.02 to 2 windows. The length of a quasi-periodic kernel is 1 to 10 periods.
    """
    return GaussianProcesses(
        first=_draw_kernels(streams.child("first kernel")),
        second=_draw_kernels(streams.child("second kernel")),
        operation=streams.choice("operation", (0.65, 0.25, 0.10)),
        weight=streams.uniform("weight of the first kernel", 0.1, 0.9),
    )


def _draw_kernels(streams: Streams) -> Kernels:
    kind = streams.choice("kernel", _KERNEL_WEIGHTS)
    period = streams.log_uniform("period", 0.02, 2.0)
    length = streams.log_uniform("length", 0.02, 5.0)
    n_periods = streams.log_uniform("periods of coherence", 1.0, 10.0)
    is_quasi = kind == list(KERNELS).index("quasi_periodic")
    low, high = _SHAPE_RANGES[kind].T.copy()
    return Kernels(
        kind, np.where(is_quasi, n_periods * period, length), period, streams.log_uniform("shape", low, high)
    )


def draw_gaussian_process(streams: Streams, times: Floats, groups: Ints | None = None) -> Floats:
    """Draw a random Gaussian process for each stream; see ``draw_processes`` and ``draw_values``.

    Parameters
    ----------
    streams : Streams
        J streams. The process is a shared draw, the function drawn from it is not.
    times : ndarray, shape (J, N)
        Times in windows, in any order.
    groups : ndarray of int, shape (J, N), optional
        Group of each time. Values of different groups come from independent functions of the same process.

    Returns
    -------
    ndarray, shape (J, N)
        Values of variance 1.
    """
    return draw_values(draw_processes(streams.shared), streams, times, groups)


def draw_values(processes: GaussianProcesses, streams: Streams, times: Floats, groups: Ints | None = None) -> Floats:
    """Draw a function of each process at its times, exactly up to ``NUGGET``.

    Parameters
    ----------
    processes : GaussianProcesses
        J processes.
    streams : Streams
        J streams.
    times : ndarray, shape (J, N)
        Times in windows, in any order, duplicates allowed. The first values do not depend on later times.
    groups : ndarray of int, shape (J, N), optional
        See ``draw_gaussian_process``.

    Returns
    -------
    ndarray, shape (J, N)
    """
    n_functions, n = times.shape
    white = streams.normal("white noise of the process", (n,))
    values = np.empty((n_functions, n))
    chunk = max(1, _CHUNK_ENTRIES // n**2)
    for start in range(0, n_functions, chunk):
        rows = slice(start, start + chunk)
        own_groups = None if groups is None else groups[rows]
        factor = _cholesky(processes.take(rows), times[rows], own_groups)
        values[rows] = (factor @ white[rows, :, None])[:, :, 0]
    return values


def _cholesky(processes: GaussianProcesses, times: Floats, groups: Ints | None) -> Floats:
    """(J, N, N) lower Cholesky factors of the covariances; only their lower triangles are computed."""
    n_functions, n = times.shape
    rows, columns, places = _triangle(n)
    below = processes.correlation(np.abs(times[:, rows] - times[:, columns]))
    if groups is not None:
        is_same: Bools = groups[:, rows] == groups[:, columns]
        below *= is_same
    covariance = np.zeros((n_functions, n * n))
    covariance[:, places] = below
    covariance[:, :: n + 1] = 1 + NUGGET
    return np.linalg.cholesky(covariance.reshape(n_functions, n, n))


@lru_cache(maxsize=32)
def _triangle(n: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows, columns and flat indices of the entries below the diagonal of an n x n matrix."""
    rows, columns = np.tril_indices(n, -1)
    return rows, columns, rows * n + columns
