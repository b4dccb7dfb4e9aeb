"""A schedule that ends in the time that is given: the pace is measured, then the number of updates is fixed."""

from __future__ import annotations

import copy
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from rotary_mae.estimators._fit.ensemble import TrainingJob
from rotary_mae.models.pretrained import Pretrained
from rotary_mae.training.config import TrainingConfig
from rotary_mae.training.distributed import make_accelerator
from rotary_mae.training.lr_schedule import TrainingSchedule
from rotary_mae.training.run_folder import RunFolder

# Of the time, what the measured pace is made to fill: a machine is not equally quick all the time.
FILLED = 0.9

# Of the time, what measuring may take (but at least two updates, and at most so many).
MEASURING = 0.05

MOST_MEASURED = 64


@dataclass(frozen=True)
class Pace:
    """Seconds of an update of the weights, and of an evaluation on the validation part."""

    update: float
    evaluation: float


def fit_in_time(
    lesson: TrainingJob, model: Pretrained, seconds: float, n_members: int, n_passes: int, out: Path | None
) -> TrainingConfig:
    """The lesson's settings, with as many updates as fit; never more than they had, and at least one.

    Args:
        seconds: from now on, for all members and what comes after them.
        n_passes: over the validation part after the training of a member.
        out: folder of a run; the choice is in its run.json, so that a run that goes on has the same schedule.
    """
    recorded = _recorded(out)
    if recorded is not None:
        return replace(lesson.config, **recorded)
    started = time.perf_counter()
    pace = measure_pace(lesson, model, seconds / n_members)
    left = (seconds - (time.perf_counter() - started)) / n_members - n_passes * pace.evaluation
    n_updates, limit = _agreed(lesson.config, updates_in(lesson, pace, FILLED * left), max(left, 0.0))
    return replace(lesson.config, max_steps=n_updates, max_seconds=limit)


def updates_in(lesson: TrainingJob, pace: Pace, seconds: float) -> int:
    """The largest number of updates, with the evaluations that go with it, that ``seconds`` hold."""
    n_updates = TrainingSchedule(lesson.config, lesson.training).n_steps
    while n_updates > 1:
        course = TrainingSchedule(replace(lesson.config, max_steps=n_updates), lesson.training)
        n_evaluations = sum(course.evaluates(epoch) for epoch in range(course.n_epochs - 1)) + 1
        needed = n_updates * pace.update + n_evaluations * pace.evaluation
        if needed <= seconds:
            return n_updates
        # at least one fewer, at most by the factor that is missing
        n_updates = max(1, min(n_updates - 1, int(n_updates * max(seconds, 0.0) / needed)))
    return 1


def measure_pace(lesson: TrainingJob, model: Pretrained, seconds: float) -> Pace:
    """Train a copy of the model for a few updates and look at the clock."""
    trial = copy.deepcopy(model)
    few = replace(lesson, config=replace(lesson.config, progress=False, patience=0, trackers=()), validation=None)
    _timed(few, trial, 1)  # the first update makes what later ones use again
    two = _timed(few, trial, 2)
    n_updates = int(min(max(MEASURING * seconds / max(two / 2, 1e-9), 2), MOST_MEASURED))
    update = (_timed(few, trial, n_updates) if n_updates > 2 else two) / n_updates
    if lesson.validation is None:
        return Pace(update, 0.0)
    judged = replace(few, validation=lesson.validation)
    return Pace(update, max(_timed(judged, trial, 1) - update, 0.0))


def _timed(lesson: TrainingJob, model: Pretrained, n_updates: int) -> float:
    started = time.perf_counter()
    done = lesson.train(model, replace(lesson.config, max_steps=n_updates))
    seconds = time.perf_counter() - started
    # a small set may have fewer updates in all
    return seconds * n_updates / done.steps


def _agreed(config: TrainingConfig, n_updates: int, seconds: float) -> tuple[int, float]:
    """The least of all processes, which measured each for itself."""
    accelerator = make_accelerator(config, None)
    mine = torch.tensor([[float(n_updates), seconds]], device=accelerator.device)
    least = accelerator.gather(mine).min(0).values if accelerator.num_processes > 1 else mine[0]
    return int(least[0]), float(least[1])


def _recorded(out: Path | None) -> dict[str, Any] | None:
    """What an earlier beginning of the run in ``out`` has chosen."""
    if out is None or not (path := RunFolder(out).description).is_file():
        return None
    training = json.loads(path.read_text())["training"]
    return {name: training.get(name) for name in ("max_steps", "max_seconds")}
