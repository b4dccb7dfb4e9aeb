"""Attention plan for a window of positions.

A token attends to the tokens within a distance along one axis, and to CLS. Among tokens sorted by position, the keys
of neighbouring queries are neighbours too. The queries of a sample are therefore cut into blocks. The keys of a block
are CLS and one run of tokens that covers the windows of all its queries. Keys outside of the window of a query are
masked. Blocks are grouped and padded as samples are in ``ragged``. The cost is the number of tokens times the number of
tokens in a window, not the square of the number of tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from rotary_mae.nn.ragged import Group, Lengths, PaddingMap, RepeatMap, cut_into_groups, to_device

Floats = npt.NDArray[np.float32]

MIN_BLOCK, MAX_BLOCK = 32, 512
"""Smallest and largest number of queries in a block. Not tuned."""


@dataclass(frozen=True)
class TokenPositions:
    """Positions of the queries or of the keys of a batch.

    Attributes
    ----------
    lengths : array
        (B,) tokens of each sample.
    order : array or None
        (T,) flat index of the tokens, sample after sample. None if they already lie in that order.
    positions : array
        (T,) float32 positions along the axis of the window, in the order of the flat tokens.
    is_cls : array
        (T,) bool, True for tokens that attend to every token and that every token attends to.
    """

    lengths: Lengths
    order: Lengths | None
    positions: Floats
    is_cls: npt.NDArray[np.bool_]


class WindowedPlan:
    """Plan of attention within a window for a batch. ``attend`` takes it in place of a ``RaggedPlan``.

    Parameters
    ----------
    window : float
        Largest distance between a query and a key that it attends to, in the unit of the positions.
    keys : TokenPositions
        Tokens that are attended to.
    queries : TokenPositions, optional
        Tokens that attend, if they are not the same as the keys.
    device : torch.device or str
        Device of index maps and masks.
    n_uses : int
        Number of layers that use this plan; see ``RaggedPlan``.
    """

    def __init__(
        self,
        window: float,
        keys: TokenPositions,
        queries: TokenPositions | None = None,
        *,
        device: torch.device | str = "cpu",
        n_uses: int = 1,
    ) -> None:
        self.n_uses = n_uses
        sorted_keys = _SortedTokens(keys)
        sorted_queries = sorted_keys if queries is None else _SortedTokens(queries)
        blocks = _cut_into_blocks(window, sorted_queries, sorted_keys)
        blocks = blocks[np.argsort(-blocks.n_keys, kind="stable")]
        cuts = cut_into_groups(blocks.n_queries, blocks.n_keys)
        members = [blocks[np.arange(a, b)] for a, b in pairwise(cuts)]
        query_idx = [_query_idx(group) for group in members]
        key_idx = [_key_idx(group, len(sorted_keys.flat)) for group in members]
        self.groups = [
            Group(
                len(q), q.shape[1], k.shape[1], _bias(window, sorted_queries, sorted_keys, q, k, group.n_keys, device)
            )
            for q, k, group in zip(query_idx, key_idx, members, strict=True)
        ]
        self.queries = _query_padding(query_idx, members, sorted_queries, device)
        self.keys = _key_padding(key_idx, members, sorted_keys, device)


class _SortedTokens:
    """Tokens sorted by sample, then CLS first, then by position. ``flat`` (T,) is the flat index of each."""

    def __init__(self, tokens: TokenPositions) -> None:
        order = np.arange(len(tokens.positions)) if tokens.order is None else tokens.order
        sample = np.repeat(np.arange(len(tokens.lengths)), tokens.lengths)
        rank = np.lexsort((tokens.positions[order], ~tokens.is_cls[order], sample))
        self.flat = order[rank]
        self.positions = tokens.positions[self.flat].astype(np.float32)
        self.is_cls = tokens.is_cls[self.flat]
        self.ends = np.cumsum(tokens.lengths)
        self.starts = self.ends - tokens.lengths
        self.n_cls = np.bincount(sample[self.is_cls], minlength=len(tokens.lengths))


@dataclass(frozen=True)
class _Blocks:
    """N blocks, as indices of sorted tokens, (N,) each.

    A block has ``n_queries`` queries from ``query_start``. They attend to keys from ``key_start`` to ``key_end``
    (excluded) and to ``n_cls`` keys from ``cls_start``.
    """

    query_start: Lengths
    n_queries: Lengths
    cls_start: Lengths
    n_cls: Lengths
    key_start: Lengths
    key_end: Lengths

    def __getitem__(self, chosen: Lengths) -> _Blocks:
        return _Blocks(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    @property
    def n_keys(self) -> Lengths:
        return self.n_cls + self.key_end - self.key_start


def _cut_into_blocks(window: float, queries: _SortedTokens, keys: _SortedTokens) -> _Blocks:
    """Return the blocks of all samples that have queries."""
    rows: list[npt.NDArray[np.int64]] = [np.zeros((0, 6), np.int64)]
    for i, (start, end) in enumerate(zip(queries.starts, queries.ends, strict=True)):
        cls_start, n_cls = keys.starts[i], keys.n_cls[i]
        key_start, key_end = cls_start + n_cls, keys.ends[i]
        if n_query_cls := queries.n_cls[i]:
            rows.append(np.array([[start, n_query_cls, cls_start, n_cls, key_start, key_end]]))
        start = start + n_query_cls  # first query that is not CLS
        if start == end:
            continue
        query_positions = queries.positions[start:end].astype(np.float64)
        key_positions = keys.positions[key_start:key_end]
        # slightly more than the window, because the mask compares distances that are rounded to float32
        reach = window + 1e-6 * (abs(window) + np.abs(query_positions))
        first = np.searchsorted(key_positions, query_positions - reach, side="left")
        last = np.searchsorted(key_positions, query_positions + reach, side="right")
        # half of the keys in a window: larger blocks compute more masked scores, smaller ones copy keys more often
        size = int(np.clip((last - first).mean() / 2, MIN_BLOCK, MAX_BLOCK))
        cuts = np.arange(0, end - start, size)
        stops = np.minimum(cuts + size, end - start)
        columns = (start + cuts, stops - cuts, cls_start, n_cls, key_start + first[cuts], key_start + last[stops - 1])
        rows.append(np.column_stack(np.broadcast_arrays(*columns)))
    return _Blocks(*np.concatenate(rows).T)


def _query_idx(blocks: _Blocks) -> Lengths:
    """Return the indices (N, most queries) of the queries of each block; the last one is repeated as padding."""
    steps = np.arange(blocks.n_queries.max())
    return blocks.query_start[:, None] + np.minimum(steps, blocks.n_queries[:, None] - 1).clip(min=0)


def _key_idx(blocks: _Blocks, n_tokens: int) -> Lengths:
    """Return the indices (N, most keys) of the keys of each block, CLS first; the last one is repeated as padding."""
    steps = np.minimum(np.arange(max(blocks.n_keys.max(), 1)), blocks.n_keys[:, None] - 1).clip(min=0)
    run = blocks.key_start[:, None] + steps - blocks.n_cls[:, None]
    # a block without keys gets any key, which is masked
    idx: Lengths = np.where(steps < blocks.n_cls[:, None], blocks.cls_start[:, None] + steps, run)
    return np.minimum(idx, n_tokens - 1)


def _bias(
    window: float,
    queries: _SortedTokens,
    keys: _SortedTokens,
    query_idx: Lengths,
    key_idx: Lengths,
    n_keys: Lengths,
    device: torch.device | str,
) -> torch.Tensor:
    """Return a bias (N, 1, queries, keys): 0 where a query attends to a key, else -inf."""
    query_at, key_at = torch.from_numpy(queries.positions[query_idx]), torch.from_numpy(keys.positions[key_idx])
    is_cls_query, is_cls_key = torch.from_numpy(queries.is_cls[query_idx]), torch.from_numpy(keys.is_cls[key_idx])
    is_visible = (query_at.unsqueeze(2) - key_at.unsqueeze(1)).abs() <= window
    is_visible |= is_cls_query.unsqueeze(2)
    is_visible |= is_cls_key.unsqueeze(1)
    is_visible &= torch.from_numpy(np.arange(key_idx.shape[1]) < n_keys[:, None]).unsqueeze(1)
    bias = torch.zeros(is_visible.shape).masked_fill_(~is_visible, float("-inf"))
    return to_device(bias.unsqueeze(1).numpy(), device)


def _query_padding(
    idx: list[Lengths], members: list[_Blocks], queries: _SortedTokens, device: torch.device | str
) -> PaddingMap:
    """Return the padding of the queries, each of which is in exactly one block."""
    flat, real = _buffer(idx, [blocks.n_queries for blocks in members], queries)
    unpad = np.empty(len(queries.flat), np.int64)
    unpad[flat[real]] = real
    return PaddingMap(_shapes(idx), to_device(flat, device), to_device(unpad, device))


def _key_padding(
    idx: list[Lengths], members: list[_Blocks], keys: _SortedTokens, device: torch.device | str
) -> PaddingMap:
    """Return the padding of the keys, each of which can be in any number of blocks."""
    flat, real = _buffer(idx, [blocks.n_keys for blocks in members], keys)
    counts = np.bincount(flat[real], minlength=len(keys.flat))
    places = real[np.argsort(flat[real], kind="stable")]
    repeats = RepeatMap(to_device(places, device), to_device(np.cumsum(counts) - counts, device))
    return PaddingMap(_shapes(idx), to_device(flat, device), None, repeats=repeats)


def _buffer(idx: list[Lengths], lengths: list[Lengths], tokens: _SortedTokens) -> tuple[Lengths, Lengths]:
    """Return the flat token at each place of the padded buffer, and the places that are not padding."""
    if not idx:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    is_real = [np.arange(group.shape[1]) < n[:, None] for group, n in zip(idx, lengths, strict=True)]
    flat = tokens.flat[np.concatenate([group.ravel() for group in idx])]
    return flat, np.flatnonzero(np.concatenate([group.ravel() for group in is_real]))


def _shapes(idx: list[Lengths]) -> tuple[tuple[int, int], ...]:
    """(samples, length) of each group of a padded buffer."""
    return tuple((len(group), group.shape[1]) for group in idx)
