"""Batches of a source of samples: read, scaled, augmented, collated and masked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset

from rotary_mae.batches.augmentation import Augmentation
from rotary_mae.batches.batch import TokenBatch
from rotary_mae.batches.masking import Masking
from rotary_mae.data.scaling import Scaling
from rotary_mae.data.sources import Source

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class BatchReader(Dataset[TokenBatch]):
    """Reader of batches, indexed by pairs: indices (b,) of the samples, and whether they count in the loss.

    Attributes
    ----------
    source : Source
        B samples.
    scaling : Scaling or None
        Scaling of the samples; None if they are scaled already.
    hiding : Masking or None
        Masking of the tokens; None for no masking.
    augmentation : Augmentation or None
        Augmentation of the samples.
    seed, epoch : int
        Masks and augmentation are functions of the seed, the epoch and the sample.
    weights : array of float, shape (B,), or None
        Weights of the samples in the loss.
    """

    source: Source
    scaling: Scaling | None
    hiding: Masking | None
    augmentation: Augmentation | None
    seed: int
    epoch: int
    weights: npt.NDArray[np.floating[Any]] | None = None

    def __getitem__(self, item: tuple[Ints, bool]) -> TokenBatch:
        indices, is_counted = item
        tokens = self.source[indices]
        if self.scaling is not None:
            tokens = self.scaling.apply(tokens)
        if self.augmentation:
            tokens = self.augmentation.apply(tokens, indices, self.seed, self.epoch)
        weights = None if self.weights is None else self.weights[indices]
        if not is_counted:
            weights = np.zeros(len(indices), np.float32)
        batch = TokenBatch.collate(tokens, weights=weights, keys=indices)
        if self.hiding is None:
            return batch
        return batch.hide(self.hiding, seed=self.seed, epoch=self.epoch)

    def at_epoch(self, epoch: int) -> BatchReader:
        """Return the same reader for another epoch."""
        return replace(self, epoch=epoch)


def load_batches(reader: BatchReader, items: Sequence[tuple[Ints, bool]], num_workers: int) -> Iterable[TokenBatch]:
    """Return the batches of some items in their order.

    Parameters
    ----------
    reader : BatchReader
    items : sequence of (indices, is_counted)
        Arguments of the reader, one pair a batch.
    num_workers : int
        Number of processes that read; 0 to read in this process.
    """
    # with its own generator: the loader would otherwise draw a number from torch's own randomness, and a resumed run
    # would draw one more than an uninterrupted run
    return DataLoader(
        reader, batch_size=None, sampler=items, num_workers=num_workers, generator=torch.Generator().manual_seed(0)
    )
