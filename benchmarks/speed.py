"""Speed and memory beside a padded reference: ``python -m benchmarks.speed [--rounds 3] [--quick]``.

Every round draws fresh samples; every batch of it is worked on by each contender in turn, so that whatever else the
machine does hits all alike. Tasks are pre-training, training a classifier, and embedding (see ``contenders``). Reported
are medians over the rounds, of the ratio too, in time on the wall; the ratio of processor time stands beside it, for
runs on a machine that does other things. The share of peak is the matrix products that the task needs, over those that
the machine was measured to give in the same round. Memory is measured apart (see ``benchmarks.memory``), compiled not
at all: there the compiler's own memory counts.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch

from benchmarks.flops import needed
from benchmarks.implementations import CONTENDERS, TASKS, Worker
from benchmarks.memory import measured_apart
from benchmarks.record import run_metadata, write_result
from benchmarks.workloads import WORKLOADS, Workload
from rotary_mae.nn.kernel_cache import limit_kernel_caches

WARM_UP_SEED = 10_000


def matrix_product_rate(dtype: torch.dtype = torch.float32, size: int = 1536, repeats: int = 4) -> float:
    """GFLOP/s of matrix products right now, the best of a few: what the machine has to give."""
    a = torch.randn(size, size).to(dtype)
    a @ a
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / min(seconds) / 1e9


def warm_up(worker: Worker, workload: Workload) -> float:
    """Seconds of the first steps, on which graphs are compiled: a small batch and one of full size."""
    started = time.perf_counter()
    tokens = workload.draw(WARM_UP_SEED)
    for batch in (tokens[:3], tokens[: workload.batch_size]):
        worker.step(batch)
    return time.perf_counter() - started


def one_round(workers: dict[str, Worker], workload: Workload, seed: int, task: str = "pretraining") -> dict[str, Any]:
    """Seconds of each contender for the same fresh samples."""
    tokens = workload.draw(seed)
    seconds, cpu_seconds = dict.fromkeys(workers, 0.0), dict.fromkeys(workers, 0.0)
    for batch in workload.batches(tokens):
        for name, worker in workers.items():
            started, cpu_started = time.perf_counter(), time.process_time()
            worker.step(batch)
            seconds[name] += time.perf_counter() - started
            cpu_seconds[name] += time.process_time() - cpu_started
    return {
        "seed": seed,
        "n_samples": len(tokens),
        "n_tokens": int(tokens.lengths.sum()),
        "longest": int(tokens.lengths.max()),
        "gflop": needed(workload.config(), tokens.lengths, task, workload.fraction) / 1e9,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "gflops": matrix_product_rate(),
        "gflops_bf16": matrix_product_rate(torch.bfloat16),
    }


def summarised(rounds: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Medians over the rounds: samples and tokens a second, how many times the padded reference's speed, and the share
    of the machine's matrix products (of the same number format)."""

    def median(name: str, of: Any) -> float:
        return statistics.median(of(r, r["seconds"][name]) for r in rounds)

    summary = {}
    for name in rounds[0]["seconds"]:
        peak = "gflops_bf16" if name.endswith("bf16") else "gflops"
        summary[name] = {
            "samples_per_second": median(name, lambda r, s: r["n_samples"] / s),
            "tokens_per_second": median(name, lambda r, s: r["n_tokens"] / s),
            "ratio": median(name, lambda r, s: r["seconds"]["padded"] / s),
            "cpu_ratio": median(name, lambda r, s, n=name: r["cpu_seconds"]["padded"] / r["cpu_seconds"][n]),
            "peak_share": median(name, lambda r, s, p=peak: r["gflop"] / s / r[p]),
        }
    return summary


def measured(workload: Workload, task: str, divisor: int, n_rounds: int) -> dict[str, Any]:
    """Everything about one workload and task."""
    workload = workload.reduced(divisor)
    # a few models in one process, and torch compiles no more of them
    torch.compiler.reset()
    workers = {name: Worker(workload, name, task) for name in CONTENDERS}
    warm_up_seconds = {name: warm_up(worker, workload) for name, worker in workers.items()}
    rounds = [one_round(workers, workload, seed, task) for seed in range(n_rounds)]
    del workers
    memory = {name: measured_apart(workload.name, name, task, 0, divisor) for name in ("padded", "packed")}
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
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="an eighth of the samples, one round")
    parser.add_argument("--out", default="speed", help="name of the result; 'speed' takes all workloads and tasks")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    limit_kernel_caches()
    started = time.perf_counter()
    divisor, n_rounds = (8, 1) if arguments.quick else (1, arguments.rounds)
    tasks: dict[str, Any] = {task: {} for task in arguments.tasks}
    for name in arguments.workloads:
        for task in arguments.tasks:
            found = tasks[task][name] = measured(WORKLOADS[name], task, divisor, n_rounds)
            medians = found["median"].items()
            told = {
                k: f"{m['samples_per_second']:.1f}/s x{m['ratio']:.2f} (cpu {m['cpu_ratio']:.2f})" for k, m in medians
            }
            print(name, task, told, found["peak_mib"], flush=True)
    every = [r for of_task in tasks.values() for w in of_task.values() for r in w["rounds"]]
    result = {
        "command": f"python -m benchmarks.speed --rounds {n_rounds} --threads {arguments.threads}",
        "precision": "float32 where it does not say bf16",
        "n_rounds": n_rounds,
        "seeds": {"model": 0, "warm_up": WARM_UP_SEED, "rounds": list(range(n_rounds))},
        **run_metadata(),
        "matrix_product_gflops": statistics.median(r["gflops"] for r in every),
        "matrix_product_gflops_bf16": statistics.median(r["gflops_bf16"] for r in every),
        "tasks": tasks,
        "seconds": round(time.perf_counter() - started, 1),
    }
    # the tables are made from results/speed.json: a part of the measurement must not replace it
    is_whole = not arguments.quick and len(tasks) == len(TASKS) and len(arguments.workloads) == len(WORKLOADS)
    if arguments.out != "speed" or is_whole:
        print(write_result(arguments.out, result))


if __name__ == "__main__":
    main()
