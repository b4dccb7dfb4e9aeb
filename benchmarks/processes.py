"""The same training by one and by two processes: ``torchrun --nproc_per_node N -m benchmarks.processes``.

Each process has one thread. The first process prints samples per second and the loss, which does not depend on the
number of processes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

N_UPDATES = 12


def measure_processes(counts: tuple[int, ...] = (1, 2)) -> list[dict[str, Any]]:
    """Return one result for each number of processes."""
    points = []
    for n in counts:
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(n)]
        command = [*launch, "-m", "benchmarks.processes"]
        folder = Path(__file__).parent.parent
        # torchrun sets the number of threads only for several processes
        alone = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder, env=alone)
        line = next(line for line in done.stdout.splitlines() if line.startswith("{"))
        points.append({"n_processes": n, **json.loads(line)})
        print("processes", points[-1], flush=True)
    return points


def main() -> None:
    """Train on light curves after one update as warm-up, and print the result."""
    import torch

    import rotary_mae as rm
    from benchmarks.workloads import WORKLOADS

    workload = WORKLOADS["light-curves"]
    tokens = workload.draw(0)
    settings: dict[str, Any] = {"batch_size": workload.batch_size, "progress": False, "device": "cpu", "epochs": 1000}
    for n_updates in (1, N_UPDATES):
        torch.manual_seed(0)
        model = rm.RoMAEForPreTraining(workload.config())
        started = time.perf_counter()
        result = rm.train(model, tokens, rm.TrainingConfig(max_steps=n_updates, **settings))
        seconds = time.perf_counter() - started
    if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
        rate = N_UPDATES * workload.batch_size / seconds
        print(json.dumps({"samples_per_second": rate, "loss": result.history[-1]["loss"]}), flush=True)


if __name__ == "__main__":
    main()
