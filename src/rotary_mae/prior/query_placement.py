"""Placement of queries: the tokens to be predicted, at times of measurements or elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rotary_mae.prior.random_streams import Bools, Floats, Ints, Streams, take_columns

EARLIEST_QUERY, LATEST_QUERY = -0.1, 1.4
"""Bounds in windows of query times that are no times of measurements."""


# -- placements: times, channels (G, n), number of tokens and channels (G,) -> (G, n) is_query and new times ----


def random_tokens(streams: Streams, times: Floats, channel: Ints, n_channels: Ints) -> tuple[Bools, Floats]:
    """Make each token a query with a probability that is uniform from 0.1 to 0.9 in each series.

    Parameters
    ----------
    streams : Streams
        G streams.
    times : ndarray, shape (G, n)
        Time of each token in windows.
    channel : ndarray of int, shape (G, n)
        Channel of each token.
    n_channels : ndarray of int, shape (G,)
        Channels of each series.

    Returns
    -------
    is_query : ndarray of bool, shape (G, n)
        True for queries.
    times : ndarray, shape (G, n)
        Time of each token, which may have changed for queries.
    """
    return streams.chance("is a query", streams.uniform("query fraction", 0.1, 0.9), times.shape[1:]), times


def tokens_in_a_gap(streams: Streams, times: Floats, channel: Ints, n_channels: Ints) -> tuple[Bools, Floats]:
    """Make all tokens within an interval of 0.05 to 0.5 windows queries; see ``random_tokens``."""
    width = streams.log_uniform("width of the gap", 0.05, 0.5)
    start = streams.uniform("start of the gap", 0.0, 1.0 - width)
    return (times >= start[:, None]) & (times <= (start + width)[:, None]), times


def tokens_at_the_end(streams: Streams, times: Floats, channel: Ints, n_channels: Ints) -> tuple[Bools, Floats]:
    """Make all tokens after a time between 0.4 and 0.95 windows queries; see ``random_tokens``."""
    return times > streams.uniform("last visible time", 0.4, 0.95)[:, None], times


def tokens_of_a_channel(streams: Streams, times: Floats, channel: Ints, n_channels: Ints) -> tuple[Bools, Floats]:
    """Make the tokens of one channel queries, all or those after a time; random tokens where there is one channel.

    See ``random_tokens`` for parameters and returns.
    """
    is_random, _ = random_tokens(streams, times, channel, n_channels)
    chosen = streams.integers("channel with queries", 0, n_channels)[:, None]
    start = streams.chance("has visible tokens", 0.7) * streams.uniform("start of the queries", 0.0, 0.9)
    is_query = (channel == chosen) & (times >= start[:, None])
    return np.where((n_channels > 1)[:, None], is_query, is_random), times


def times_anywhere(streams: Streams, times: Floats, channel: Ints, n_channels: Ints) -> tuple[Bools, Floats]:
    """Make random tokens queries and move each to a uniform time; see ``random_tokens``.

    In half of the series the new times lie within the window, in the others between ``EARLIEST_QUERY`` and
    ``LATEST_QUERY``.
    """
    is_query, _ = random_tokens(streams, times, channel, n_channels)
    is_outside = streams.chance("queries lie outside", 0.5)
    low, high = np.where(is_outside, EARLIEST_QUERY, 0.0), np.where(is_outside, LATEST_QUERY, 1.0)
    return is_query, np.where(is_query, streams.uniform("query times", low, high, times.shape[1:]), times)


Placement = Callable[[Streams, Floats, Ints, Ints], tuple[Bools, Floats]]

PLACEMENTS: dict[str, tuple[Placement, float]] = {
    "random_tokens": (random_tokens, 0.45),
    "gap": (tokens_in_a_gap, 0.15),
    "end": (tokens_at_the_end, 0.15),
    "channel": (tokens_of_a_channel, 0.10),
    "anywhere": (times_anywhere, 0.15),
}
"""Placements of queries and their probabilities."""


def place_queries(
    streams: Streams, times: Floats, channel: Ints, n_channels: Ints, n_tokens: Ints
) -> tuple[Bools, Floats]:
    """Choose the queries of each series by a random placement; at least one token is a query and one is visible.

    Parameters
    ----------
    streams : Streams
        G streams.
    times : ndarray, shape (G, n)
        Time of each token in windows.
    channel : ndarray of int, shape (G, n)
        Channel of each token.
    n_channels, n_tokens : ndarray of int, shape (G,)
        Channels and tokens of each series; at least 2 tokens.

    Returns
    -------
    is_query : ndarray of bool, shape (G, n)
        True for queries; False for entries after the last token.
    times : ndarray, shape (G, n)
        Times of all tokens.
    """
    kind = streams.choice("placement", [weight for _, weight in PLACEMENTS.values()])
    is_query, placed = np.zeros(times.shape, bool), times.copy()
    for index, (placement, _) in enumerate(PLACEMENTS.values()):
        rows = np.flatnonzero(kind == index)
        if len(rows):
            is_query[rows], placed[rows] = placement(streams.take(rows), times[rows], channel[rows], n_channels[rows])
    is_query &= np.arange(times.shape[1]) < n_tokens[:, None]
    n_queries = is_query.sum(axis=1)
    token = streams.integers("token that is changed", 0, n_tokens)
    lacks_query, lacks_visible = np.flatnonzero(n_queries == 0), np.flatnonzero(n_queries == n_tokens)
    is_query[lacks_query, token[lacks_query]] = True
    is_query[lacks_visible, token[lacks_visible]] = False
    # a token that is visible after all has the time at which it was measured
    return is_query, np.where(is_query, placed, times)


def sort_by_time(times: Floats, n_tokens: Ints, *arrays: np.ndarray) -> list[np.ndarray]:
    """Return times and further arrays (G, n) with the first ``n_tokens`` (G,) of each row in order of time."""
    is_token = np.arange(times.shape[1]) < n_tokens[:, None]
    order = np.argsort(np.where(is_token, times, np.inf), axis=1, kind="stable")
    return [take_columns(array, order) for array in (times, *arrays)]
