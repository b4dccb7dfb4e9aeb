"""Runs of several processes: ``torchrun --nproc_per_node 2 -m tests.training.run_in_processes OUT``."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState, PartialState

import rotary_mae as rm
from tests.training.runs import (
    LENGTHS,
    WatchedSource,
    autoencoder,
    classifier,
    quiet,
    request_shutdown,
    waves,
    with_dropout,
)

# 21 samples in batches of 5: the last batch has one sample for two processes
PLAIN: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 0.05, "save_seconds": 0.0, "evaluate_every": 1}
RANDOM: dict[str, Any] = {"batch_size": 1, "epochs": 3, "evaluate_every": 1, "save_seconds": 1e9}
WEIGHT = np.random.default_rng(0).uniform(0.0, 2.0, len(LENGTHS))


def runs_without_dropout(out: Path) -> None:
    """Train models whose training one process repeats."""
    validation = waves(LENGTHS[:7], seed=1)
    rm.train(autoencoder(), waves(), quiet(**PLAIN), validation=validation, out=out / "autoencoder")
    rm.train(classifier(), waves(), quiet(**PLAIN), validation=validation[:1], out=out / "one-to-validate")
    rm.train(classifier(), waves(), quiet(**PLAIN, accumulate=2), sample_weight=WEIGHT, out=out / "accumulated")
    rm.train(classifier(), waves(), quiet(**PLAIN, max_tokens=20), validation=validation, out=out / "budget")


def runs_with_dropout(out: Path, rank: int) -> dict[str, Any]:
    """Train without interruption, and with a shutdown of rank 1 within an epoch; return what the process observed."""
    whole, stopped = (with_dropout("classifier") for _ in range(2))
    rm.train(whole, waves(), quiet(**RANDOM), validation=waves(seed=1), out=out / "whole")
    source: Any = WatchedSource(waves(), 24, request_shutdown) if rank == 1 else waves()
    message = "was not interrupted"
    try:
        rm.train(stopped, source, quiet(**RANDOM), validation=waves(seed=1), out=out / "stopped")
    except KeyboardInterrupt as interruption:
        message = str(interruption)
    resumed = with_dropout("classifier")
    rm.train(resumed, waves(), quiet(**RANDOM), validation=waves(seed=1), out=out / "stopped", resume=True)
    return {"message": message, "draws": draws_in_training()}


def draws_in_training() -> list[float]:
    """Return the first random numbers of this process in the first forward pass of a training."""
    drawn: list[float] = []

    def draw(module: torch.nn.Module, given: Any) -> None:
        drawn.extend(torch.rand(4).tolist())

    model = classifier()
    model.register_forward_pre_hook(draw)
    rm.train(model, waves(), quiet(max_steps=1))
    return drawn


def state_of_callers_accelerator() -> dict[str, Any]:
    """Train beside an Accelerator of the caller; return whether its state is the same, and a sum it computes."""
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=3)
    classes = (PartialState, AcceleratorState, GradientState)
    before = [dict(cls._shared_state) for cls in classes]
    rm.train(classifier(), waves(), quiet(max_steps=2, precision="bf16"))
    after = [dict(cls._shared_state) for cls in classes]
    total = accelerator.reduce(torch.tensor(accelerator.process_index + 1.0), "sum").item()
    return {"is_same": before == after, "sum": total, "n_processes": accelerator.num_processes}


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    runs_without_dropout(folder)
    rank = torch.distributed.get_rank()
    observed = runs_with_dropout(folder, rank) | {"accelerator": state_of_callers_accelerator()}
    (folder / f"rank{rank}.json").write_text(json.dumps(observed))
    torch.distributed.destroy_process_group()
