"""Training speed and memory beside a padded reference: ``python -m benchmarks.speed [--rounds 3] [--quick]``.

Every round draws fresh samples; every batch of it is trained on by each contender in turn, so that whatever else the
machine does hits all alike. A step is all of it: batch, hiding, layout, forward, backward, AdamW. Reported are
medians over the rounds, of the ratio too, in time on the wall; the ratio of processor time stands beside it, for runs
on a machine that does other things. Memory is measured apart (see ``benchmarks.memory``), compiled not at all:
there the compiler's own memory counts.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch

from benchmarks.contenders import CONTENDERS, Trainer
from benchmarks.memory import measured_apart
from benchmarks.record import circumstances, write_result
from benchmarks.workloads import WORKLOADS, Workload

WARM_UP_SEED = 10_000


def matrix_product_rate(size: int = 1536, repeats: int = 4) -> float:
    """GFLOP/s of float32 matrix products right now: what the machine has to give."""
    a = torch.randn(size, size)
    started = time.perf_counter()
    for _ in range(repeats):
        a @ a
    return repeats * 2 * size**3 / (time.perf_counter() - started) / 1e9


def warm_up(trainer: Trainer, workload: Workload) -> float:
    """Seconds of the first steps, on which graphs are compiled: a small batch and one of full size."""
    started = time.perf_counter()
    tokens = workload.draw(WARM_UP_SEED)
    for batch in (tokens[:3], tokens[: workload.batch_size]):
        trainer.step(batch)
    return time.perf_counter() - started


def one_round(trainers: dict[str, Trainer], workload: Workload, seed: int) -> dict[str, Any]:
    """Seconds of each contender for the same fresh samples."""
    tokens = workload.draw(seed)
    seconds, cpu_seconds = dict.fromkeys(trainers, 0.0), dict.fromkeys(trainers, 0.0)
    for batch in workload.batches(tokens):
        for name, trainer in trainers.items():
            started, cpu_started = time.perf_counter(), time.process_time()
            trainer.step(batch)
            seconds[name] += time.perf_counter() - started
            cpu_seconds[name] += time.process_time() - cpu_started
    return {
        "seed": seed,
        "n_samples": len(tokens),
        "n_tokens": int(tokens.lengths.sum()),
        "longest": int(tokens.lengths.max()),
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "gflops": matrix_product_rate(),
    }


def summarised(rounds: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Medians over the rounds: samples and tokens a second, and how many times the padded reference's speed."""
    summary = {}
    for name in rounds[0]["seconds"]:
        summary[name] = {
            "samples_per_second": statistics.median(r["n_samples"] / r["seconds"][name] for r in rounds),
            "tokens_per_second": statistics.median(r["n_tokens"] / r["seconds"][name] for r in rounds),
            "ratio": statistics.median(r["seconds"]["padded"] / r["seconds"][name] for r in rounds),
            "cpu_ratio": statistics.median(r["cpu_seconds"]["padded"] / r["cpu_seconds"][name] for r in rounds),
        }
    return summary


def measured(workload: Workload, divisor: int, n_rounds: int) -> dict[str, Any]:
    """Everything about one workload."""
    workload = workload.reduced(divisor)
    trainers = {name: Trainer(workload, name) for name in CONTENDERS}
    warm_up_seconds = {name: warm_up(trainer, workload) for name, trainer in trainers.items()}
    rounds = [one_round(trainers, workload, seed) for seed in range(n_rounds)]
    del trainers
    memory = {name: measured_apart(workload.name, name, 0, divisor) for name in ("padded", "packed")}
    return {
        "text": workload.text,
        "config": workload.described(),
        "warm_up_seconds": warm_up_seconds,
        "rounds": rounds,
        "median": summarised(rounds),
        "peak_mib": memory,
    }


def main() -> None:
    """Measure and write results/speed.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workloads", nargs="+", choices=list(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="an eighth of the samples, one round")
    parser.add_argument("--out", default="speed", help="name of the result; 'speed' takes all workloads")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    started = time.perf_counter()
    divisor, n_rounds = (8, 1) if arguments.quick else (1, arguments.rounds)
    workloads = {}
    for name in arguments.workloads:
        workloads[name] = measured(WORKLOADS[name], divisor, n_rounds)
        medians = workloads[name]["median"].items()
        print(
            name,
            {k: f"{m['samples_per_second']:.1f}/s x{m['ratio']:.2f} (cpu x{m['cpu_ratio']:.2f})" for k, m in medians},
            flush=True,
        )
    result = {
        "command": f"python -m benchmarks.speed --rounds {n_rounds} --threads {arguments.threads}",
        "precision": "float32 where it does not say bf16",
        "n_rounds": n_rounds,
        "seeds": {"model": 0, "warm_up": WARM_UP_SEED, "rounds": list(range(n_rounds))},
        **circumstances(),
        "matrix_product_gflops": statistics.median(r["gflops"] for w in workloads.values() for r in w["rounds"]),
        "workloads": workloads,
        "seconds": round(time.perf_counter() - started, 1),
    }
    # the tables are made from results/speed.json: a part of the measurement must not replace it
    if arguments.out != "speed" or (not arguments.quick and len(workloads) == len(WORKLOADS)):
        print(write_result(arguments.out, result))


if __name__ == "__main__":
    main()
