"""Which samples make up each batch: a pure function of (seed, epoch), shared out among processes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def epoch_batches(
    n_samples: int,
    *,
    seed: int,
    epoch: int,
    batch_size: int | None = None,
    max_tokens: int | None = None,
    lengths: Ints | None = None,
    block: int = 1,
) -> list[Ints]:
    """The batches of one epoch, each an array of sample indices; every sample once.

    batch_size: samples a batch. max_tokens: instead, fill batches up to so many tokens (a longer sample is a
    batch of its own); needs ``lengths`` (B,). block: keep runs of so many samples together, for sources on
    disk.
    """
    order = shuffled(n_samples, seed, epoch, block)
    if max_tokens is None:
        if batch_size is None or batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        return [order[i : i + batch_size] for i in range(0, n_samples, batch_size)]
    if lengths is None:
        raise ValueError("batches by token budget need the lengths of the samples; this source has none")
    return _by_budget(order, np.asarray(lengths)[order], max_tokens, batch_size)


def shuffled(n_samples: int, seed: int, epoch: int, block: int = 1) -> Ints:
    """(n_samples,) a random order; runs of ``block`` samples stay together."""
    rng = np.random.Generator(np.random.Philox(key=[seed & (2**64 - 1), epoch]))
    if block <= 1:
        return rng.permutation(n_samples)
    order = rng.permutation(-(-n_samples // block))[:, None] * block + np.arange(block)
    return order[order < n_samples]


def rank_share(batch: Ints, rank: int, world: int) -> tuple[Ints, bool]:
    """This process's part of a global batch, and whether it counts.

    A batch with fewer samples than processes gives the others a sample to keep them in step, which must not
    count.
    """
    share = batch[rank::world]
    return (share, True) if len(share) else (batch[:1], False)


def _by_budget(order: Ints, lengths: Ints, max_tokens: int, batch_size: int | None) -> list[Ints]:
    ends = np.cumsum(lengths)
    batches, start = [], 0
    while start < len(order):
        before = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, before + max_tokens, side="right")), start + 1)
        if batch_size is not None:
            stop = min(stop, start + batch_size)
        batches.append(order[start:stop])
        start = stop
    return batches
