"""A toy experiment, and a run of it that is killed: ``python -m tests.reproduce.toy FOLDER KILLED_AT``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import rotary_mae as rm
from reproduce.experiment import Experiment, Measure, Profile, Reference, Stage, StageResult
from reproduce.run import Run, measure

N_BATCHES = 12


class KillingSource:
    """Source that kills the process when ``killed_at`` batches have been read; 0 means never."""

    def __init__(self, killed_at: int) -> None:
        rng = np.random.default_rng(0)
        targets = rng.normal(size=8).astype(np.float32)
        self.tokens = rm.TokenSet(rng.normal(size=40), rng.uniform(1, 9, 40), [5] * 8, targets=targets)
        self.schema, self.killed_at, self.n_read = self.tokens.schema, killed_at, 0

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: Any) -> rm.TokenSet:
        self.n_read += 1
        if self.n_read == self.killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.tokens[index]


def toy(killed_at: int = 0) -> Experiment:
    """Two stages of short trainings; the second is killed while it trains."""

    def stage(run: Run, name: str, killed_at: int) -> StageResult:
        run.set_seed()
        model = rm.RoMAEForPrediction(rm.RoMAEConfig(n_values=1, n_axes=1, width=8, heads=1, depth=1), outputs=1)
        result = run.train(name, model, KillingSource(killed_at), run.settings["training"])
        weights = torch.cat([p.detach().flatten() for p in model.parameters()])
        rows = [
            Measure("toy", "weights", "test", float(weights.square().sum()), "RoMAE", len(weights), result.seconds),
            Measure("toy", "weights", "test", 1.0, "nothing"),
        ]
        return StageResult(rows, {name: weights[:3].tolist()})

    def stages(run: Run) -> Mapping[str, Stage]:
        return {"one": partial(stage, run, "one", 0), "two": partial(stage, run, "two", killed_at)}

    training = {"epochs": 6, "batch_size": 4, "progress": False, "save_seconds": 0.0, "learning_rate": 0.01}
    profile = Profile({"training": training}, 1, 1)
    return Experiment(
        name="toy",
        title="A toy",
        source="Table 0",
        profiles={"quick": profile, "paper": profile},
        stages=stages,
        trial={},
        references=[Reference("toy", "weights", 3.0, 4.0, "Other")],
        protocol="None.",
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    import reproduce.run

    reproduce.run.RESULTS = Path(sys.argv[1]) / "results"
    measure(toy(int(sys.argv[2])), "quick", 0, runs=Path(sys.argv[1]) / "runs")
