"""What every process of several does: ``torchrun --nproc_per_node 2 -m tests.training.run_many OUT``."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

import rotary_mae as rm
from tests.training.runs import LENGTHS, Watched, autoencoder, classifier, noisy, quiet, stop_softly, waves

# 21 samples in batches of 5: the last batch has one sample for two processes
PLAIN: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 0.05, "save_seconds": 0.0, "evaluate_every": 1}
NOISY: dict[str, Any] = {"batch_size": 1, "epochs": 3, "evaluate_every": 1, "save_seconds": 1e9}
WEIGHT = np.random.default_rng(0).uniform(0.0, 2.0, len(LENGTHS))


def plain_runs(out: Path) -> None:
    """Runs without dropout, which one process repeats."""
    validation = waves(LENGTHS[:7], seed=1)
    rm.train(autoencoder(), waves(), quiet(**PLAIN), validation=validation, out=out / "autoencoder")
    rm.train(classifier(), waves(), quiet(**PLAIN), validation=validation[:1], out=out / "one-to-validate")
    rm.train(classifier(), waves(), quiet(**PLAIN, accumulate=2), sample_weight=WEIGHT, out=out / "accumulated")
    rm.train(classifier(), waves(), quiet(**PLAIN, max_tokens=20), validation=validation, out=out / "budget")


def noisy_runs(out: Path, rank: int) -> None:
    """A run that never stopped, and one that rank 1 was asked to stop in the middle of an epoch."""
    rm.train(noisy("classifier"), waves(), quiet(**NOISY), validation=waves(seed=1), out=out / "whole")
    source: Any = Watched(waves(), 24, stop_softly) if rank == 1 else waves()
    message = "was not interrupted"
    try:
        rm.train(noisy("classifier"), source, quiet(**NOISY), validation=waves(seed=1), out=out / "stopped")
    except KeyboardInterrupt as stopped:
        message = str(stopped)
    model = noisy("classifier")
    rm.train(model, waves(), quiet(**NOISY), validation=waves(seed=1), out=out / "stopped", resume=True)
    (out / f"rank{rank}.json").write_text(json.dumps({"message": message, "draws": drawn_in_training()}))


def drawn_in_training() -> list[float]:
    """What this process's randomness is in the first forward pass of a training."""
    drawn: list[float] = []

    def draw(module: torch.nn.Module, given: Any) -> None:
        drawn.extend(torch.rand(4).tolist())

    model = classifier()
    model.register_forward_pre_hook(draw)
    rm.train(model, waves(), quiet(max_steps=1))
    return drawn


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    plain_runs(folder)
    noisy_runs(folder, torch.distributed.get_rank())
    torch.distributed.destroy_process_group()
