"""Local context: what a token's line, its own channel of its own sample, looks like from where the token is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# In scaled units: below this, values of a line count as equal.
MIN_STD = 1e-2

N_NEAREST = 4


def neighbour_offsets(k: int) -> list[int]:
    """How many places away on its line the k neighbours on a side are: the nearest four, then each twice as far."""
    return [step if step <= N_NEAREST else N_NEAREST * 2 ** (step - N_NEAREST) for step in range(1, k + 1)]


def context_width(k: int, n_values: int) -> int:
    """Number of features that ``local_context`` gives."""
    return 2 * k * (n_values + 1) + 4 * n_values


def local_context(values: Tensor, positions: Tensor, sample_idx: Tensor, k: int, axis: int = 0) -> Tensor:
    """(T, context_width) how each token stands to k neighbours on each side and to its line.

    values: (T, V), positions: (T, D), sample_idx: (T,). A line is the tokens of a sample that have the same
    position on all axes but ``axis``, that of time (the same channel). For each of 2 k neighbours: the value
    differences and closeness 1 / (1 + gap), all 0 where there is no such neighbour; then the values less the line's
    mean, the same divided by the line's standard deviation, the logarithm of that deviation, and the line's skewness,
    drawn together as by sign(s) log(1 + |s|).

    Design choice of this library, not of the paper: values that matter relative to a sample's own level (magnitudes
    of a star, vital signs of a patient) are small beside the differences between samples.
    """
    order, line = sorted_lines(positions, sample_idx, axis)
    time, ordered = positions[order, axis], values[order]
    features = [_neighbours(ordered, time, line, step) for step in neighbour_offsets(k)]
    features.append(_shape_of_line(ordered, line))
    back = torch.empty_like(order).index_copy_(0, order, torch.arange(len(order), device=order.device))
    return torch.cat(features, dim=1).index_select(0, back)


def sorted_lines(positions: Tensor, sample_idx: Tensor, axis: int = 0) -> tuple[Tensor, Tensor]:
    """(T,) indices that sort tokens by line and, within it, along ``axis``; and (T,) the number of the line."""
    order = torch.argsort(positions[:, axis], stable=True)
    rest = [other for other in range(positions.shape[1]) if other != axis]
    for other in rest:
        order = order[torch.argsort(positions[order, other], stable=True)]
    order = order[torch.argsort(sample_idx[order], stable=True)]
    sample, others = sample_idx[order], positions[order][:, rest]
    is_new = (sample[1:] != sample[:-1]) | (others[1:] != others[:-1]).any(1)
    return order, torch.nn.functional.pad(is_new, (1, 0)).cumsum(0)


def _neighbours(values: Tensor, time: Tensor, line: Tensor, step: int) -> Tensor:
    """(T, 2 (V + 1)) differences and closeness to the tokens ``step`` places after and before."""
    ends = min(step, len(time))
    same = line[step:] == line[:-step]
    gap = time[step:] - time[:-step]
    # not same / (1 + gap): from the end of one line to the start of the next the gap may be -1
    closeness = torch.where(same, 1.0 / (1.0 + gap), 0.0).unsqueeze(1)
    change = (values[step:] - values[:-step]) * same.unsqueeze(1)
    after, before = torch.cat((change, closeness), dim=1), torch.cat((-change, closeness), dim=1)
    nothing = after.new_zeros(ends, after.shape[1])
    return torch.cat((torch.cat((after, nothing)), torch.cat((nothing, before))), dim=1)


def _shape_of_line(values: Tensor, line: Tensor) -> Tensor:
    """(T, 4 V) values less their line's mean, the same over its standard deviation, the log of that, and skewness."""
    zeros = values.new_zeros(len(line), values.shape[1])
    n_tokens = zeros[:, :1].index_add(0, line, torch.ones_like(values[:, :1])).clamp(min=1.0)
    centred = values - (zeros.index_add(0, line, values) / n_tokens)[line]
    variance = zeros.index_add(0, line, centred.square()) / n_tokens
    spread = (variance + MIN_STD**2).sqrt()[line]
    standard = centred / spread
    skewness = (zeros.index_add(0, line, standard**3) / n_tokens)[line]
    return torch.cat((centred, standard, spread.log(), skewness.sign() * skewness.abs().log1p()), dim=1)


N_CANDIDATES = 3
"""The line's mean, the value before, and the value after."""


def query_width(n_values: int) -> int:
    """Number of features that ``query_context`` gives."""
    return N_CANDIDATES * n_values + 3


@dataclass(frozen=True)
class QueryContext:
    """candidates: (M, 3, V) mean of the visible values of the query's line, nearest one before, nearest one after
    (the mean where there is none, 0 where the line has no visible value). features: (M, query_width) the same, with
    closeness 1 / (1 + gap) to the two (0 where there is none) and whether the line has a visible value."""

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
    """Surroundings of M queries among the visible tokens; no query sees another.

    values: (N, V), positions: (N, D), sample_idx: (N,) of the visible tokens; (M, D) and (M,) of the queries.
    axis: that of time.
    """
    n_visible, n_queries = len(values), len(query_positions)
    positions = torch.cat((positions, query_positions))
    order, line = sorted_lines(positions, torch.cat((sample_idx, query_sample_idx)), axis)
    is_visible = order < n_visible
    place = torch.arange(len(order), device=order.device)
    before = torch.cummax(torch.where(is_visible, place, -1), 0).values
    after = torch.cummin(torch.where(is_visible, place, len(order)).flip(0), 0).values.flip(0)
    asked = place[~is_visible]
    mean, count = _line_means(values, order, line, is_visible)
    mean, has_line = mean[line[asked]], count[line[asked]] > 0
    time = positions[:, axis]
    sides = [_nearest(values, time, order, line, asked, near[asked], mean) for near in (before, after)]
    candidates = torch.stack((mean, sides[0][0], sides[1][0]), dim=1)
    features = torch.cat((candidates.flatten(1), sides[0][1], sides[1][1], has_line.to(mean.dtype)), dim=1)
    back = torch.empty_like(asked).index_copy_(
        0, order[asked] - n_visible, torch.arange(n_queries, device=order.device)
    )
    return QueryContext(candidates[back], features[back])


def _line_means(values: Tensor, order: Tensor, line: Tensor, is_visible: Tensor) -> tuple[Tensor, Tensor]:
    """(lines, V) mean of each line's visible values, 0 where there is none, and (lines, 1) their number."""
    shown = line[is_visible]
    total = values.new_zeros(len(line), values.shape[1]).index_add(0, shown, values[order[is_visible]])
    count = values.new_zeros(len(line), 1).index_add(0, shown, torch.ones_like(values[:, :1]))
    return total / count.clamp(min=1.0), count


def _nearest(
    values: Tensor, time: Tensor, order: Tensor, line: Tensor, asked: Tensor, near: Tensor, otherwise: Tensor
) -> tuple[Tensor, Tensor]:
    """(M, V) the value at place ``near`` of each query, if it is on its line, and (M, 1) closeness to it."""
    inside = near.clamp(0, len(order) - 1)
    found = (near == inside) & (line[inside] == line[asked])
    gap = (time[order[inside]] - time[order[asked]]).abs()
    # a clamped place may be a query's own, which is no visible token
    token = torch.where(found, order[inside], 0)
    value = torch.where(found.unsqueeze(1), values[token], otherwise)
    return value, torch.where(found, 1.0 / (1.0 + gap), 0.0).unsqueeze(1)
