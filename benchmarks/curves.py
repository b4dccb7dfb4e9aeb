"""Plot of results/scaling.json, docs/scaling.png: ``python -m benchmarks.curves``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.record import RESULTS

PICTURE = Path(__file__).parent.parent / "docs" / "scaling.png"
STYLES = {
    "padded": ("padded reference", "tab:gray"),
    "packed": ("rotary-mae", "tab:blue"),
    "windowed": ("rotary-mae, window", "tab:orange"),
}


def draw(result: dict[str, Any], path: Path) -> None:
    """Plot throughput and memory against the length of samples and against the dispersion of lengths."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(9, 6), sharex="col", layout="constrained")
    columns = (("lengths", "length", "tokens a sample"), ("spreads", "sigma", "standard deviation of log length"))
    for column, (table, key, text) in zip(axes.T, columns, strict=True):
        for implementation, (name, colour) in STYLES.items():
            points = [p for p in result[table] if implementation in p["seconds"]]
            at = [p[key] for p in points]
            rates = [p["n_tokens"] / p["seconds"][implementation] / 1e3 for p in points]
            if points:
                column[0].plot(at, rates, "o-", color=colour, label=name)
            known = [
                (p[key], p["peak_mib"][implementation]) for p in points if p["peak_mib"][implementation] is not None
            ]
            if known:
                column[1].plot(*zip(*known, strict=True), "o-", color=colour, label=name)
        column[1].set_xlabel(text)
        for ax in column:
            ax.set_yscale("log")
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_formatter("{x:g}")
            ax.tick_params(which="minor", labelsize=7)
            ax.grid(alpha=0.3)
            ax.spines[["top", "right"]].set_visible(False)
        if key == "length":
            column[0].set_xscale("log", base=2)
    axes[0, 0].set_ylabel("thousand tokens/s, pre-training")
    axes[1, 0].set_ylabel("peak memory, MiB")
    axes[0, 0].legend(frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def picture(_: dict[str, Any]) -> str:
    """Return the Markdown of the plot for a page of docs/."""
    if not PICTURE.exists():
        return "Not plotted yet.\n"
    return "![Throughput and memory against length and dispersion of lengths](scaling.png)\n"


def main() -> None:
    """Write the plot."""
    draw(json.loads((RESULTS / "scaling.json").read_text()), PICTURE)
    print(PICTURE)


if __name__ == "__main__":
    main()
