"""Processes with jumps, as in intensive care records: drifting levels, steps, doses, switches and random walks.

All are drawn exactly at the needed times. The Ornstein-Uhlenbeck process and the random walk are Markov processes:
the values at the ordered times follow from one another with the exact transition.
"""

from __future__ import annotations

import numpy as np

from rotary_mae.prior.random_streams import Floats, Streams
from rotary_mae.prior.sampling import FIRST_TIME, LAST_TIME

MAX_EVENTS = 8


def draw_ou_with_steps(streams: Streams, times: Floats) -> Floats:
    """Draw an Ornstein-Uhlenbeck process around a level that steps up to 5 times.

    Parameters
    ----------
    streams : Streams
        J streams. The times of the steps are shared draws; sizes and the process are not.
    times : ndarray, shape (J, N)
        Times in windows, in any order.

    Returns
    -------
    ndarray, shape (J, N)
        Steps have a standard deviation of 1.5, the process one of 0.2 to 1 and a length of 0.01 to 1 windows.
    """
    length = streams.log_uniform("length of the process", 0.01, 1.0)
    std = streams.uniform("std of the process", 0.2, 1.0)[:, None]
    process = draw_ornstein_uhlenbeck(streams, times, length)
    return std * process + 1.5 * _steps(streams, times, max_steps=5, relaxation=0.0)


def draw_doses(streams: Streams, times: Floats) -> Floats:
    """Draw jumps at random times that decay exponentially, as concentrations after doses; see ``draw_ou_with_steps``.

    Up to 8 jumps of one sign, each 0.5 to 2 high; the decay takes 0.03 to 1 windows.
    """
    start = streams.shared.uniform("times of the doses", FIRST_TIME, LAST_TIME, (MAX_EVENTS,))
    number = streams.shared.integers("number of doses", 1, MAX_EVENTS + 1)
    size = streams.log_uniform("sizes of the doses", 0.5, 2.0, (MAX_EVENTS,))
    decay = streams.log_uniform("length of the decay", 0.03, 1.0)
    values = np.zeros_like(times)
    for k in range(MAX_EVENTS):
        rows = np.flatnonzero(number > k)
        age = times[rows] - start[rows, k, None]
        values[rows] += size[rows, k, None] * np.exp(-np.maximum(age, 0.0) / decay[rows, None]) * (age >= 0)
    return streams.sign("sign of the doses")[:, None] * values


def draw_set_points(streams: Streams, times: Floats) -> Floats:
    """Draw levels that step up to 8 times, at once or with relaxation over up to 0.1 windows."""
    relaxation = np.where(
        streams.chance("relaxes", 0.5), streams.log_uniform("length of the relaxation", 0.003, 0.1), 0.0
    )
    return _steps(streams, times, max_steps=MAX_EVENTS, relaxation=relaxation)


def draw_switches(streams: Streams, times: Floats) -> Floats:
    """Draw signals that switch between -1 and 1 up to 8 times; the times are shared draws."""
    times_of_switches = streams.shared.uniform("times of the switches", FIRST_TIME, LAST_TIME, (MAX_EVENTS,))
    number = streams.shared.integers("number of switches", 1, MAX_EVENTS + 1)
    parity = np.zeros(times.shape, np.int64)
    for k in range(MAX_EVENTS):
        parity += (times >= times_of_switches[:, k, None]) & (number[:, None] > k)
    return streams.sign("first state")[:, None] * np.where(parity % 2 == 0, 1.0, -1.0)


def draw_random_walk(streams: Streams, times: Floats) -> Floats:
    """Draw a Brownian motion that grows by a standard deviation of 2 a window, with up to 3 steps in 30 %.

    Parameters
    ----------
    streams : Streams
        J streams.
    times : ndarray, shape (J, N)
        Times in windows, in any order.

    Returns
    -------
    ndarray, shape (J, N)
        Values; 0 at the first time without steps.
    """
    order = np.argsort(times, axis=1, kind="stable")
    ordered = np.take_along_axis(times, order, axis=1)
    gaps = np.diff(ordered, axis=1, prepend=ordered[:, :1])
    walk = np.cumsum(2 * np.sqrt(gaps) * streams.normal("increments", (times.shape[1],)), axis=1)
    has_steps = streams.chance("has steps", 0.3)[:, None]
    return _unsorted(walk, order) + has_steps * _steps(streams, times, max_steps=3, relaxation=0.0)


def draw_ornstein_uhlenbeck(streams: Streams, times: Floats, length: Floats) -> Floats:
    """Draw stationary Ornstein-Uhlenbeck processes of variance 1, exactly.

    Parameters
    ----------
    streams : Streams
        J streams.
    times : ndarray, shape (J, N)
        Times in windows, in any order.
    length : ndarray, shape (J,)
        Time in windows after which the correlation has fallen to 1/e.

    Returns
    -------
    ndarray, shape (J, N)
    """
    order = np.argsort(times, axis=1, kind="stable")
    gaps = np.diff(np.take_along_axis(times, order, axis=1), axis=1) / length[:, None]
    white = streams.normal("white noise of the Ornstein-Uhlenbeck process", (times.shape[1],))
    # times first: each step of the recursion then reads and writes contiguous rows
    decay = np.ascontiguousarray(np.exp(-gaps).T)
    kick = np.ascontiguousarray((np.sqrt(-np.expm1(-2 * gaps)) * white[:, 1:]).T)
    path = np.empty((times.shape[1], len(times)))
    path[0] = white[:, 0]
    for i in range(len(decay)):
        path[i + 1] = decay[i] * path[i] + kick[i]
    return _unsorted(np.ascontiguousarray(path.T), order)


def _unsorted(values: Floats, order: np.ndarray) -> Floats:
    result = np.empty_like(values)
    np.put_along_axis(result, order, values, axis=1)
    return result


def _steps(streams: Streams, times: Floats, max_steps: int, relaxation: Floats | float) -> Floats:
    """A sum of 1 to ``max_steps`` steps of N(0, 1) size, each reached exponentially in ``relaxation`` windows."""
    when = streams.shared.uniform("times of the steps", FIRST_TIME, LAST_TIME, (max_steps,))
    number = streams.shared.integers("number of steps", 1, max_steps + 1)
    size = streams.normal("sizes of the steps", (max_steps,))
    lengths = np.broadcast_to(np.asarray(relaxation, np.float64), number.shape)
    values = np.zeros_like(times)
    for k in range(max_steps):
        rows = np.flatnonzero(number > k)
        age = times[rows] - when[rows, k, None]
        length = np.maximum(lengths[rows, None], 1e-12)
        values[rows] += size[rows, k, None] * -np.expm1(-np.maximum(age, 0.0) / length) * (age >= 0)
    return values
