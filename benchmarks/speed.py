"""Speed and memory beside a padded reference: ``python -m benchmarks.speed [--rounds 3] [--quick]``.

Every round draws new samples. The implementations take turns batch by batch, so that other load on the machine affects
all of them. Tasks are pre-training, training a classifier, and embedding (see ``implementations``). Results are medians
over the rounds, of the ratio as well, in wall time; the ratio of processor time is recorded too. The peak share is the
rate of the matrix products that the task needs, divided by the rate of a plain matrix product in the same round. Memory
is measured in other processes (see ``benchmarks.memory``), and not for compiled models, where the memory of the
compiler would count.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch

from benchmarks.flops import task_flops
from benchmarks.implementations import IMPLEMENTATIONS, TASKS, TaskRunner
from benchmarks.memory import measure_peak_memory
from benchmarks.record import run_metadata, write_result
from benchmarks.workloads import WORKLOADS, Workload
from rotary_mae.nn.kernel_cache import limit_kernel_caches

WARM_UP_SEED = 10_000


def matrix_product_rate(dtype: torch.dtype = torch.float32, size: int = 1536, repeats: int = 4) -> float:
    """Return the GFLOP/s of plain matrix products at this moment, the best of a few."""
    a = torch.randn(size, size).to(dtype)
    a @ a
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / min(seconds) / 1e9


def warm_up(runner: TaskRunner, workload: Workload) -> float:
    """Run a small batch and one of full size, on which graphs are compiled, and return the seconds."""
    started = time.perf_counter()
    tokens = workload.draw(WARM_UP_SEED)
    for batch in (tokens[:3], tokens[: workload.batch_size]):
        runner.step(batch)
    return time.perf_counter() - started


def one_round(
    runners: dict[str, TaskRunner], workload: Workload, seed: int, task: str = "pretraining"
) -> dict[str, Any]:
    """Return the seconds of each implementation for the same new samples."""
    tokens = workload.draw(seed)
    seconds, cpu_seconds = dict.fromkeys(runners, 0.0), dict.fromkeys(runners, 0.0)
    for batch in workload.batches(tokens):
        for name, runner in runners.items():
            started, cpu_started = time.perf_counter(), time.process_time()
            runner.step(batch)
            seconds[name] += time.perf_counter() - started
            cpu_seconds[name] += time.process_time() - cpu_started
    return {
        "seed": seed,
        "n_samples": len(tokens),
        "n_tokens": int(tokens.lengths.sum()),
        "longest": int(tokens.lengths.max()),
        "gflop": task_flops(workload.config(), tokens.lengths, task, workload.fraction) / 1e9,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "gflops": matrix_product_rate(),
        "gflops_bf16": matrix_product_rate(torch.bfloat16),
    }


def summarise(rounds: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return medians over the rounds for each implementation.

    They are samples and tokens per second, the ratios of wall and processor time to the padded reference, and the share
    of the peak rate of matrix products in the same number format.
    """

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


def measure(workload: Workload, task: str, divisor: int, n_rounds: int) -> dict[str, Any]:
    """Return all results of one workload and task."""
    workload = workload.reduced(divisor)
    # torch compiles only a few models in one process
    torch.compiler.reset()
    runners = {name: TaskRunner(workload, name, task) for name in IMPLEMENTATIONS}
    warm_up_seconds = {name: warm_up(runner, workload) for name, runner in runners.items()}
    rounds = [one_round(runners, workload, seed, task) for seed in range(n_rounds)]
    del runners
    memory = {name: measure_peak_memory(workload.name, name, task, 0, divisor) for name in ("padded", "packed")}
    return {
        "text": workload.text,
        "config": workload.describe(),
        "warm_up_seconds": warm_up_seconds,
        "rounds": rounds,
        "median": summarise(rounds),
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
    parser.add_argument("--out", default="speed", help="name of the result file; 'speed' needs all workloads and tasks")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    limit_kernel_caches()
    started = time.perf_counter()
    divisor, n_rounds = (8, 1) if arguments.quick else (1, arguments.rounds)
    tasks: dict[str, Any] = {task: {} for task in arguments.tasks}
    for name in arguments.workloads:
        for task in arguments.tasks:
            found = tasks[task][name] = measure(WORKLOADS[name], task, divisor, n_rounds)
            medians = found["median"].items()
            summary = {
                k: f"{m['samples_per_second']:.1f}/s x{m['ratio']:.2f} (cpu {m['cpu_ratio']:.2f})" for k, m in medians
            }
            print(name, task, summary, found["peak_mib"], flush=True)
    rounds = [r for of_task in tasks.values() for w in of_task.values() for r in w["rounds"]]
    result = {
        "command": f"python -m benchmarks.speed --rounds {n_rounds} --threads {arguments.threads}",
        "precision": "float32 unless named bf16",
        "n_rounds": n_rounds,
        "seeds": {"model": 0, "warm_up": WARM_UP_SEED, "rounds": list(range(n_rounds))},
        **run_metadata(),
        "matrix_product_gflops": statistics.median(r["gflops"] for r in rounds),
        "matrix_product_gflops_bf16": statistics.median(r["gflops_bf16"] for r in rounds),
        "tasks": tasks,
        "seconds": round(time.perf_counter() - started, 1),
    }
    # the tables need all of results/speed.json: a partial measurement must not replace it
    is_complete = not arguments.quick and len(tasks) == len(TASKS) and len(arguments.workloads) == len(WORKLOADS)
    if arguments.out != "speed" or is_complete:
        print(write_result(arguments.out, result))


if __name__ == "__main__":
    main()
