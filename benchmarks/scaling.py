"""Growth of cost with lengths, data on disk and processes.

``python -m benchmarks.scaling [--parts lengths spreads disk processes]`` writes results/scaling.json.

- lengths: pre-training of a small model on 16 384 tokens per batch, in samples of 64 to 16 384 tokens, with full
  attention, with a window of about 128 tokens, and by the padded reference where its dense mask fits into memory.
- spreads: samples whose lengths have the same mean and a growing standard deviation of their logarithm.
- disk: 1 thousand to 10 million series in a cache (see ``disk``).
- processes: the same training by 1 and 2 processes of one thread each (see ``processes``).

Each round measures all implementations one after the other; seconds are medians over the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch

import rotary_mae as rm
from benchmarks.disk import measure_disk
from benchmarks.implementations import WINDOW, TaskRunner
from benchmarks.memory import measure_peak_memory
from benchmarks.processes import measure_processes
from benchmarks.record import run_metadata, write_result
from benchmarks.workloads import workload_by_name
from rotary_mae.nn.kernel_cache import limit_kernel_caches

LENGTHS = (64, 256, 1024, 4096, 16_384)
LONGEST_PADDED = 1024
SIGMAS = (0.0, 0.4, 0.8, 1.2)  # standard deviations of log length
SAMPLES_ON_DISK = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)


def curve_point(name: str, implementations: tuple[str, ...], n_rounds: int) -> dict[str, Any]:
    """Return seconds per step and peak memory of each implementation on one workload."""
    workload = workload_by_name(name)
    runners = {implementation: TaskRunner(workload, implementation) for implementation in implementations}
    warm_up: rm.TokenSet = workload_by_name("length-64").draw(0)[:2]
    seconds: dict[str, list[float]] = {implementation: [] for implementation in implementations}
    tokens = workload.draw(0)
    for round_ in range(n_rounds):
        tokens = workload.draw(round_)
        for implementation, runner in runners.items():
            runner.step(warm_up)
            started = time.perf_counter()
            runner.step(tokens)
            seconds[implementation].append(time.perf_counter() - started)
    return {
        "n_samples": len(tokens),
        "n_tokens": int(tokens.lengths.sum()),
        "seconds": {implementation: statistics.median(s) for implementation, s in seconds.items()},
        "peak_mib": {
            implementation: measure_peak_memory(name, implementation, "pretraining", 0)
            for implementation in implementations
        },
    }


def measure_lengths(n_rounds: int) -> list[dict[str, Any]]:
    """Return one result for each length of samples."""
    points = []
    for length in LENGTHS:
        padded = ("padded",) if length <= LONGEST_PADDED else ()
        points.append({"length": length, **curve_point(f"length-{length}", ("packed", "windowed", *padded), n_rounds)})
        print("length", points[-1], flush=True)
    return points


def measure_unequal_lengths(n_rounds: int) -> list[dict[str, Any]]:
    """Return one result for each standard deviation of log length."""
    points = []
    for sigma in SIGMAS:
        points.append({"sigma": sigma, **curve_point(f"sigma-{sigma}", ("packed", "padded"), n_rounds)})
        print("spread", points[-1], flush=True)
    return points


def main() -> None:
    """Measure and write results/scaling.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ("lengths", "spreads", "disk", "processes")
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", help="where caches are written and deleted, by default a temporary folder")
    parser.add_argument("--most", type=int, default=SAMPLES_ON_DISK[-1], help="number of samples of the largest cache")
    parser.add_argument("--out", default="scaling", help="name of the result file; 'scaling' needs all parts")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    limit_kernel_caches()
    started = time.perf_counter()
    result: dict[str, Any] = {
        "command": f"python -m benchmarks.scaling --rounds {arguments.rounds} --threads {arguments.threads}",
        "n_rounds": arguments.rounds,
        "window": WINDOW,
        **run_metadata(),
    }
    if "lengths" in arguments.parts:
        result["lengths"] = measure_lengths(arguments.rounds)
    if "spreads" in arguments.parts:
        result["spreads"] = measure_unequal_lengths(arguments.rounds)
    if "disk" in arguments.parts:
        sizes = [n for n in SAMPLES_ON_DISK if n <= arguments.most]
        result["disk"] = measure_disk(sizes, arguments.folder)
    if "processes" in arguments.parts:
        result["processes"] = measure_processes()
    result["seconds"] = round(time.perf_counter() - started, 1)
    if arguments.out != "scaling" or len(arguments.parts) == len(parts):
        print(write_result(arguments.out, result))


if __name__ == "__main__":
    main()
