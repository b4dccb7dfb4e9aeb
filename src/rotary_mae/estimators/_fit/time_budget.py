"""Training schedules that end within a time limit: the speed is measured, then the number of updates is fixed."""

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
from rotary_mae.training.distributed import training_accelerator
from rotary_mae.training.lr_schedule import TrainingSchedule
from rotary_mae.training.run_folder import RunFolder

# Fraction of the time that the schedule fills at the measured speed, because the speed of a machine varies. Not tuned.
FILLED_FRACTION = 0.9

# Fraction of the time that the measurement may take. Not tuned.
MEASURED_FRACTION = 0.05

# Bounds of the number of updates that are measured. Not tuned.
MIN_MEASURED_UPDATES, MAX_MEASURED_UPDATES = 2, 64


@dataclass(frozen=True)
class Pace:
    """Measured speed of training.

    Attributes
    ----------
    update : float
        Seconds of an update of the weights.
    evaluation : float
        Seconds of an evaluation on the validation set.
    """

    update: float
    evaluation: float


def fit_in_time(
    job: TrainingJob, model: Pretrained, seconds: float, n_members: int, n_evaluations_after: int, out: Path | None
) -> TrainingConfig:
    """Return the settings of training with as many updates as a time limit allows.

    Parameters
    ----------
    job : TrainingJob
        Samples, and settings whose number of updates is the largest allowed.
    model : Pretrained
        Model that will be trained; a copy of it is measured.
    seconds : float
        Time from now on, for all members and the work after their training.
    n_members : int
        Number of models.
    n_evaluations_after : int
        Evaluations on the validation set after the training of a member.
    out : Path or None
        Folder of the run. The number of updates is read from its run.json if there is one, so that a resumed run has
        the same schedule.

    Returns
    -------
    TrainingConfig
        Settings with at least one update.
    """
    recorded = _recorded(out)
    if recorded is not None:
        return replace(job.config, **recorded)
    started = time.perf_counter()
    pace = measure_pace(job, model, seconds / n_members)
    left = (seconds - (time.perf_counter() - started)) / n_members - n_evaluations_after * pace.evaluation
    n_updates, limit = _agreed(job.config, updates_in(job, pace, FILLED_FRACTION * left), max(left, 0.0))
    return replace(job.config, max_steps=n_updates, max_seconds=limit)


def updates_in(job: TrainingJob, pace: Pace, seconds: float) -> int:
    """Return the largest number of updates that take at most ``seconds`` together with their evaluations."""
    n_updates = TrainingSchedule(job.config, job.training).n_steps
    while n_updates > 1:
        schedule = TrainingSchedule(replace(job.config, max_steps=n_updates), job.training)
        n_evaluations = sum(schedule.evaluates(epoch) for epoch in range(schedule.n_epochs - 1)) + 1
        needed = n_updates * pace.update + n_evaluations * pace.evaluation
        if needed <= seconds:
            return n_updates
        # shorten by the missing factor, and by at least one update
        n_updates = max(1, min(n_updates - 1, int(n_updates * max(seconds, 0.0) / needed)))
    return 1


def measure_pace(job: TrainingJob, model: Pretrained, seconds: float) -> Pace:
    """Measure the speed of training by a few updates of a copy of the model."""
    trial = copy.deepcopy(model)
    unvalidated = replace(job, config=replace(job.config, progress=False, patience=0, trackers=()), validation=None)
    _seconds_of(unvalidated, trial, 1)  # the first update allocates memory that later ones use again
    two = _seconds_of(unvalidated, trial, MIN_MEASURED_UPDATES)
    affordable = MEASURED_FRACTION * seconds / max(two / MIN_MEASURED_UPDATES, 1e-9)
    n_updates = int(min(max(affordable, MIN_MEASURED_UPDATES), MAX_MEASURED_UPDATES))
    measured = _seconds_of(unvalidated, trial, n_updates) if n_updates > MIN_MEASURED_UPDATES else two
    update = measured / n_updates
    if job.validation is None:
        return Pace(update, 0.0)
    validated = replace(unvalidated, validation=job.validation)
    return Pace(update, max(_seconds_of(validated, trial, 1) - update, 0.0))


def _seconds_of(job: TrainingJob, model: Pretrained, n_updates: int) -> float:
    started = time.perf_counter()
    done = job.train(model, replace(job.config, max_steps=n_updates))
    seconds = time.perf_counter() - started
    # a small set may have fewer updates in all
    return seconds * n_updates / done.steps


def _agreed(config: TrainingConfig, n_updates: int, seconds: float) -> tuple[int, float]:
    """Return the smallest values of all processes, each of which measured its own speed."""
    with training_accelerator(config) as accelerator:
        own = torch.tensor([[float(n_updates), seconds]], device=accelerator.device)
        least = accelerator.gather(own).min(0).values if accelerator.num_processes > 1 else own[0]
        return int(least[0]), float(least[1])


def _recorded(out: Path | None) -> dict[str, Any] | None:
    """Return the number of updates and the time limit in the run.json of ``out``, or None without one."""
    if out is None or not (path := RunFolder(out).description).is_file():
        return None
    training = json.loads(path.read_text())["training"]
    return {name: training.get(name) for name in ("max_steps", "max_seconds")}
