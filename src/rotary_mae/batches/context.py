"""Local context: what the k nearest neighbours of a token on each side look like from where it is."""

import torch
from torch import Tensor


def local_context(values: Tensor, positions: Tensor, sample_idx: Tensor, k: int) -> Tensor:
    """(T, 2 k (V + 1)) value differences and closeness to k neighbours before and after along the first axis.

    values: (T, V), positions: (T, D), sample_idx: (T,). A neighbour is in the same sample and has the same
    position on all other axes (the same channel). Closeness is 1 / (1 + gap); a neighbour that is not there
    has closeness and differences 0. Design choice of this library, not of the paper (k = 0).
    """
    order = torch.argsort(positions[:, 0], stable=True)
    for axis in range(1, positions.shape[1]):
        order = order[torch.argsort(positions[order, axis], stable=True)]
    order = order[torch.argsort(sample_idx[order], stable=True)]
    line = torch.cat((sample_idx[order, None].to(positions.dtype), positions[order, 1:]), dim=1)
    time, ordered = positions[order, 0], values[order]
    features = []
    for step in range(1, k + 1):
        same = (line[step:] == line[:-step]).all(1) if len(line) > step else line.new_zeros(0, dtype=torch.bool)
        gap = time[step:] - time[:-step]
        # not same / (1 + gap): from the end of one sample to the start of the next the gap may be -1
        closeness = torch.where(same, 1.0 / (1.0 + gap), 0.0).unsqueeze(1)
        change = (ordered[step:] - ordered[:-step]) * same.unsqueeze(1)
        ends = min(step, len(time))
        after = torch.cat((change, closeness), dim=1)
        before = torch.cat((-change, closeness), dim=1)
        nothing = after.new_zeros(ends, after.shape[1])
        features += [torch.cat((after, nothing)), torch.cat((nothing, before))]
    back = torch.empty_like(order).index_copy_(0, order, torch.arange(len(order), device=order.device))
    return torch.cat(features, dim=1).index_select(0, back)
