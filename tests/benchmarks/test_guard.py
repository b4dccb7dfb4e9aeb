"""A gross loss of speed is noticed: a small run of the benchmark keeps half of the committed ratio."""

import json
from dataclasses import replace

import pytest
import torch

from benchmarks.implementations import Worker
from benchmarks.record import RESULTS
from benchmarks.speed import one_round
from benchmarks.workloads import WORKLOADS

COMMITTED = RESULTS / "speed.json"


@pytest.mark.skipif(not COMMITTED.exists(), reason="python -m benchmarks.speed was not run")
def test_packing_is_at_least_half_as_much_faster_as_it_was() -> None:
    committed = json.loads(COMMITTED.read_text())["tasks"]["pretraining"]["light-curves"]["median"]["packed"]
    workload = replace(WORKLOADS["light-curves"], n_samples=64, batch_size=64)
    threads = torch.get_num_threads()
    try:
        # processor time of one thread: others may use the machine too
        torch.set_num_threads(1)
        workers = {name: Worker(workload, name) for name in ("padded", "packed")}
        workers["packed"].step(workload.draw(0)[:4])
        spent = one_round(workers, workload, seed=0)["cpu_seconds"]
    finally:
        torch.set_num_threads(threads)
    assert spent["padded"] / spent["packed"] > 0.5 * committed["cpu_ratio"]
