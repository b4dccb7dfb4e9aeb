"""Attention plan for samples of different lengths.

Attention kernels take rectangular tensors. The samples of a batch are sorted by length and cut into a few groups, and
each group is padded to its longest sample. The cuts balance the cost of padding against the number of kernel calls.
All of this is index arithmetic, done once for a batch on the CPU and shared by all layers.
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

# Costs of one attention call, forward and backward, relative to one attention score. Not tuned.

COST_PER_TOKEN = 20.0
"""Cost of one padded token, in attention scores."""

COST_PER_CALL = 6_000.0
"""Cost of one more kernel call, in attention scores."""

MAX_PLANNED_SAMPLES = 1024
"""Number of samples up to which the cuts are optimal. Planning time grows with its square. Not tuned."""


@dataclass(frozen=True)
class Group:
    """Samples that one kernel call attends to, padded to the same size.

    Attributes
    ----------
    n_samples : int
        Number of samples.
    n_queries, n_keys : int
        Queries and keys of each sample, with padding.
    bias : Tensor or None
        (n_samples, 1, 1 or n_queries, n_keys) float32, added to the attention scores. It is 0 where a query attends to
        a key, and -inf for padding and for keys outside of a window. None if every query attends to every key.
    """

    n_samples: int
    n_queries: int
    n_keys: int
    bias: Tensor | None


@dataclass(frozen=True)
class RepeatMap:
    """Index map of a padded buffer in which a token can occur any number of times, or not at all.

    Attributes
    ----------
    places : Tensor
        Indices in the buffer of the first token, then those of the second token, and so on.
    starts : Tensor
        (T,) index in ``places`` of the first place of each token.
    """

    places: Tensor
    starts: Tensor


@dataclass(frozen=True)
class PaddingMap:
    """Index maps between flat tokens and the padded buffer of queries or of keys.

    Attributes
    ----------
    shapes : tuple of (int, int)
        (samples, length) of each group. The groups lie one after the other in the buffer.
    pad_idx : Tensor or None
        (padded,) flat token at each place of the buffer; padding repeats a token. None if the buffer equals the flat
        tokens.
    unpad_idx : Tensor or None
        (T,) place of each flat token in the buffer; for a token that is not in it, the length of the buffer. None if
        the buffer equals the flat tokens, or if ``repeats`` is given.
    has_absent : bool
        True if a token is not in the buffer.
    repeats : RepeatMap or None
        Replaces ``unpad_idx`` if the buffer may hold a token several times.
    """

    shapes: tuple[tuple[int, int], ...]
    pad_idx: Tensor | None
    unpad_idx: Tensor | None
    has_absent: bool = False
    repeats: RepeatMap | None = None


@dataclass(frozen=True)
class PackedMap:
    """Index maps for kernels that take samples of any lengths end to end, without padding.

    Attributes
    ----------
    order : Tensor or None
        (T,) flat token at each place of the samples end to end. None if the flat tokens already lie so.
    place : Tensor or None
        (T,) place of each flat token, the inverse of ``order``. None if ``order`` is.
    bounds : Tensor
        (B + 1,) int32 first place of each sample, and the number of tokens.
    max_length : int
        Tokens of the longest sample.
    """

    order: Tensor | None
    place: Tensor | None
    bounds: Tensor
    max_length: int


class RaggedPlan:
    """Plan of full attention within each sample of a batch.

    The maps for length groups and those for packed kernels are computed when a kernel first uses them.

    Parameters
    ----------
    lengths : array
        (B,) number of keys of each sample.
    order : array, optional
        (T,) flat index of the keys, sample after sample. None if they already lie in that order.
    query_lengths, query_order : array, optional
        The same for the queries, if they are not the same tokens as the keys.
    device : torch.device or str
        Device of the index maps.
    n_uses : int
        Number of layers that use this plan. ``attend_group`` needs it to decide whether to prepare oneDNN products.
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
        """Indices of the samples of each group."""
        by_length = np.argsort(-self.lengths, kind="stable")
        # a sample without queries needs no attention
        by_length = by_length[self.query_lengths[by_length] > 0]
        cuts = cut_into_groups(self.query_lengths[by_length], self.lengths[by_length])
        return [by_length[a:b] for a, b in pairwise(cuts)]

    @cached_property
    def groups(self) -> list[Group]:
        """Sizes and masks of the length groups."""
        return _groups(self._members, self.query_lengths, self.lengths, self.device)

    @cached_property
    def keys(self) -> PaddingMap:
        """Padding of the keys."""
        return _padding_map(self._members, self.lengths, self.order, self.device)

    @cached_property
    def queries(self) -> PaddingMap:
        """Padding of the queries."""
        if self.is_self:
            return self.keys
        return _padding_map(self._members, self.query_lengths, self.query_order, self.device)

    @cached_property
    def packed_keys(self) -> PackedMap:
        """Packing of the keys."""
        return _packed_map(self.lengths, self.order, self.device)

    @cached_property
    def packed_queries(self) -> PackedMap:
        """Packing of the queries."""
        return self.packed_keys if self.is_self else _packed_map(self.query_lengths, self.query_order, self.device)


