"""The report of one run, from the files in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rotary_mae.evaluation.held_out import HeldOutPredictions
from rotary_mae.report.bootstrap import METHOD_NAMES, Estimate, format_number
from rotary_mae.report.page import HeadlineNumber, Page, Section, write_page
from rotary_mae.report.sections import (
    baseline_section,
    classification_sections,
    embedding_section,
    learning_curve_section,
    reconstruction_sections,
    regression_sections,
    training_data_section,
)
from rotary_mae.training.run_folder import RunFolder

KIND_NAMES = {
    "RoMAEEmbedder": "a pre-trained model",
    "RoMAEClassifier": "a classifier",
    "RoMAERegressor": "a regressor",
    "RoMAEInterpolator": "an interpolator",
}

HEADLINE_METRICS = {
    "balanced accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "AUC": "area under the ROC curve",
    "R²": "R², the explained share of the variance",
    "root mean squared error": "root mean squared error",
    METHOD_NAMES["answer"]: "root mean squared error of the model on masked values (0 is perfect)",
    METHOD_NAMES["line"]: "the same error of linear interpolation",
}
"""Metrics at the top of the page, with their text there."""


def write_run_report(path: Path, run: Path, facts: Mapping[str, str], predictions: HeldOutPredictions | None) -> None:
    """Write the page about a run.

    Parameters
    ----------
    path : Path
        HTML file to write.
    run : Path
        Folder of the run, finished or not.
    facts : mapping of str to str
        ``describe_run(run)``.
    predictions : HeldOutPredictions or None
        Predictions to evaluate the run by; None if there are none.
    """
    folder = RunFolder(run)
    history, state = folder.history(), facts.get("state", "")
    description = _read(folder.description)
    about = {} if predictions is None else predictions.about
    sections = [training_data_section(about, _training_facts(description, facts, has_data="data" in about))]
    if history:
        sections.append(learning_curve_section({"training": history}, is_stopped=not state.startswith("finished")))
    estimates: dict[str, Estimate] = {}
    if predictions is not None:
        (first, *others), estimates = _evaluation_sections(predictions)
        summary = _read(folder.path / "estimator.json").get("summary") or {}
        sections += [first, *baseline_section(summary), *others]
        if (embeddings := embedding_section(predictions, _label_name(about))) is not None:
            sections.append(embeddings)
    sections.append(_settings_section(description, facts))
    page = Page(
        title=f"{Path(run).resolve().name}: {KIND_NAMES.get(facts.get('estimator', ''), 'a model')}",
        lead=_lead(description, about, state),
        sections=sections,
        numbers=[
            HeadlineNumber(format_number(estimates[name].value), text, f"95 % interval {estimates[name].interval}")
            for name, text in HEADLINE_METRICS.items()
            if name in estimates
        ],
        notes=_notes(run, predictions is not None, bool(history), state),
        footer=f"rotary-mae {version('rotary-mae')}. This page is one file and needs no network.",
    )
    write_page(path, page)


def _evaluation_sections(predictions: HeldOutPredictions) -> tuple[list[Section], dict[str, Estimate]]:
    kind = predictions.about["kind"]
    if kind == "RoMAEClassifier":
        return classification_sections(predictions)
    if kind == "RoMAERegressor":
        return regression_sections(predictions)
    return reconstruction_sections(predictions)


def _label_name(about: Mapping[str, Any]) -> str:
    targets = about.get("targets", ())
    return str(targets[0]) if targets else "label"


def _training_facts(description: Mapping[str, Any], facts: Mapping[str, str], has_data: bool) -> dict[str, str]:
    """Return facts about the training, and about its data if there is no summary of the data."""
    data_facts = {} if has_data else {k: facts[k] for k in ("columns", "layout", "unit", "channels") if k in facts}
    if not description:
        return data_facts
    model, data = description["model"], description["data"]
    return {
        **data_facts,
        "training set": f"{data['n_samples']:,} samples",
        "model": f"{model['size']}, {data['n_parameters']:,} parameters",
        "training": facts.get("state", ""),
    }


def _lead(description: Mapping[str, Any], about: Mapping[str, Any], state: str) -> str:
    if not description:
        return "Nothing has been trained here yet."
    source = f" of {about['source']}" if "source" in about else ""
    return f"Trained on {description['data']['n_samples']:,} samples{source}; {state.split(';')[0]}."


def _notes(run: Path, has_predictions: bool, has_history: bool, state: str) -> list[str]:
    notes = []
    if not has_history:
        notes.append("No epoch has finished yet, so there are no learning curves.")
    if not has_predictions:
        notes.append(
            "This run has no held-out predictions, so metrics, calibration, single samples and the map of the "
            "embeddings are missing. A training command writes them when it finishes, if there is a validation set (20 "
            "samples or more). Resume the run (--resume), or evaluate it as it is: "
            f"romae report {run} --data DATA." + (f" State of the run: {state}." if state else "")
        )
    return notes


def _settings_section(description: Mapping[str, Any], facts: Mapping[str, str]) -> Section:
    """Return tables of all settings, which the reader unfolds."""
    details = {"Summary of the run": [["", ""], *([name, text] for name, text in facts.items())]}
    titles = {"model": "Settings of the model", "training": "Settings of the training", "versions": "Versions"}
    for name, title in titles.items():
        if name in description:
            rows = [[key, _setting_text(value)] for key, value in description[name].items()]
            details[title] = [["", ""], *rows]
    machine = [f"{description['machine']}, Python {description['python']}."] if "machine" in description else []
    return Section("Settings and versions", machine, details=details)


def _setting_text(value: Any) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)


def _read(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file; {} if there is no such file."""
    if not path.is_file():
        return {}
    content: dict[str, Any] = json.loads(path.read_text())
    return content
