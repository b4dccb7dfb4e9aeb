"""Local context: what a token's line, its own channel of its own sample, looks like from where the token is."""

import torch
from torch import Tensor

# In scaled units: below this, values of a line count as equal.
SMALLEST_SPREAD = 1e-2

N_NEAREST = 4


def places(k: int) -> list[int]:
    """How many places away on its line the k neighbours on a side are: the nearest four, then each twice as far."""
    return [step if step <= N_NEAREST else N_NEAREST * 2 ** (step - N_NEAREST) for step in range(1, k + 1)]


def context_width(k: int, n_values: int) -> int:
    """Number of features that ``local_context`` gives."""
    return 2 * k * (n_values + 1) + 4 * n_values


def local_context(values: Tensor, positions: Tensor, sample_idx: Tensor, k: int, axis: int = 0) -> Tensor:
    """(T, context_width) how each token stands to k neighbours before and after (see ``places``), and to its line.

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
    features = [_neighbours(ordered, time, line, step) for step in places(k)]
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
    spread = (variance + SMALLEST_SPREAD**2).sqrt()[line]
    standard = centred / spread
    skewness = (zeros.index_add(0, line, standard**3) / n_tokens)[line]
    return torch.cat((centred, standard, spread.log(), skewness.sign() * skewness.abs().log1p()), dim=1)
