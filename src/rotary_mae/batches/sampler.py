"""Batches of an epoch, as a pure function of (seed, epoch), and their division among processes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rotary_mae.data.indexing import budget_slices

Ints = npt.NDArray[np.int64]

MIXED_BLOCKS = 64
"""Blocks of a source on disk whose samples are mixed with each other. Not tuned."""


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
    """Return the batches of one epoch in random order. Every sample is in one batch.

    Parameters
    ----------
    n_samples : int
        Number of samples, B.
    seed, epoch : int
        Other batches for other numbers.
    batch_size : int, optional
        Samples of a batch; with ``max_tokens``, the largest number of samples.
    max_tokens : int, optional
        Largest number of tokens in a batch. A longer sample is a batch of its own.
    lengths : array, optional
        (B,) tokens of each sample; required with ``max_tokens``.
    block : int
        See ``shuffled``.

    Returns
    -------
    list of array
        Sample indices of each batch.

    Raises
    ------
    ValueError
        If neither ``batch_size`` nor ``max_tokens`` is given, one is below 1, or ``lengths`` do not fit.
    """
    for name, size in (("batch_size", batch_size), ("max_tokens", max_tokens)):
        if size is not None and size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")
    return cut_into_batches(shuffled(n_samples, seed, epoch, block), batch_size, max_tokens, lengths)


def cut_into_batches(
    order: Ints, batch_size: int | None, max_tokens: int | None = None, lengths: Ints | None = None
) -> list[Ints]:
    """Cut samples in a given order into batches; see ``epoch_batches``.

    Parameters
    ----------
    order : array
        (B,) sample indices.
    batch_size, max_tokens : int or None
        As in ``epoch_batches``.
    lengths : array, optional
        (B,) tokens of each sample, by sample index.

    Returns
    -------
    list of array
        Sample indices of each batch.
    """
    n_samples = len(order)
    if max_tokens is not None:
        if lengths is None:
            raise ValueError("batches by token budget need the lengths of the samples; this source has none")
        if len(lengths) != n_samples:
            raise ValueError(f"lengths must have one entry per sample ({n_samples}), got {len(lengths)}")
        return [order[part] for part in budget_slices(np.asarray(lengths)[order], max_tokens, batch_size)]
    if batch_size is None:
        raise ValueError("an epoch needs batch_size= or max_tokens=, got neither")
    return [order[i : i + batch_size] for i in range(0, n_samples, batch_size)]


def shuffled(n_samples: int, seed: int, epoch: int, block: int = 1) -> Ints:
    """Return a random order of samples.

    Parameters
    ----------
    n_samples : int
        Number of samples, B.
    seed, epoch : int
        Other orders for other numbers.
    block : int
        For sources on disk, which read runs of neighbouring samples best. Blocks of this many samples are put in random
        order, and then the samples of every 64 consecutive blocks are mixed. So a batch has samples of all classes
        even if the classes lie one after the other on disk.

    Returns
    -------
    array
        (B,) sample indices.
    """
    # uint64: in a list, seeds from 2**63 on would become floats, which rounds neighbouring seeds to the same number
    key = np.array([seed & (2**64 - 1), epoch], np.uint64)
    rng = np.random.Generator(np.random.Philox(key=key))
    if block <= 1:
        return rng.permutation(n_samples)
    blocks = rng.permutation(-(-n_samples // block))[:, None] * block + np.arange(block)
    order = blocks[blocks < n_samples]
    n_in_whole_groups = len(order) // (MIXED_BLOCKS * block) * MIXED_BLOCKS * block
    groups = order[:n_in_whole_groups].reshape(-1, MIXED_BLOCKS * block)
    rng.permuted(groups, axis=1, out=groups)
    rng.shuffle(order[n_in_whole_groups:])
    return order


def rank_share(batch: Ints, rank: int, world: int) -> tuple[Ints, bool]:
    """Return the samples of one process in a global batch.

    Parameters
    ----------
    batch : array
        Sample indices of the global batch.
    rank, world : int
        Number of the process, and of all processes.

    Returns
    -------
    samples : array
        Sample indices of this process, at least one.
    counts : bool
        False if the batch has fewer samples than processes and this process has none of them. It then has the first
        sample, so that all processes do the same steps, but its loss must not count.
    """
    samples = batch[rank::world]
    return (samples, True) if len(samples) else (batch[:1], False)
