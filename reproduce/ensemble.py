"""Ensembles of the models of several seeds, each with a result file of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.record import run_metadata, write_json
from reproduce import run as running
from reproduce.experiment import Experiment
from reproduce.run import RUNS, is_complete, open_run, result_fields, result_path


def ensemble_label(n_models: int) -> str:
    """Return the method name of an ensemble in the table."""
    return f"RoMAE, ensemble of {n_models}"


def ensemble_mean(predictions: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Return the mean of the members' predictions, arrays of one shape."""
    mean: npt.NDArray[np.float64] = np.mean(np.stack(predictions), axis=0)
    return mean


def ensemble_path(experiment: str, profile: str) -> Path:
    """Return the path of an ensemble's result file."""
    return running.RESULTS / "ensembles" / f"{experiment}-{profile}.json"


def evaluate_ensemble(
    experiment: Experiment, profile: str, seeds: Sequence[int], *, runs: Path = RUNS, is_trial: bool = False
) -> Path:
    """Evaluate the ensemble of the models of several seeds and write its result file.

    Parameters
    ----------
    experiment : Experiment
        Experiment with an ``evaluate_ensemble`` function.
    profile : str
        Profile of the runs.
    seeds : sequence of int
        At least two seeds that were measured before.
    runs : Path
        Folder that holds the run folders.
    is_trial : bool
        If True, the members are trained here, for two updates each.

    Returns
    -------
    Path
        The result file.

    Raises
    ------
    ValueError
        If the experiment has no ensembles, if fewer than two seeds are given, or if a seed was not measured.
    """
    if experiment.evaluate_ensemble is None:
        raise ValueError(f"the experiment {experiment.name} has no ensemble")
    if len(set(seeds)) < 2:
        raise ValueError(f"an ensemble needs at least two seeds, got {list(seeds)}")
    command = f"python -m reproduce run {experiment.name} --profile {profile} --seed"
    if not is_trial:
        _check_results(experiment.name, profile, seeds, command)
    metadata = run_metadata()
    members = [open_run(experiment, profile, seed, runs, is_trial) for seed in seeds]
    if not is_trial:
        _check_models(members, command)
    path = members[0].folder / "ensemble.json" if is_trial else ensemble_path(experiment.name, profile)
    description = {
        "experiment": experiment.name,
        "profile": profile,
        "seeds": list(seeds),
        "command": f"python -m reproduce ensemble {experiment.name} --profile {profile} --seeds {json.dumps(seeds)}",
        "settings": members[0].settings,
    }
    write_json(path, {**description, **metadata, **result_fields([experiment.evaluate_ensemble(members)])})
    return path


def _check_results(name: str, profile: str, seeds: Sequence[int], command: str) -> None:
    for seed in seeds:
        if not is_complete(result_path(name, profile, seed)):
            raise ValueError(f"seed {seed} is not measured; do so first: {command} {seed}")


def _check_models(members: Sequence[running.Run], command: str) -> None:
    for member in members:
        if not any(path.is_dir() for path in member.folder.iterdir()):
            raise ValueError(
                f"the models of seed {member.seed} are not in {member.folder}; {command} "
                f"{member.seed} --again trains them anew"
            )
