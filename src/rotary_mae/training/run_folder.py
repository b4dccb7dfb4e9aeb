"""A run folder: run.json (what it is), metrics.jsonl, last/ and best/ checkpoints."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae._atomic import is_partial, recover, replacing_file
from rotary_mae.data.sources import Source
from rotary_mae.training.config import NON_SEMANTIC_FIELDS

# A run of its own that comes before the one in the folder.
PRETRAINING = "pretraining"

NOTES = frozenset({"estimator.json", "command.yaml", PRETRAINING})


class RunFolder:
    """The files of one training run, all written by the first process."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.description = self.path / "run.json"
        self.metrics = self.path / "metrics.jsonl"
        self.last, self.best = self.path / "last", self.path / "best"

    @property
    def in_progress(self) -> RunFolder | None:
        """This run, or while it has not begun the one before it; None if neither has begun."""
        before = RunFolder(self.path / PRETRAINING) if self.path.name != PRETRAINING else self
        return next((run for run in (self, before) if run.description.exists()), None)

    def prepare(self, about: dict[str, Any], resume: bool) -> None:
        """Check that this run may write here: an empty or new folder, or with ``resume`` one of the same run.

        about: the settings of ``training``, of the ``model`` and what is known of the ``data``.
        """
        self.check_free(resume)
        if resume and self.description.exists():
            self._check_same(about)

    def check_free(self, resume: bool) -> None:
        """Raise FileExistsError if the folder holds another run or other files; cheap, before any work."""
        recover(self.last)
        recover(self.best)
        if self.path.exists() and not self.path.is_dir():
            raise FileExistsError(f"{self.path} is a file; a run needs a folder of its own")
        # what estimators and commands note before training begins is no run yet
        held = {p.name for p in self.path.iterdir() if not is_partial(p)} - NOTES if self.path.exists() else set()
        if held and not resume:
            raise FileExistsError(
                f"{self.path} is not empty: go on with that run (resume=True, --resume), or choose another folder"
            )
        if held and not self.description.exists():
            raise FileExistsError(
                f"{self.path} holds no run to go on with, but {sorted(held)[:5]}; choose another folder"
            )

    def _check_same(self, about: dict[str, Any]) -> None:
        before = json.loads(self.description.read_text())
        for part, now in json.loads(json.dumps(about)).items():
            then = before.get(part, {})
            changed = [
                k for k in now if now[k] != then.get(k) and not (part == "training" and k in NON_SEMANTIC_FIELDS)
            ]
            if changed:
                raise ValueError(
                    f"{self.path} was trained with other settings of {part}: "
                    + ", ".join(f"{k} = {then.get(k)} (now {now[k]})" for k in changed)
                    + "; resume with the same, or begin a new run in another folder"
                )

    def begin(self, about: dict[str, Any]) -> None:
        """Write run.json: everything resolved, with versions. What a run killed before its first state left, goes."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.metrics.unlink(missing_ok=True)
        shutil.rmtree(self.best, ignore_errors=True)
        described = {
            **about,
            "versions": {name: version(name) for name in ("rotary-mae", "torch", "numpy", "accelerate")},
            "python": platform.python_version(),
            "machine": f"{platform.machine()}, {os.cpu_count()} CPU cores",
        }
        with replacing_file(self.description) as partial:
            partial.write_text(json.dumps(described, indent=1))

    def keep_lines(self, n_lines: int) -> None:
        """Drop metrics written after the state that a run resumes from."""
        if self.metrics.exists():
            lines = self.metrics.read_text().splitlines(keepends=True)
            with replacing_file(self.metrics) as partial:
                partial.write_text("".join(lines[:n_lines]))

    def log(self, line: dict[str, Any]) -> None:
        """Append one line of metrics."""
        # JSON has no NaN; R^2 of one sample is one
        known = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in line.items()}
        with self.metrics.open("a") as file:
            file.write(json.dumps(known) + "\n")

    def history(self) -> list[dict[str, Any]]:
        """All lines of metrics."""
        if not self.metrics.exists():
            return []
        return [json.loads(line) for line in self.metrics.read_text().splitlines()]


N_FINGERPRINTED = 8


def fingerprinted(n_samples: int) -> npt.NDArray[np.int64]:
    """Which samples ``fingerprint`` reads: a few, evenly spread."""
    return np.unique(np.linspace(0, n_samples - 1, N_FINGERPRINTED).round().astype(np.int64))


def fingerprint(tokens: Source) -> str:
    """Tells these data from others of as many samples, by some samples' values, positions and targets."""
    some = tokens[fingerprinted(len(tokens))]
    digest = hashlib.blake2b(digest_size=8)
    for array in (some.values, some.positions, some.lengths):
        digest.update(array.tobytes())
    for answers in (some.targets, some.token_targets):
        digest.update(repr(None if answers is None else answers.tolist()).encode())
    return digest.hexdigest()
