"""Smooth motion: splines, reaching movements, their accelerations, gestures and rotations, as sensors record them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rotary_mae.prior.random_streams import Floats, Streams
from rotary_mae.prior.sampling import FIRST_TIME, LAST_TIME

Profile = Callable[[Floats], Floats]

MAX_KNOTS = 64
MAX_MOVEMENTS = 10
MAX_WAVES = 6


def draw_spline(streams: Streams, times: Floats) -> Floats:
    """Draw cubic B-splines with N(0, 1) coefficients and 3 to 30 knots a window.

    Parameters
    ----------
    streams : Streams
        J streams. The density of the knots is a shared draw.
    times : ndarray, shape (J, N)
        Times in windows, from -0.3 to 1.6; before and after, the spline is constant in time.

    Returns
    -------
    ndarray, shape (J, N)
        Values with two continuous derivatives.
    """
    density = streams.shared.log_uniform("knots a window", 3.0, 30.0)[:, None]
    coefficients = 1.5 * streams.normal("coefficients", (MAX_KNOTS,))
    places = (np.clip(times, FIRST_TIME, LAST_TIME) - FIRST_TIME) * density
    first = np.minimum(np.floor(places).astype(np.int64), MAX_KNOTS - 4)
    x = places - first
    # the four cubic B-spline pieces that cover a place between two knots
    pieces = (
        (1 - x) ** 3 / 6,
        (3 * x**3 - 6 * x**2 + 4) / 6,
        (-3 * x**3 + 3 * x**2 + 3 * x + 1) / 6,
        x**3 / 6,
    )
    values = np.zeros_like(times)
    for k, piece in enumerate(pieces):
        values += piece * np.take_along_axis(coefficients, first + k, axis=1)
    return values


def draw_reaches(streams: Streams, times: Floats) -> Floats:
    """Draw positions that rest and move in turn, each movement with the least jerk (Flash and Hogan 1985).

    Parameters
    ----------
    streams : Streams
        J streams. Times of the movements are shared draws; distances are not.
    times : ndarray, shape (J, N)
        Times in windows.

    Returns
    -------
    ndarray, shape (J, N)
        1 to 10 movements, each of 0.03 to 0.5 windows and N(0, 1) distance.
    """
    return _movements(streams, times, _reach)


def draw_accelerations(streams: Streams, times: Floats) -> Floats:
    """Draw accelerations of the movements of ``draw_reaches``, scaled to a peak of about 1 for each."""
    return 1.5 * _movements(streams, times, _reach_acceleration)


def draw_gestures(streams: Streams, times: Floats) -> Floats:
    """Draw 1 to 6 short oscillations under bell-shaped envelopes.

    Parameters
    ----------
    streams : Streams
        J streams. Times and frequencies are shared draws; amplitudes and phases are not.
    times : ndarray, shape (J, N)
        Times in windows.

    Returns
    -------
    ndarray, shape (J, N)
        Envelopes are 0.03 to 0.4 windows wide and hold 0.2 to 4 oscillations a width.
    """
    shared, shape = streams.shared, (MAX_WAVES,)
    number = shared.integers("number of gestures", 1, MAX_WAVES + 1)
    centre = shared.uniform("times of the gestures", -0.1, 1.3, shape)
    width = shared.log_uniform("widths of the gestures", 0.03, 0.4, shape)
    turns = shared.log_uniform("oscillations a width", 0.2, 4.0, shape)
    amplitude = 1.5 * streams.normal("amplitudes of the gestures", shape)
    phase = streams.uniform("phases of the gestures", 0.0, 2 * np.pi, shape)
    values = np.zeros_like(times)
    for k in range(MAX_WAVES):
        rows = np.flatnonzero(number > k)
        x = (times[rows] - centre[rows, k, None]) / width[rows, k, None]
        wave = np.cos(2 * np.pi * turns[rows, k, None] * x + phase[rows, k, None])
        values[rows] += amplitude[rows, k, None] * np.exp(-0.5 * np.square(x)) * wave
    return values


def draw_rotation(streams: Streams, times: Floats) -> Floats:
    """Draw one component of a vector of length 1.4 that turns with a smoothly varying speed.

    Parameters
    ----------
    streams : Streams
        J streams. The angle is a shared draw, the direction of the component is not.
    times : ndarray, shape (J, N)
        Times in windows.

    Returns
    -------
    ndarray, shape (J, N)
        The angle is a linear function of time, of up to 3 turns a window, plus up to 6 slow waves.
    """
    shared, shape = streams.shared, (MAX_WAVES,)
    speed = shared.uniform("turns a window", -3.0, 3.0)[:, None] * shared.chance("turns on", 0.5)[:, None]
    angle = 2 * np.pi * speed * times
    amplitude = shared.log_uniform("amplitude of the angle", 0.3, 6.0)
    cycles = shared.uniform("cycles of the waves", 0.1, 4.0, shape)
    phase = shared.uniform("phases of the waves", 0.0, 2 * np.pi, shape)
    size = amplitude[:, None] * shared.normal("sizes of the waves", shape) / (1 + cycles) / MAX_WAVES**0.5
    for k in range(MAX_WAVES):
        angle += size[:, k, None] * np.sin(2 * np.pi * cycles[:, k, None] * times + phase[:, k, None])
    return 1.4 * np.cos(angle + streams.uniform("direction", 0.0, 2 * np.pi)[:, None])


def _movements(streams: Streams, times: Floats, profile: Profile) -> Floats:
    shared, shape = streams.shared, (MAX_MOVEMENTS,)
    number = shared.integers("number of movements", 1, MAX_MOVEMENTS + 1)
    start = shared.uniform("starts of the movements", FIRST_TIME, 1.3, shape)
    duration = shared.log_uniform("durations of the movements", 0.03, 0.5, shape)
    distance = streams.normal("distances", shape)
    values = np.zeros_like(times)
    for k in range(MAX_MOVEMENTS):
        rows = np.flatnonzero(number > k)
        x = np.clip((times[rows] - start[rows, k, None]) / duration[rows, k, None], 0.0, 1.0)
        values[rows] += distance[rows, k, None] * profile(x)
    return values


def _reach(x: Floats) -> Floats:
    """The quintic from 0 to 1 whose velocity and acceleration vanish at both ends."""
    return x**3 * (10 - 15 * x + 6 * x**2)


def _reach_acceleration(x: Floats) -> Floats:
    """Second derivative of ``_reach``, divided by its maximum 10 / sqrt(3)."""
    return x * (60 - 180 * x + 120 * x**2) * (np.sqrt(3.0) / 10)
