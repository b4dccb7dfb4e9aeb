"""Tables of README.md and docs from the committed results: ``python -m benchmarks.tables [--check]``.

A table between ``<!-- table: NAME -->`` and ``<!-- end of table -->`` is generated and never edited by hand.
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
from benchmarks.terms import current_term

ROOT = Path(__file__).parent.parent
REPRODUCE_RESULTS = ROOT / "reproduce" / "results.json"
"""Written by ``python -m reproduce table``."""

PAGES = ("README.md", "docs/speed.md", "benchmarks/README.md", "docs/measurements.md")
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def digits(result: dict[str, Any]) -> str:
    """Digits: accuracy of each method, mean and standard deviation over the seeds."""
    rows = result["rows"]
    seeds = sorted({row["seed"] for row in rows})
    table = []
    for method in dict.fromkeys(row["method"] for row in rows):
        values = [row["accuracy"] for row in rows if row["method"] == method]
        table.append([method, f"{np.mean(values):.3f} ± {np.std(values):.3f}"])
    return markdown(["method", f"accuracy ({len(seeds)} seeds)"], table)


def context(result: dict[str, Any]) -> str:
    """Local context: scores without and with it, one row for each dataset and metric."""
    rows = []
    names = {
        "balanced_accuracy": "balanced accuracy",
        "mse": "squared error of masked values",
        "log_likelihood": "log likelihood of masked values",
    }
    for dataset in dict.fromkeys(row["set"] for row in result["rows"]):
        of_run = [row for row in result["rows"] if row["set"] == dataset]
        for key, name in names.items():
            if key in of_run[0]:
                means = [np.mean([row[key] for row in of_run if row["context"] == k]) for k in (0, 4)]
                rows.append([current_term(dataset), name, *(f"{mean:.3f}" for mean in means)])
    n_seeds = len({row["seed"] for row in result["rows"]})
    return markdown(["validation set of", f"mean over {n_seeds} seeds", "k = 0 (the paper)", "k = 4"], rows)


def overview() -> str:
    """Overview: one row for each task, with the usual alternative, from the files of the other tables."""
    speed, errors, reproduced = _read("speed"), _read("uncertainty"), json.loads(REPRODUCE_RESULTS.read_text())

    def result_of(experiment: str, metric: str, method: str) -> str:
        names = ("experiment", "profile", "metric", "method")
        key = (experiment, "quick", metric, method)
        (row,) = [row for row in reproduced if tuple(row[name] for name in names) == key]
        return f"{row['value']:.3f} ± {row['std']:.3f}"

    def stars(method: str) -> str:
        return result_of("light_curves", "balanced accuracy", method)

    def stays(method: str) -> str:
        return result_of("physionet", "mean squared error", method)

    def crps(method: str) -> str:
        rows = [r for r in errors["rows"] if (r["set"], r["task"]) == ("stripe82", "interpolation")]
        return f"{np.mean([r['crps'] for r in rows if r['method'] == method]):.3f}"

    light_curves = speed["tasks"]["pretraining"]["light-curves"]["median"]
    rows = [
        [
            "classification of 483 RR Lyrae (Stripe 82) as RRab or RRc: balanced accuracy, higher is better",
            stars("RoMAE, pre-trained"),
            f"gradient boosting on summary features {stars('gradient boosting on summary features')}",
        ],
        [
            "interpolation of ICU stays (PhysioNet 2012), half of the times masked: squared error, lower is better",
            stays("RoMAE"),
            f"linear interpolation {stays('linear interpolation')}",
        ],
        [
            "predictive distribution of masked magnitudes (Stripe 82): CRPS, lower is better",
            crps("RoMAE"),
            f"Gaussian process {crps('Gaussian process')}",
        ],
        [
            "pre-training speed, light curves of unequal length: samples per second on 2 CPU cores, higher is better",
            f"{light_curves['packed']['samples_per_second']:.0f}",
            f"the same model with padding {light_curves['padded']['samples_per_second']:.0f}",
        ],
    ]
    return markdown(["task", "rotary-mae", "alternative"], rows)


def defaults(result: dict[str, Any]) -> str:
    """Trials of defaults: balanced accuracy and log loss on each dataset, mean over the seeds."""
    rows = [row for row in result["rows"] if "log_loss" in row]
    sets = list(dict.fromkeys(row["set"] for row in rows))
    table = []
    for trial in dict.fromkeys(row["trial"] for row in rows):
        cells = [current_term(trial)]
        for name in sets:
            of_run = [row for row in rows if (row["trial"], row["set"]) == (trial, name)]
            accuracy, loss = ([row[of] for row in of_run] for of in ("balanced_accuracy", "log_loss"))
            seeds = "" if len(of_run) < 2 else f" ({len(of_run)} seeds)"
            cells.append(f"{np.mean(accuracy):.3f} / {np.mean(loss):.2f}{seeds}" if of_run else "")
        table.append(cells)
    return markdown(["trial", *map(current_term, sets)], table)


def interpolation_errors(result: dict[str, Any]) -> str:
    """Default interpolator: squared errors of masked values."""
    rows = [row for row in result["rows"] if "mse_linear" in row]
    names = ("mse", "mse_linear", "mse_mean")
    table = [
        [current_term(row["trial"]), current_term(row["set"]), *(f"{row[name]:.4f}" for name in names), f"{row['cpu']}"]
        for row in rows
    ]
    return markdown(
        ["trial", "dataset", "RoMAE", "linear interpolation", "mean of the channel", "seconds of one core"], table
    )


def _runs(result: dict[str, Any]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((row["set"], row["task"]) for row in result["coverage"]))


def uncertainty(result: dict[str, Any]) -> str:
    """Coverage of the central intervals: over all values, and by channel for those with many values."""
    table, levels = [], result["levels"]
    for name, task in _runs(result):
        of_run = [run for run in result["coverage"] if (run["set"], run["task"]) == (name, task)]
        counts: dict[str, Any] = {}
        for run in of_run:
            for channel, found in run["channels"].items():
                counts[channel] = counts.get(channel, 0) + np.asarray(found)
        frequent = {channel: found for channel, found in counts.items() if found[0] >= 2000}
        cells = [f"{current_term(name)}, {task}", f"{sum(run['n_values'] for run in of_run)}"]
        for level in levels:
            pooled = [100 * run["pooled"][str(level)] for run in of_run]
            cells.append(f"{np.mean(pooled):.1f} ({min(pooled):.1f}-{max(pooled):.1f})")
        far = {
            c: max(abs(100 * f[1 + i] / f[0] - 100 * levels[i]) for i in range(len(levels)))
            for c, f in frequent.items()
        }
        names = ", ".join(f"{c} {value:.0f}" for c, value in sorted(far.items(), key=lambda f: -f[1]) if value > 5.0)
        within = f"{sum(value <= 2.0 for value in far.values())} of {len(far)}"
        cells.append(within + (f"; more than 5 off: {names}" if names else ""))
        table.append(cells)
    n_seeds = len({run["seed"] for run in result["coverage"]})
    header = ["held-out series of", "values", *(f"{100 * level:g} %" for level in levels)]
    return markdown([*header, "channels within 2 points"], table) + f"\nMean (range) of {n_seeds} seeds.\n"


def prediction_errors(result: dict[str, Any]) -> str:
    """RMSE and CRPS of each method, mean over the seeds."""
    table = []
    for name, task in _runs(result):
        of_run = [row for row in result["rows"] if (row["set"], row["task"]) == (name, task)]
        for method in dict.fromkeys(row["method"] for row in of_run):
            of = [row for row in of_run if row["method"] == method]
            means = [np.mean([row[key] for row in of]) for key in ("rmse", "crps")]
            table.append([f"{current_term(name)}, {task}", current_term(method), *(f"{mean:.3f}" for mean in means)])
    return markdown(["held-out series of", "method", "RMSE", "CRPS"], table)


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "digits": digits,
    "speed": speed_tables.pretraining,
    "speed_classification": speed_tables.classification,
    "speed_embedding": speed_tables.embedding,
    "profiles": speed_tables.profiles,
    "scaling_picture": curves.picture,
    "scaling_lengths": speed_tables.lengths,
    "scaling_spreads": speed_tables.unequal_lengths,
    "scaling_disk": speed_tables.disk,
    "scaling_processes": speed_tables.processes,
    "context": context,
    "defaults": defaults,
    "defaults_interpolation": interpolation_errors,
    "uncertainty": uncertainty,
    "uncertainty_errors": prediction_errors,
}


def _read(name: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return result


def fill_tables(text: str) -> str:
    """Return the page with every table generated from its result file."""

    def table(match: re.Match[str]) -> str:
        name = match[2]
        # one file may have several tables: speed_embedding is from speed.json
        stem = name if (RESULTS / f"{name}.json").exists() else name.partition("_")[0]
        if name == "overview":
            content = overview()
        elif (RESULTS / f"{stem}.json").exists():
            content = TABLES[name](_read(stem))
        else:
            content = "Not measured yet.\n"
        return f"{match[1]}\n{content}\n{match[3]}"

    return _TABLE.sub(table, text)


def main() -> int:
    """Rewrite the pages, or with --check report those that differ from the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    is_check = parser.parse_args().check
    outdated = [
        page for page in PAGES if (ROOT / page).exists() and (text := (ROOT / page).read_text()) != fill_tables(text)
    ]
    for page in outdated:
        print(f"{page} {'differs from the results' if is_check else 'written'}")
        if not is_check:
            path = ROOT / page
            path.write_text(fill_tables(path.read_text()))
    return int(is_check and bool(outdated))


if __name__ == "__main__":
    sys.exit(main())
