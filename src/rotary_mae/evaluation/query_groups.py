"""Groups of queries that are calibrated separately, by what is visible around a query.

The kind of a query says on which sides of it its channel has visible values, and whether other channels are visible at
the same time. Within a kind, queries differ by the distance to the nearest visible value of their channel; after the
last one this is the horizon of a forecast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rotary_mae.data.schema import Schema

Array = npt.NDArray[np.float64]

Ints = npt.NDArray[np.int64]

Bools = npt.NDArray[np.bool_]

KINDS = ("between", "before", "after", "shared", "unseen")
"""Kinds of queries: between two visible values of the channel, before the first, after the last; at the time of a
visible value of another channel; and in a channel without a visible value in the sample."""

BETWEEN, BEFORE, AFTER, SHARED, UNSEEN = range(len(KINDS))

KNOT_LEVELS = (0.02, 0.1, 0.25, 0.45, 0.65, 0.8, 0.9, 0.97)
"""Quantiles of the distances of a kind at which quantiles of scores are fitted. Closer at the far end, where intervals
change most. Not tuned."""

MIN_DISTANCE = 1e-3
"""Smaller distances, in scaled units, are one group: they are compared by their logarithm. Not tuned."""


@dataclass(frozen=True)
class QueryFeatures:
    """What is visible around N queries.

    Attributes
    ----------
    kind : array of int, shape (N,)
        Index among ``KINDS``.
    distance : array of float, shape (N,)
        Distance in time to the nearest visible value of the channel in the sample, in scaled units; infinite if there
        is none.
    """

    kind: Ints
    distance: Array


def masked_features(
    schema: Schema,
    values: npt.NDArray[np.floating],
    positions: npt.NDArray[np.floating],
    sample_idx: Ints,
    is_masked: Bools,
) -> QueryFeatures | None:
    """Return the features of the values of masked tokens, given the visible tokens of their samples.

    Parameters
    ----------
    schema : Schema
        Schema of the tokens.
    values : array, shape (T, V)
        Only flags of observed values are used.
    positions : array, shape (T, D)
        Positions in scaled units, before masking.
    sample_idx : array of int, shape (T,)
        Sample of each token.
    is_masked : array of bool, shape (T,)
        True for the M masked tokens.

    Returns
    -------
    QueryFeatures or None
        M * n_predicted of them, those of one token after the other. None for patches, which have no such neighbours.
    """
    if schema.patch is not None:
        return None
    # in single precision, as models have them: equal positions are equal at fit and in predictions
    time = positions[:, schema.time_axis].astype(np.float32).astype(np.float64)
    n_columns = schema.n_predicted
    if schema.channel_axis is not None:
        is_used = ~schema.static_tokens(positions)
        channel = positions[:, schema.channel_axis].astype(np.int64)
        found = query_features(sample_idx[is_used], time[is_used], channel[is_used], is_masked[is_used])
        return QueryFeatures(np.repeat(found.kind, n_columns), np.repeat(found.distance, n_columns))
    flags = schema.columns("observed")
    is_observed = values[:, flags] > 0 if flags else np.ones((len(time), n_columns), bool)
    # all values of a masked step are predicted
    token, column = np.nonzero(is_observed | is_masked[:, None])
    return query_features(sample_idx[token], time[token], column, is_masked[token])


def query_features(sample: Ints, time: Array, channel: Ints, is_query: Bools) -> QueryFeatures:
    """Return the features of queries among visible values; a query does not depend on the other queries.

    Parameters
    ----------
    sample, channel : array of int, shape (N,)
        Sample and channel of each visible value and query.
    time : array of float, shape (N,)
        Its time.
    is_query : array of bool, shape (N,)
        True for queries, False for visible values.

    Returns
    -------
    QueryFeatures
        Of the queries, in their order.
    """
    n = len(sample)
    order = np.lexsort((is_query, time, channel, sample))
    s, t, c, is_visible = sample[order], time[order], channel[order], ~is_query[order]
    place = np.arange(n)
    is_first = np.ones(n, bool)
    is_first[1:] = (s[1:] != s[:-1]) | (c[1:] != c[:-1])
    start = np.maximum.accumulate(np.where(is_first, place, 0))
    stop = np.append(np.flatnonzero(is_first)[1:], n)[np.cumsum(is_first) - 1]
    before = np.maximum.accumulate(np.where(is_visible, place, -1))
    after = np.minimum.accumulate(np.where(is_visible, place, n)[::-1])[::-1]
    has_before, has_after = before >= start, after < stop
    gap_before = np.where(has_before, t - t[before.clip(min=0)], np.inf)
    gap_after = np.where(has_after, t[after.clip(max=n - 1)] - t, np.inf)
    kind = np.select([has_before & has_after, has_after, has_before], [BETWEEN, BEFORE, AFTER], UNSEEN)
    kind[(kind != UNSEEN) & _is_shared(s, t, c, is_visible)] = SHARED
    found_kind, distance = np.empty(n, np.int64), np.empty(n)
    found_kind[order], distance[order] = kind, np.minimum(gap_before, gap_after)
    return QueryFeatures(found_kind[is_query], distance[is_query])


def _is_shared(sample: Ints, time: npt.NDArray[np.floating], channel: Ints, is_visible: Bools) -> Bools:
    """Return True (N,) where another channel of the sample has a visible value at the same time."""
    order = np.lexsort((channel, time, sample))
    s, t, c, visible = sample[order], time[order], channel[order], is_visible[order]
    is_new_time = np.ones(len(s), bool)
    is_new_time[1:] = (s[1:] != s[:-1]) | (t[1:] != t[:-1])
    is_new_series = is_new_time.copy()
    is_new_series[1:] |= c[1:] != c[:-1]
    time_idx, series_idx = np.cumsum(is_new_time) - 1, np.cumsum(is_new_series) - 1
    n_visible = np.bincount(time_idx, weights=visible)[time_idx] - np.bincount(series_idx, weights=visible)[series_idx]
    is_shared = np.empty(len(s), bool)
    is_shared[order] = n_visible > 0
    return is_shared


def shared_fraction(sample: Ints, time: npt.NDArray[np.floating], channel: Ints) -> float:
    """Return the fraction of measurements at whose time another channel of the sample was measured.

    Parameters
    ----------
    sample, channel : array of int, shape (N,)
        Sample and channel of each measurement.
    time : array of float, shape (N,)
        Its time.
    """
    if not len(sample):
        return 0.0
    return float(_is_shared(sample, time, channel, np.ones(len(sample), bool)).mean())


# -- groups -------------------------------------------------------------------------------------------------


def fit_knots(features: QueryFeatures) -> tuple[tuple[float, ...], ...]:
    """Return the distances at which each kind is calibrated: one tuple a kind, empty for a kind that did not occur.

    Parameters
    ----------
    features : QueryFeatures
        Features of the values that calibration is fitted on.
    """
    knots: list[tuple[float, ...]] = []
    for kind in range(len(KINDS)):
        distance = features.distance[features.kind == kind]
        finite = np.maximum(distance[np.isfinite(distance)], MIN_DISTANCE)
        if not len(distance):
            knots.append(())
        elif not len(finite):
            knots.append((MIN_DISTANCE,))
        else:
            # a distance that was met, so that on a regular grid every knot is a number of steps
            levels = np.quantile(finite, KNOT_LEVELS, method="inverted_cdf")
            knots.append(tuple(np.unique(levels).tolist()))
    return tuple(knots)


def group_places(features: QueryFeatures, knots: tuple[tuple[float, ...], ...]) -> Array:
    """Return the places (N,) of queries among the groups.

    Groups are numbered kind after kind, one a knot. A place between two whole numbers is between two groups, by the
    logarithm of the distance; beyond the first and the last knot of a kind it is that of the knot. Queries of a kind
    without knots are at -1.

    Parameters
    ----------
    features : QueryFeatures
        Features of N queries.
    knots : tuple of tuples of float
        Ascending distances of each kind.
    """
    places = np.full(len(features.kind), -1.0)
    first = 0
    for kind, of_kind in enumerate(knots):
        is_own = features.kind == kind
        if len(of_kind):
            distance = np.log(np.maximum(features.distance[is_own], MIN_DISTANCE))
            places[is_own] = np.interp(distance, np.log(of_kind), first + np.arange(float(len(of_kind))))
        first += len(of_kind)
    return places


def at_places(of_group: Array, place: Array) -> Array:
    """Return numbers of the groups, interpolated linearly at places.

    Parameters
    ----------
    of_group : array of float, shape (G + 1, ...)
        Numbers of each group, and last those of queries in none.
    place : array of float, shape (N,)
        See ``group_places``.

    Returns
    -------
    array of float, shape (N, ...)
    """
    # a place of -1 is that of the last row
    below = np.floor(place).astype(np.int64)
    weight = (place - below).reshape(-1, *[1] * (of_group.ndim - 1))
    above = np.where(place > below, below + 1, below)
    interpolated: Array = (1.0 - weight) * of_group[below] + weight * of_group[above]
    return interpolated


def interp_rows(x: Array, known: Array, values: Array, scale: Array) -> Array:
    """Return ``values`` interpolated linearly, each at a number of ``x`` by a row of its own.

    Parameters
    ----------
    x : array of float, shape (N,)
    known : array of float, shape (N, K)
        Ascending numbers of each row at which ``values`` are known.
    values : array of float, shape (K,)
    scale : array of float, shape (N,)
        Increase of ``x`` for an increase of the values by 1, beyond the ends of a row.
    """
    inside = np.clip(x, known[:, 0], known[:, -1])
    right = (known < inside[:, None]).sum(1).clip(1, len(values) - 1)
    row = np.arange(len(x))
    low, high = known[row, right - 1], known[row, right]
    fraction = np.divide(inside - low, high - low, out=np.zeros(len(x)), where=high > low)
    interpolated: Array = values[right - 1] + fraction * (values[right] - values[right - 1]) + (x - inside) / scale
    return interpolated
