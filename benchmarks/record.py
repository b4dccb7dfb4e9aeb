"""Result files: writing, and the metadata of a run (versions, hardware, commit)."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def run_metadata() -> dict[str, Any]:
    """Return versions, processor, threads and commit of this run."""
    import torch

    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return {
        "versions": {name: version(name) for name in ("rotary-mae", "torch", "numpy", "scikit-learn")},
        "python": platform.python_version(),
        "hardware": f"{_processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads used",
        "commit": commit.stdout.strip() or None,
    }


def write_result(name: str, result: dict[str, Any]) -> Path:
    """Write results/NAME.json atomically and return its path."""
    return write_json(RESULTS / f"{name}.json", result)


def write_json(path: Path, content: Any) -> Path:
    """Write a JSON file atomically, create its folder if needed, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".json.partial")
    partial.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(partial, path)
    return path


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
