"""Visible values around a query: two neighbours on each side, values to start from, and features.

It is richer than ``rotary_mae.batches.local_context.query_context``, which has one neighbour on each side. All times
and values are scaled, and all queries and tokens here belong to the predicted channel of their views.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CANDIDATES = ("mean", "before", "after", "linear", "cubic")
"""Values to start from: mean of the channel, value before, value after, linear and cubic interpolation."""

LINEAR = CANDIDATES.index("linear")
"""Column of linear interpolation."""

N_FEATURES = 16
"""Features of a query."""

MAX_CURVATURE = 30.0
"""Largest difference of the cubic from the linear interpolation, in deviations. Not tuned."""

MIN_GAP = 1e-4
"""Smallest gap in units by which a difference is divided."""

SOFT_LIMIT = 4.0
"""Values are compressed beyond this many deviations. Not tuned."""


@dataclass(frozen=True, eq=False)
class QueryContext:
    """Visible values around M queries.

    Attributes
    ----------
    candidates : Tensor, shape (M, 5)
        Values to start from, in the order of ``CANDIDATES``. Beyond the visible values the interpolations are the
        nearest value; all are 0, the level, if there is none.
    features : Tensor, shape (M, 16)
        Compressed candidates, closeness to the neighbours, gaps and differences.
    """

    candidates: Tensor
    features: Tensor


@dataclass(frozen=True, eq=False)
class _Neighbour:
    """Visible tokens at the same distance in ranks from each query: value and time (M,), and if there is one (M,)."""

    value: Tensor
    time: Tensor
    exists: Tensor


def compress(x: Tensor) -> Tensor:
    """Return values that are nearly unchanged if small, and grow with the logarithm if large."""
    return SOFT_LIMIT * torch.asinh(x / SOFT_LIMIT)


def query_context(
    values: Tensor, times: Tensor, view_idx: Tensor, query_times: Tensor, query_view: Tensor
) -> QueryContext:
    """Return the visible values around queries. A query does not depend on the other queries.

    Parameters
    ----------
    values, times, view_idx : Tensor
        (N,) visible tokens of the predicted channels, sorted by view and time.
    query_times, query_view : Tensor
        (M,) queries, in any order.

    Returns
    -------
    QueryContext
        In the order of the queries.
    """
    n_views = int(torch.cat((view_idx, query_view)).max()) + 1 if len(query_view) else 0
    count = values.new_zeros(n_views).index_add(0, view_idx, torch.ones_like(values))
    total = values.new_zeros(n_views).index_add(0, view_idx, values)
    mean = (total / count.clamp(min=1.0))[query_view]
    last = _last_at_or_before(times, view_idx, query_times, query_view)
    second_before, before, after, second_after = (
        _neighbour(values, times, view_idx, last + step, query_view) for step in (-1, 0, 1, 2)
    )
    is_between = before.exists & after.exists
    gap = (after.time - before.time).clamp(min=MIN_GAP)
    place = ((query_times - before.time) / gap).clamp(0.0, 1.0)
    value_before = torch.where(before.exists, before.value, mean)
    value_after = torch.where(after.exists, after.value, mean)
    nearest = torch.where(before.exists, before.value, value_after)
    linear = torch.where(is_between, before.value + (after.value - before.value) * place, nearest)
    gap_before = (before.time - second_before.time).clamp(min=MIN_GAP)
    gap_after = (second_after.time - after.time).clamp(min=MIN_GAP)
    slope = (after.value - before.value) / gap
    slope_before = (before.value - second_before.value) / gap_before
    slope_after = (second_after.value - after.value) / gap_after
    # slopes at the neighbours from three values each, as in a cubic Hermite spline
    start = torch.where(second_before.exists, (gap * slope_before + gap_before * slope) / (gap + gap_before), slope)
    end = torch.where(second_after.exists, (gap_after * slope + gap * slope_after) / (gap + gap_after), slope)
    rest = place * (1.0 - place) * gap * ((1.0 - place) * (start - slope) - place * (end - slope))
    cubic = linear + torch.where(is_between, rest, 0.0).clamp(-MAX_CURVATURE, MAX_CURVATURE)
    candidates = torch.stack((mean, value_before, value_after, linear, cubic), 1)
    distance = torch.where(before.exists, query_times - before.time, after.time - query_times).abs()
    features = (
        torch.where(before.exists, 1.0 / (1.0 + (query_times - before.time).abs()), 0.0),
        torch.where(after.exists, 1.0 / (1.0 + (after.time - query_times).abs()), 0.0),
        (count[query_view] > 0).to(values.dtype),
        torch.where(is_between, place, 0.5),
        torch.where(is_between, gap.log1p(), 0.0),
        torch.where((before.exists | after.exists) & ~is_between, distance.log1p(), 0.0),
        torch.where(second_before.exists & before.exists, gap_before.log1p(), 0.0),
        torch.where(second_after.exists & after.exists, gap_after.log1p(), 0.0),
        torch.where(is_between, _log_size(after.value - before.value), 0.0),
        torch.where(is_between, _log_size(cubic - linear), 0.0),
        compress(torch.where(is_between, (end - start) * gap, 0.0)),
    )
    return QueryContext(candidates, torch.cat((compress(candidates), torch.stack(features, 1)), 1))


def _last_at_or_before(times: Tensor, view_idx: Tensor, query_times: Tensor, query_view: Tensor) -> Tensor:
    """(M,) index of the last visible token at or before each query; it may belong to another view."""
    n_visible = len(times)
    all_times, views = torch.cat((times, query_times)), torch.cat((view_idx, query_view))
    # stable: of equal times, visible tokens come first
    order = torch.argsort(all_times, stable=True)
    order = order[torch.argsort(views[order], stable=True)]
    is_visible = order < n_visible
    last = torch.cumsum(is_visible, 0) - 1
    place = torch.empty_like(order).index_copy_(0, order, torch.arange(len(order), device=order.device))
    return last[place[n_visible:]]


def _neighbour(values: Tensor, times: Tensor, view_idx: Tensor, index: Tensor, query_view: Tensor) -> _Neighbour:
    if not len(values):
        nothing = values.new_zeros(len(index))
        return _Neighbour(nothing, nothing, torch.zeros_like(nothing, dtype=torch.bool))
    token = index.clamp(0, len(values) - 1)
    exists = (token == index) & (view_idx[token] == query_view)
    return _Neighbour(values[token], times[token], exists)


def _log_size(x: Tensor) -> Tensor:
    return (x.abs() + 1e-3).log() / 3
