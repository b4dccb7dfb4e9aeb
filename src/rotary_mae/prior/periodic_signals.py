"""Periodic signals: Fourier series, sawtooth, eclipses, pulses and square waves, also with slow modulation.

Periods go from far below the usual gap between two measurements, where only the distribution of the values can be
predicted, to more than a window. The shapes are not those of the library's simulator: its sawtooth is a sum of
harmonics in closed form and its dips are Gaussian.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rotary_mae.prior.random_streams import Floats, Streams

SHORTEST_PERIOD, LONGEST_PERIOD = 0.002, 1.5
"""Bounds of the periods in windows. With 60 values the usual gap is 0.017 windows."""

MAX_HARMONICS = 8

Shape = Callable[[Streams, Floats], Floats]


def draw_periods(streams: Streams) -> Floats:
    """Return the period of each stream in windows, shape (J,): log-uniform, a shared draw."""
    return streams.shared.log_uniform("period of the signal", SHORTEST_PERIOD, LONGEST_PERIOD)


def draw_fourier(streams: Streams, times: Floats) -> Floats:
    """Draw sums of 1 to 8 harmonics whose amplitudes decay with a power of 0.5 to 2.

    Parameters
    ----------
    streams : Streams
        J streams.
    times : ndarray, shape (J, N)
        Times in windows.

    Returns
    -------
    ndarray, shape (J, N)
        Values of variance 1 over a period.
    """
    return _fourier(streams, draw_phases(streams, times))


def draw_sawtooth(streams: Streams, times: Floats) -> Floats:
    """Draw signals that rise for 3 to 50 % of a period, then fall, along power laws; see ``draw_fourier``."""
    return _sawtooth(streams, draw_phases(streams, times))


def draw_eclipses(streams: Streams, times: Floats) -> Floats:
    """Draw constant signals with one or two dips a period, with a flat floor and smooth edges; see ``draw_fourier``.

    A dip lasts 2 to 20 % of a period and is 1 to 4 deep.
    """
    return _eclipses(streams, draw_phases(streams, times))


def draw_pulses(streams: Streams, times: Floats) -> Floats:
    """Draw signals with one or two von Mises pulses a period, 1 to 4 high; see ``draw_fourier``."""
    return _pulses(streams, draw_phases(streams, times))


def draw_square(streams: Streams, times: Floats) -> Floats:
    """Draw signals that switch between -1 and 1, for 10 to 90 % of a period high, with edges of random sharpness."""
    return _square(streams, draw_phases(streams, times))


def draw_modulated(streams: Streams, times: Floats) -> Floats:
    """Draw periodic signals whose amplitude, period and level change slowly.

    Parameters
    ----------
    streams : Streams
        J streams.
    times : ndarray, shape (J, N)
        Times in windows.

    Returns
    -------
    ndarray, shape (J, N)
        A Fourier series, sawtooth or pulses. The amplitude varies by up to 80 % with a period of 0.3 to 3 windows,
        the frequency drifts by up to 30 % a window, the level drifts linearly.
    """
    period = draw_periods(streams)
    drift = streams.shared.uniform("drift of the frequency", -0.3, 0.3)
    turns = (times + 0.5 * drift[:, None] * np.square(times)) / period[:, None]
    phases = np.mod(turns + streams.uniform("phase")[:, None], 1.0)
    kind = streams.shared.choice("modulated shape", (2, 1, 1))
    values = np.empty_like(times)
    shapes: tuple[Shape, ...] = (_fourier, _sawtooth, _pulses)
    for index, shape in enumerate(shapes):
        rows = np.flatnonzero(kind == index)
        if len(rows):
            values[rows] = shape(streams.take(rows), phases[rows])
    beat = streams.log_uniform("period of the amplitude", 0.3, 3.0)[:, None]
    angle = 2 * np.pi * (times / beat + streams.uniform("phase of the amplitude")[:, None])
    amplitude = 1 + streams.uniform("depth of modulation", 0.0, 0.8)[:, None] * np.sin(angle)
    level = 0.7 * streams.normal("drift of the level")[:, None] * times
    return amplitude * values + level


def draw_phases(streams: Streams, times: Floats) -> Floats:
    """Return the phase in [0, 1) of each time (J, N) in windows; the phase at time 0 is random."""
    return np.mod(times / draw_periods(streams)[:, None] + streams.uniform("phase")[:, None], 1.0)


# -- shapes: phases (J, N) in [0, 1) -> values (J, N) ---------------------------------------------------------


def _fourier(streams: Streams, phases: Floats) -> Floats:
    n_harmonics = 1 + streams.integers("number of harmonics", 0, MAX_HARMONICS)
    decay = streams.uniform("decay of the harmonics", 0.5, 2.0)
    harmonics = np.arange(1, MAX_HARMONICS + 1)
    amplitude = streams.normal("amplitudes", (MAX_HARMONICS,)) * harmonics ** -decay[:, None]
    amplitude *= harmonics <= n_harmonics[:, None]
    amplitude /= np.sqrt(0.5 * np.square(amplitude).sum(axis=1, keepdims=True))
    offset = streams.uniform("phases of the harmonics", 0.0, 2 * np.pi, (MAX_HARMONICS,))
    values = np.zeros_like(phases)
    for h in range(MAX_HARMONICS):
        rows = np.flatnonzero(n_harmonics > h)
        angle = 2 * np.pi * (h + 1) * phases[rows] + offset[rows, h, None]
        values[rows] += amplitude[rows, h, None] * np.cos(angle)
    return values


def _sawtooth(streams: Streams, phases: Floats) -> Floats:
    rise = streams.log_uniform("part of the period that rises", 0.03, 0.5)[:, None]
    exponent = streams.log_uniform("exponent", 0.5, 2.5)[:, None]
    # uniform on [0, 1] over a period, whatever part of it rises
    ramp = np.where(phases < rise, phases / rise, (1 - phases) / (1 - rise))
    mean = 1 / (exponent + 1)
    std = np.sqrt(1 / (2 * exponent + 1) - np.square(mean))
    return streams.sign("sign")[:, None] * (ramp**exponent - mean) / std


def _eclipses(streams: Streams, phases: Floats) -> Floats:
    first = streams.uniform("depth", 1.0, 4.0)[:, None]
    has_second = streams.chance("has a second dip", 0.6)[:, None]
    second = first * streams.uniform("ratio of depths", 0.1, 1.0)[:, None] * has_second
    half = streams.log_uniform("half duration", 0.01, 0.1)[:, None]
    edge = streams.uniform("part of the dip that is edge", 0.1, 1.0)[:, None]
    separation = np.where(streams.chance("is eccentric", 0.3), streams.uniform("separation", 0.3, 0.7), 0.5)[:, None]
    flare = 0.3 * streams.normal("change between the dips")[:, None] * np.square(np.sin(2 * np.pi * phases))
    dips = first * _dip(phases, half, edge) + second * _dip(phases - separation, half, edge)
    return 1.0 + flare * streams.chance("changes between the dips", 0.4)[:, None] - dips


def _dip(phases: Floats, half: Floats, edge: Floats) -> Floats:
    """1 on a floor around phase 0, 0 outside of a half duration, a cubic step between."""
    distance = np.abs(phases - np.round(phases))
    x = np.clip((half - distance) / (half * edge), 0.0, 1.0)
    return x * x * (3 - 2 * x)


def _pulses(streams: Streams, phases: Floats) -> Floats:
    values = np.zeros_like(phases)
    concentration = streams.log_uniform("concentration", 5.0, 500.0)[:, None]
    height = streams.sign("sign") * streams.uniform("height", 1.0, 4.0)
    second = np.where(streams.chance("has a second pulse", 0.3), streams.uniform("ratio of heights"), 0.0)
    separation = streams.uniform("separation", 0.15, 0.85)
    for ratio, place in ((np.ones_like(second), np.zeros_like(second)), (second, separation)):
        angle = 2 * np.pi * (phases - place[:, None])
        values += ratio[:, None] * np.exp(concentration * (np.cos(angle) - 1))
    return height[:, None] * values


def _square(streams: Streams, phases: Floats) -> Floats:
    duty = streams.uniform("part of the period that is high", 0.1, 0.9)[:, None]
    sharpness = streams.log_uniform("sharpness", 3.0, 300.0)[:, None]
    # high within half the duty of phase 0, with the crossings at the same level for every duty
    return np.tanh(sharpness * (np.cos(2 * np.pi * phases) - np.cos(np.pi * duty)))
