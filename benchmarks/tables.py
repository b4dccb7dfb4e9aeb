"""Fills the tables of README.md and the docs from the committed results: ``python -m benchmarks.tables [--check]``.

A table stands between ``<!-- table: NAME -->`` and ``<!-- end of table -->`` and is never written by hand.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import curves, speed_tables
from benchmarks.record import RESULTS, markdown

ROOT = Path(__file__).parent.parent
REPRODUCED = ROOT / "reproduce" / "results.json"
"""Written by ``python -m reproduce table``."""

PAGES = ("README.md", "docs/speed.md", "benchmarks/README.md", "docs/measurements.md")
_PLACE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def digits(result: dict[str, Any]) -> str:
    """Accuracy of each method over the seeds."""
    rows = result["rows"]
    seeds = sorted({row["seed"] for row in rows})
    table = []
    for method in dict.fromkeys(row["method"] for row in rows):
        values = [row["accuracy"] for row in rows if row["method"] == method]
        table.append([method, f"{np.mean(values):.3f} ± {np.std(values):.3f}"])
    return markdown(["method", f"accuracy ({len(seeds)} seeds)"], table)


def context(result: dict[str, Any]) -> str:
    """Scores without and with local context, a row a set and metric."""
    rows = []
    names = {
        "balanced_accuracy": "balanced accuracy",
        "mse": "squared error of hidden values",
        "log_likelihood": "log likelihood of hidden values",
    }
    for of in dict.fromkeys(row["set"] for row in result["rows"]):
        mine = [row for row in result["rows"] if row["set"] == of]
        for key, name in names.items():
            if key in mine[0]:
                means = [np.mean([row[key] for row in mine if row["context"] == k]) for k in (0, 4)]
                rows.append([of, name, *(f"{mean:.3f}" for mean in means)])
    n_seeds = len({row["seed"] for row in result["rows"]})
    return markdown(["validation part of", f"mean over {n_seeds} seeds", "k = 0 (the paper)", "k = 4"], rows)


def overview() -> str:
    """A row a question, this library beside what people use otherwise, from the files of the other tables."""
    training, filled_in, reproduced = _read("speed"), _read("uncertainty"), json.loads(REPRODUCED.read_text())

    def found(experiment: str, metric: str, method: str) -> str:
        names = ("experiment", "profile", "metric", "method")
        wanted = (experiment, "quick", metric, method)
        (row,) = [row for row in reproduced if tuple(row[name] for name in names) == wanted]
        return f"{row['value']:.3f} ± {row['std']:.3f}"

    def stars(method: str) -> str:
        return found("light_curves", "balanced accuracy", method)

    def stays(method: str) -> str:
        return found("physionet", "mean squared error", method)

    def crps(method: str) -> str:
        rows = [r for r in filled_in["rows"] if (r["set"], r["task"]) == ("stripe82", "interpolation")]
        return f"{np.mean([r['crps'] for r in rows if r['method'] == method]):.3f}"

    curves = training["tasks"]["pretraining"]["light-curves"]["median"]
    rows = [
        [
            "RRab or RRc? 483 real RR Lyrae, a fifth held out: balanced accuracy, more is better",
            stars("RoMAE, pre-trained"),
            f"gradient boosting on features {stars('gradient boosting on simple features')}",
        ],
        [
            "What was measured at hidden times? PhysioNet 2012: squared error, in units of each variable's variance",
            stays("RoMAE"),
            f"straight lines between neighbours {stays('straight lines between neighbours in time')}",
        ],
        [
            "How well, and how honestly, is a hidden magnitude of a real star given? CRPS, in standard deviations",
            crps("RoMAE"),
            f"Gaussian process {crps('Gaussian process')}",
        ],
        [
            "How fast does it train? Light curves of unequal length: samples a second on 2 CPU cores",
            f"{curves['packed']['samples_per_second']:.0f}",
            f"the same model, padded {curves['padded']['samples_per_second']:.0f}",
        ],
    ]
    return markdown(["question", "rotary-mae", "beside it"], rows)


def defaults(result: dict[str, Any]) -> str:
    """What each trial gave on each set: accuracy and logarithmic loss, over the seeds that were run."""
    rows = [row for row in result["rows"] if "log_loss" in row]
    sets = list(dict.fromkeys(row["set"] for row in rows))
    table = []
    for trial in dict.fromkeys(row["trial"] for row in rows):
        cells = [trial]
        for name in sets:
            mine = [row for row in rows if (row["trial"], row["set"]) == (trial, name)]
            accuracy, loss = ([row[of] for row in mine] for of in ("balanced_accuracy", "log_loss"))
            seeds = "" if len(mine) < 2 else f" ({len(mine)} seeds)"
            cells.append(f"{np.mean(accuracy):.3f} / {np.mean(loss):.2f}{seeds}" if mine else "")
        table.append(cells)
    return markdown(["trial", *sets], table)


def filling(result: dict[str, Any]) -> str:
    """Squared errors of hidden values by the interpolator of the defaults."""
    rows = [row for row in result["rows"] if "mse_linear" in row]
    names = ("mse", "mse_linear", "mse_mean")
    table = [[row["trial"], row["set"], *(f"{row[name]:.4f}" for name in names), f"{row['cpu']}"] for row in rows]
    return markdown(["trial", "set", "RoMAE", "straight lines", "mean of the channel", "seconds of one core"], table)


def _runs(result: dict[str, Any]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((row["set"], row["task"]) for row in result["coverage"]))


def uncertainty(result: dict[str, Any]) -> str:
    """Coverage of the central intervals: over all values, and of the channels asked for often."""
    table, levels = [], result["levels"]
    for name, task in _runs(result):
        mine = [run for run in result["coverage"] if (run["set"], run["task"]) == (name, task)]
        counts: dict[str, Any] = {}
        for run in mine:
            for channel, found in run["channels"].items():
                counts[channel] = counts.get(channel, 0) + np.asarray(found)
        often = {channel: found for channel, found in counts.items() if found[0] >= 2000}
        cells = [f"{name}, {task}", f"{sum(run['n_values'] for run in mine)}"]
        for level in levels:
            pooled = [100 * run["pooled"][str(level)] for run in mine]
            cells.append(f"{np.mean(pooled):.1f} ({min(pooled):.1f}-{max(pooled):.1f})")
        far = {
            c: max(abs(100 * f[1 + i] / f[0] - 100 * levels[i]) for i in range(len(levels))) for c, f in often.items()
        }
        names = ", ".join(f"{c} {value:.0f}" for c, value in sorted(far.items(), key=lambda f: -f[1]) if value > 5.0)
        within = f"{sum(value <= 2.0 for value in far.values())} of {len(far)}"
        cells.append(within + (f"; farther than 5: {names}" if names else ""))
        table.append(cells)
    n_seeds = len({run["seed"] for run in result["coverage"]})
    header = ["held-out series of", "values", *(f"{100 * level:g} %" for level in levels)]
    return markdown([*header, "channels within 2 points"], table) + f"\nMean (range) of {n_seeds} seeds.\n"


def answers(result: dict[str, Any]) -> str:
    """RMSE and CRPS of each method, mean over the seeds."""
    table = []
    for name, task in _runs(result):
        mine = [row for row in result["rows"] if (row["set"], row["task"]) == (name, task)]
        for method in dict.fromkeys(row["method"] for row in mine):
            of = [row for row in mine if row["method"] == method]
            means = [np.mean([row[key] for row in of]) for key in ("rmse", "crps")]
            table.append([f"{name}, {task}", method, *(f"{mean:.3f}" for mean in means)])
    return markdown(["held-out series of", "method", "RMSE", "CRPS"], table)


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "digits": digits,
    "speed": speed_tables.pretraining,
    "speed_classification": speed_tables.classification,
    "speed_embedding": speed_tables.embedding,
    "profiles": speed_tables.profiles,
    "scaling_picture": curves.shown,
    "scaling_lengths": speed_tables.lengths,
    "scaling_spreads": speed_tables.spreads,
    "scaling_disk": speed_tables.disk,
    "scaling_processes": speed_tables.processes,
    "context": context,
    "defaults": defaults,
    "defaults_filling": filling,
    "uncertainty": uncertainty,
    "uncertainty_answers": answers,
}


def _read(name: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return result


def filled(text: str) -> str:
    """The page with every table made anew from its result file."""

    def table(match: re.Match[str]) -> str:
        name = match[2]
        # one file may fill several tables: speed_embedding is of speed.json
        stem = name if (RESULTS / f"{name}.json").exists() else name.partition("_")[0]
        if name == "overview":
            made = overview()
        elif (RESULTS / f"{stem}.json").exists():
            made = TABLES[name](_read(stem))
        else:
            made = "Not measured yet.\n"
        return f"{match[1]}\n{made}\n{match[3]}"

    return _PLACE.sub(table, text)


def main() -> int:
    """Rewrite the pages, or with --check say which are not as they would be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    is_check = parser.parse_args().check
    old = [page for page in PAGES if (ROOT / page).exists() and (text := (ROOT / page).read_text()) != filled(text)]
    for page in old:
        print(f"{page} {'is not what the results say' if is_check else 'written'}")
        if not is_check:
            path = ROOT / page
            path.write_text(filled(path.read_text()))
    return int(is_check and bool(old))


if __name__ == "__main__":
    sys.exit(main())
