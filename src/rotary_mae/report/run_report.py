"""The report of one run: whatever its folder holds, and what is missing from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rotary_mae import __version__
from rotary_mae.evaluation.held_out import HeldOutPredictions
from rotary_mae.report.bootstrap import METHODS, Estimate, number
from rotary_mae.report.page import Number, Page, Section, write_page
from rotary_mae.report.sections import (
    class_sections,
    curve_section,
    data_section,
    hidden_sections,
    map_section,
    number_sections,
    simple_section,
)
from rotary_mae.training.run_folder import RunFolder

WORDS = {
    "RoMAEEmbedder": "a model pre-trained without labels",
    "RoMAEClassifier": "a classifier",
    "RoMAERegressor": "a regressor",
    "RoMAEInterpolator": "an interpolator",
}

AT_A_GLANCE = {
    "balanced accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "AUC": "area under the ROC curve",
    "R²": "R², the share of the variance explained",
    "root mean squared error": "root mean squared error",
    METHODS["answer"]: "error of the model on hidden values (0 is perfect)",
    METHODS["line"]: "error of straight lines between neighbours",
}


def write_run_report(path: Path, run: Path, lines: Mapping[str, str], evidence: HeldOutPredictions | None) -> None:
    """Write the page about the run in this folder.

    lines: what the run is, in words by name. evidence: answers to judge it by, None if there are none.
    """
    folder = RunFolder(run)
    history, state = folder.history(), lines.get("state", "")
    described = _read(folder.description)
    about = {} if evidence is None else evidence.about
    sections = [data_section(about, _learned(described, lines, has_data="data" in about))]
    if history:
        sections.append(curve_section({"training": history}, is_stopped=not state.startswith("finished")))
    found: dict[str, Estimate] = {}
    if evidence is not None:
        judged, found = _judged(evidence)
        if summary := _read(folder.path / "estimator.json").get("summary"):
            judged[1:1] = simple_section(summary)
        sections += judged
        if (places := map_section(evidence, _label_name(about))) is not None:
            sections.append(places)
    sections.append(_settings(described, lines))
    page = Page(
        title=f"{Path(run).resolve().name}: {WORDS.get(lines.get('estimator', ''), 'a model')}",
        lead=_lead(described, about, state),
        sections=sections,
        numbers=[
            Number(number(found[name].value), words, f"95 % interval {found[name].between}")
            for name, words in AT_A_GLANCE.items()
            if name in found
        ],
        notes=_notes(run, evidence, history, state),
        footer=f"rotary-mae {__version__}. This page is one file and needs no network.",
    )
    write_page(path, page)


def _judged(evidence: HeldOutPredictions) -> tuple[list[Section], dict[str, Estimate]]:
    kind = evidence.about["kind"]
    if kind == "RoMAEClassifier":
        return class_sections(evidence)
    if kind == "RoMAERegressor":
        return number_sections(evidence)
    return hidden_sections(evidence)


def _label_name(about: Mapping[str, Any]) -> str:
    targets = about.get("targets", ())
    return str(targets[0]) if targets else "label"


def _learned(described: Mapping[str, Any], lines: Mapping[str, str], has_data: bool) -> dict[str, str]:
    """What is known of the training; and of its data what the model remembers, if nothing else does."""
    found = {} if has_data else {k: lines[k] for k in ("columns", "layout", "unit", "channels") if k in lines}
    if not described:
        return found
    model, data = described["model"], described["data"]
    return {
        **found,
        "learned from": f"{data['n_samples']:,} samples",
        "model": f"{model['size']}, {data['n_parameters']:,} parameters",
        "training": lines.get("state", ""),
    }


def _lead(described: Mapping[str, Any], about: Mapping[str, Any], state: str) -> str:
    if not described:
        return "Nothing has been trained here yet."
    where = f" of {about['source']}" if "source" in about else ""
    return f"Trained on {described['data']['n_samples']:,} samples{where}; {state.split(';')[0]}."


def _notes(run: Path, evidence: HeldOutPredictions | None, history: list[dict[str, Any]], state: str) -> list[str]:
    notes = []
    if not history:
        notes.append("No epoch is done yet, so there are no curves.")
    if evidence is None:
        notes.append(
            "There are no held-out answers in this run, so metrics, calibration, interpolations and the map of "
            "embeddings are missing. A training command writes them when it ends, if there is a validation part (of 20 "
            "samples or more): go on with the run (--resume), or judge it as it is with "
            f"romae report {run} --data DATA." + (f" Its state: {state}." if state else "")
        )
    return notes


def _settings(described: Mapping[str, Any], lines: Mapping[str, str]) -> Section:
    """Everything that is known, to unfold."""
    details = {"The run in words": [["", ""], *([name, text] for name, text in lines.items())]}
    for name in ("model", "training", "versions"):
        if name in described:
            rows = [[key, _setting(value)] for key, value in described[name].items()]
            details[f"All settings of the {name}" if name != "versions" else "Versions"] = [["", ""], *rows]
    machine = [f"{described['machine']}, Python {described['python']}."] if "machine" in described else []
    return Section("Settings and versions", machine, details=details)


def _setting(value: Any) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text())
    return found
