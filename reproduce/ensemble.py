"""What the models of several seeds say as one: a small ensemble, with a result file of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.record import run_metadata, write_json
from reproduce import run as running
from reproduce.experiment import Experiment
from reproduce.run import RUNS, open_run, is_complete, measured, result_path


def method(n_models: int) -> str:
    """What the table calls it."""
    return f"RoMAE, mean of {n_models} models"


def mean(answers: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """What models of one shape of answers say as one."""
    together: npt.NDArray[np.float64] = np.mean(np.stack(answers), axis=0)
    return together


def ensemble_path(experiment: str, profile: str) -> Path:
    """Where the result of an ensemble is kept."""
    return running.RESULTS / "ensembles" / f"{experiment}-{profile}.json"


def evaluate_ensemble(
    experiment: Experiment, profile: str, seeds: Sequence[int], *, runs: Path = RUNS, is_trial: bool = False
) -> Path:
    """Ask the models of all seeds together, which must have been measured; of a trial, they are trained here.

    Raises ValueError for an experiment without ensembles, for fewer than two seeds and for one not measured.
    """
    if experiment.together is None:
        raise ValueError(f"models of {experiment.name} are not asked together")
    if len(set(seeds)) < 2:
        raise ValueError(f"an ensemble needs at least two seeds, got {list(seeds)}")
    command = f"python -m reproduce run {experiment.name} --profile {profile} --seed"
    for seed in seeds:
        if not is_trial and not is_complete(result_path(experiment.name, profile, seed)):
            raise ValueError(f"seed {seed} is not measured; do so first: {command} {seed}")
    about = run_metadata()
    members = [open_run(experiment, profile, seed, runs, is_trial) for seed in seeds]
    if not is_trial:
        for member in members:
            if not any(path.is_dir() for path in member.folder.iterdir()):
                raise ValueError(
                    f"the models of seed {member.seed} are not in {member.folder}; {command} "
                    f"{member.seed} --again makes them"
                )
    path = members[0].folder / "ensemble.json" if is_trial else ensemble_path(experiment.name, profile)
    path.parent.mkdir(parents=True, exist_ok=True)
    described = {
        "experiment": experiment.name,
        "profile": profile,
        "seeds": list(seeds),
        "command": f"python -m reproduce ensemble {experiment.name} --profile {profile} --seeds {json.dumps(seeds)}",
        "settings": members[0].settings,
    }
    write_json(path, {**described, **about, **measured([experiment.together(members)])})
    return path
