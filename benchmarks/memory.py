"""Peak memory of training, in a process of its own: ``python -m benchmarks.memory WORKLOAD CONTENDER SEED DIVISOR``.

Prints MiB: the highest resident memory while one round is trained, less the resident memory after the imports, with
the model, its gradients and its optimizer made and two samples trained on. Linux only.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


def measured_apart(workload: str, contender: str, seed: int, divisor: int) -> float | None:
    """MiB, measured in a child process; None where the system does not tell."""
    if not _RESET.exists():
        return None
    command = [sys.executable, "-m", "benchmarks.memory", workload, contender, str(seed), str(divisor)]
    folder = Path(__file__).parent.parent
    return float(subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout)


def _resident(what: str) -> float:
    found = re.search(what + r":\s+(\d+) kB", _STATUS.read_text())
    if found is None:
        raise RuntimeError(f"{_STATUS} does not say {what}")
    return int(found[1]) / 1024


def main() -> None:
    """Measure and print."""
    from benchmarks.contenders import Trainer
    from benchmarks.workloads import WORKLOADS

    workload, contender = WORKLOADS[sys.argv[1]].reduced(int(sys.argv[4])), sys.argv[2]
    tokens = workload.draw(int(sys.argv[3]))
    trainer = Trainer(workload, contender)
    trainer.step(tokens[:2])
    before = _resident("VmRSS")
    _RESET.write_text("5")  # the peak starts from here
    for batch in workload.batches(tokens):
        trainer.step(batch)
    print(_resident("VmHWM") - before)


if __name__ == "__main__":
    main()
