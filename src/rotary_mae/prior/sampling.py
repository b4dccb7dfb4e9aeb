"""Sampling: times and channels of the measurements.

Times are in windows: the measurements of a series lie between 0 and 1. Queries and lags of channels lead to times from
``FIRST_TIME`` to ``LAST_TIME`` (see ``queries.py`` and ``channels.py``).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rotary_mae.prior.random_streams import Bools, Floats, Ints, Streams, take_columns

FIRST_TIME, LAST_TIME = -0.3, 1.6
"""Bounds in windows of the times at which latent functions are evaluated."""

MAX_BLOCKS = 5
MAX_BURSTS = 8

Pattern = Callable[[Streams, Ints, int], Floats]

# -- patterns: number of time steps (G,), N -> (G, N) times in [0, 1], of which the first steps of a row count --


def poisson_times(streams: Streams, n_steps: Ints, n: int) -> Floats:
    """Return the times of a Poisson process, given their number.

    Parameters
    ----------
    streams : Streams
        G streams.
    n_steps : ndarray of int, shape (G,)
        Time steps of each series.
    n : int
        Times returned for each series, at least ``n_steps.max()``.

    Returns
    -------
    ndarray, shape (G, n)
        Increasing times in [0, 1]; those after the first ``n_steps`` are 1.
    """
    return _sorted(streams.uniform("times", shape=(n,)), n_steps)


def uneven_times(streams: Streams, n_steps: Ints, n: int) -> Floats:
    """Return times whose rate rises or falls with a power of time; see ``poisson_times``."""
    exponent = streams.log_uniform("exponent of the rate", 0.3, 3.0)[:, None]
    times = streams.uniform("times", shape=(n,)) ** exponent
    return _sorted(np.where(streams.chance("is reversed", 0.5)[:, None], 1 - times, times), n_steps)


def night_times(streams: Streams, n_steps: Ints, n: int) -> Floats:
    """Return times at night in the observing seasons of 1 to 8 years; see ``poisson_times``.

    The window has 10 to 3000 nights, a season 30 to 100 % of a year and a night 5 to 40 % of a day.
    """
    n_years = streams.integers("years", 1, 9)[:, None]
    n_nights = np.floor(streams.log_uniform("nights", 10.0, 3000.0))[:, None]
    season = streams.uniform("season", 0.3, 1.0)[:, None]
    night = streams.uniform("night", 0.05, 0.4)[:, None]
    place = streams.uniform("times", shape=(n,)) * n_years
    year = np.floor(place)
    day = np.floor((year + (place - year) * season) / n_years * n_nights)
    return _sorted((day + night * streams.uniform("hours", shape=(n,))) / n_nights, n_steps)


def burst_times(streams: Streams, n_steps: Ints, n: int) -> Floats:
    """Return times in 1 to 8 bursts, each 0.002 to 0.1 windows wide; see ``poisson_times``."""
    number = streams.integers("bursts", 1, MAX_BURSTS + 1)
    centre = streams.uniform("times of the bursts", shape=(MAX_BURSTS,))
    width = streams.log_uniform("width of the bursts", 0.002, 0.1)[:, None]
    burst = np.floor(streams.uniform("burst", shape=(n,)) * number[:, None]).astype(np.int64)
    times = np.abs(take_columns(centre, burst) + width * np.clip(streams.normal("times", (n,)), -5, 5))
    return _sorted(1 - np.abs(1 - times), n_steps)


def grid_times(streams: Streams, n_steps: Ints, n: int) -> Floats:
    """Return a regular grid, in 40 % with every time moved within its cell; see ``poisson_times``."""
    amount = streams.chance("is jittered", 0.4) * streams.uniform("amount of jitter")
    jitter = amount[:, None] * streams.uniform("jitter", shape=(n,))
    return _sorted((np.arange(n) + jitter) / n_steps[:, None], n_steps)


def grid_times_with_gaps(streams: Streams, n_steps: Ints, n: int) -> Floats:
    """Return different points of a regular grid, of which 20 to 95 % are kept; see ``poisson_times``."""
    kept = streams.uniform("kept part of the grid", 0.2, 0.95)
    n_points = np.ceil(n_steps / kept).astype(np.int64)
    return _sorted(distinct_points(streams, n_steps, n_points, n) / n_points[:, None], n_steps)


def block_times(streams: Streams, n_steps: Ints, n: int) -> Floats:
    """Return times of a Poisson process in 2 to 5 blocks with gaps between; see ``poisson_times``."""
    number = streams.integers("blocks", 2, MAX_BLOCKS + 1)[:, None]
    block = np.arange(MAX_BLOCKS)
    kept = -np.log(streams.uniform("lengths of the blocks", shape=(MAX_BLOCKS,))) * (block < number)
    gaps = -np.log(streams.uniform("lengths of the gaps", shape=(MAX_BLOCKS,))) * (block < number - 1)
    gaps *= streams.log_uniform("size of the gaps", 0.2, 2.0)[:, None]
    total = (kept + gaps).sum(axis=1, keepdims=True)
    ends = np.cumsum(kept, axis=1)
    place = streams.uniform("times", shape=(n,)) * ends[:, -1:]
    times = place.copy()
    for k in range(MAX_BLOCKS - 1):
        times += gaps[:, k, None] * (place > ends[:, k, None])
    return _sorted(times / total, n_steps)


PATTERNS: dict[str, tuple[Pattern, float]] = {
    "poisson": (poisson_times, 0.24),
    "uneven": (uneven_times, 0.06),
    "nights": (night_times, 0.18),
    "bursts": (burst_times, 0.10),
    "grid": (grid_times, 0.20),
    "grid_with_gaps": (grid_times_with_gaps, 0.12),
    "blocks": (block_times, 0.10),
}
"""Patterns of time steps and their probabilities."""


def draw_times(streams: Streams, n_steps: Ints, n: int) -> Floats:
    """Return times of random patterns, drawn by the weights of ``PATTERNS``; see ``poisson_times``."""
    kind = streams.choice("pattern", [weight for _, weight in PATTERNS.values()])
    times = np.empty((len(streams), n))
    for index, (pattern, _) in enumerate(PATTERNS.values()):
        rows = np.flatnonzero(kind == index)
        if len(rows):
            times[rows] = pattern(streams.take(rows), n_steps[rows], n)
    return times


def distinct_points(streams: Streams, n_kept: Ints, n_points: Ints, n: int) -> Ints:
    """Return increasing indices of points, all different.

    Parameters
    ----------
    streams : Streams
        G streams.
    n_kept, n_points : ndarray of int, shape (G,)
        The first ``n_kept`` indices of a row are below ``n_points``, which is no smaller.
    n : int
        Indices returned for each series.

    Returns
    -------
    ndarray of int, shape (G, n)
    """
    place = _sorted(streams.uniform("kept points", shape=(n,)), n_kept)
    return np.floor(place * (n_points - n_kept + 1)[:, None]).astype(np.int64) + np.arange(n)


# -- numbers of measurements and channels ----------------------------------------------------------------------

MAX_CHANNELS = 50
MIN_TOKENS, MAX_TOKENS = 2, 512

_CHANNEL_RANGES = ((1, 1), (2, 5), (6, 12), (13, MAX_CHANNELS))
_CHANNEL_WEIGHTS = (0.50, 0.30, 0.12, 0.08)


def draw_n_channels(streams: Streams, max_channels: int) -> Ints:
    """Return numbers of channels (G,): 1 in 50 %, 2-5 in 30 %, 6-12 in 12 %, 13-50 in 8 %, at most ``max_channels``."""
    low, high = np.array(_CHANNEL_RANGES)[streams.choice("range of channels", _CHANNEL_WEIGHTS)].T.copy()
    return np.minimum(streams.integers("channels", low, high + 1), max_channels)


def draw_n_tokens(streams: Streams, n_channels: Ints, max_tokens: int) -> Ints:
    """Return numbers of measurements of each series.

    Parameters
    ----------
    streams : Streams
        G streams.
    n_channels : ndarray of int, shape (G,)
        Channels of each series.
    max_tokens : int
        Largest number, at most ``MAX_TOKENS``.

    Returns
    -------
    ndarray of int, shape (G,)
        Log-normal around 40 times the power 0.3 of the number of channels in 82 %, log-uniform from 2 to the largest
        number in 10 %, and from 2 to 10 in 8 %.
    """
    usual = 40 * n_channels**0.3 * np.exp(0.6 * streams.normal("usual number of tokens"))
    wide = streams.log_uniform("any number of tokens", MIN_TOKENS, MAX_TOKENS + 1)
    few = streams.log_uniform("small number of tokens", MIN_TOKENS, 11)
    kind = streams.choice("kind of number of tokens", (0.82, 0.10, 0.08))
    number = np.floor(np.where(kind == 0, usual, np.where(kind == 1, wide, few))).astype(np.int64)
    return np.clip(number, MIN_TOKENS, max_tokens)


# -- channels ------------------------------------------------------------------------------------------------

TOGETHER, APART, SUBSETS = range(3)


def draw_channel_layout(streams: Streams, n_tokens: Ints, n_channels: Ints, n: int) -> tuple[Ints, Ints]:
    """Return the time step and the channel of every measurement.

    Parameters
    ----------
    streams : Streams
        G streams.
    n_tokens, n_channels : ndarray of int, shape (G,)
        Measurements and channels of each series.
    n : int
        Entries returned for each series, at least ``n_tokens.max()``.

    Returns
    -------
    step : ndarray of int, shape (G, n)
        Index of the time step, not decreasing, from 0. Measurements of a step have the same time.
    channel : ndarray of int, shape (G, n)
        Index of the channel, from 0 to ``n_channels`` - 1.

        In 40 % all channels are measured at each step (``TOGETHER``), of which up to half of the measurements are
        missing; in 35 % each measurement is a step of its own, of a random channel with unequal rates (``APART``);
        in 25 % each step measures the same number of random channels (``SUBSETS``). One channel is always
        ``APART``.
    """
    mode = np.where(n_channels == 1, APART, streams.choice("channel layout", (0.40, 0.35, 0.25)))
    token = np.arange(n)
    columns = n_channels[:, None]
    kept = np.where(streams.chance("is complete", 0.5), 1.0, streams.uniform("kept measurements", 0.5, 1.0))
    slots = distinct_points(streams, n_tokens, np.ceil(n_tokens / kept).astype(np.int64), n)
    rate = streams.log_uniform("inequality of the channels", 1.0, 3.0)[:, None]
    random = np.floor(columns * streams.uniform("channel", shape=(n,)) ** rate).astype(np.int64)
    size = 1 + streams.integers("channels a step", 0, n_channels)[:, None]
    step_of_subset = token // size
    offset = np.floor(columns * take_columns(streams.uniform("offset", shape=(n,)), step_of_subset)).astype(np.int64)
    subset = (offset + token % size) % columns
    is_together, is_apart = (mode == TOGETHER)[:, None], (mode == APART)[:, None]
    step = np.where(is_together, slots // columns, np.where(is_apart, token, step_of_subset))
    channel = np.where(is_together, slots % columns, np.where(is_apart, random, subset))
    step = step - step[:, :1]
    return step, take_columns(_permutations(streams, n_channels), channel)


def count_steps(step: Ints, is_token: Bools) -> Ints:
    """Return the number of time steps (G,), from steps (G, n) of which those with ``is_token`` (G, n) count."""
    return 1 + np.where(is_token, step, 0).max(axis=1)


def _permutations(streams: Streams, n_channels: Ints) -> Ints:
    """(G, largest number of channels) a random order of the channels of each series, then the rest."""
    width = int(n_channels.max(initial=1))
    keys = streams.uniform("order of the channels", shape=(width,))
    return np.argsort(keys + (np.arange(width) >= n_channels[:, None]), axis=1)


def _sorted(times: Floats, n_steps: Ints) -> Floats:
    """The first ``n_steps`` times of each row in order, within [0, 1], and 1 in place of the rest."""
    is_step = np.arange(times.shape[1]) < n_steps[:, None]
    return np.minimum(np.sort(np.where(is_step, times, np.inf), axis=1), 1.0)
