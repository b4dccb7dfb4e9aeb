"""Model selection on validation data, and the record of all settings that were tried."""

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


def with_changes(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the settings with some of them replaced.

    Parameters
    ----------
    settings : mapping
        Nested settings.
    changes : mapping
        New values by dotted name, such as ``model.width``.

    Returns
    -------
    dict
        The changed copy.

    Raises
    ------
    ValueError
        If a name without a dot is not among the settings.
    """
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
    """Return changes such as ``["model.width=36"]`` as a mapping; values are parsed as YAML."""
    pairs = [word.partition("=") for word in words]
    if wrong := [word for word, (_, equals, _) in zip(words, pairs, strict=True) if not equals]:
        raise ValueError(f"changes are written NAME=VALUE, got {wrong}")
    return {name: yaml.safe_load(value) for name, _, value in pairs}


def evaluate_settings(
    experiment: Experiment, changes: Mapping[str, Any], profile: str = "quick", seed: int = 0
) -> dict[str, Any]:
    """Train with changed settings, evaluate on validation data, and append the result to model_selection.json.

    Parameters
    ----------
    experiment : Experiment
        Experiment with a ``validation_score``.
    changes : mapping
        New values by dotted name, see ``with_changes``.
    profile : str
        Profile whose settings are changed.
    seed : int
        Seed of the training.

    Returns
    -------
    dict
        The new entry of model_selection.json: changes, score, number of parameters, seconds, commit and all settings.

    Raises
    ------
    ValueError
        If the experiment has no validation score.
    """
    if experiment.validation_score is None:
        raise ValueError(f"{experiment.name} has no validation score, so there are no settings to select")
    with tempfile.TemporaryDirectory() as folder:
        run = Run(experiment, profile, seed, Path(folder))
        run.settings = with_changes(run.settings, changes)
        metadata = run_metadata()
        started = time.perf_counter()
        score, n_parameters = experiment.validation_score(run)
    entry = {
        "profile": profile,
        "changes": dict(changes),
        "seed": seed,
        "validation": score,
        "n_parameters": n_parameters,
        "seconds": round(time.perf_counter() - started, 1),
        "commit": metadata["commit"],
        "settings": run.settings,
    }
    path = HERE / experiment.name / "model_selection.json"
    before = json.loads(path.read_text()) if path.exists() else []
    write_json(path, [*before, entry])
    return entry
