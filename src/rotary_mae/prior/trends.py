"""Trends with seasons: growth, decline and changes of slope, with one or two nested cycles, as in demand and energy."""

from __future__ import annotations

import numpy as np

from rotary_mae.prior.random_streams import Floats, Streams
from rotary_mae.prior.sampling import FIRST_TIME, LAST_TIME

MAX_CHANGES = 5
SEASON_HARMONICS = 4

CYCLE_RATIOS = (7.0, 24.0, 12.0, 4.0, 52.0, 52.18)
"""Ratios of two nested cycles: day and week, hour and day, month and year, quarter and year, week and year (twice)."""


def draw_trend(streams: Streams, times: Floats) -> Floats:
    """Draw a trend without seasons: linear with changes of slope, exponential, or saturating growth.

    Parameters
    ----------
    streams : Streams
        J streams. Kinds of trend and times of changes are shared draws.
    times : ndarray, shape (J, N)
        Times in windows.

    Returns
    -------
    ndarray, shape (J, N)
        Values that change by about 2 over a window.
    """
    kind = streams.shared.choice("kind of trend", (0.5, 0.2, 0.3))[:, None]
    candidates = (_broken_line, _exponential, _saturating)
    values = np.empty_like(times)
    for index, candidate in enumerate(candidates):
        rows = np.flatnonzero(kind == index)
        if len(rows):
            values[rows] = candidate(streams.take(rows), times[rows])
    return values


def draw_seasons(streams: Streams, times: Floats) -> Floats:
    """Draw one cycle of 0.01 to 1 windows, in 50 % inside a longer one, by a ratio of ``CYCLE_RATIOS``.

    Parameters
    ----------
    streams : Streams
        J streams. Periods are shared draws; shapes of the cycles are not.
    times : ndarray, shape (J, N)
        Times in windows.

    Returns
    -------
    ndarray, shape (J, N)
        A Fourier series of up to 4 harmonics a cycle; the short cycle has variance 1.
    """
    shared = streams.shared
    short = shared.log_uniform("period of the short cycle", 0.01, 1.0)
    ratio = np.array(CYCLE_RATIOS)[shared.choice("ratio of the cycles", (3, 3, 2, 1, 1, 1))]
    is_nested = shared.chance("has a long cycle", 0.5)
    weight = is_nested * streams.uniform("size of the long cycle", 0.3, 2.0)
    return _cycle(streams.child("short cycle"), times, short) + weight[:, None] * _cycle(
        streams.child("long cycle"), times, short * ratio
    )


def draw_trend_with_seasons(streams: Streams, times: Floats) -> Floats:
    """Draw a trend plus seasons, whose amplitude grows with the trend in 30 %.

    Parameters
    ----------
    streams : Streams
        J streams.
    times : ndarray, shape (J, N)
        Times in windows.

    Returns
    -------
    ndarray, shape (J, N)
        ``draw_trend`` plus ``draw_seasons``, the latter times 0.2 to 1.5.
    """
    trend = draw_trend(streams.child("trend"), times)
    seasons = draw_seasons(streams.child("seasons"), times)
    size = streams.log_uniform("size of the seasons", 0.2, 1.5)[:, None]
    growth = 0.5 * streams.shared.chance("is multiplicative", 0.3)[:, None]
    return trend + size * seasons * (1 + growth * np.tanh(trend))


def _cycle(streams: Streams, times: Floats, period: Floats) -> Floats:
    harmonics = np.arange(1, SEASON_HARMONICS + 1)
    amplitude = streams.normal("amplitudes", (SEASON_HARMONICS,)) / harmonics
    amplitude /= np.sqrt(0.5 * np.square(amplitude).sum(axis=1, keepdims=True))
    phase = streams.uniform("phases", 0.0, 2 * np.pi, (SEASON_HARMONICS,))
    turns = 2 * np.pi * times / period[:, None]
    values = np.zeros_like(times)
    for h in range(SEASON_HARMONICS):
        values += amplitude[:, h, None] * np.cos((h + 1) * turns + phase[:, h, None])
    return values


def _broken_line(streams: Streams, times: Floats) -> Floats:
    """A line whose slope changes 0 to 5 times; slopes have a standard deviation of 2 and changes one of 3."""
    number = streams.shared.integers("number of changes", 0, MAX_CHANGES + 1)
    when = streams.shared.uniform("times of the changes", FIRST_TIME, LAST_TIME, (MAX_CHANGES,))
    change = 3 * streams.normal("changes of slope", (MAX_CHANGES,))
    values = 2 * streams.normal("slope")[:, None] * times
    for k in range(MAX_CHANGES):
        rows = np.flatnonzero(number > k)
        values[rows] += change[rows, k, None] * np.maximum(times[rows] - when[rows, k, None], 0.0)
    return values


def _exponential(streams: Streams, times: Floats) -> Floats:
    """Growth or decay by a factor of 1.3 to 20 a window, to the future or to the past."""
    rate = streams.log_uniform("rate", 0.3, 3.0)[:, None]
    direction = streams.sign("direction")[:, None]
    height = streams.normal("size of the exponential")[:, None]
    return 2 * height * np.exp(rate * (direction * (times - 0.5) - 0.5))


def _saturating(streams: Streams, times: Floats) -> Floats:
    """A logistic change between two levels within 0.03 to 0.5 windows."""
    centre = streams.shared.uniform("time of the growth", 0.0, 1.0)[:, None]
    width = streams.log_uniform("duration of the growth", 0.03, 0.5)[:, None]
    height = streams.normal("size of the growth")[:, None]
    return 1.5 * height * np.tanh(np.clip((times - centre) / width, -40.0, 40.0))
