"""Attention within a window: a token sees what lies within a distance of it along one axis, and CLS.

Sorted by position, the keys that a run of neighbouring queries can see are neighbours too. So the queries of a sample
are cut into blocks, each with the one run of keys that covers the windows of its queries and with CLS, and the blocks
are attended to as samples are in ``ragged``; what of a block's run a query does not see is masked. The cost grows
with the tokens times those in a window, not with their square.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from rotary_mae.nn.ragged import Group, Lengths, PaddingMap, RepeatMap, cut_into_groups, moved

Floats = npt.NDArray[np.float32]

SMALLEST_BLOCK, LARGEST_BLOCK = 32, 512


@dataclass(frozen=True)
class TokenPositions:
    """Where the tokens of one side, queries or keys, lie.

    lengths: (B,) tokens a sample. order: (T,) flat index of the tokens, sample after sample; None if they lie in that
    order. positions: (T,) float32 along the axis of the window, by flat index. is_cls: (T,) bool, True for tokens
    that see and are seen wherever they are.
    """

    lengths: Lengths
    order: Lengths | None
    positions: Floats
    is_cls: npt.NDArray[np.bool_]


class Windowed:
    """The plan of attention within a window for a batch; to ``attend`` the same as a ``Ragged``.

    Args:
        window: largest distance between a query and a key that it sees, in the unit of the positions.
        keys: the tokens that are attended to.
        queries: the tokens that ask, where they are others than the keys.
        device: where index maps and masks shall live.
        n_uses: see ``Ragged``.
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
        key_side = _Sorted(keys)
        query_side = key_side if queries is None else _Sorted(queries)
        blocks = _cut_into_blocks(window, query_side, key_side)
        blocks = blocks[np.argsort(-blocks.n_keys, kind="stable")]
        cuts = cut_into_groups(blocks.n_queries, blocks.n_keys)
        members = [blocks[np.arange(a, b)] for a, b in pairwise(cuts)]
        query_idx = [_padded(part.query_start, part.n_queries) for part in members]
        key_idx = [_key_idx(part, len(key_side.flat)) for part in members]
        self.groups = [
            Group(len(q), q.shape[1], k.shape[1], _bias(window, query_side, key_side, q, k, part.n_keys, device))
            for q, k, part in zip(query_idx, key_idx, members, strict=True)
        ]
        self.queries = _query_side(query_idx, members, query_side, device)
        self.keys = _key_side(key_idx, members, key_side, device)


class _Sorted:
    """One side with every sample's tokens sorted: CLS first, then by position. flat: (T,) where each lies."""

    def __init__(self, places: TokenPositions) -> None:
        order = np.arange(len(places.positions)) if places.order is None else places.order
        sample = np.repeat(np.arange(len(places.lengths)), places.lengths)
        place = np.lexsort((places.positions[order], ~places.is_cls[order], sample))
        self.flat = order[place]
        self.positions = places.positions[self.flat].astype(np.float32)
        self.is_cls = places.is_cls[self.flat]
        self.ends = np.cumsum(places.lengths)
        self.starts = self.ends - places.lengths
        self.n_cls = np.bincount(sample[self.is_cls], minlength=len(places.lengths))


@dataclass(frozen=True)
class _Blocks:
    """(N,) each, in places of the sorted sides: ``n_queries`` queries from ``query_start``, which see keys from
    ``key_start`` to ``key_end`` and the ``n_cls`` ones from ``cls_start``."""

    query_start: Lengths
    n_queries: Lengths
    cls_start: Lengths
    n_cls: Lengths
    key_start: Lengths
    key_end: Lengths

    def __getitem__(self, part: Lengths) -> _Blocks:
        return _Blocks(*(getattr(self, name)[part] for name in self.__dataclass_fields__))

    @property
    def n_keys(self) -> Lengths:
        return self.n_cls + self.key_end - self.key_start


