"""MiniRocket on the same series: ``python -m reproduce.uea.minirocket [--seeds 3]`` writes minirocket.json.

aeon, which implements it, needs other versions of packages than this project. It is installed in an environment of its
own under ``runs/``. Dropped steps are filled by linear interpolation; series of unequal length are stretched to the
longest.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import run_metadata, write_json
from reproduce.uea.data import SETS, on_regular_grid, with_dropped_steps

HERE = Path(__file__).parent
RECORD = HERE / "minirocket.json"
ENVIRONMENT = Path("runs") / "minirocket"
PINNED = "aeon==1.6.0"
DROPPED = 0.3


def recorded(dataset: str, seed: int) -> dict[str, Any] | None:
    """Return the recorded result of a dataset and seed, or None."""
    rows = json.loads(RECORD.read_text())["rows"] if RECORD.exists() else []
    # the record has the earlier name of a held-out training set
    names = (dataset, dataset.replace("training set", "training part"))
    return next((row for row in rows if row["dataset"] in names and row["seed"] == seed), None)


def measure(python: Path, name: str, seed: int) -> dict[str, Any]:
    """Return accuracy on the test set and seconds, measured by the interpreter ``python``."""
    problem = with_dropped_steps(name, DROPPED, seed)
    # the length of the complete series
    n_times = int(max(p.positions.max() for p in (problem.training, problem.test))) + 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "series.npz"
        np.savez(
            path,
            training=on_regular_grid(problem.training, n_times),
            training_labels=np.asarray(problem.training.targets),
            test=on_regular_grid(problem.test, n_times),
            test_labels=np.asarray(problem.test.targets),
        )
        command = [str(python), str(HERE / "minirocket_worker.py"), str(path), str(seed)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {"dataset": problem.dataset, "seed": seed, **json.loads(output.splitlines()[-1])}


def environment() -> Path:
    """Return the interpreter of the environment that has aeon; the environment is made on first use."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", PINNED], check=True)
    return python


def main() -> None:
    """Measure all datasets and seeds; the record is written after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    metadata = {"command": "python -m reproduce.uea.minirocket", "package": PINNED, **run_metadata()}
    python, rows = environment(), []
    for name in SETS:
        for seed in range(arguments.seeds):
            rows.append(measure(python, name, seed))
            print(rows[-1], flush=True)
            write_json(RECORD, {**metadata, "rows": rows})


if __name__ == "__main__":
    main()
