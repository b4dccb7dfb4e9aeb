"""Training of the members of an ensemble: one model, or several like it from other seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.data.scaling import Scaling
from rotary_mae.data.sources import Source, Subset
from rotary_mae.estimators._fit.initialization import seeded_model
from rotary_mae.estimators._fit.split import TrainValidationSplit, weights_of
from rotary_mae.models.pretrained import Pretrained
from rotary_mae.models.transfer import transfer
from rotary_mae.training.config import TrainingConfig
from rotary_mae.training.train import train
from rotary_mae.training.trainer import TrainingResult


@dataclass(frozen=True)
class TrainingJob:
    """Training and validation samples with their weights, and the settings of training.

    Attributes
    ----------
    training : Source
        Training set.
    validation : Source or None
        Validation set.
    scaling : Scaling
        Scaling of values and positions.
    config : TrainingConfig
        Settings of training.
    weights, validation_weights : array or None
        Weights of the samples of the two sets in the loss, shapes (n_training,) and (n_validation,).
    """

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
        split: TrainValidationSplit,
        scaling: Scaling,
        config: TrainingConfig,
        sample_weight: npt.NDArray[Any] | None,
    ) -> TrainingJob:
        """Return the job of a split of ``source``; ``sample_weight`` has shape (B,)."""
        return cls(
            Subset(source, split.training),
            Subset(source, split.validation) if len(split.validation) else None,
            scaling,
            config,
            None if sample_weight is None else sample_weight[split.training],
            weights_of(sample_weight, split.validation),
        )

    def train(
        self,
        model: Pretrained,
        config: TrainingConfig,
        out: Path | None = None,
        resume: bool = False,
        title: str | None = None,
    ) -> TrainingResult:
        """Train ``model`` in place with the settings ``config``."""
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


def train_members(
    job: TrainingJob,
    model: Pretrained,
    initial: Pretrained | None,
    config: TrainingConfig,
    n_members: int,
    out: Path | None,
    resume: bool,
) -> tuple[list[Pretrained], TrainingResult]:
    """Train ``model``, and further models of other seeds on the same samples.

    Parameters
    ----------
    job : TrainingJob
        Samples.
    model : Pretrained
        First member, with its initial weights.
    initial : Pretrained or None
        Model that the weights of all members are initialised from.
    config : TrainingConfig
        Settings of training; the seed is that of the first member.
    n_members : int
        Number of members.
    out : Path or None
        Folder of the run.
    resume : bool
        Resume the run in ``out``.

    Returns
    -------
    members : list of Pretrained
        The trained models, ``model`` first.
    result : TrainingResult
        Result of the first member.
    """
    members, results = [model], []
    for i in range(n_members):
        seed = member_seed(config.seed, i)
        if i:
            members.append(_another(model, initial, seed))
        folder = None if out is None else member_folder(out, i)
        title = f"member {i + 1}/{n_members}" if n_members > 1 else None
        results.append(job.train(members[i], replace(config, seed=seed), folder, resume, title))
    return members, results[0]


def _another(model: Pretrained, initial: Pretrained | None, seed: int) -> Pretrained:
    """Return a new model like ``model``, initialised from ``initial`` in the same way."""
    kind, config, arguments = type(model), model.config, model.arguments()
    another: Pretrained = seeded_model(seed, lambda: kind(config, **arguments))
    if initial is not None:
        transfer(initial, another)
    return another


def member_seed(seed: int, member: int) -> int:
    """Return the seed of a member; the first has the estimator's own, so an ensemble of one is the single model."""
    return seed if member == 0 else int(np.random.SeedSequence([seed, member]).generate_state(1)[0])


def member_folder(folder: Path, member: int) -> Path:
    """Return the folder of a member: ``folder`` itself for the first, folders below it for the others."""
    return folder if member == 0 else folder / "members" / str(member)
