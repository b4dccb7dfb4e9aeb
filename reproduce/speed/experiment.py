"""Training speed by kind of positional encoding: absolute, rotary at fixed or continuous positions (Table 9)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import numpy as np
import torch

import rotary_mae as rm
from reproduce.experiment import Experiment, Measure, Profile, Reference, Stage, StageResult
from reproduce.run import Run

METRIC = "training speed, relative to absolute positions"
ABSOLUTE = "absolute sines and cosines"
KINDS: dict[str, tuple[Literal["absolute", "rope"], bool]] = {
    ABSOLUTE: ("absolute", False),
    "rotary, fixed positions": ("rope", False),
    "rotary, continuous positions": ("rope", True),
}


class SpeedTest:
    """Model and optimizer of one kind of positional encoding.

    Parameters
    ----------
    kind : str
        A key of KINDS.
    chosen : mapping
        Settings of the run.
    seed : int
        Seed of the initial weights.
    """

    def __init__(self, kind: str, chosen: Mapping[str, Any], seed: int) -> None:
        encoding, self.is_continuous = KINDS[kind]
        torch.manual_seed(seed)
        self.model = rm.RoMAEForPreTraining(rm.RoMAEConfig(n_values=1, n_axes=1, positions=encoding, **chosen["model"]))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, fused=True)
        self.batch_size, self.n_tokens = chosen["batch_size"], chosen["n_tokens"]

    def step(self, seed: int) -> float:
        """Run one update and return its seconds, including batch and masking."""
        rng = np.random.default_rng(seed)
        values = rng.normal(size=self.batch_size * self.n_tokens)
        positions = np.tile(np.arange(1.0, self.n_tokens + 1), self.batch_size)
        if self.is_continuous:
            positions = positions + rng.uniform(-0.5, 0.5, len(positions))
        started = time.perf_counter()
        tokens = rm.TokenSet(values, positions, [self.n_tokens] * self.batch_size)
        batch = rm.TokenBatch.collate(tokens).hide(0.75, seed=seed)
        self.model(batch).loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return time.perf_counter() - started


def measure_in_turns(run: Run) -> StageResult:
    """Speed of all kinds, in turns batch by batch, so that other load on the machine affects all of them."""
    chosen = run.settings
    tests = {kind: SpeedTest(kind, chosen, run.seed) for kind in KINDS}
    rounds = []
    for step in range(chosen["n_warm_up"] + chosen["n_rounds"]):
        rounds.append({kind: test.step(step) for kind, test in tests.items()})
    rounds = rounds[chosen["n_warm_up"] :]
    rows = []
    for kind, test in tests.items():
        ratio = statistics.median(seconds[ABSOLUTE] / seconds[kind] for seconds in rounds)
        total = sum(seconds[kind] for seconds in rounds)
        rows.append(Measure(kind, METRIC, "-", ratio, "RoMAE", test.model.n_parameters(), total))
    return StageResult(rows)


def stages(run: Run) -> Mapping[str, Stage]:
    """Return the only stage."""
    return {"in-turns": partial(measure_in_turns, run)}


QUICK = {
    "model": {"size": "tiny", "queries": "joint"},
    "batch_size": 32,
    "n_tokens": 128,
    "n_warm_up": 3,
    "n_rounds": 40,
}

EXPERIMENT = Experiment(
    name="speed",
    title="Training speed by kind of positional encoding",
    source="Table 9",
    profiles={"quick": Profile(QUICK, 5, 1.5), "paper": Profile({**QUICK, "batch_size": 64, "n_rounds": 300}, 30, 2)},
    stages=stages,
    trial={"model": {"width": 12, "heads": 1, "depth": 1}, "batch_size": 2, "n_tokens": 9, "n_rounds": 2},
    references=[
        Reference(ABSOLUTE, METRIC, 1.0),
        Reference("rotary, fixed positions", METRIC, 0.98),
        Reference("rotary, continuous positions", METRIC, 0.87),
    ],
    protocol="""
Updates of size tiny on 128 tokens per sample, three quarters masked. The kinds take turns, each with batches of its
own; the number is the median over the batches of the ratio of their times. Here the angles are computed once per
batch and shared by all layers. The cost is therefore that of the rotation, not of continuous positions: nothing is
cached between batches for fixed positions either.
""",
)