def to_device(array: npt.NDArray[Any], device: torch.device | str) -> Tensor:
    """Copy an array to a device without waiting for earlier work of the device."""
    tensor = torch.from_numpy(array)
    # a copy from memory that is not pinned would wait for all earlier work of the GPU
    return (tensor.pin_memory() if torch.device(device).type == "cuda" else tensor).to(device, non_blocking=True)


def _packed_map(lengths: Lengths, order: Lengths | None, device: torch.device | str) -> PackedMap:
    bounds = to_device(np.append(0, np.cumsum(lengths)).astype(np.int32), device)
    max_length = int(lengths.max(initial=0))
    if order is None:
        return PackedMap(None, None, bounds, max_length)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return PackedMap(to_device(order, device), to_device(place, device), bounds, max_length)


def cut_into_groups(query_lengths: Lengths, key_lengths: Lengths) -> list[int]:
    """Cut sorted samples into the groups with the least total cost of attention.

    The cuts are optimal, found by dynamic programming over the last cut. With more than ``MAX_PLANNED_SAMPLES``
    samples, runs of neighbouring samples stay together, so that planning remains fast.

    Parameters
    ----------
    query_lengths, key_lengths : array
        (B,) queries and keys of each sample, sorted by the number of keys in descending order.

    Returns
    -------
    list of int
        [0, ..., B]: first sample of each group, and the number of samples.
    """
    n = len(key_lengths)
    if n > MAX_PLANNED_SAMPLES:
        starts = np.arange(0, n, -(-n // MAX_PLANNED_SAMPLES))
        longest_queries = np.maximum.reduceat(query_lengths, starts)
        chosen = cut_into_groups(longest_queries, key_lengths[starts])
        return [*starts[chosen[:-1]].tolist(), n]
    # for the first ``end`` samples: the least cost, and the first sample of the last group
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


def _groups(
    members: list[Lengths], query_lengths: Lengths, key_lengths: Lengths, device: torch.device | str
) -> list[Group]:
    groups = []
    for group in members:
        n_queries, n_keys = int(query_lengths[group].max()), int(key_lengths[group].max())
        bias = None
        if key_lengths[group].min() < n_keys:
            is_real = np.arange(n_keys) < key_lengths[group][:, None]
            scores = np.where(is_real, np.float32(0), np.float32("-inf"))
            bias = to_device(scores, device)[:, None, None, :]
        groups.append(Group(len(group), n_queries, n_keys, bias))
    return groups


def _padding_map(
    members: list[Lengths], lengths: Lengths, order: Lengths | None, device: torch.device | str
) -> PaddingMap:
    starts = np.cumsum(lengths) - lengths
    n_tokens = int(lengths.sum())
    pad_groups: list[Lengths] = []
    unpad = np.full(n_tokens, -1)
    shapes = tuple((len(group), int(lengths[group].max())) for group in members)
    n_padded = 0
    for group, (_, longest) in zip(members, shapes, strict=True):
        steps = np.arange(longest)
        is_real = steps < lengths[group][:, None]
        # padding repeats the last token of the sample, so that it is finite
        token = starts[group][:, None] + np.minimum(steps, lengths[group][:, None] - 1).clip(min=0)
        pad_groups.append(token.ravel())
        unpad[token[is_real]] = n_padded + np.flatnonzero(is_real)
        n_padded += token.size
    pad = np.concatenate(pad_groups) if pad_groups else np.zeros(0, np.int64)
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
        to_device(pad, device),
        to_device(unpad, device),
        bool(is_absent.any()),
    )
