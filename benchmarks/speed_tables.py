"""Tables of speed, growth of cost and time by operator, from speed.json, scaling.json and profiles.json."""

from __future__ import annotations

from typing import Any

from benchmarks.record import markdown
from benchmarks.terms import current_term

IMPLEMENTATIONS = ("packed", "compiled", "compiled-bf16")
NAMES = ("rotary-mae", "compiled", "compiled, bf16")


def pretraining(result: dict[str, Any]) -> str:
    """Pre-training: samples per second, ratio to the padded reference, and peak memory."""
    return _of_task(result, "pretraining", "pre-training")


def classification(result: dict[str, Any]) -> str:
    """Training a classifier: the same columns."""
    return _of_task(result, "classification", "training a classifier")


def embedding(result: dict[str, Any]) -> str:
    """Embedding: the same columns."""
    return _of_task(result, "embedding", "embedding")


def _of_task(result: dict[str, Any], task: str, text: str) -> str:
    rows = []
    for found in result["tasks"][task].values():
        median, peak = found["median"], found["peak_mib"]
        cells = [f"{median[c]['samples_per_second']:.1f} (x {median[c]['ratio']:.1f})" for c in IMPLEMENTATIONS]
        shares = [f"{100 * median[c]['peak_share']:.0f}" for c in IMPLEMENTATIONS]
        memory = f"{peak['padded']:.0f} / {peak['packed']:.0f}"
        padded = f"{median['padded']['samples_per_second']:.1f}"
        rows.append([current_term(found["text"]), padded, *cells, memory, " / ".join(shares)])
    header = [f"{text}, samples/s (median of {result['n_rounds']} rounds)", "padded reference", *NAMES]
    table = markdown([*header, "peak MiB, padded / rotary-mae", "% of matrix-product peak, rotary-mae"], rows)
    return f"{table}\n{result['hardware']}, torch {result['versions']['torch']}.\n"


def profiles(result: dict[str, Any]) -> str:
    """Time of a step by kind of operator, one row for each workload and implementation."""
    found = [
        (f"{name}, {implementation}", profile["shares"])
        for implementation, by_workload in result["contenders"].items()
        for name, profile in by_workload.items()
    ]
    kinds = list(found[0][1])
    return markdown(
        ["workload, implementation", *map(current_term, kinds)],
        [[name, *(f"{100 * s[kind]:.0f} %" for kind in kinds)] for name, s in found],
    )


def lengths(result: dict[str, Any]) -> str:
    """Thousand tokens per second and peak memory by length of the samples."""
    implementations = {"padded": "padded reference", "packed": "full attention", "windowed": "within a window"}
    return _curve(result["lengths"], "length", "tokens per sample", implementations) + (
        f"\nThe window extends {result['window']:.0f} units to each side; there is about one token per unit.\n"
    )


def unequal_lengths(result: dict[str, Any]) -> str:
    """The same by the dispersion of lengths."""
    implementations = {"padded": "padded reference", "packed": "rotary-mae"}
    return _curve(result["spreads"], "sigma", "standard deviation of log length", implementations)


def _curve(points: list[dict[str, Any]], key: str, text: str, implementations: dict[str, str]) -> str:
    rows = []
    for point in points:
        cells = []
        for implementation in implementations:
            if implementation not in point["seconds"]:
                cells.append("")
                continue
            memory = point["peak_mib"][implementation]
            peak = "" if memory is None else f" ({memory:.0f})"
            cells.append(f"{point['n_tokens'] / point['seconds'][implementation] / 1e3:.1f}{peak}")
        rows.append([f"{point[key]}", *cells])
    return markdown([text, *(f"{name}, thousand tokens/s (peak MiB)" for name in implementations.values())], rows)


def disk(result: dict[str, Any]) -> str:
    """Seconds and peak memory by number of samples on disk."""
    rows = [
        [
            f"{point['n_samples']:,}".replace(",", " "),
            f"{point['gigabytes']:.2f}",
            f"{point['open_seconds']:.2f}",
            f"{point['first_update_seconds']:.2f}",
            f"{point['seconds_of_50_updates']:.1f}",
            f"{point['peak_mib']:.0f}",
        ]
        for point in result["disk"]
    ]
    header = ["series on disk", "GB", "s to open and fit the scaling", "s to the first update", "s for 50 updates"]
    without = result["disk"][0]["without_cache_mib"]
    return markdown([*header, f"peak MiB ({without:.0f} without a cache)"], rows)


def processes(result: dict[str, Any]) -> str:
    """Samples per second of 1 and 2 processes."""
    points = result["processes"]
    rows = [[str(p["n_processes"]), f"{p['samples_per_second']:.1f}", f"{p['loss']:.4f}"] for p in points]
    return markdown(["processes of one thread", "light curves/s, pre-training", "final loss"], rows)