def _cut_into_blocks(window: float, queries: _Sorted, keys: _Sorted) -> _Blocks:
    """The blocks of all samples that ask."""
    rows: list[npt.NDArray[np.int64]] = [np.zeros((0, 6), np.int64)]
    for i, (start, end) in enumerate(zip(queries.starts, queries.ends, strict=True)):
        cls_start, n_cls = keys.starts[i], keys.n_cls[i]
        key_start, key_end = cls_start + n_cls, keys.ends[i]
        if n_query_cls := queries.n_cls[i]:
            rows.append(np.array([[start, n_query_cls, cls_start, n_cls, key_start, key_end]]))
        start = start + n_query_cls
        if start == end:
            continue
        asked, seen = queries.positions[start:end].astype(np.float64), keys.positions[key_start:key_end]
        # a little more than the window: distances are judged in float32, which rounds
        reach = window + 1e-6 * (abs(window) + np.abs(asked))
        first = np.searchsorted(seen, asked - reach, side="left")
        last = np.searchsorted(seen, asked + reach, side="right")
        # blocks of half of what a window holds: larger ones score more in vain, smaller ones copy keys more often
        size = int(np.clip((last - first).mean() / 2, SMALLEST_BLOCK, LARGEST_BLOCK))
        cuts = np.arange(0, end - start, size)
        stops = np.minimum(cuts + size, end - start)
        columns = (start + cuts, stops - cuts, cls_start, n_cls, key_start + first[cuts], key_start + last[stops - 1])
        rows.append(np.column_stack(np.broadcast_arrays(*columns)))
    return _Blocks(*np.concatenate(rows).T)


def _padded(starts: Lengths, lengths: Lengths) -> Lengths:
    """(N, longest) places from each start on, the last one repeated."""
    steps = np.arange(lengths.max())
    return starts[:, None] + np.minimum(steps, lengths[:, None] - 1).clip(min=0)


def _key_idx(blocks: _Blocks, n_all: int) -> Lengths:
    """(N, most keys) places of the keys of each block: CLS, then the run; the last one repeated."""
    steps = np.minimum(np.arange(max(blocks.n_keys.max(), 1)), blocks.n_keys[:, None] - 1).clip(min=0)
    run = blocks.key_start[:, None] + steps - blocks.n_cls[:, None]
    # a block that sees nothing gets some key, which is masked
    places: Lengths = np.where(steps < blocks.n_cls[:, None], blocks.cls_start[:, None] + steps, run)
    return np.minimum(places, n_all - 1)


def _bias(
    window: float,
    queries: _Sorted,
    keys: _Sorted,
    query_idx: Lengths,
    key_idx: Lengths,
    n_keys: Lengths,
    device: torch.device | str,
) -> torch.Tensor:
    """(N, 1, queries, keys) 0 where a query sees a key, else -inf."""
    asked, seen = (torch.from_numpy(side.positions[idx]) for side, idx in ((queries, query_idx), (keys, key_idx)))
    is_cls_query, is_cls_key = (
        torch.from_numpy(side.is_cls[idx]) for side, idx in ((queries, query_idx), (keys, key_idx))
    )
    is_seen = (asked.unsqueeze(2) - seen.unsqueeze(1)).abs() <= window
    is_seen |= is_cls_query.unsqueeze(2)
    is_seen |= is_cls_key.unsqueeze(1)
    is_seen &= torch.from_numpy(np.arange(key_idx.shape[1]) < n_keys[:, None]).unsqueeze(1)
    bias = torch.zeros(is_seen.shape).masked_fill_(~is_seen, float("-inf"))
    return moved(bias.unsqueeze(1).numpy(), device)


def _query_side(idx: list[Lengths], members: list[_Blocks], side: _Sorted, device: torch.device | str) -> PaddingMap:
    """Every query is in one block."""
    flat, real = _buffer(idx, [blocks.n_queries for blocks in members], side)
    unpad = np.empty(len(side.flat), np.int64)
    unpad[flat[real]] = real
    return PaddingMap(_shapes(idx), moved(flat, device), moved(unpad, device))


def _key_side(idx: list[Lengths], members: list[_Blocks], side: _Sorted, device: torch.device | str) -> PaddingMap:
    """A key is in as many blocks as see it."""
    flat, real = _buffer(idx, [blocks.n_keys for blocks in members], side)
    counts = np.bincount(flat[real], minlength=len(side.flat))
    places = real[np.argsort(flat[real], kind="stable")]
    spread = RepeatMap(moved(places, device), moved(np.cumsum(counts) - counts, device))
    return PaddingMap(_shapes(idx), moved(flat, device), None, spread=spread)


def _buffer(idx: list[Lengths], lengths: list[Lengths], side: _Sorted) -> tuple[Lengths, Lengths]:
    """The flat token at each place of the padded buffer, and the places that are no padding."""
    if not idx:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    is_real = [np.arange(part.shape[1]) < n[:, None] for part, n in zip(idx, lengths, strict=True)]
    places = np.concatenate([part.ravel() for part in idx])
    return side.flat[places], np.flatnonzero(np.concatenate([part.ravel() for part in is_real]))


def _shapes(idx: list[Lengths]) -> tuple[tuple[int, int], ...]:
    return tuple((len(part), part.shape[1]) for part in idx)
