"""A run that is killed without warning: ``python -m tests.training.run_and_die KIND OUT NUM_WORKERS READING``."""

import os
import signal
import sys

import torch

import rotary_mae as rm
from tests.training.runs import LENGTHS, Watched, noisy, quiet, waves


def die() -> None:
    """SIGKILL to the process that trains, from there or from one that reads for it."""
    reads_for = torch.utils.data.get_worker_info() is not None
    os.kill(os.getppid() if reads_for else os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    kind, out, num_workers, reading = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(1)
    config = quiet(num_workers=num_workers, save_seconds=0.0, evaluate_every=1, average=0.3)
    validation = waves(LENGTHS[:6], seed=1)
    rm.train(noisy(kind), Watched(waves(), reading, die), config, validation=validation, out=out)
