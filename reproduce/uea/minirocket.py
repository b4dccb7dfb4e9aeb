"""MiniRocket on the same series: ``python -m reproduce.uea.minirocket [--seeds 3]`` writes minirocket.json.

aeon, which has it, asks for other versions of packages than this project; it gets an environment of its own under
``runs/``, made when it is not there. Steps left out are filled by straight lines; series of unequal length are
stretched to the longest.
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
from reproduce.uea.data import SETS, on_grid, parts

HERE = Path(__file__).parent
RECORD = HERE / "minirocket.json"
ENVIRONMENT = Path("runs") / "minirocket"
PINNED = "aeon==1.6.0"
DROPPED = 0.3


def measured(dataset: str, seed: int) -> dict[str, Any] | None:
    """What was measured on a set with this seed, or None."""
    rows = json.loads(RECORD.read_text())["rows"] if RECORD.exists() else []
    return next((row for row in rows if (row["dataset"], row["seed"]) == (dataset, seed)), None)


def one(python: Path, name: str, seed: int) -> dict[str, Any]:
    """Accuracy on the test part."""
    problem = parts(name, DROPPED, seed)
    # whole series are as long as the last step says
    n_times = int(max(p.positions.max() for p in (problem.training, problem.test))) + 1
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "series.npz"
        np.savez(
            given,
            training=on_grid(problem.training, n_times),
            training_labels=np.asarray(problem.training.targets),
            test=on_grid(problem.test, n_times),
            test_labels=np.asarray(problem.test.targets),
        )
        command = [str(python), str(HERE / "minirocket_worker.py"), str(given), str(seed)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {"dataset": problem.dataset, "seed": seed, **json.loads(said.splitlines()[-1])}


def environment() -> Path:
    """The interpreter of the environment that has aeon."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", PINNED], check=True)
    return python


def main() -> None:
    """All sets and seeds; the record is written after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    about = {"command": "python -m reproduce.uea.minirocket", "package": PINNED, **run_metadata()}
    python, rows = environment(), []
    for name in SETS:
        for seed in range(arguments.seeds):
            rows.append(one(python, name, seed))
            print(rows[-1], flush=True)
            write_json(RECORD, {**about, "rows": rows})


if __name__ == "__main__":
    main()
