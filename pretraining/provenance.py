"""Provenance of a trained model: settings, progress, versions, hardware and commit."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from pretraining.run_state import RunFolder

PACKAGES = ("rotary-mae", "torch", "numpy", "scipy", "scikit-learn")
"""Packages whose versions are recorded."""


def run_provenance(folder: RunFolder) -> dict[str, Any]:
    """Return what is known of a run and of this process.

    Parameters
    ----------
    folder : RunFolder
        Run with a saved state.

    Returns
    -------
    dict
        ``settings``, ``step``, ``series``, ``core_hours``, ``hours``, ``versions``, ``python``, ``hardware`` and
        ``commit``, the last four of this process.
    """
    settings, counters = folder.settings(), folder.counters()
    return {
        "settings": settings.to_dict(),
        "step": counters.step,
        "series": counters.series,
        "core_hours": round(counters.core_seconds / 3600, 3),
        "hours": round(counters.seconds / 3600, 3),
        "versions": {name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "hardware": f"{_processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads used",
        "commit": _commit(),
    }


def _commit() -> str | None:
    """Commit of the code, with "+" if files differ from it."""
    here = Path(__file__).parent
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=here, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
