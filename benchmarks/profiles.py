"""Where the time of a pre-training step goes: ``python -m benchmarks.profiles``, to results/profiles.json.

Shares of the time of all operators by torch's profiler, without what they call, on one batch of each workload.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.implementations import Worker
from benchmarks.record import run_metadata, write_result
from benchmarks.workloads import WORKLOADS, Workload
from rotary_mae.nn.kernel_cache import limit_kernel_caches

# the first kind whose word is part of an operator's name
KINDS = {
    "attention, backward": ("attention_for_cpu_backward", "_softmax_backward"),
    "attention, forward": ("attention_for_cpu", "aten::_softmax"),
    "optimizer": ("adamw", "optimizer"),
    "matrix products": ("mkldnn::_linear", "onednn_linear", "aten::mm", "aten::addmm", "aten::bmm", "aten::linear"),
    "fused by the compiler": ("compiledfxgraph",),
    "gathers": ("index",),
    "cat and copies": ("aten::cat", "copy_", "contiguous", "aten::clone"),
    "activation": ("silu",),
    "products and sums by element": ("aten::mul", "aten::add", "aten::div", "aten::pow", "aten::sum", "aten::rsqrt"),
}


def kind_of(operator: str) -> str:
    """The kind of an operator."""
    name = operator.lower()
    return next((kind for kind, words in KINDS.items() if any(word in name for word in words)), "all else")


def profiled(workload: Workload, contender: str) -> dict[str, Any]:
    """Seconds of a step and the share of each kind."""
    worker = Worker(workload, contender)
    tokens = workload.draw(0)[: workload.batch_size]
    for batch in (tokens[:3], tokens):
        worker.step(batch)
    started = time.perf_counter()
    worker.step(tokens)
    seconds = time.perf_counter() - started
    with profile(activities=[ProfilerActivity.CPU]) as found:
        worker.step(tokens)
    spent = dict.fromkeys([*KINDS, "all else"], 0.0)
    for event in found.key_averages():
        spent[kind_of(event.key)] += event.self_cpu_time_total
    total = sum(spent.values())
    return {"seconds": seconds, "shares": {kind: time_ / total for kind, time_ in spent.items()}}


def main() -> None:
    """Profile and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--contenders", nargs="+", default=["packed", "compiled", "compiled-bf16"])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    limit_kernel_caches()
    contenders: dict[str, Any] = {}
    for contender in arguments.contenders:
        contenders[contender] = {name: profiled(workload, contender) for name, workload in WORKLOADS.items()}
    print(write_result("profiles", {**run_metadata(), "contenders": contenders}))


if __name__ == "__main__":
    main()
