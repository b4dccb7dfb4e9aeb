"""Views of a TokenSet: one for each channel of a sample that has queries, or several where a series is long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from rotary_mae.data.tokens import TokenSet
from rotary_mae.series_model.views import Floats, Ints, Views, make_views

MAX_TOKENS = 512
"""Largest number of visible tokens of a view, as in training."""

N_PLACES = 4
"""A window of a long series moves by ``MAX_TOKENS`` / 4 tokens. Not tuned."""


@dataclass(frozen=True, eq=False)
class Measurements:
    """Values of all channels of a TokenSet, without static covariates.

    Attributes
    ----------
    values, errors, times : ndarray of float, shape (T,)
        An error of 0 is an unknown error.
    channels, samples : ndarray of int, shape (T,)
        Channel and sample of each value.
    n_channels : int
        Channels of the set.
    """

    values: Floats
    errors: Floats
    times: Floats
    channels: Ints
    samples: Ints
    n_channels: int


@dataclass(frozen=True, eq=False)
class QueryList:
    """Queries of all samples, each one time and one channel.

    Attributes
    ----------
    times : ndarray of float, shape (Q,)
        In the units of the tokens.
    channels, samples : ndarray of int, shape (Q,)
        Channel and sample of each query.
    """

    times: Floats
    channels: Ints
    samples: Ints


def read_measurements(tokens: TokenSet) -> Measurements:
    """Return the observed values of a TokenSet.

    Parameters
    ----------
    tokens : TokenSet
        Tokens with the axis ``time``, or ``time`` and ``channel``. Without the axis ``channel``, each value column is a
        channel. Static covariates are left out.

    Returns
    -------
    Measurements
        In the order of the tokens, and within a token of the channels.

    Raises
    ------
    ValueError
        If the tokens have other axes, or a sample has no value.
    """
    schema = tokens.schema
    time, rest = schema.time_axis, set(schema.axes) - {schema.axes[schema.time_axis], "channel"}
    if rest or schema.axes[time] == "channel" or schema.patch is not None:
        raise ValueError(
            f"the model predicts series along one axis, with or without the axis channel; got the axes {schema.axes}"
        )
    value_columns, error_columns = schema.columns("value"), schema.columns("error")
    if schema.channel_axis is not None:
        is_seen = ~tokens.is_static
        values = tokens.values[is_seen].astype(np.float64)
        channels = tokens.positions[is_seen, schema.channel_axis].astype(np.int64)
        errors = values[:, error_columns[0]] if error_columns else np.zeros(len(values))
        measured = Measurements(
            values[:, 0],
            errors,
            tokens.positions[is_seen, time],
            channels,
            tokens.sample_idx[is_seen],
            len(tokens.channels),
        )
    else:
        measured = _read_steps(tokens, value_columns, error_columns)
    has_value = np.bincount(measured.samples, minlength=len(tokens)) > 0
    if not has_value.all():
        sample = int(np.flatnonzero(~has_value)[0])
        raise ValueError(
            f"sample {tokens.ids[sample]!r} has no value of any channel, so nothing can be predicted for it; "
            "leave it out"
        )
    return measured


def _read_steps(tokens: TokenSet, value_columns: list[int], error_columns: list[int]) -> Measurements:
    """Measurements of tokens that hold a value of each channel."""
    n, schema = len(value_columns), tokens.schema
    is_observed = np.ones((tokens.n_tokens, n), np.bool_)
    for column, flag in schema.flags.items():
        is_observed[:, column] = tokens.values[:, flag] > 0
    token, channel = np.nonzero(is_observed)
    errors = np.zeros((tokens.n_tokens, n))
    if len(error_columns) == n:
        errors = tokens.values[:, error_columns].astype(np.float64)
    return Measurements(
        tokens.values[token, channel].astype(np.float64),
        errors[token, channel],
        tokens.positions[token, schema.time_axis],
        channel,
        tokens.sample_idx[token],
        n,
    )


def read_query_positions(queries: Sequence[npt.ArrayLike], tokens: TokenSet, n_channels: int) -> QueryList:
    """Return queries given as one array a sample.

    Parameters
    ----------
    queries : sequence of array, shape (q, D) each
        Positions on the axes of the tokens, one array a sample; (q,) is read as (q, 1).
    tokens : TokenSet
        B samples.
    n_channels : int
        Channels of the set. Without the axis ``channel``, a position is a query of each channel, in their order.

    Returns
    -------
    QueryList
        Sample after sample, in the given order.

    Raises
    ------
    ValueError
        If the number of arrays, a shape or a channel does not fit the tokens, or a position is not finite.
    """
    n_axes, axis = len(tokens.axes), tokens.schema.channel_axis
    if len(queries) != len(tokens):
        raise ValueError(f"queries need one array of positions a sample ({len(tokens)}), got {len(queries)}")
    arrays = [np.asarray(array, np.float64) for array in queries]
    arrays = [array[:, None] if array.ndim == 1 and (n_axes == 1 or not array.size) else array for array in arrays]
    for i, array in enumerate(arrays):
        if array.size and (array.ndim != 2 or array.shape[1] != n_axes):
            raise ValueError(f"queries[{i}] must be (q, {n_axes}) for the axes {tokens.axes}, got shape {array.shape}")
    lengths = np.array([len(array) for array in arrays], np.int64)
    positions = np.concatenate([np.empty((0, n_axes)), *(array.reshape(-1, n_axes) for array in arrays)])
    samples = np.repeat(np.arange(len(tokens)), lengths)
    if not np.isfinite(positions).all():
        raise ValueError(f"positions of queries must be finite, {int((~np.isfinite(positions)).any(1).sum())} are not")
    times = positions[:, tokens.schema.time_axis]
    if axis is None:
        channels = np.tile(np.arange(n_channels), len(times))
        return QueryList(np.repeat(times, n_channels), channels, np.repeat(samples, n_channels))
    channel = positions[:, axis]
    if channel.size and not ((channel == np.round(channel)) & (channel >= 0) & (channel < n_channels)).all():
        raise ValueError(
            f"the channel of a query is its index in {tokens.channels}, 0 to {n_channels - 1}; got "
            f"{channel.min():g} to {channel.max():g}"
        )
    return QueryList(times, channel.astype(np.int64), samples)


def views_of(measured: Measurements, queries: QueryList, max_tokens: int = MAX_TOKENS) -> tuple[Views, Ints]:
    """Return the views that the queries need.

    Parameters
    ----------
    measured : Measurements
        Visible values.
    queries : QueryList
        Queries of the same samples.
    max_tokens : int
        Largest number of visible tokens of a view. A longer one is replaced by windows around the queries, which depend
        on the visible tokens alone and not on other queries.

    Returns
    -------
    views : Views
        Views in ascending order of sample and channel.
    order : ndarray of int, shape (Q,)
        Index of the query in ``queries`` of each query of the views.
    """
    key = queries.samples * measured.n_channels + queries.channels
    order = np.argsort(key, kind="stable")
    unique, query_view = np.unique(key[order], return_inverse=True)
    sample, channel = unique // measured.n_channels, unique % measured.n_channels
    by_sample = np.argsort(measured.samples, kind="stable")
    lengths = np.bincount(measured.samples, minlength=int(sample.max(initial=-1)) + 1)
    starts = np.cumsum(lengths) - lengths
    n = lengths[sample]
    view = np.repeat(np.arange(len(unique)), n)
    token = by_sample[np.repeat(starts[sample] - (np.cumsum(n) - n), n) + np.arange(int(n.sum()))]
    own = measured.channels[token] == channel[view]
    views = make_views(
        measured.values[token],
        measured.errors[token],
        measured.times[token],
        np.where(own, 0, measured.channels[token] + 1),
        view,
        queries.times[order],
        query_view,
        len(unique),
    )
    if not (views.lengths > max_tokens).any():
        return views, order
    views, within = limit_tokens(views, max_tokens)
    return views, order[within]


def limit_tokens(views: Views, max_tokens: int) -> tuple[Views, Ints]:
    """Replace views of many tokens by windows around their queries.

    Half of a window is the tokens of the predicted channel that are nearest in rank, the other half those of other
    channels; either takes the places that the other does not need. Windows move by ``max_tokens`` / 4 tokens. Each
    query belongs to one window, by its rank among all visible tokens of its view.

    Parameters
    ----------
    views : Views
        B views.
    max_tokens : int
        Largest number of visible tokens.

    Returns
    -------
    views : Views
        At least B views of at most ``max_tokens`` tokens.
    order : ndarray of int, shape (M,)
        Index of the query in the given views of each query of the new ones.
    """
    parts: list[Views] = []
    orders: list[Ints] = []
    first_query = np.cumsum(views.query_lengths) - views.query_lengths
    is_long = views.lengths > max_tokens
    for start, stop in _runs(is_long):
        asked = np.arange(first_query[start], first_query[stop - 1] + views.query_lengths[stop - 1])
        rows = np.arange(start, stop)
        if not is_long[start]:
            parts.append(views.take(rows))
            orders.append(asked)
            continue
        for row in rows:
            view = views.take(np.array([row]))
            for window, queries in _windows(view, max_tokens):
                parts.append(window)
                orders.append(first_query[row] + queries)
    return Views.concatenate(parts), np.concatenate(orders)


def _runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and stop of each run of equal flags."""
    edges = np.flatnonzero(np.diff(flags)) + 1
    return list(pairwise([0, *edges.tolist(), len(flags)]))


