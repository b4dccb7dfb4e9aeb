"""Local context: features of a token, or of a query, from the tokens around it in its channel series.

A channel series is the tokens of one sample that have the same position on all axes but time: the measurements of one
channel. Local context is not part of the paper. It helps where values vary less within a sample than between samples,
as magnitudes of stars and vital signs of patients do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MIN_STD = 1e-2
"""Added in quadrature to the standard deviation of a series, in scaled units. Not tuned."""

N_NEAREST = 4
"""Number of nearest neighbours on each side; every further neighbour is twice as far as the last. Not tuned."""

N_CANDIDATES = 3
"""Number of values between which a query is interpolated: mean of its series, value before and value after."""


def neighbour_offsets(k: int) -> list[int]:
    """Return the distances in tokens to the k neighbours on a side: 1, 2, 3, 4, 8, 16, 32, 64, ..."""
    return [step if step <= N_NEAREST else N_NEAREST * 2 ** (step - N_NEAREST) for step in range(1, k + 1)]


def local_context_width(k: int, n_values: int) -> int:
    """Return the number of features of ``local_context``."""
    return 2 * k * (n_values + 1) + 4 * n_values


def local_context(values: Tensor, positions: Tensor, sample_idx: Tensor, k: int, axis: int = 0) -> Tensor:
    """Return features of every token from its channel series.

    For each of the 2 k neighbours: the differences of the values, and closeness 1 / (1 + gap in time); all 0 if there
    is no such neighbour. Then the values less the mean of the series, the same divided by the standard deviation of the
    series, the logarithm of that standard deviation, and the skewness s of the series as sign(s) log(1 + |s|).

    Parameters
    ----------
    values : Tensor
        (T, V).
    positions : Tensor
        (T, D).
    sample_idx : Tensor
        (T,) sample of each token.
    k : int
        Neighbours on each side; see ``neighbour_offsets``.
    axis : int
        Axis of time.

    Returns
    -------
    Tensor
        (T, ``local_context_width(k, V)``).
    """
    order, series = sort_by_series(positions, sample_idx, axis)
    time, ordered = positions[order, axis], values[order]
    features = [_neighbour_features(ordered, time, series, step) for step in neighbour_offsets(k)]
    features.append(_series_features(ordered, series))
    inverse = torch.empty_like(order).index_copy_(0, order, torch.arange(len(order), device=order.device))
    return torch.cat(features, dim=1).index_select(0, inverse)


def sort_by_series(positions: Tensor, sample_idx: Tensor, axis: int = 0) -> tuple[Tensor, Tensor]:
    """Sort tokens by channel series and, within a series, by time.

    Parameters
    ----------
    positions : Tensor
        (T, D).
    sample_idx : Tensor
        (T,) sample of each token.
    axis : int
        Axis of time.

    Returns
    -------
    order : Tensor
        (T,) indices of the sorted tokens.
    series : Tensor
        (T,) number of the series of each sorted token, from 0.
    """
    order = torch.argsort(positions[:, axis], stable=True)
    rest = [other for other in range(positions.shape[1]) if other != axis]
    for other in rest:
        order = order[torch.argsort(positions[order, other], stable=True)]
    order = order[torch.argsort(sample_idx[order], stable=True)]
    sample, others = sample_idx[order], positions[order][:, rest]
    is_new = (sample[1:] != sample[:-1]) | (others[1:] != others[:-1]).any(1)
    return order, torch.nn.functional.pad(is_new, (1, 0)).cumsum(0)


def _neighbour_features(values: Tensor, time: Tensor, series: Tensor, step: int) -> Tensor:
    """(T, 2 (V + 1)) differences and closeness to the tokens ``step`` places after and before, of sorted tokens."""
    n_without = min(step, len(time))
    is_same = series[step:] == series[:-step]
    gap = time[step:] - time[:-step]
    # not is_same / (1 + gap): from the end of one series to the start of the next, the gap may be -1
    closeness = torch.where(is_same, 1.0 / (1.0 + gap), 0.0).unsqueeze(1)
    change = (values[step:] - values[:-step]) * is_same.unsqueeze(1)
    after, before = torch.cat((change, closeness), dim=1), torch.cat((-change, closeness), dim=1)
    zeros = after.new_zeros(n_without, after.shape[1])
    return torch.cat((torch.cat((after, zeros)), torch.cat((zeros, before))), dim=1)


def _series_features(values: Tensor, series: Tensor) -> Tensor:
    """(T, 4 V) values less the mean, the same divided by the std, logarithm of the std, and skewness of the series."""
    zeros = values.new_zeros(len(series), values.shape[1])
    n_tokens = zeros[:, :1].index_add(0, series, torch.ones_like(values[:, :1])).clamp(min=1.0)
    centred = values - (zeros.index_add(0, series, values) / n_tokens)[series]
    variance = zeros.index_add(0, series, centred.square()) / n_tokens
    std = (variance + MIN_STD**2).sqrt()[series]
    standard = centred / std
    skewness = (zeros.index_add(0, series, standard**3) / n_tokens)[series]
    return torch.cat((centred, standard, std.log(), skewness.sign() * skewness.abs().log1p()), dim=1)


def query_context_width(n_values: int) -> int:
    """Return the number of features of ``query_context``."""
    return N_CANDIDATES * n_values + 3


@dataclass(frozen=True)
class QueryContext:
    """Visible values around M queries.

    Attributes
    ----------
    candidates : Tensor
        (M, 3, V) mean of the visible values of the query's channel series, nearest visible value before the query, and
        nearest one after it. A missing neighbour is replaced by the mean; all are 0 if the series has no visible value.
    features : Tensor
        (M, ``query_context_width(V)``) the candidates, closeness 1 / (1 + gap in time) to the value before and to the
        value after (0 if it is missing), and 1 if the series has a visible value, else 0.
    """

    candidates: Tensor
    features: Tensor


def query_context(
    values: Tensor,
    positions: Tensor,
    sample_idx: Tensor,
    query_positions: Tensor,
    query_sample_idx: Tensor,
    axis: int = 0,
) -> QueryContext:
    """Return the visible values around M queries. A query does not depend on the other queries.

    Parameters
    ----------
    values : Tensor
        (N, V) values of the visible tokens.
    positions : Tensor
        (N, D) positions of the visible tokens.
    sample_idx : Tensor
        (N,) sample of each visible token.
    query_positions : Tensor
        (M, D).
    query_sample_idx : Tensor
        (M,) sample of each query.
    axis : int
        Axis of time.

    Returns
    -------
    QueryContext
        In the order of the queries.
    """
    n_visible, n_queries = len(values), len(query_positions)
    positions = torch.cat((positions, query_positions))
    order, series = sort_by_series(positions, torch.cat((sample_idx, query_sample_idx)), axis)
    is_visible = order < n_visible
    # a place is an index among the sorted tokens and queries
    place = torch.arange(len(order), device=order.device)
    before = torch.cummax(torch.where(is_visible, place, -1), 0).values
    after = torch.cummin(torch.where(is_visible, place, len(order)).flip(0), 0).values.flip(0)
    queries = place[~is_visible]
    mean, count = _series_means(values, order, series, is_visible)
    mean, has_visible = mean[series[queries]], count[series[queries]] > 0
    time = positions[:, axis]
    value_before, closeness_before = _nearest(values, time, order, series, queries, before[queries], mean)
    value_after, closeness_after = _nearest(values, time, order, series, queries, after[queries], mean)
    candidates = torch.stack((mean, value_before, value_after), dim=1)
    features = torch.cat((candidates.flatten(1), closeness_before, closeness_after, has_visible.to(mean.dtype)), dim=1)
    inverse = torch.empty_like(queries).index_copy_(
        0, order[queries] - n_visible, torch.arange(n_queries, device=order.device)
    )
    return QueryContext(candidates[inverse], features[inverse])


def _series_means(values: Tensor, order: Tensor, series: Tensor, is_visible: Tensor) -> tuple[Tensor, Tensor]:
    """(series, V) mean of the visible values of each series, 0 if there is none, and (series, 1) their number."""
    visible_series = series[is_visible]
    total = values.new_zeros(len(series), values.shape[1]).index_add(0, visible_series, values[order[is_visible]])
    count = values.new_zeros(len(series), 1).index_add(0, visible_series, torch.ones_like(values[:, :1]))
    return total / count.clamp(min=1.0), count


def _nearest(
    values: Tensor, time: Tensor, order: Tensor, series: Tensor, queries: Tensor, nearest: Tensor, default: Tensor
) -> tuple[Tensor, Tensor]:
    """Return values (M, V) of the nearest visible tokens and closeness (M, 1) to them.

    ``queries`` and ``nearest`` (M,) are places of the queries and of the nearest visible tokens among sorted tokens. If
    a nearest token belongs to another series, the value is ``default`` (M, V) and closeness is 0.
    """
    place = nearest.clamp(0, len(order) - 1)
    is_found = (nearest == place) & (series[place] == series[queries])
    gap = (time[order[place]] - time[order[queries]]).abs()
    # a clamped place may be that of a query, which has no value
    token = torch.where(is_found, order[place], 0)
    value = torch.where(is_found.unsqueeze(1), values[token], default)
    return value, torch.where(is_found, 1.0 / (1.0 + gap), 0.0).unsqueeze(1)
