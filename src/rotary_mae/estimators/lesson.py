"""What the members of a fit are trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from rotary_mae.data.scaling import Scaling
from rotary_mae.data.subset import Subset
from rotary_mae.data.tokens import Source
from rotary_mae.estimators.validation import Parts, any_weight
from rotary_mae.models.checkpoint import Pretrained
from rotary_mae.training.config import TrainingConfig
from rotary_mae.training.loop import TrainingResult, train


@dataclass(frozen=True)
class Lesson:
    """Samples to learn from and to be judged by, with their weights, and the settings of training."""

    training: Source
    validation: Source | None
    scaling: Scaling
    config: TrainingConfig
    weights: npt.NDArray[Any] | None = None
    validation_weights: npt.NDArray[Any] | None = None

    @classmethod
    def of(
        cls,
        source: Source,
        parts: Parts,
        scaling: Scaling,
        config: TrainingConfig,
        sample_weight: npt.NDArray[Any] | None,
    ) -> Lesson:
        """The two parts of ``source``; ``sample_weight`` is (B,) of all its samples."""
        return cls(
            Subset(source, parts.training),
            Subset(source, parts.validation) if len(parts.validation) else None,
            scaling,
            config,
            None if sample_weight is None else sample_weight[parts.training],
            any_weight(sample_weight, parts.validation),
        )

    def train(
        self,
        model: Pretrained,
        config: TrainingConfig,
        out: Path | None = None,
        resume: bool = False,
        title: str | None = None,
    ) -> TrainingResult:
        """Train a model on it, in place."""
        return train(
            model,
            self.training,
            config,
            validation=self.validation,
            out=out,
            scaling=self.scaling,
            resume=resume,
            sample_weight=self.weights,
            validation_weight=self.validation_weights,
            title=title,
        )
