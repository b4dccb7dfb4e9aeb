"""Simulated multi-band light curves with known noise-free flux: data for examples, tests and the demo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import TokenSet

BANDS = ("g", "r", "i", "z")

CLASSES = ("agn", "eclipsing", "pulsator", "supernova")

_N_PARAMETERS = 5
"""Number of uniform random numbers from which period, width and other properties of an object are computed."""

_N_WAVES = 24
"""Number of waves whose sum is the flux of an AGN. Not tuned."""

_SEASONS = ((0.0, 95.0), (145.0, 240.0))
"""First and last night of each season with observations, in days since the object's first night."""

Array = npt.NDArray[np.float64]

Shape = Callable[[Array, Array, Array], Array]


def simulate_light_curves(n: int = 600, *, seed: int = 0, classes: Sequence[str] = CLASSES) -> TokenSet:
    """Simulate light curves of variable objects in four bands, with their classes as targets.

    An object has 20 to 150 measurements in two seasons of 95 nights, each in one band. Its fluxes vary by about 1
    around a level of its own. Standard deviation, skewness and range of the fluxes separate the classes only in part;
    the rest is in their order in time.

    Parameters
    ----------
    n : int, default 600
        Number of objects.
    seed : int, default 0
        The same seed, n and classes give the same numbers.
    classes : sequence of str, default ("agn", "eclipsing", "pulsator", "supernova")
        Classes to simulate, equally frequent and in random order.

    Returns
    -------
    TokenSet
        One token per measurement, sorted by time: values (flux, standard error), positions (MJD in days, index of the
        band in g, r, i, z). ids are text, targets names of classes.

    Raises
    ------
    ValueError
        If n is not a positive integer, or a class is unknown or repeated.

    Examples
    --------
    >>> import rotary_mae as rm
    >>> tokens = rm.simulate_light_curves(100, seed=1)
    >>> len(tokens), tokens.channels
    (100, ('g', 'r', 'i', 'z'))
    """
    return simulate_with_truth(n, seed=seed, classes=classes).tokens


