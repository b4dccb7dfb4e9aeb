"""A run: one experiment, one profile, one seed. It resumes where it was stopped and writes its result file."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

import rotary_mae as rm
from benchmarks.record import run_metadata, write_json
from reproduce.experiment import PROFILES, Experiment, Measure, Stage, StageResult

RESULTS = Path(__file__).parent / "results"
RUNS = Path("runs") / "reproduce"
TRIAL_STEPS = 2


class Run:
    """Settings, seed and folder that the stages of an experiment are given.

    Parameters
    ----------
    experiment : Experiment
        Experiment to run.
    profile : str
        "quick" or "paper".
    seed : int
        Seed of everything random but the data and their splits, unless the experiment states otherwise.
    folder : Path
        Folder of stage results and trained models.
    is_trial : bool
        If True, the trial settings replace those of the profile, and every training stops after two updates.

    Attributes
    ----------
    settings : dict
        Settings of the profile, or of the trial.
    """

    def __init__(self, experiment: Experiment, profile: str, seed: int, folder: Path, is_trial: bool = False) -> None:
        if profile not in PROFILES:
            raise ValueError(f"the profile must be one of {PROFILES}, got {profile!r}")
        self.experiment, self.profile, self.seed = experiment, profile, seed
        self.folder, self.is_trial = folder, is_trial
        self.settings: dict[str, Any] = dict(experiment.profiles[profile].settings)
        if is_trial:
            self.settings |= experiment.trial

    def train(
        self, name: str, model: Any, tokens: rm.Source, training: Mapping[str, Any], **options: Any
    ) -> rm.TrainingResult:
        """Call ``rotary_mae.train`` with a run folder of that name, and resume what is there.

        Parameters
        ----------
        name : str
            Name of the folder.
        model : RoMAEForPreTraining or RoMAEForPrediction
            Model to train.
        tokens : Source
            Training set.
        training : mapping
            Fields of ``TrainingConfig``.
        **options
            Other arguments of ``rotary_mae.train``.

        Returns
        -------
        TrainingResult
            As ``rotary_mae.train`` returns it.
        """
        limit = {"max_steps": TRIAL_STEPS, "progress": False} if self.is_trial else {}
        config = rm.TrainingConfig.from_dict({"seed": self.seed, **training, **limit})
        return rm.train(model, tokens, config, out=self.folder / name, resume=True, title=name, **options)

    def set_seed(self, seed: int | None = None) -> None:
        """Set torch's seed, by default to that of the run. To be called before a model is made."""
        torch.manual_seed(self.seed if seed is None else seed)

    def run_stages(self) -> Iterator[tuple[list[StageResult], list[str]]]:
        """Run the stages without a result; after each stage, give all results so far and the names still to do."""
        stages = self.experiment.stages(self)
        results, names = [], list(stages)
        for i, (name, stage) in enumerate(stages.items(), 1):
            results.append(self._run_stage(name, stage, f"[{i}/{len(stages)}] {name}"))
            yield results, names[i:]

    def _run_stage(self, name: str, stage: Stage, title: str) -> StageResult:
        path = self.folder / f"{name}.json"
        if path.exists():
            print(f"{title}: done before", flush=True)
            saved = json.loads(path.read_text())
            return StageResult([Measure(**measure) for measure in saved["measures"]], saved["curves"])
        print(title, flush=True)
        result = stage()
        write_json(path, {"measures": [asdict(measure) for measure in result.measures], "curves": result.curves})
        return result


def result_path(experiment: str, profile: str, seed: int) -> Path:
    """Return the path of a run's result file."""
    return RESULTS / f"{experiment}-{profile}-{seed}.json"


def measure(experiment: Experiment, profile: str, seed: int, *, runs: Path = RUNS, is_trial: bool = False) -> Path:
    """Run an experiment and write its result file after every stage.

    Parameters
    ----------
    experiment : Experiment
        Experiment to run.
    profile : str
        "quick" or "paper".
    seed : int
        Seed of the run.
    runs : Path
        Folder that holds the run folders.
    is_trial : bool
        If True, two updates with the trial settings; the result file is in the run folder.

    Returns
    -------
    Path
        The result file.
    """
    metadata = run_metadata()
    run = open_run(experiment, profile, seed, runs, is_trial)
    path = run.folder / "result.json" if is_trial else result_path(experiment.name, profile, seed)
    # written after every stage: the stages of a long experiment are useful before its end
    for results, to_do in run.run_stages():
        write_json(path, {**_description(run), **metadata, **result_fields(results), "to_do": to_do})
    return path


def open_run(experiment: Experiment, profile: str, seed: int, runs: Path = RUNS, is_trial: bool = False) -> Run:
    """Return the run in its folder under ``runs``, to be resumed; the folder of a trial is emptied first."""
    folder = runs / f"{experiment.name}-{profile}-{seed}{'-trial' if is_trial else ''}"
    if is_trial:
        shutil.rmtree(folder, ignore_errors=True)
    run = Run(experiment, profile, seed, folder, is_trial)
    _check_settings(run)
    return run


def is_complete(path: Path) -> bool:
    """Return True if a result file exists and holds all stages."""
    return path.exists() and not json.loads(path.read_text()).get("to_do")


def result_fields(results: Sequence[StageResult]) -> dict[str, Any]:
    """Return seconds, measures and curves of the stages, as a result file holds them."""
    return {
        # all numbers of one stage come from one training
        "seconds": round(sum(max([m.seconds or 0.0 for m in stage.measures], default=0.0) for stage in results), 1),
        "measures": [asdict(m) for stage in results for m in stage.measures],
        "curves": {name: curve for stage in results for name, curve in stage.curves.items()},
    }


def _description(run: Run) -> dict[str, Any]:
    name, profile, seed = run.experiment.name, run.profile, run.seed
    return {
        "experiment": name,
        "profile": profile,
        "seed": seed,
        "command": f"python -m reproduce run {name} --profile {profile} --seed {seed}",
        "settings": run.settings,
    }


def _check_settings(run: Run) -> None:
    """Raise ValueError if the folder holds stages of other settings."""
    path = run.folder / "settings.json"
    settings = json.loads(json.dumps(run.settings))
    if path.exists() and json.loads(path.read_text()) != settings:
        raise ValueError(
            f"{run.folder} holds a run with other settings; delete it, or run with --again to start from the beginning"
        )
    os.makedirs(run.folder, exist_ok=True)
    write_json(path, settings)
