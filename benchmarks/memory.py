"""Peak memory of a task, in a process of its own: ``python -m benchmarks.memory WORKLOAD CONTENDER TASK SEED DIVISOR``.

Prints MiB: the highest resident memory while one round is worked on, less the resident memory after the imports, with
the model, its gradients and its optimizer made and two samples worked on. Linux only.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


def measured_apart(workload: str, contender: str, task: str, seed: int, divisor: int = 1) -> float | None:
    """MiB, measured in a child process; None where the system does not tell."""
    if not _RESET.exists():
        return None
    command = [sys.executable, "-m", "benchmarks.memory", workload, contender, task, str(seed), str(divisor)]
    folder = Path(__file__).parent.parent
    return float(subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout)


def resident(what: str) -> float:
    """MiB that the system says of this process: VmRSS now, VmHWM at most."""
    found = re.search(what + r":\s+(\d+) kB", _STATUS.read_text())
    if found is None:
        raise RuntimeError(f"{_STATUS} does not say {what}")
    return int(found[1]) / 1024


def main() -> None:
    """Measure and print."""
    from benchmarks.implementations import Worker
    from benchmarks.workloads import named
    from rotary_mae.nn.kernel_cache import limit_kernel_caches

    limit_kernel_caches()
    name, contender, task, seed, divisor = sys.argv[1:]
    workload = named(name)
    workload = workload.reduced(int(divisor)) if int(divisor) > 1 else workload
    tokens = workload.draw(int(seed))
    worker = Worker(workload, contender, task)
    worker.step(named("length-64").draw(0)[:2] if workload.n_samples == 1 else tokens[:2])
    before = resident("VmRSS")
    _RESET.write_text("5")  # the peak starts from here
    for batch in workload.batches(tokens):
        worker.step(batch)
    print(resident("VmHWM") - before)


if __name__ == "__main__":
    main()
