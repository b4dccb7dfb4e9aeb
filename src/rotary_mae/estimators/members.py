"""The members of an ensemble: one model, or several like it from other seeds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from rotary_mae.estimators.lesson import Lesson
from rotary_mae.estimators.starting import seeded_model
from rotary_mae.models.checkpoint import Pretrained, transfer
from rotary_mae.training.config import TrainingConfig
from rotary_mae.training.loop import TrainingResult


def train_members(
    lesson: Lesson,
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
