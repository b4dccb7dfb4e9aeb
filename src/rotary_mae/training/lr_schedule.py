"""Schedule of a training run: its epochs, the batches of each update, and the learning rate."""

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

DISK_BLOCK = 64
"""Number of neighbouring samples of a source on disk that are read together. Not tuned."""

N_EVALUATIONS = 50
"""Approximate number of evaluations on the validation set for ``evaluate_every = 0``. Not tuned."""


@dataclass(frozen=True)
class TrainingSchedule:
    """Updates of a training run, as a pure function of the settings and of the number and lengths of the samples.

    Attributes
    ----------
    config : TrainingConfig
    source : Source
        The training samples.
    """

    config: TrainingConfig
    source: Source

    def updates(self, epoch: int) -> list[list[Ints]]:
        """Return the updates of an epoch (0, 1, ...), each a list of batches whose gradients are added up.

        A batch is an array of sample indices, shape (b,).
        """
        config = self.config
        batches = epoch_batches(
            len(self.source),
            seed=config.seed,
            epoch=epoch,
            batch_size=config.batch_size,
            max_tokens=config.max_tokens,
            lengths=self.source.lengths,
            block=DISK_BLOCK if self.source.is_on_disk else 1,
        )
        return [batches[i : i + config.accumulate] for i in range(0, len(batches), config.accumulate)]

    @cached_property
    def _steps_after_epoch(self) -> list[int]:
        """Number of updates from the start of the run to the end of each epoch."""
        steps: list[int] = []
        n_steps, limit = 0, self.config.max_steps
        # the number of batches of one size is known without drawing their order
        n_batches = -(-len(self.source) // self.config.batch_size)
        n_updates = -(-n_batches // self.config.accumulate)
        for epoch in range(self.config.epochs):
            # with a token budget the number of batches varies from epoch to epoch
            n_steps += n_updates if self.config.max_tokens is None else len(self.updates(epoch))
            steps.append(n_steps if limit is None else min(n_steps, limit))
            if limit is not None and n_steps >= limit:
                break
        return steps

    @property
    def n_steps(self) -> int:
        """Number of updates of the whole run."""
        return self._steps_after_epoch[-1]

    @property
    def n_epochs(self) -> int:
        """Number of epochs of the whole run; ``max_steps`` may cut the last one short."""
        return len(self._steps_after_epoch)

    def evaluates(self, epoch: int) -> bool:
        """Return True if the validation set is evaluated after this epoch (0, 1, ...)."""
        every = self.config.evaluate_every or max(1, self.n_epochs // N_EVALUATIONS)
        return (epoch + 1) % every == 0

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of update ``step`` (0, 1, ...)."""
        n_warmup = warmup_steps(self.config, self.n_steps)
        return self.config.learning_rate * learning_rate_factor(step, n_warmup, self.n_steps)


def validation_batches(source: Source, config: TrainingConfig) -> list[Ints]:
    """Return all samples of ``source`` in order, in batches as large as those of training."""
    return cut_into_batches(np.arange(len(source)), config.batch_size, config.max_tokens, source.lengths)


def warmup_steps(config: TrainingConfig, n_steps: int) -> int:
    """Return the number of updates over which the learning rate rises, of ``n_steps`` in all."""
    if config.warmup_steps is not None:
        return min(config.warmup_steps, n_steps)
    return round(config.warmup_fraction * n_steps)


def learning_rate_factor(step: int, n_warmup: int, n_steps: int) -> float:
    """Return the learning rate of an update as a fraction of the peak.

    It is (step + 1) / n_warmup in the warm-up, so that update ``n_warmup - 1`` is the first at the peak, and then falls
    along a half cosine to 0. Without warm-up update 0 is at the peak.

    Parameters
    ----------
    step : int
        Index of the update, 0 to ``n_steps - 1``.
    n_warmup, n_steps : int
        Number of updates of the warm-up, and of the whole run.
    """
    if step < n_warmup:
        return (step + 1) / n_warmup
    share = (step - n_warmup) / max(n_steps - n_warmup, 1)
    return 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))
