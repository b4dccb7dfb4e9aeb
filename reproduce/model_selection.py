"""The record of choices: settings that were tried, and how they did on validation data."""

from __future__ import annotations

import copy
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.record import run_metadata, write_json
from reproduce.experiment import Experiment
from reproduce.run import Run

HERE = Path(__file__).parent


def changed(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with some replaced, named as in ``model.width``; raises ValueError for one that is not there."""
    new = copy.deepcopy(dict(settings))
    for name, value in changes.items():
        *parents, last = name.split(".")
        inner = new
        for parent in parents:
            inner = inner.setdefault(parent, {})
        if not parents and last not in inner:
            raise ValueError(f"there is no setting {name!r}; there are {', '.join(new)}")
        inner[last] = value
    return new


def parse_changes(words: Sequence[str]) -> dict[str, Any]:
    """``["model.width=36", ...]`` as a mapping, values read as YAML."""
    pairs = [word.partition("=") for word in words]
    if wrong := [word for word, (_, equals, _) in zip(words, pairs, strict=True) if not equals]:
        raise ValueError(f"changes are written NAME=VALUE, got {wrong}")
    return {name: yaml.safe_load(value) for name, _, value in pairs}


def attempt(
    experiment: Experiment, changes: Mapping[str, Any], profile: str = "quick", seed: int = 0
) -> dict[str, Any]:
    """Score of a profile's settings with some changed, on validation data; added to model_selection.json of the experiment."""
    if experiment.validation_score is None:
        raise ValueError(f"{experiment.name} has no choices to make")
    with tempfile.TemporaryDirectory() as folder:
        run = Run(experiment, profile, seed, Path(folder))
        run.settings = changed(run.settings, changes)
        about = run_metadata()
        started = time.perf_counter()
        score, n_parameters = experiment.validation_score(run)
    tried = {
        "profile": profile,
        "changes": dict(changes),
        "seed": seed,
        "validation": score,
        "n_parameters": n_parameters,
        "seconds": round(time.perf_counter() - started, 1),
        "commit": about["commit"],
        "settings": run.settings,
    }
    path = HERE / experiment.name / "model_selection.json"
    before = json.loads(path.read_text()) if path.exists() else []
    write_json(path, [*before, tried])
    return tried
