"""Tables of README.md, results.json and the figures of this folder, made from the result files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import write_json
from benchmarks.tables import markdown
from benchmarks.terms import current_term
from reproduce.experiment import NAMES, PROFILES, Experiment, Reference, load

HERE = Path(__file__).parent
RESULTS = HERE / "results"

Result = Mapping[str, Any]
ROW_KEYS = ("dataset", "metric", "split", "method")


def write(here: Path = HERE, experiments: Sequence[Experiment] | None = None, is_check: bool = False) -> int:
    """Write README.md, results.json and the figures, or check the first two.

    Parameters
    ----------
    here : Path
        Folder with ``results``.
    experiments : sequence of Experiment, optional
        Experiments of the table, by default all.
    is_check : bool
        If True, write nothing.

    Returns
    -------
    int
        1 if ``is_check`` and README.md or results.json differ from the results, else 0.
    """
    experiments = [load(name) for name in NAMES] if experiments is None else experiments
    results = {e.name: read_results(here / "results", e.name) for e in experiments}
    ensembles = {e.name: read_results(here / "results" / "ensembles", e.name) for e in experiments}
    rows = [row for e in experiments for row in rows_of(e, [*results[e.name], *ensembles[e.name]])]
    drawn = {} if is_check else {e.name: draw(here, e, results[e.name]) for e in experiments}
    pages = {
        here / "results.json": json.dumps(rows, indent=1) + "\n",
        here / "README.md": readme(here, experiments, rows),
    }
    outdated = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    for path in outdated:
        print(f"{path} {'differs from the results; run python -m reproduce table' if is_check else 'written'}")
    for figures in drawn.values():
        for path in figures:
            print(f"{path} written")
    if not is_check:
        write_json(here / "results.json", rows)
        (here / "README.md").write_text(pages[here / "README.md"])
    return int(is_check and bool(outdated))


def read_results(folder: Path, name: str) -> list[Result]:
    """Return the results of an experiment in the order of profile and seed, with names in today's wording."""
    found = [json.loads(path.read_text()) for path in folder.glob(f"{name}-*.json")]
    found = [in_current_terms(result) for result in found if result["experiment"] == name]
    return sorted(found, key=lambda result: (PROFILES.index(result["profile"]), _seeds(result)))


def in_current_terms(result: Result) -> Result:
    """Return the result with the names of measures and curves in today's wording; numbers are unchanged."""
    measures = [{**measure, **{key: current_term(measure[key]) for key in ROW_KEYS}} for measure in result["measures"]]
    return {**result, "measures": measures, "curves": {current_term(name): c for name, c in result["curves"].items()}}


def _seeds(result: Result) -> list[int]:
    """The seed of a run, or all seeds of an ensemble."""
    return list(result["seeds"]) if "seeds" in result else [result["seed"]]


def rows_of(experiment: Experiment, results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return one row for each dataset, method, metric, split and profile.

    Parameters
    ----------
    experiment : Experiment
        Experiment with the published numbers.
    results : sequence of mapping
        Results of runs and ensembles.

    Returns
    -------
    list of dict
        Mean and standard deviation over the seeds, or over the test sets of an ensemble, with cost and references.
    """
    groups: dict[tuple[str, ...], list[tuple[Result, Mapping[str, Any]]]] = {}
    for result in results:
        for measure in result["measures"]:
            key = (result["profile"], *(measure[k] for k in ROW_KEYS))
            groups.setdefault(key, []).append((result, measure))
    return [_row(experiment, group) for group in groups.values()]


def _row(experiment: Experiment, group: Sequence[tuple[Result, Mapping[str, Any]]]) -> dict[str, Any]:
    result, measure = group[0]
    dataset, metric, split, method = (measure[k] for k in ROW_KEYS)
    values = [found["value"] for _, found in group]
    seconds = [found["seconds"] for _, found in group if found["seconds"] is not None]
    is_compared = method.startswith("RoMAE") and split != "validation"
    reference = _reference(experiment, dataset, metric) if is_compared else None
    return {
        "experiment": experiment.name,
        "dataset": dataset,
        "method": method,
        "metric": metric,
        "split": split,
        "profile": result["profile"],
        "value": float(np.mean(values)),
        "std": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        "seeds": list(dict.fromkeys(seed for one, _ in group for seed in _seeds(one))),
        "n_parameters": measure["n_parameters"],
        "seconds": round(float(np.mean(seconds)), 1) if seconds else None,
        "hardware": " / ".join(dict.fromkeys(one["hardware"] for one, _ in group)),
        "commit": " / ".join(dict.fromkeys(str(one["commit"]) for one, _ in group)),
        "published": None if reference is None else reference.published,
        "best_other": None if reference is None else reference.best_other,
    }


def _reference(experiment: Experiment, dataset: str, metric: str) -> Reference | None:
    for reference in experiment.references:
        if (reference.dataset, reference.metric) == (dataset, metric):
            return reference
    return None


def draw(here: Path, experiment: Experiment, results: Sequence[Result]) -> list[Path]:
    """Write the figures of each profile that has results and return their paths."""
    if experiment.figures is None:
        return []
    written = []
    for profile in PROFILES:
        of_profile = [result for result in results if result["profile"] == profile]
        for name, figure in experiment.figures(of_profile).items() if of_profile else ():
            path = here / "figures" / f"{experiment.name}-{name}-{profile}.png"
            path.parent.mkdir(exist_ok=True)
            figure.savefig(path, dpi=110, facecolor="white", metadata={"Software": None})
            written.append(path)
    return written


# -- the page ---------------------------------------------------------------------------------------------------


def readme(here: Path, experiments: Sequence[Experiment], rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the text of README.md: about.md and one section for each experiment."""
    sections = [_section(here, e, [row for row in rows if row["experiment"] == e.name]) for e in experiments]
    return "\n".join([(HERE / "about.md").read_text(), *sections])


def _section(here: Path, experiment: Experiment, rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [f"## {experiment.title} ({experiment.source})\n", experiment.protocol.strip() + "\n"]
    if rows:
        header = ["dataset", "method", "metric", "split", "profile", "value", "published", "best other", "seeds"]
        cells = [_cells(experiment, row) for row in rows]
        lines.append(markdown([*header, "parameters", "seconds", "hardware", "commit"], cells))
    else:
        lines.append("Not measured yet.\n")
    for path in sorted((here / "figures").glob(f"{experiment.name}-*.png")):
        lines.append(f"![{path.stem.replace('-', ' ')}](figures/{path.name})\n")
    return "\n".join(lines)


def _cells(experiment: Experiment, row: Mapping[str, Any]) -> list[str]:
    reference = _reference(experiment, row["dataset"], row["metric"])
    best = _number(row["best_other"])
    if row["best_other"] is not None and reference is not None and reference.best_name:
        best = f"{best} ({reference.best_name})"
    # a number that is equal for all seeds may differ by rounding
    is_same = row["std"] is not None and row["std"] < 1e-12 * abs(row["value"])
    std = "" if row["std"] is None else f" ± {_number(0.0 if is_same else row['std'])}"
    return [
        row["dataset"],
        row["method"],
        row["metric"],
        row["split"],
        row["profile"],
        _number(row["value"]) + std,
        _number(row["published"]),
        best,
        ", ".join(map(str, row["seeds"])),
        "" if row["n_parameters"] is None else f"{row['n_parameters']:,}",
        "" if row["seconds"] is None else f"{row['seconds']:,.0f}",
        row["hardware"],
        row["commit"],
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
