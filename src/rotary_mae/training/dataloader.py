"""From a source of samples to batches: read, scale, augment, collate, hide."""

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
    """Reads batches by (indices of their samples, whether they count).

    targets, weights: (B,) or (B, k) for all samples of the source, or None for the source's own.
    hiding: None hides nothing.
    """

    source: Source
    scaling: Scaling | None
    hiding: Masking | None
    augmentation: Augmentation | None
    seed: int
    epoch: int
    weights: npt.NDArray[np.floating[Any]] | None = None

    def __getitem__(self, item: tuple[Ints, bool]) -> TokenBatch:
        indices, counts = item
        tokens = self.source[indices]
        if self.scaling is not None:
            tokens = self.scaling.apply(tokens)
        if self.augmentation:
            tokens = self.augmentation.apply(tokens, indices, self.seed, self.epoch)
        weights = None if self.weights is None else self.weights[indices]
        if not counts:
            weights = np.zeros(len(indices), np.float32)
        batch = TokenBatch.collate(tokens, weights=weights, keys=indices)
        if self.hiding is None:
            return batch
        return batch.hide(self.hiding, seed=self.seed, epoch=self.epoch)

    def at(self, epoch: int) -> BatchReader:
        """The same for another epoch."""
        return replace(self, epoch=epoch)


def load_batches(reader: BatchReader, items: Sequence[tuple[Ints, bool]], num_workers: int) -> Iterable[TokenBatch]:
    """The batches of ``items`` in order, read by ``num_workers`` other processes (0: by this one)."""
    # a generator of its own: the loader would draw from the one of dropout, once more in a run that is resumed
    return DataLoader(
        reader, batch_size=None, sampler=items, num_workers=num_workers, generator=torch.Generator().manual_seed(0)
    )
