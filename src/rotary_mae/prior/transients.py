"""Transients: a quiet level, then a rise and a decay, as in light curves of explosions, flares and lenses.

The law of Bazin et al. (2009), an exponential over a logistic function, is left out: the library's simulator draws
its supernovae from it.
"""

from __future__ import annotations

import numpy as np

from rotary_mae.prior.random_streams import Floats, Streams

FIRST_START, LAST_START = -0.2, 0.95
"""Bounds of the start of a transient in windows."""

MAX_FLARES = 6


def draw_gamma_pulse(streams: Streams, times: Floats) -> Floats:
    """Draw one rise along a power law and exponential decay, with a second bump in 30 %.

    Parameters
    ----------
    streams : Streams
        J streams. Starts are shared draws, so that the channels of an object brighten together.
    times : ndarray, shape (J, N)
        Times in windows.

    Returns
    -------
    ndarray, shape (J, N)
        Values; 0 before the start, and a peak of 2 to 5, in 15 % below the quiet level.
    """
    age = _ages(streams, times)
    peak_age = streams.log_uniform("age at the peak", 0.01, 0.3)[:, None]
    exponent = streams.log_uniform("exponent of the rise", 0.3, 4.0)[:, None]
    x = age / peak_age
    pulse = np.where(x > 0, np.exp(exponent * (np.log(np.maximum(x, 1e-300)) + 1 - x)), 0.0)
    bump_age = peak_age * streams.uniform("age of the bump in peak ages", 2.0, 5.0)[:, None]
    bump_width = peak_age * streams.uniform("width of the bump in peak ages", 0.3, 1.0)[:, None]
    height = np.where(streams.chance("has a bump", 0.3), streams.uniform("height of the bump", 0.1, 0.6), 0.0)
    bump = height[:, None] * np.exp(-0.5 * np.square((age - bump_age) / bump_width)) * (age > 0)
    return _heights(streams) * (pulse + bump)


def draw_plateau_decay(streams: Streams, times: Floats) -> Floats:
    """Draw a fast rise, a slowly declining plateau, a drop and an exponential tail; see ``draw_gamma_pulse``."""
    age = _ages(streams, times)
    rise = streams.log_uniform("duration of the rise", 0.005, 0.1)[:, None]
    plateau = streams.log_uniform("duration of the plateau", 0.05, 0.5)[:, None]
    drop = plateau * streams.uniform("duration of the drop in plateaus", 0.05, 0.5)[:, None]
    slope = streams.uniform("decline over the plateau", 0.0, 0.5)[:, None]
    tail_level = streams.uniform("level of the tail", 0.05, 0.5)[:, None]
    tail_length = streams.log_uniform("length of the tail", 0.1, 2.0)[:, None]
    up = _smooth_step(age / rise)
    down = _smooth_step((age - rise - plateau) / drop)
    high = 1 - slope * np.clip((age - rise) / plateau, 0.0, 1.0)
    tail = tail_level * np.exp(-np.maximum(age - rise - plateau, 0.0) / tail_length)
    return _heights(streams) * up * ((1 - down) * high + down * tail)


def draw_broken_power_law(streams: Streams, times: Floats) -> Floats:
    """Draw a power-law rise that turns smoothly into a power-law decay, as afterglows do; see ``draw_gamma_pulse``."""
    age = np.maximum(_ages(streams, times), 1e-9)
    break_age = streams.log_uniform("age of the break", 0.005, 0.3)[:, None]
    rise = streams.uniform("exponent of the rise", 0.5, 3.0)[:, None]
    decay = streams.uniform("exponent of the decay", 0.5, 3.0)[:, None]
    sharpness = streams.log_uniform("sharpness", 0.7, 4.0)[:, None]
    x = np.log(age / break_age)
    return _heights(streams) * np.exp(
        (np.log(2.0) - np.logaddexp(-sharpness * rise * x, sharpness * decay * x)) / sharpness
    )


def draw_flares(streams: Streams, times: Floats) -> Floats:
    """Draw 1 to 6 flares that rise within 0 to 0.02 windows and decay exponentially; see ``draw_gamma_pulse``.

    Starts are shared draws; heights are not.
    """
    shape = (MAX_FLARES,)
    start = streams.shared.uniform("starts of the flares", FIRST_START, 1.2, shape)
    number = streams.shared.integers("number of flares", 1, MAX_FLARES + 1)
    rise = streams.log_uniform("duration of the rises", 1e-4, 0.02, shape)
    decay = streams.log_uniform("length of the decay", 0.01, 0.3)
    height = streams.log_uniform("heights of the flares", 0.3, 5.0, shape)
    values = np.zeros_like(times)
    for k in range(MAX_FLARES):
        rows = np.flatnonzero(number > k)
        age = times[rows] - start[rows, k, None]
        fall = np.exp(-np.maximum(age - rise[rows, k, None], 0.0) / decay[rows, None])
        values[rows] += height[rows, k, None] * np.clip(age / rise[rows, k, None], 0.0, 1.0) * fall
    return streams.sign("sign of the flares")[:, None] * values


def draw_lensing(streams: Streams, times: Floats) -> Floats:
    """Draw the magnification of a star by a point lens that passes it (Paczynski 1986), less 1.

    Parameters
    ----------
    streams : Streams
        J streams.
    times : ndarray, shape (J, N)
        Times in windows.

    Returns
    -------
    ndarray, shape (J, N)
        Symmetric peaks, whose height is divided so that it is 2 to 5.
    """
    centre = streams.shared.uniform("time of the closest approach", -0.1, 1.1)[:, None]
    crossing = streams.shared.log_uniform("crossing time", 0.02, 0.5)[:, None]
    closest = streams.log_uniform("closest distance", 0.05, 1.0)[:, None]
    distance = np.square(closest) + np.square((times - centre) / crossing)
    return _heights(streams) * _magnification(distance) / _magnification(np.square(closest))


def _magnification(squared_distance: Floats) -> Floats:
    return (squared_distance + 2) / np.sqrt(squared_distance * (squared_distance + 4)) - 1


def _ages(streams: Streams, times: Floats) -> Floats:
    """Time since the start, in windows; it is stretched by up to 30 % from channel to channel."""
    start = streams.shared.uniform("start of the transient", FIRST_START, LAST_START)[:, None]
    return (times - start) * streams.uniform("stretch", 0.77, 1.3)[:, None]


def _heights(streams: Streams) -> Floats:
    sign = np.where(streams.shared.chance("is a dip", 0.15), -1.0, 1.0)
    return (sign * streams.uniform("height", 2.0, 5.0))[:, None]


def _smooth_step(x: Floats) -> Floats:
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3 - 2 * x)
