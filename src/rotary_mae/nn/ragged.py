"""Which tokens attend to which: samples of different lengths, cut into groups of similar length.

Attention kernels want rectangles. Sorted by length, the samples of a batch fall into a few groups that are
padded to the longest of the group; where the cuts lie balances wasted padding against the number of kernel
calls. Everything here is index arithmetic, done once a batch on the CPU and shared by all layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Lengths = npt.NDArray[np.int64]

# Cost model of one attention call, forward and backward, in units of one score (query, key):
# a padded token costs as much as PER_TOKEN scores, one more call as much as PER_CALL scores.
COST_PER_TOKEN = 20.0

COST_PER_CALL = 6_000.0

MAX_PLANNED = 1024


@dataclass(frozen=True)
class Group:
    """``n_samples`` samples padded to ``n_queries`` x ``n_keys``.

    bias: (n_samples, 1, 1 or n_queries, n_keys) float32 added to the scores, 0 where a query sees a key and -inf where
    it does not (padding, or out of a window), or None if all see all.
    """

    n_samples: int
    n_queries: int
    n_keys: int
    bias: Tensor | None


@dataclass(frozen=True)
class RepeatMap:
    """The places of tokens that are in the padded buffer more than once, or not at all.

    places: those of the first token, then those of the second, and so on. starts: (T,) where each token's begin.
    """

    places: Tensor
    starts: Tensor


@dataclass(frozen=True)
class PaddingMap:
    """Index maps between flat tokens and the padded buffer of queries or of keys.

    shapes: (samples, length) of each group, laid one after the other in the buffer.
    pad_idx: (padded,) the flat token at each place of the buffer (padding repeats a token).
    unpad_idx: (T,) the place of each flat token in the buffer, or its length for a token that is not in it.
    Both None where the buffer is the flat tokens themselves. has_absent: whether a token is not in the
    buffer. spread: in place of unpad_idx, where a token may be in the buffer several times.
    """

    shapes: tuple[tuple[int, int], ...]
    pad_idx: Tensor | None
    unpad_idx: Tensor | None
    has_absent: bool = False
    spread: RepeatMap | None = None


@dataclass(frozen=True)
class Packed:
    """One side for kernels that take samples of any lengths laid end to end.

    order, place: (T,) the flat token at each place of the samples laid end to end, and the place of each flat token;
    both None where the tokens lie so. bounds: (B + 1,) int32 where each sample begins, and the end. longest: most
    tokens of a sample.
    """

    order: Tensor | None
    place: Tensor | None
    bounds: Tensor
    longest: int


class Ragged:
    """The plan of attention for a batch: as length groups, or packed, whichever the kernel asks for.

    Args:
        lengths: (B,) tokens of each sample that are attended to.
        order: (T,) flat index of the tokens, sample after sample; None if they lie in that order.
        query_lengths, query_order: the same for the tokens that ask, where they are others than the keys.
        device: where the index maps shall live.
        n_uses: layers that attend by this plan; the more, the more it is worth to prepare for its sizes.
    """

    def __init__(
        self,
        lengths: Lengths,
        order: Lengths | None = None,
        *,
        query_lengths: Lengths | None = None,
        query_order: Lengths | None = None,
        device: torch.device | str = "cpu",
        n_uses: int = 1,
    ) -> None:
        self.n_uses = n_uses
        self.lengths, self.order, self.device = lengths, order, device
        self.is_self = query_lengths is None
        self.query_lengths = lengths if query_lengths is None else query_lengths
        self.query_order = query_order

    @cached_property
    def _members(self) -> list[Lengths]:
        """The samples of each group."""
        by_length = np.argsort(-self.lengths, kind="stable")
        # a sample that asks nothing needs no call
        by_length = by_length[self.query_lengths[by_length] > 0]
        cuts = cut_into_groups(self.query_lengths[by_length], self.lengths[by_length])
        return [by_length[a:b] for a, b in pairwise(cuts)]

    @cached_property
    def groups(self) -> list[Group]:
        """The rectangles of the length groups."""
        return _groups(self._members, self.query_lengths, self.lengths, self.device)

    @cached_property
    def keys(self) -> PaddingMap:
        """Keys in their groups."""
        return _side(self._members, self.lengths, self.order, self.device)

    @cached_property
    def queries(self) -> PaddingMap:
        """Queries in their groups."""
        return self.keys if self.is_self else _side(self._members, self.query_lengths, self.query_order, self.device)

    @cached_property
    def packed_keys(self) -> Packed:
        """Keys end to end."""
        return _packed(self.lengths, self.order, self.device)

    @cached_property
    def packed_queries(self) -> Packed:
        """Queries end to end."""
        return self.packed_keys if self.is_self else _packed(self.query_lengths, self.query_order, self.device)


def moved(array: npt.NDArray[Any], device: torch.device | str) -> Tensor:
    """The array on a device, without waiting for what the device is doing."""
    tensor = torch.from_numpy(array)
    # from memory that is not pinned a GPU copies only after all that it was told before
    return (tensor.pin_memory() if torch.device(device).type == "cuda" else tensor).to(device, non_blocking=True)


def _packed(lengths: Lengths, order: Lengths | None, device: torch.device | str) -> Packed:
    bounds = moved(np.append(0, np.cumsum(lengths)).astype(np.int32), device)
    longest = int(lengths.max(initial=0))
    if order is None:
        return Packed(None, None, bounds, longest)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return Packed(moved(order, device), moved(place, device), bounds, longest)


def cut_into_groups(query_lengths: Lengths, key_lengths: Lengths) -> list[int]:
    """Where to cut samples sorted by falling key length, as [0, ..., B], at the least total cost.

    Exact, by dynamic programming over the last cut; of more than ``MAX_PLANNED`` samples, runs are kept together so
    that planning stays cheap.
    """
    n = len(key_lengths)
    if n > MAX_PLANNED:
        starts = np.arange(0, n, -(-n // MAX_PLANNED))
        longest_queries = np.maximum.reduceat(query_lengths, starts)
        chosen = cut_into_groups(longest_queries, key_lengths[starts])
        return [*starts[chosen[:-1]].tolist(), n]
    best = np.zeros(n + 1)
    last = np.zeros(n + 1, np.int64)
    for end in range(1, n + 1):
        starts = np.arange(end)
        longest_key = key_lengths[:end].astype(np.float64)
        longest_query = np.maximum.accumulate(query_lengths[:end][::-1])[::-1].astype(np.float64)
        area = longest_key * longest_query + COST_PER_TOKEN * (longest_key + longest_query)
        cost = best[:end] + (end - starts) * area + COST_PER_CALL
        last[end] = int(cost.argmin())
        best[end] = cost[last[end]]
    cuts = [n]
    while cuts[-1] > 0:
        cuts.append(int(last[cuts[-1]]))
    return cuts[::-1]


def _groups(members: list[Lengths], asked: Lengths, lengths: Lengths, device: torch.device | str) -> list[Group]:
    groups = []
    for group in members:
        n_queries, n_keys = int(asked[group].max()), int(lengths[group].max())
        bias = None
        if lengths[group].min() < n_keys:
            real = np.arange(n_keys) < lengths[group][:, None]
            scores = np.where(real, np.float32(0), np.float32("-inf"))
            bias = moved(scores, device)[:, None, None, :]
        groups.append(Group(len(group), n_queries, n_keys, bias))
    return groups


def _side(members: list[Lengths], lengths: Lengths, order: Lengths | None, device: torch.device | str) -> PaddingMap:
    starts = np.cumsum(lengths) - lengths
    n_tokens = int(lengths.sum())
    pad_parts: list[Lengths] = []
    unpad = np.full(n_tokens, -1)
    shapes = tuple((len(group), int(lengths[group].max())) for group in members)
    n_padded = 0
    for group, (_, longest) in zip(members, shapes, strict=True):
        steps = np.arange(longest)
        is_real = steps < lengths[group][:, None]
        # padding repeats the sample's last token, so that it holds finite numbers
        token = starts[group][:, None] + np.minimum(steps, lengths[group][:, None] - 1).clip(min=0)
        pad_parts.append(token.ravel())
        unpad[token[is_real]] = n_padded + np.flatnonzero(is_real)
        n_padded += token.size
    pad = np.concatenate(pad_parts) if pad_parts else np.zeros(0, np.int64)
    is_absent = unpad < 0
    unpad[is_absent] = n_padded
    if order is not None:
        pad = order[pad]
        by_flat = np.empty_like(unpad)
        by_flat[order] = unpad
        unpad = by_flat
    if len(pad) == n_tokens and np.array_equal(pad, np.arange(n_tokens)):
        return PaddingMap(shapes, None, None)
    return PaddingMap(
        shapes,
        moved(pad, device),
        moved(unpad, device),
        bool(is_absent.any()),
    )