def simulate_with_truth(n: int = 600, *, seed: int = 0, classes: Sequence[str] = CLASSES) -> LightCurves:
    """Simulate the same light curves as ``simulate_light_curves``, and return the simulated objects too."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(f"n must be the number of objects, an integer of at least 1, got {n!r}")
    chosen = _check_classes(classes)
    rng = np.random.default_rng(seed)
    objects = _draw_objects(rng, int(n), chosen)
    return LightCurves(_observe(rng, objects), objects)


def _check_classes(classes: Sequence[str]) -> tuple[str, ...]:
    if isinstance(classes, str) or not classes or len(set(classes)) != len(classes):
        raise ValueError(f"classes must be a list of different names among {CLASSES}, got {classes!r}")
    if unknown := [name for name in classes if name not in CLASSES]:
        raise ValueError(f"unknown classes {unknown}; there are {CLASSES}")
    return tuple(classes)


@dataclass(frozen=True)
class Objects:
    """Properties of B simulated objects, which determine their flux at any time.

    Attributes
    ----------
    classes : int array of shape (B,)
        Index in ``CLASSES``.
    starts : array of shape (B,)
        MJD of the first possible night.
    levels, gains : arrays of shape (B, 4)
        Mean and amplitude of the flux in each band.
    parameters : array of shape (B, 5)
        Numbers in [0, 1) from which period, width and other properties are computed.
    waves : array of shape (B, 2, 24)
        Frequency per day and phase in turns of the waves that sum to the flux of an AGN.
    """

    classes: npt.NDArray[np.int64]
    starts: Array
    levels: Array
    gains: Array
    parameters: Array
    waves: Array

    def flux(self, object_idx: npt.NDArray[np.int64], times: Array, band_idx: npt.NDArray[np.int64]) -> Array:
        """Return the noise-free flux (Q,) of ``object_idx`` at ``times`` in MJD in ``band_idx``, all (Q,)."""
        days = times - self.starts[object_idx]
        shape = np.empty(len(days))
        for index, name in enumerate(CLASSES):
            chosen = np.flatnonzero(self.classes[object_idx] == index)
            properties = self.waves if name == "agn" else self.parameters
            bands = band_idx[chosen].astype(np.float64)
            shape[chosen] = _SHAPES[name](days[chosen], bands, properties[object_idx[chosen]])
        return self.levels[object_idx, band_idx] + self.gains[object_idx, band_idx] * shape


@dataclass(frozen=True)
class LightCurves:
    """Simulated light curves and the properties of the simulated objects.

    Attributes
    ----------
    tokens : TokenSet
        The light curves.
    objects : Objects
        Properties of the objects, in the same order.
    """

    tokens: TokenSet
    objects: Objects

    def truth(self, sample: int, positions: npt.ArrayLike) -> Array:
        """Return the noise-free flux of one object.

        Parameters
        ----------
        sample : int
            Index of the object.
        positions : array of shape (q, 2)
            MJD in days, and index of the band.

        Returns
        -------
        array of shape (q, 1)
            The flux.

        Raises
        ------
        ValueError
            If the positions have another shape or a band is unknown.
        IndexError
            If there is no such object.
        """
        queries = np.asarray(positions, np.float64)
        if queries.ndim != 2 or queries.shape[1] != 2:
            raise ValueError(f"positions must be (q, 2), MJD and index of the band, got shape {queries.shape}")
        bands = queries[:, 1].astype(np.int64)
        if (bands != queries[:, 1]).any() or (bands < 0).any() or (bands >= len(BANDS)).any():
            raise ValueError(f"the second position is the index of one of the bands {BANDS}, got {queries[:, 1]}")
        if not -len(self.tokens) <= sample < len(self.tokens):
            raise IndexError(f"sample {sample} is outside of {len(self.tokens)} samples")
        object_idx = np.full(len(queries), sample % len(self.tokens))
        return self.objects.flux(object_idx, queries[:, 0], bands)[:, None]


# -- shapes: days (Q,), band (Q,), properties of the object (Q, ...) -> flux (Q,) with a standard deviation near 1 ----


def _agn(days: Array, band: Array, waves: Array) -> Array:
    """A random walk of the flux: a sum of waves with a red spectrum; each redder band lags by one more day."""
    turns = waves[:, 0] * (days - band)[:, None] + waves[:, 1]
    return np.sqrt(2 / _N_WAVES) * np.cos(2 * np.pi * turns).sum(axis=1)


def _eclipsing(days: Array, band: Array, parameters: Array) -> Array:
    """Two dips of different depth per period of 20 to 90 days, and a smooth change between them."""
    period, phase, width, depth, bulge = parameters.T
    turn = np.mod(days / _between(20, 90, period) + phase, 1)
    width = _between(0.04, 0.12, width)

    def dip(centre: float) -> Array:
        return np.exp(-0.5 * ((np.mod(turn - centre + 0.5, 1) - 0.5) / width) ** 2)

    dips = dip(0.0) + (0.2 + 0.8 * depth) * dip(0.5)
    return 2.5 * (0.4 - dips - 0.25 * bulge * np.cos(4 * np.pi * turn))


def _pulsator(days: Array, band: Array, parameters: Array) -> Array:
    """A periodic flux that rises faster than it falls; each redder band lags by 2 % of the period."""
    period, phase, sharpness, _, _ = parameters.T
    angle = 2 * np.pi * (-days / _between(20, 90, period) + phase + 0.02 * band)
    r = 0.3 + 0.6 * sharpness
    # the sum of r^k sin(k angle) / k, a sawtooth with an edge that is softer for smaller r
    saw = np.arctan2(r * np.sin(angle), 1 - r * np.cos(angle)) / np.arcsin(r)
    return 1.4 * (saw + 0.35 * (saw**2 - 1 / 3))  # the object is bright for a shorter time than it is faint


def _supernova(days: Array, band: Array, parameters: Array) -> Array:
    """One rise and a slower decline, later and slower in redder bands (Bazin et al. 2009)."""
    delay, season, rise, fall, _ = parameters.T
    peak = np.where(season < 0.5, 5.0, 150.0) + 75 * delay + 1.5 * band
    rise_days = _between(2, 8, rise)
    fall_days = _between(12, 45, fall) * (1 + 0.15 * band)
    days_after_peak = days - peak
    # one exponent, because the quotient of two exponentials overflows long before the peak
    return 4.0 * np.exp(-days_after_peak / fall_days - np.logaddexp(0, -days_after_peak / rise_days))


_SHAPES: dict[str, Shape] = {
    "agn": _agn,
    "eclipsing": _eclipsing,
    "pulsator": _pulsator,
    "supernova": _supernova,
}


def _between(low: float, high: float, uniform: Array) -> Array:
    """Map numbers in [0, 1) to numbers between ``low`` and ``high``, uniformly in the logarithm."""
    return low * (high / low) ** uniform


# -- random draws -------------------------------------------------------------------------------------------


def _draw_objects(rng: np.random.Generator, n: int, classes: tuple[str, ...]) -> Objects:
    index = np.array([CLASSES.index(name) for name in classes])
    colour = np.arange(len(BANDS)) - 1.5
    levels = rng.normal(0, 1, (n, 1)) + rng.normal(0, 0.3, (n, 1)) * colour
    amplitude = _between(0.5, 1.6, rng.random((n, 1)))
    # all classes draw from the same means, amplitudes and colours, so that these carry no information about the class
    gains = amplitude * (1 - rng.uniform(0, 0.2, (n, 1)) * colour)
    frequency = np.abs(rng.standard_t(3, (n, _N_WAVES))) / (2 * np.pi * _between(12, 50, rng.random((n, 1))))
    return Objects(
        classes=rng.permutation(np.resize(index, n)),
        starts=np.floor(rng.uniform(60_000, 60_365, n)),
        levels=levels,
        gains=gains,
        parameters=rng.random((n, _N_PARAMETERS)),
        waves=np.stack([frequency, rng.random((n, _N_WAVES))], axis=1),
    )


def _observe(rng: np.random.Generator, objects: Objects) -> TokenSet:
    n = len(objects.classes)
    lengths = np.floor(_between(20, 151, rng.random(n))).astype(np.int64)
    object_idx = np.repeat(np.arange(n), lengths)
    n_tokens = len(object_idx)
    band_odds = np.cumsum(rng.dirichlet(np.full(len(BANDS), 6.0), n), axis=1)
    band_idx = (rng.random(n_tokens)[:, None] > band_odds[object_idx, :-1]).sum(axis=1)
    times = objects.starts[object_idx] + _draw_days(rng, rng.uniform(0.3, 0.7, n)[object_idx])
    errors = _between(0.03, 0.2, rng.random(n))[object_idx] * rng.lognormal(0, 0.35, n_tokens)
    order = np.lexsort((times, object_idx))
    times, band_idx = times[order], band_idx[order]
    flux = objects.flux(object_idx, times, band_idx) + errors * rng.standard_normal(n_tokens)
    return TokenSet(
        np.stack([flux, errors], axis=1),
        np.stack([times, band_idx.astype(np.float64)], axis=1),
        lengths,
        ids=np.array([f"sim-{i:06d}" for i in range(n)]),
        targets=np.array(CLASSES)[objects.classes],
        schema=Schema(("time", "channel"), BANDS, ("value", "error")),
    )


def _draw_days(rng: np.random.Generator, first_fraction: Array) -> Array:
    """Draw days (T,) since the first night, with probability ``first_fraction`` (T,) in the first season."""
    (first, first_end), (second, second_end) = _SEASONS
    uniform = rng.random(len(first_fraction))
    in_first = first + uniform * (first_end - first)
    in_second = second + uniform * (second_end - second)
    night = np.floor(np.where(rng.random(len(first_fraction)) < first_fraction, in_first, in_second))
    return night + rng.uniform(0, 0.35, len(first_fraction))
