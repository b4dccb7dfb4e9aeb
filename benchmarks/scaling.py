"""How cost grows: ``python -m benchmarks.scaling [--parts lengths spreads disk processes]``, to results/scaling.json.

lengths: pre-training a small model on 16 384 tokens a batch, as samples of 64 to 16 384 tokens, with full attention,
within a window (of about 128 tokens), and by the padded reference, which is left out where its dense mask would not
fit. spreads: on samples of the same mean and more and more unequal lengths. disk: on 1 thousand to 10 million series in
a cache (see ``disk``). processes: the same updates by 1 and 2 processes of one thread each (see ``processes``).
Contenders take turns; seconds are medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch

from benchmarks.disk import measured_disk
from benchmarks.implementations import WINDOW, Worker
from benchmarks.memory import measured_apart
from benchmarks.processes import measured_processes
from benchmarks.record import run_metadata, write_result
from benchmarks.workloads import named
from rotary_mae.nn.kernel_cache import limit_kernel_caches

LENGTHS = (64, 256, 1024, 4096, 16_384)
LONGEST_PADDED = 1024
SPREADS = (0.0, 0.4, 0.8, 1.2)
SAMPLES_ON_DISK = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)


def curve_point(name: str, contenders: tuple[str, ...], n_rounds: int) -> dict[str, Any]:
    """Seconds a step and peak memory of each contender on one workload."""
    workload = named(name)
    workers = {contender: Worker(workload, contender) for contender in contenders}
    warm, seconds = named("length-64").draw(0)[:2], {contender: [] for contender in contenders}
    tokens = workload.draw(0)
    for round_ in range(n_rounds):
        tokens = workload.draw(round_)
        for contender, worker in workers.items():
            worker.step(warm)
            started = time.perf_counter()
            worker.step(tokens)
            seconds[contender].append(time.perf_counter() - started)
    return {
        "n_samples": len(tokens),
        "n_tokens": int(tokens.lengths.sum()),
        "seconds": {contender: statistics.median(s) for contender, s in seconds.items()},
        "peak_mib": {contender: measured_apart(name, contender, "pretraining", 0) for contender in contenders},
    }


def measured_lengths(n_rounds: int) -> list[dict[str, Any]]:
    """A point a length."""
    points = []
    for length in LENGTHS:
        padded = ("padded",) if length <= LONGEST_PADDED else ()
        points.append({"length": length, **curve_point(f"length-{length}", ("packed", "windowed", *padded), n_rounds)})
        print("length", points[-1], flush=True)
    return points


def measured_spreads(n_rounds: int) -> list[dict[str, Any]]:
    """A point a deviation of the logarithm of the lengths."""
    points = []
    for sigma in SPREADS:
        points.append({"sigma": sigma, **curve_point(f"spread-{sigma}", ("packed", "padded"), n_rounds)})
        print("spread", points[-1], flush=True)
    return points


def main() -> None:
    """Measure and write results/scaling.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ("lengths", "spreads", "disk", "processes")
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", help="where the caches are made and deleted; a temporary folder by default")
    parser.add_argument("--most", type=int, default=SAMPLES_ON_DISK[-1], help="samples of the largest cache")
    parser.add_argument("--out", default="scaling", help="name of the result; 'scaling' takes all parts")
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
        result["lengths"] = measured_lengths(arguments.rounds)
    if "spreads" in arguments.parts:
        result["spreads"] = measured_spreads(arguments.rounds)
    if "disk" in arguments.parts:
        sizes = [n for n in SAMPLES_ON_DISK if n <= arguments.most]
        result["disk"] = measured_disk(sizes, arguments.folder)
    if "processes" in arguments.parts:
        result["processes"] = measured_processes()
    result["seconds"] = round(time.perf_counter() - started, 1)
    if arguments.out != "scaling" or len(arguments.parts) == len(parts):
        print(write_result(arguments.out, result))


if __name__ == "__main__":
    main()
