"""The course of a run: its epochs, the batches of each update, and the learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rotary_mae.batches.sampler import cut_into_batches, epoch_batches
from rotary_mae.data.sources import Source
from rotary_mae.training.config import TrainingConfig

Ints = npt.NDArray[np.int64]

# Samples on disk that are read as one run when the source is not in memory.
DISK_BLOCK = 64


@dataclass(frozen=True)
class TrainingSchedule:
    """What is done when, as a pure function of the settings and the number (and lengths) of the samples."""

    config: TrainingConfig
    tokens: Source

    def updates(self, epoch: int) -> list[list[Ints]]:
        """The updates of an epoch, each a list of the batches whose gradients it adds up."""
        config = self.config
        batches = epoch_batches(
            len(self.tokens),
            seed=config.seed,
            epoch=epoch,
            batch_size=config.batch_size,
            max_tokens=config.max_tokens,
            lengths=self.tokens.lengths,
            block=DISK_BLOCK if self.tokens.is_on_disk else 1,
        )
        return [batches[i : i + config.accumulate] for i in range(0, len(batches), config.accumulate)]

    @cached_property
    def _ends(self) -> list[int]:
        """Updates done at the end of each epoch."""
        ends: list[int] = []
        done, limit = 0, self.config.max_steps
        # no order has to be drawn to know how many batches of one size there are
        n_batches = -(-len(self.tokens) // self.config.batch_size)
        n_updates = -(-n_batches // self.config.accumulate)
        for epoch in range(self.config.epochs):
            # batches of a token budget are not equally many in every epoch
            done += n_updates if self.config.max_tokens is None else len(self.updates(epoch))
            ends.append(done if limit is None else min(done, limit))
            if limit is not None and done >= limit:
                break
        return ends

    @property
    def n_steps(self) -> int:
        """Updates of the whole run."""
        return self._ends[-1]

    @property
    def n_epochs(self) -> int:
        """Epochs of the whole run; the last may be cut short by ``max_steps``."""
        return len(self._ends)

    def evaluates(self, epoch: int) -> bool:
        """Whether the validation samples are looked at after this epoch (0, 1, ...)."""
        every = self.config.evaluate_every or max(1, self.n_epochs // 50)
        return (epoch + 1) % every == 0

    def learning_rate(self, step: int) -> float:
        """The rate of update ``step`` = 0, 1, ..."""
        n_warmup = warmup_steps(self.config, self.n_steps)
        return self.config.learning_rate * learning_rate_factor(step, n_warmup, self.n_steps)


def validation_batches(source: Source, config: TrainingConfig) -> list[Ints]:
    """All samples of ``source`` in order, in batches as large as those of training."""
    return cut_into_batches(np.arange(len(source)), config.batch_size, config.max_tokens, source.lengths)


def warmup_steps(config: TrainingConfig, n_steps: int) -> int:
    """Updates over which the rate rises."""
    if config.warmup_steps is not None:
        return min(config.warmup_steps, n_steps)
    return round(config.warmup_fraction * n_steps)


def learning_rate_factor(step: int, n_warmup: int, n_steps: int) -> float:
    """Share of the peak rate at update ``step`` = 0, 1, ...: (step + 1) / n_warmup, then a half cosine to 0.

    Update n_warmup - 1 is the first at the full rate; without warm-up update 0 is.
    """
    if step < n_warmup:
        return (step + 1) / n_warmup
    share = (step - n_warmup) / max(n_steps - n_warmup, 1)
    return 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))
