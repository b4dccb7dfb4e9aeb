"""Run folder: run.json (description), metrics.jsonl, and the checkpoints last/ and best/."""

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

from rotary_mae._atomic import is_partial, recover, replacing_file, user_path
from rotary_mae.data.sources import Source
from rotary_mae.training.config import NON_SEMANTIC_FIELDS

PRETRAINING = "pretraining"
"""Sub-folder of the pre-training that comes before the run in a folder."""

_BEFORE_TRAINING = frozenset({"estimator.json", "command.yaml", PRETRAINING})
"""Names that estimators and commands write into the folder before training starts."""

N_FINGERPRINT_SAMPLES = 8
"""Number of samples that identify a data set. Not tuned."""


class RunFolder:
    """Files of one training run, all written by the main process.

    Parameters
    ----------
    path : str or Path
        The folder.

    Attributes
    ----------
    description, metrics : Path
        Files run.json and metrics.jsonl.
    last, best : Path
        Folders of the checkpoints.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = user_path(path)
        self.description = self.path / "run.json"
        self.metrics = self.path / "metrics.jsonl"
        self.last, self.best = self.path / "last", self.path / "best"

    @property
    def in_progress(self) -> RunFolder | None:
        """This run if it has started, else its pre-training if that has started, else None."""
        pretraining = RunFolder(self.path / PRETRAINING) if self.path.name != PRETRAINING else self
        return next((run for run in (self, pretraining) if run.description.exists()), None)

    def check(self, about: dict[str, Any], resume: bool) -> None:
        """Check that a run may write here: into an empty or new folder, or into the folder of the same run.

        Parameters
        ----------
        about : dict
            Settings of ``training`` and ``model``, and a description of the ``data``.
        resume : bool
            True to continue the run in the folder, if there is one.

        Raises
        ------
        FileExistsError
            If the folder holds another run or other files.
        ValueError
            If the run in the folder has other settings or other data.
        """
        self.check_free(resume)
        if resume and self.description.exists():
            self._check_same(about)

    def check_free(self, resume: bool) -> None:
        """Raise FileExistsError if the folder holds another run or other files; quick, before any work."""
        recover(self.last)
        recover(self.best)
        if self.path.exists() and not self.path.is_dir():
            raise FileExistsError(f"{self.path} is a file, but a run needs a folder of its own; choose another name")
        files = [path for path in self.path.iterdir() if not is_partial(path)] if self.path.exists() else []
        names = {path.name for path in files} - _BEFORE_TRAINING
        if names and not resume:
            raise FileExistsError(
                f"{self.path} is not empty: resume that run (resume=True, --resume), or choose another folder"
            )
        if names and not self.description.exists():
            raise FileExistsError(f"{self.path} holds no run to resume, but {sorted(names)[:5]}; choose another folder")

    def _check_same(self, about: dict[str, Any]) -> None:
        recorded = json.loads(self.description.read_text())
        for section, now in json.loads(json.dumps(about)).items():
            before = recorded.get(section, {})
            ignored = NON_SEMANTIC_FIELDS if section == "training" else frozenset()
            changed = [name for name in now if now[name] != before.get(name) and name not in ignored]
            if changed:
                raise ValueError(
                    f"{self.path} was trained with other settings of {section}: "
                    + ", ".join(f"{name} = {before.get(name)} (now {now[name]})" for name in changed)
                    + "; resume with the same settings, or start a new run in another folder"
                )

    def start(self, about: dict[str, Any]) -> None:
        """Write run.json with all settings and versions.

        Files of a run that was killed before its first checkpoint are removed.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self.metrics.unlink(missing_ok=True)
        shutil.rmtree(self.best, ignore_errors=True)
        content = {
            **about,
            "versions": {name: version(name) for name in ("rotary-mae", "torch", "numpy", "accelerate")},
            "python": platform.python_version(),
            "machine": f"{platform.machine()}, {os.cpu_count()} CPU cores",
        }
        with replacing_file(self.description) as partial:
            partial.write_text(json.dumps(content, indent=1))

    def truncate_metrics(self, n_lines: int) -> None:
        """Remove metrics that were written after the checkpoint that a run resumes from."""
        if self.metrics.exists():
            lines = self.metrics.read_text().splitlines(keepends=True)
            with replacing_file(self.metrics) as partial:
                partial.write_text("".join(lines[:n_lines]))

    def log(self, line: dict[str, Any]) -> None:
        """Append one line of metrics."""
        # JSON has no NaN, which the R^2 of one sample is
        finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in line.items()}
        with self.metrics.open("a") as file:
            file.write(json.dumps(finite) + "\n")

    def history(self) -> list[dict[str, Any]]:
        """Return all lines of metrics."""
        if not self.metrics.exists():
            return []
        return [json.loads(line) for line in self.metrics.read_text().splitlines()]


def fingerprint_indices(n_samples: int) -> npt.NDArray[np.int64]:
    """Return the indices of the samples that ``fingerprint`` reads: a few, evenly spaced."""
    return np.unique(np.linspace(0, n_samples - 1, N_FINGERPRINT_SAMPLES).round().astype(np.int64))


def fingerprint(source: Source) -> str:
    """Return a text that distinguishes data sets of the same size, by values, positions and targets of some samples."""
    tokens = source[fingerprint_indices(len(source))]
    digest = hashlib.blake2b(digest_size=8)
    for array in (tokens.values, tokens.positions, tokens.lengths):
        digest.update(array.tobytes())
    for targets in (tokens.targets, tokens.token_targets):
        digest.update(repr(None if targets is None else targets.tolist()).encode())
    return digest.hexdigest()
