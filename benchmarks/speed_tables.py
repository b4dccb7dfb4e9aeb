"""Tables of speed, of how cost grows, and of where time goes: results/speed.json, scaling.json and profiles.json."""

from __future__ import annotations

from typing import Any

from benchmarks.record import markdown

CONTENDERS = ("packed", "compiled", "compiled-bf16")
NAMES = ("rotary-mae", "compiled", "compiled, bf16")


def pretraining(result: dict[str, Any]) -> str:
    """Samples a second of each contender, how many times the padded reference's, and peak memory."""
    return _of_task(result, "pretraining", "pre-training")


def classification(result: dict[str, Any]) -> str:
    """The same for training a classifier."""
    return _of_task(result, "classification", "training a classifier")


def embedding(result: dict[str, Any]) -> str:
    """The same for inference."""
    return _of_task(result, "embedding", "embedding")


def _of_task(result: dict[str, Any], task: str, text: str) -> str:
    rows = []
    for found in result["tasks"][task].values():
        median, peak = found["median"], found["peak_mib"]
        cells = [f"{median[c]['samples_per_second']:.1f} (x {median[c]['ratio']:.1f})" for c in CONTENDERS]
        shares = [f"{100 * median[c]['peak_share']:.0f}" for c in CONTENDERS]
        memory = f"{peak['padded']:.0f} / {peak['packed']:.0f}"
        padded = f"{median['padded']['samples_per_second']:.1f}"
        rows.append([found["text"], padded, *cells, memory, " / ".join(shares)])
    header = [f"{text}, samples/s (median of {result['n_rounds']} rounds)", "padded reference", *NAMES]
    table = markdown([*header, "peak MiB, padded / ours", "% of matrix-product peak, ours"], rows)
    return f"{table}\n{result['hardware']}, torch {result['versions']['torch']}.\n"


def profiles(result: dict[str, Any]) -> str:
    """Shares of a step, a row a contender and workload."""
    found = [
        (f"{name}, {contender}", profiled["shares"])
        for contender, by_workload in result["contenders"].items()
        for name, profiled in by_workload.items()
    ]
    kinds = list(found[0][1])
    return markdown(["one step", *kinds], [[name, *(f"{100 * s[kind]:.0f} %" for kind in kinds)] for name, s in found])


def lengths(result: dict[str, Any]) -> str:
    """Thousand tokens a second and peak memory by length of the samples."""
    contenders = {"padded": "padded reference", "packed": "full attention", "windowed": "within a window"}
    return _curve(result["lengths"], "length", "tokens a sample", contenders) + (
        f"\nThe window reaches {result['window']:.0f} to each side, and about one token lies in a unit.\n"
    )


def spreads(result: dict[str, Any]) -> str:
    """The same by how unequal the lengths are."""
    contenders = {"padded": "padded reference", "packed": "rotary-mae"}
    return _curve(result["spreads"], "sigma", "deviation of the logarithm of lengths", contenders)


def _curve(points: list[dict[str, Any]], key: str, text: str, contenders: dict[str, str]) -> str:
    rows = []
    for point in points:
        cells = []
        for contender in contenders:
            if contender not in point["seconds"]:
                cells.append("")
                continue
            memory = point["peak_mib"][contender]
            told = "" if memory is None else f" ({memory:.0f})"
            cells.append(f"{point['n_tokens'] / point['seconds'][contender] / 1e3:.1f}{told}")
        rows.append([f"{point[key]}", *cells])
    return markdown([text, *(f"{name}, thousand tokens/s (peak MiB)" for name in contenders.values())], rows)


def disk(result: dict[str, Any]) -> str:
    """Seconds to open and to the first update, and peak memory, by samples on disk."""
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
    return markdown([*header, f"peak MiB ({without:.0f} without any)"], rows)


def processes(result: dict[str, Any]) -> str:
    """Samples a second of 1 and 2 processes."""
    points = result["processes"]
    rows = [[str(p["n_processes"]), f"{p['samples_per_second']:.1f}", f"{p['loss']:.4f}"] for p in points]
    return markdown(["processes of one thread", "light curves/s, pre-training", "loss in the end"], rows)