def _windows(view: Views, max_tokens: int) -> list[tuple[Views, Ints]]:
    """Windows of one long view, and the queries (indices within the view) of each."""
    step = max(max_tokens // N_PLACES, 1)
    n_own = int((view.channels == 0).sum())
    n_own_max = max(max_tokens // 2, max_tokens - (len(view.values) - n_own))
    times = np.sort(view.times)
    place = np.searchsorted(times, view.query_times, side="right") // step
    windows = []
    for number in np.unique(place):
        centre = times[min(number * step + step // 2, len(times) - 1)]
        own = _nearest(view.times[:n_own], centre, n_own_max)
        other = n_own + _nearest(view.times[n_own:], centre, max_tokens - len(own))
        kept, asked = np.concatenate((own, other)), np.flatnonzero(place == number)
        windows.append(
            (
                Views(
                    view.values[kept],
                    view.errors[kept],
                    view.times[kept],
                    view.channels[kept],
                    np.array([len(kept)]),
                    view.query_times[asked],
                    view.targets[asked],
                    view.target_errors[asked],
                    np.array([len(asked)]),
                ),
                asked,
            )
        )
    return windows


def _nearest(times: Floats, centre: float, n: int) -> Ints:
    """Indices of the n tokens nearest in rank to a time, among tokens sorted by time."""
    start = int(np.clip(np.searchsorted(times, centre) - n // 2, 0, max(len(times) - n, 0)))
    return np.arange(start, min(start + n, len(times)))
