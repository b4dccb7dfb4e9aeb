"""Training from a cache of many short series: ``python -m benchmarks.disk FOLDER`` trains on the one in FOLDER.

``measured_disk`` makes caches of growing size, trains on each in a process of its own, and deletes them. What a cache
is opened in, when the first update is done, and the highest resident memory (which counts the pages of the files that
were read) must not grow with its size.
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
_PART = 100_000


def short_series(n_samples: int) -> Iterator[Any]:
    """TokenSets that together hold so many series of 4 to 12 measurements, each with a label."""
    import rotary_mae as rm

    rng = np.random.default_rng(0)
    for start in range(0, n_samples, _PART):
        lengths = rng.integers(4, 13, min(_PART, n_samples - start))
        n = int(lengths.sum())
        positions = np.sort(rng.uniform(0, 100, (n, 1)), axis=0)
        values = rng.standard_normal((n, 1), np.float32)
        yield rm.TokenSet(
            values, positions, lengths, axes=("time",), ids=start + np.arange(len(lengths)), targets=lengths % 2
        )


def measured_disk(sizes: list[int], folder: str | None) -> list[dict[str, Any]]:
    """A point a number of samples on disk."""
    import rotary_mae as rm

    points = []
    for n_samples in sizes:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            started = time.perf_counter()
            cache = rm.write_cache(short_series(n_samples), Path(place) / "cache")
            written = time.perf_counter() - started
            n_bytes = sum(path.stat().st_size for path in cache.folder.iterdir())
            command = [sys.executable, "-m", "benchmarks.disk", str(cache.folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent)
        found = {"n_samples": n_samples, "gigabytes": n_bytes / 1e9, "write_seconds": written}
        points.append(found | json.loads(done.stdout.splitlines()[-1]))
        print("disk", points[-1], flush=True)
    return points


def main() -> None:
    """Open, train, and print what it took."""
    import torch

    import rotary_mae as rm
    from benchmarks.memory import resident

    torch.set_num_threads(1)
    settings = {"batch_size": 64, "progress": False, "device": "cpu", "epochs": 1}
    model = rm.RoMAEForPreTraining(rm.RoMAEConfig(n_values=1, n_axes=1, size="tiny-shallow"))
    # what is loaded on first use is no cost of the cache
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
