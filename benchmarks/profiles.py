"""Time of a pre-training step by kind of operator: ``python -m benchmarks.profiles`` writes results/profiles.json.

Fractions of the self time of all operators by torch's profiler, on one batch of each workload.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.implementations import TaskRunner
from benchmarks.record import run_metadata, write_result
from benchmarks.workloads import WORKLOADS, Workload
from rotary_mae.nn.kernel_cache import limit_kernel_caches

# an operator is of the first kind one of whose strings is part of its name
KINDS = {
    "attention, backward": ("attention_for_cpu_backward", "_softmax_backward"),
    "attention, forward": ("attention_for_cpu", "aten::_softmax"),
    "optimizer": ("adamw", "optimizer"),
    "matrix products": ("mkldnn::_linear", "onednn_linear", "aten::mm", "aten::addmm", "aten::bmm", "aten::linear"),
    "fused by the compiler": ("compiledfxgraph",),
    "gathers": ("index",),
    "cat and copies": ("aten::cat", "copy_", "contiguous", "aten::clone"),
    "activation function": ("silu",),
    "element-wise products and sums": ("aten::mul", "aten::add", "aten::div", "aten::pow", "aten::sum", "aten::rsqrt"),
}


def operator_kind(operator: str) -> str:
    """Return the kind of an operator."""
    name = operator.lower()
    return next((kind for kind, words in KINDS.items() if any(word in name for word in words)), "other")


def profile_step(workload: Workload, implementation: str) -> dict[str, Any]:
    """Return the seconds of a step and the fraction of each kind."""
    runner = TaskRunner(workload, implementation)
    tokens = workload.draw(0)[: workload.batch_size]
    for batch in (tokens[:3], tokens):
        runner.step(batch)
    started = time.perf_counter()
    runner.step(tokens)
    seconds = time.perf_counter() - started
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        runner.step(tokens)
    spent = dict.fromkeys([*KINDS, "other"], 0.0)
    for event in profiler.key_averages():
        spent[operator_kind(event.key)] += event.self_cpu_time_total
    total = sum(spent.values())
    return {"seconds": seconds, "shares": {kind: microseconds / total for kind, microseconds in spent.items()}}


def main() -> None:
    """Profile all and write results/profiles.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--contenders", nargs="+", default=["packed", "compiled", "compiled-bf16"], help="implementations to profile"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    limit_kernel_caches()
    implementations: dict[str, Any] = {}
    for implementation in arguments.contenders:
        implementations[implementation] = {
            name: profile_step(workload, implementation) for name, workload in WORKLOADS.items()
        }
    print(write_result("profiles", {**run_metadata(), "contenders": implementations}))


if __name__ == "__main__":
    main()
