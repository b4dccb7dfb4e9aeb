"""Peak memory of a task in a process of its own.

``python -m benchmarks.memory WORKLOAD IMPLEMENTATION TASK SEED DIVISOR`` prints MiB: the peak resident memory of one
round, minus the resident memory after the imports and one step on two samples, which creates model, gradients and
optimizer state. Linux only.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


def measure_peak_memory(workload: str, implementation: str, task: str, seed: int, divisor: int = 1) -> float | None:
    """Return MiB measured in a child process, or None on systems that do not report it."""
    if not _RESET.exists():
        return None
    command = [sys.executable, "-m", "benchmarks.memory", workload, implementation, task, str(seed), str(divisor)]
    folder = Path(__file__).parent.parent
    return float(subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout)


def resident(field: str) -> float:
    """Return the current (VmRSS) or peak (VmHWM) resident memory of this process in MiB."""
    found = re.search(field + r":\s+(\d+) kB", _STATUS.read_text())
    if found is None:
        raise RuntimeError(f"{_STATUS} has no field {field}")
    return int(found[1]) / 1024


def main() -> None:
    """Measure and print."""
    from benchmarks.implementations import TaskRunner
    from benchmarks.workloads import workload_by_name
    from rotary_mae.nn.kernel_cache import limit_kernel_caches

    limit_kernel_caches()
    name, implementation, task, seed, divisor = sys.argv[1:]
    workload = workload_by_name(name)
    workload = workload.reduced(int(divisor)) if int(divisor) > 1 else workload
    tokens = workload.draw(int(seed))
    runner = TaskRunner(workload, implementation, task)
    runner.step(workload_by_name("length-64").draw(0)[:2] if workload.n_samples == 1 else tokens[:2])
    before = resident("VmRSS")
    _RESET.write_text("5")  # resets the peak
    for batch in workload.batches(tokens):
        runner.step(batch)
    print(resident("VmHWM") - before)


if __name__ == "__main__":
    main()
