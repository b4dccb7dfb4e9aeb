"""Which samples make up each batch: a pure function of (seed, epoch), shared out among processes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rotary_mae.data.indexing import budget_slices

Ints = npt.NDArray[np.int64]

MIXED_BLOCKS = 64
"""Blocks of a source on disk that are mixed with each other."""


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

    batch_size: samples a batch. max_tokens: fill batches up to so many tokens (a longer sample is a batch of its
    own), of at most ``batch_size`` samples if that is given too; needs ``lengths`` (B,). block: see ``shuffled``.
    """
    for name, size in (("batch_size", batch_size), ("max_tokens", max_tokens)):
        if size is not None and size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")
    return cut_into_batches(shuffled(n_samples, seed, epoch, block), batch_size, max_tokens, lengths)


def cut_into_batches(
    order: Ints, batch_size: int | None, max_tokens: int | None = None, lengths: Ints | None = None
) -> list[Ints]:
    """Samples in this order as batches of ``batch_size``, or by a budget of tokens (see ``epoch_batches``)."""
    n_samples = len(order)
    if max_tokens is not None:
        if lengths is None:
            raise ValueError("batches by token budget need the lengths of the samples; this source has none")
        if len(lengths) != n_samples:
            raise ValueError(f"lengths must be one a sample ({n_samples}), got {len(lengths)}")
        return [order[part] for part in budget_slices(np.asarray(lengths)[order], max_tokens, batch_size)]
    if batch_size is None:
        raise ValueError("an epoch needs batch_size= or max_tokens=, got neither")
    return [order[i : i + batch_size] for i in range(0, n_samples, batch_size)]


def shuffled(n_samples: int, seed: int, epoch: int, block: int = 1) -> Ints:
    """(n_samples,) a random order.

    block: for sources on disk, of which whole runs are read best: runs of so many samples are put in random order, and
    the samples of every 64 runs that follow each other then mixed, so that of classes that lie one after the other
    every batch has some.
    """
    # uint64: as a list, seeds from 2**63 on would become floats, and neighbours the same
    key = np.array([seed & (2**64 - 1), epoch], np.uint64)
    rng = np.random.Generator(np.random.Philox(key=key))
    if block <= 1:
        return rng.permutation(n_samples)
    runs = rng.permutation(-(-n_samples // block))[:, None] * block + np.arange(block)
    order = runs[runs < n_samples]
    whole = len(order) // (MIXED_BLOCKS * block) * MIXED_BLOCKS * block
    mixed = order[:whole].reshape(-1, MIXED_BLOCKS * block)
    rng.permuted(mixed, axis=1, out=mixed)
    rng.shuffle(order[whole:])
    return order


def rank_share(batch: Ints, rank: int, world: int) -> tuple[Ints, bool]:
    """This process's part of a global batch, and whether it counts.

    A batch with fewer samples than processes gives the others a sample to keep them in step, which must not
    count.
    """
    share = batch[rank::world]
    return (share, True) if len(share) else (batch[:1], False)
