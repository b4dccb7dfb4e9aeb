"""What positions cost in training: absolute, rotary at fixed places, rotary at any places (Table 9)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

import rotary_mae as rm
from reproduce.experiment import Experiment, StageResult, Measure, Stage, Profile, Reference
from reproduce.run import Run

METRIC = "training speed, relative to absolute positions"
KINDS = {
    "absolute sines and cosines": ("absolute", False),
    "rotary, fixed positions": ("rope", False),
    "rotary, continuous positions": ("rope", True),
}


class Contender:
    """One kind of positions: its model, its optimizer, and its draws of positions."""

    def __init__(self, kind: str, chosen: Mapping[str, Any], seed: int) -> None:
        positions, self.is_continuous = KINDS[kind]
        torch.manual_seed(seed)
        self.model = rm.RoMAEForPreTraining(
            rm.RoMAEConfig(n_values=1, n_axes=1, positions=positions, **chosen["model"])
        )
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, fused=True)
        self.batch_size, self.n_tokens = chosen["batch_size"], chosen["n_tokens"]

    def step(self, seed: int) -> float:
        """Seconds of one update, batch and hiding included."""
        rng = np.random.default_rng(seed)
        values = rng.normal(size=self.batch_size * self.n_tokens)
        places = np.tile(np.arange(1.0, self.n_tokens + 1), self.batch_size)
        if self.is_continuous:
            places = places + rng.uniform(-0.5, 0.5, len(places))
        started = time.perf_counter()
        tokens = rm.TokenSet(values, places, [self.n_tokens] * self.batch_size)
        batch = rm.TokenBatch.collate(tokens).hide(0.75, seed=seed)
        self.model(batch).loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return time.perf_counter() - started


def parts(run: Run) -> Mapping[str, Stage]:
    """All kinds in turns, batch by batch, so that whatever else the machine does hits all alike."""

    def in_turns() -> StageResult:
        chosen = run.settings
        contenders = {kind: Contender(kind, chosen, run.seed) for kind in KINDS}
        rounds = []
        for step in range(chosen["n_warm_up"] + chosen["n_rounds"]):
            rounds.append({kind: contender.step(step) for kind, contender in contenders.items()})
        rounds = rounds[chosen["n_warm_up"] :]
        rows = []
        for kind, contender in contenders.items():
            ratio = statistics.median(one["absolute sines and cosines"] / one[kind] for one in rounds)
            seconds = sum(one[kind] for one in rounds)
            rows.append(Measure(kind, METRIC, "-", ratio, "RoMAE", contender.model.n_parameters(), seconds))
        return StageResult(rows)

    return {"in-turns": in_turns}


QUICK = {
    "model": {"size": "tiny", "queries": "joint"},
    "batch_size": 32,
    "n_tokens": 128,
    "n_warm_up": 3,
    "n_rounds": 40,
}

EXPERIMENT = Experiment(
    name="speed",
    title="Training speed by kind of positions",
    source="Table 9",
    profiles={"quick": Profile(QUICK, 5, 1.5), "paper": Profile({**QUICK, "batch_size": 64, "n_rounds": 300}, 30, 2)},
    parts=parts,
    trial={"model": {"width": 12, "heads": 1, "depth": 1}, "batch_size": 2, "n_tokens": 9, "n_rounds": 2},
    references=[
        Reference("absolute sines and cosines", METRIC, 1.0),
        Reference("rotary, fixed positions", METRIC, 0.98),
        Reference("rotary, continuous positions", METRIC, 0.87),
    ],
    protocol="""
Updates of tiny on 128 tokens a sample, three quarters hidden, each kind in turn with batches of its own; the median
over the batches of the ratio of their times. Here the angles are made once a batch and shared by all layers, so that
it is the rotation which costs, not that positions are continuous: nothing is kept between batches for fixed positions
either.
""",
)
