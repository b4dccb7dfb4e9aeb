"""Training from a cache of many short series: ``python -m benchmarks.disk FOLDER`` trains on the cache in FOLDER.

``measure_disk`` writes caches of growing size, trains on each in a process of its own, and deletes them. The time to
open a cache, the time of the first update and the peak resident memory must not grow with its size. Resident memory
includes the mapped pages of the files.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

N_UPDATES = 50
SAMPLES_PER_WRITE = 100_000


def short_series(n_samples: int) -> Iterator[Any]:
    """Give TokenSets that together hold ``n_samples`` labelled series of 4 to 12 measurements."""
    import rotary_mae as rm

    rng = np.random.default_rng(0)
    for start in range(0, n_samples, SAMPLES_PER_WRITE):
        lengths = rng.integers(4, 13, min(SAMPLES_PER_WRITE, n_samples - start))
        n = int(lengths.sum())
        positions = np.sort(rng.uniform(0, 100, (n, 1)), axis=0)
        values = rng.standard_normal((n, 1), np.float32)
        yield rm.TokenSet(
            values, positions, lengths, axes=("time",), ids=start + np.arange(len(lengths)), targets=lengths % 2
        )


def measure_disk(sizes: list[int], folder: str | None) -> list[dict[str, Any]]:
    """Return one result for each number of samples on disk."""
    import rotary_mae as rm

    points = []
    for n_samples in sizes:
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            started = time.perf_counter()
            cache = rm.write_cache(short_series(n_samples), Path(temporary) / "cache")
            written = time.perf_counter() - started
            n_bytes = sum(path.stat().st_size for path in cache.folder.iterdir())
            command = [sys.executable, "-m", "benchmarks.disk", str(cache.folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent)
        found = {"n_samples": n_samples, "gigabytes": n_bytes / 1e9, "write_seconds": written}
        points.append(found | json.loads(done.stdout.splitlines()[-1]))
        print("disk", points[-1], flush=True)
    return points


def main() -> None:
    """Open the cache, train, and print seconds and memory."""
    import torch

    import rotary_mae as rm
    from benchmarks.memory import resident

    torch.set_num_threads(1)
    settings: dict[str, Any] = {"batch_size": 64, "progress": False, "device": "cpu", "epochs": 1}
    model = rm.RoMAEForPreTraining(rm.RoMAEConfig(n_values=1, n_axes=1, size="tiny-shallow"))
    # modules that are loaded on first use are not a cost of the cache
    rm.train(model, next(short_series(64)), rm.TrainingConfig(max_steps=1, **settings))
    before = resident("VmHWM")
    started = time.perf_counter()
    cache = rm.open_cache(sys.argv[1])
    scaling = rm.Scaling.fit(cache)
    fitted = time.perf_counter() - started
    first = time.perf_counter()
    rm.train(model, cache, rm.TrainingConfig(max_steps=1, **settings), scaling=scaling)
    first_seconds = time.perf_counter() - first
    again = time.perf_counter()
    rm.train(model, cache, rm.TrainingConfig(max_steps=N_UPDATES, **settings), scaling=scaling)
    rest = time.perf_counter() - again
    found = {
        "open_seconds": fitted,
        "first_update_seconds": first_seconds,
        "seconds_of_50_updates": rest,
        "peak_mib": resident("VmHWM"),
        "without_cache_mib": before,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
