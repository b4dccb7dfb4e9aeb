"""The members of an ensemble: one model, or several like it from other seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.data.scaling import Scaling
from rotary_mae.data.sources import Source, Subset
from rotary_mae.estimators._fit.initialization import seeded_model
from rotary_mae.estimators._fit.split import TrainValidationSplit, any_weight
from rotary_mae.models.pretrained import Pretrained
from rotary_mae.models.transfer import transfer
from rotary_mae.training.config import TrainingConfig
from rotary_mae.training.train import TrainingResult, train


def train_members(
    lesson: TrainingJob,
    model: Pretrained,
    initial: Pretrained | None,
    config: TrainingConfig,
    n_members: int,
    out: Path | None,
    resume: bool,
) -> tuple[list[Pretrained], TrainingResult]:
    """Train ``model``, then others on the same samples, each from ``initial``; the result is of the first."""
    members, results = [model], []
    for i in range(n_members):
        seed = member_seed(config.seed, i)
        if i:
            members.append(_another(model, initial, seed))
        place = None if out is None else member_folder(out, i)
        title = f"member {i + 1}/{n_members}" if n_members > 1 else None
        results.append(lesson.train(members[i], replace(config, seed=seed), place, resume, title))
    return members, results[0]


def _another(model: Pretrained, initial: Pretrained | None, seed: int) -> Pretrained:
    """A new model of the same kind, which starts from ``initial`` as the first did."""
    kind, config, arguments = type(model), model.config, model._arguments()
    another: Pretrained = seeded_model(seed, lambda: kind(config, **arguments))
    if initial is not None:
        transfer(initial, another)
    return another


def member_seed(seed: int, member: int) -> int:
    """The seed of a member of an ensemble; the first has the estimator's own, so that one alone is that one."""
    return seed if member == 0 else int(np.random.SeedSequence([seed, member]).generate_state(1)[0])


def member_folder(folder: Path, member: int) -> Path:
    """Where a member is kept: the first where a single model would be, the others in folders of their own below."""
    return folder if member == 0 else folder / "members" / str(member)


@dataclass(frozen=True)
class TrainingJob:
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
        parts: TrainValidationSplit,
        scaling: Scaling,
        config: TrainingConfig,
        sample_weight: npt.NDArray[Any] | None,
    ) -> TrainingJob:
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
