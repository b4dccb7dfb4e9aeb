"""A run that is killed without warning: ``python -m tests.training.killed_run KIND OUT NUM_WORKERS READING``."""

import os
import signal
import sys

import torch

import rotary_mae as rm
from tests.training.runs import LENGTHS, WatchedSource, quiet, waves, with_dropout


def kill() -> None:
    """Send SIGKILL to the process that trains, from itself or from a process that reads batches for it."""
    is_worker = torch.utils.data.get_worker_info() is not None
    os.kill(os.getppid() if is_worker else os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    kind, out, num_workers, reading = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(1)
    config = quiet(num_workers=num_workers, save_seconds=0.0, evaluate_every=1, average=0.3)
    validation = waves(LENGTHS[:6], seed=1)
    rm.train(with_dropout(kind), WatchedSource(waves(), reading, kill), config, validation=validation, out=out)
