"""What is visible around a query: the level of its line and the nearest values before and after it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rotary_mae.batches.context import sorted_lines

N_CANDIDATES = 3
"""The line's mean, the value before, and the value after."""


def query_width(n_values: int) -> int:
    """Number of features that ``query_context`` gives."""
    return N_CANDIDATES * n_values + 3


@dataclass(frozen=True)
class Surroundings:
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
) -> Surroundings:
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
    return Surroundings(candidates[back], features[back])


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
