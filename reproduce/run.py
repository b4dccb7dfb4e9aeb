"""One experiment in one profile with one seed: part after part, going on where it was killed, and its result file."""

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
from reproduce.experiment import PROFILES, Experiment, StageResult, Measure, Stage

RESULTS = Path(__file__).parent / "results"
RUNS = Path("runs") / "reproduce"
TRIAL_STEPS = 2


class Run:
    """What the parts of an experiment are given.

    settings: of the profile (with those of a trial over them). seed: of everything random but the data and splits,
    unless the experiment says otherwise.
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
        """``rotary_mae.train`` in a folder of that name, going on with what is there; a trial stops after two updates.

        training: fields of ``TrainingConfig``. options: other arguments of ``train``.
        """
        limit = {"max_steps": TRIAL_STEPS, "progress": False} if self.is_trial else {}
        config = rm.TrainingConfig.from_dict({"seed": self.seed, **training, **limit})
        return rm.train(model, tokens, config, out=self.folder / name, resume=True, title=name, **options)

    def set_seed(self, seed: int | None = None) -> None:
        """Set torch's seed (the run's, if None is given): call it before a model is made."""
        torch.manual_seed(self.seed if seed is None else seed)

    def find(self) -> Iterator[tuple[list[StageResult], list[str]]]:
        """Do the parts that are not done yet; after each, what was found so far and the parts still to do."""
        parts = self.experiment.parts(self)
        found, names = [], list(parts)
        for i, (name, part) in enumerate(parts.items(), 1):
            found.append(self._part(name, part, f"[{i}/{len(parts)}] {name}"))
            yield found, names[i:]

    def _part(self, name: str, part: Stage, title: str) -> StageResult:
        path = self.folder / f"{name}.json"
        if path.exists():
            print(f"{title}: done before", flush=True)
            kept = json.loads(path.read_text())
            return StageResult([Measure(**measure) for measure in kept["measures"]], kept["curves"])
        print(title, flush=True)
        found = part()
        write_json(path, {"measures": [asdict(measure) for measure in found.measures], "curves": found.curves})
        return found


def result_path(experiment: str, profile: str, seed: int) -> Path:
    """Where the result of a run is kept."""
    return RESULTS / f"{experiment}-{profile}-{seed}.json"


def measure(experiment: Experiment, profile: str, seed: int, *, runs: Path = RUNS, is_trial: bool = False) -> Path:
    """Run an experiment and write its result after every part; of a trial, into the folder of the run."""
    about = run_metadata()
    run = open_run(experiment, profile, seed, runs, is_trial)
    path = run.folder / "result.json" if is_trial else result_path(experiment.name, profile, seed)
    # one after every part: those of a long experiment are worth having before its end
    for found, to_do in run.find():
        write_json(path, {**_described(run), **about, **measured(found), "to_do": to_do})
    return path


def open_run(experiment: Experiment, profile: str, seed: int, runs: Path = RUNS, is_trial: bool = False) -> Run:
    """The run in its folder under ``runs``, with what is there of it; that of a trial begins anew."""
    folder = runs / f"{experiment.name}-{profile}-{seed}{'-trial' if is_trial else ''}"
    if is_trial:
        shutil.rmtree(folder, ignore_errors=True)
    run = Run(experiment, profile, seed, folder, is_trial)
    _check_settings(run)
    return run


def is_complete(path: Path) -> bool:
    """Whether the result of a run is there with all its parts."""
    return path.exists() and not json.loads(path.read_text()).get("to_do")


def _described(run: Run) -> dict[str, Any]:
    name, profile, seed = run.experiment.name, run.profile, run.seed
    return {
        "experiment": name,
        "profile": profile,
        "seed": seed,
        "command": f"python -m reproduce run {name} --profile {profile} --seed {seed}",
        "settings": run.settings,
    }


def measured(found: Sequence[StageResult]) -> dict[str, Any]:
    """What the parts found, as a result file holds it."""
    return {
        # numbers of one part come from one training
        "seconds": round(sum(max([m.seconds or 0.0 for m in part.measures], default=0.0) for part in found), 1),
        "measures": [asdict(m) for part in found for m in part.measures],
        "curves": {name: curve for part in found for name, curve in part.curves.items()},
    }


def _check_settings(run: Run) -> None:
    """Parts measured with other settings must not be taken for those of today."""
    path = run.folder / "settings.json"
    now = json.loads(json.dumps(run.settings))
    if path.exists() and json.loads(path.read_text()) != now:
        raise ValueError(f"{run.folder} was open_run with other settings; delete it, or run with --again to begin anew")
    os.makedirs(run.folder, exist_ok=True)
    write_json(path, now)
