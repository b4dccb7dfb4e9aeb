"""Sections of a report. Their texts assume no knowledge of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.decomposition import PCA

from rotary_mae.evaluation.held_out import HeldOutPredictions
from rotary_mae.report.bootstrap import (
    METHOD_NAMES,
    DistanceGroup,
    Estimate,
    channel_errors,
    classification_estimates,
    coverage,
    coverage_by_distance,
    format_number,
    reconstruction_estimates,
    regression_estimates,
)
from rotary_mae.report.charts import (
    channel_error_chart,
    confusion_chart,
    coverage_chart,
    distance_coverage_chart,
    embedding_chart,
    learning_curve_chart,
    regression_chart,
    reliability_chart,
)
from rotary_mae.report.object_charts import per_object_charts
from rotary_mae.report.page import Chart, Figure, Section

Array = npt.NDArray[Any]

N_CHANNELS = 12
"""Maximum number of channels in the chart of errors by channel; more bars cannot be read. Not tuned."""

METRIC_TITLES = {
    "mse": "mean squared error",
    "r2": "R²",
    "coverage_90": "coverage of the 90 % interval",
    "ece": "expected calibration error",
}
"""Titles of metrics whose names are abbreviations."""

BOOTSTRAP_NOTE = (
    "The 95 % intervals show how much a metric depends on the choice of the held-out samples (bootstrap, 1000 draws)."
)


def training_data_section(about: Mapping[str, Any], training: Mapping[str, str]) -> Section:
    """Describe the training data.

    Parameters
    ----------
    about : mapping
        ``HeldOutPredictions.about``. It may have a summary of the data under the key "data".
    training : mapping of str to str
        Further facts about the training, by name.
    """
    data = about.get("data", {})
    details = {"Channels": data["channels"]} if len(data.get("channels", ())) > 1 else {}
    return Section("Training data", facts={**data.get("lines", {}), **training}, details=details)


def learning_curve_section(histories: Mapping[str, Sequence[Mapping[str, Any]]], is_stopped: bool = False) -> Section:
    """Show the loss by epoch, and for a single training run also the validation metric.

    Parameters
    ----------
    histories : mapping of str to sequence of mapping
        Metrics of each epoch, by name of the training run.
    is_stopped : bool
        True if the training has not finished.
    """
    figures = []
    for k, (name, history) in enumerate(histories.items()):
        caption = f"Loss of {name}; lower is better." if len(histories) > 1 else "Loss; lower is better."
        figures.append(Figure(f"loss{k}", [learning_curve_chart(history, "loss", "loss")], caption))
    if len(histories) == 1:
        (history,) = histories.values()
        for metric, title in (("balanced_accuracy", "Balanced accuracy"), ("r2", "R²")):
            if any(epoch.get(f"validation_{metric}") is not None for epoch in history):
                chart = learning_curve_chart(history, metric, title)
                figures.append(Figure(metric, [chart], f"{title} on the validation set; higher is better."))
    texts = [
        "An epoch uses each training sample once. The validation set is not used for training: its loss shows how well "
        "the model predicts samples without training on them. The ring marks the epoch with the lowest validation loss."
    ]
    if is_stopped:
        texts.append("This training has not finished; the curves show the epochs so far.")
    return Section("Learning curves", texts, figures=figures)


def classification_sections(predictions: HeldOutPredictions) -> tuple[list[Section], dict[str, Estimate]]:
    """Return the sections about a classifier (metrics, confusion and calibration), and the metrics by name."""
    classes = [str(name) for name in predictions.about["classes"]]
    truth = np.array([classes.index(name) for name in predictions.samples["label"].to_pylist()])
    probabilities = np.column_stack([predictions.samples[f"p_{k}"].to_numpy() for k in range(len(classes))])
    predicted, estimates = probabilities.argmax(1), classification_estimates(truth, probabilities)
    if len(classes) == 2:
        probability, is_correct, axis = probabilities[:, 1], truth == 1, f"predicted probability of {classes[1]}"
    else:
        probability, is_correct = probabilities.max(1), predicted == truth
        axis = "predicted probability of the predicted class"
    confusion = Figure(
        "confusion",
        [confusion_chart(truth, predicted, classes)],
        "Confusion matrix: a row per true class, a column per predicted class. Correct predictions are on the "
        "diagonal. Numbers are counts of samples, and the colour is their fraction of the row.",
    )
    reliability = Figure(
        "reliability",
        [reliability_chart(probability, is_correct.astype(np.float64), axis)],
        "Calibration: on the dashed line a predicted 80 % is correct 8 times in 10. Below it the model is "
        "overconfident, above it underconfident. Every dot has the same number of samples; bars are 95 % intervals. "
        "The calibration error in the table above is the mean distance from the line, with ten bins of equal width; "
        "with few samples part of it is chance.",
    )
    table = [["metric", "value", "95 % interval"], *_rows(estimates)]
    return [
        Section("Metrics", [_evaluation_text(predictions.about), BOOTSTRAP_NOTE], table=table),
        Section("Confusion matrix and calibration", figures=[confusion, reliability]),
    ], estimates


def baseline_section(summary: Mapping[str, Any]) -> list[Section]:
    """Return a table of the validation scores of the model and of the baselines, or [] without such scores.

    Parameters
    ----------
    summary : mapping
        ``FitSummary.to_json()`` of the estimator.
    """
    scores, baselines = summary.get("scores", {}), summary.get("baselines", {})
    if not scores or not baselines:
        return []
    header = ["on the validation set", *(METRIC_TITLES.get(name, name.replace("_", " ")) for name in scores)]
    rows = [
        # a baseline without prediction intervals has no coverage
        [name, *(format_number(float(of_method[metric])) if metric in of_method else "-" for metric in scores)]
        for name, of_method in {"RoMAE": scores, **baselines}.items()
    ]
    texts = [
        "Baselines are simpler methods trained on the same samples. If one is as good as the model, use the baseline.",
        *filter(None, [summary.get("note")]),
    ]
    return [Section("Comparison with baselines", texts, table=[header, *rows])]


def regression_sections(predictions: HeldOutPredictions) -> tuple[list[Section], dict[str, Estimate]]:
    """Return the sections about a regressor, and the metrics of its first target by name."""
    names = [str(name) for name in predictions.about["targets"]]
    ids = predictions.samples["id"].to_pylist()
    table: list[list[str]] = [["number", "metric", "value", "95 % interval"]]
    charts: list[Chart] = []
    first: dict[str, Estimate] = {}
    for k, name in enumerate(names):
        truth = predictions.samples[f"truth_{k}"].to_numpy()
        predicted = predictions.samples[f"prediction_{k}"].to_numpy()
        estimates = regression_estimates(truth, predicted)
        first = first or estimates
        table += [[name, *row] for row in _rows(estimates)]
        charts.append(regression_chart(truth, predicted, ids, name))
    caption = "One dot per sample; move the mouse over it to see the id. On the dashed line the prediction is exact."
    return [
        Section("Metrics", [_evaluation_text(predictions.about), BOOTSTRAP_NOTE], table=table),
        Section("Predicted and true values", figures=[Figure("predicted", charts, caption, is_wide=True)]),
    ], first


def reconstruction_sections(
    predictions: HeldOutPredictions, value_name: str = "value", is_inverted: bool = False
) -> tuple[list[Section], dict[str, Estimate]]:
    """Return the sections about masked values, and the errors by method.

    Parameters
    ----------
    predictions : HeldOutPredictions
        Predictions of an embedder or interpolator.
    value_name : str
        Label of the value axis, if the channel has no name.
    is_inverted : bool
        True for an axis on which smaller values are higher, as is usual for magnitudes.

    Returns
    -------
    sections : list of Section
        Errors, single samples, and for an interpolator the coverage of its intervals.
    errors : dict
        Root mean squared errors by method; empty if there are only overall metrics, as for images.
    """
    about = predictions.about
    texts = [
        _evaluation_text(about),
        f"Part of each sample was masked, as in training, and predicted from the rest: {about['hiding']}.",
    ]
    title = "Prediction of masked values"
    if predictions.masked is None:
        metrics = [["metric, in scaled units", "value"]]
        metrics += [
            [METRIC_TITLES.get(name, name.replace("_", " ")), format_number(float(value))]
            for name, value in about["metrics"].items()
        ]
        return [Section(title, texts, table=metrics)], {}
    errors = reconstruction_estimates(predictions.masked)
    table = [["root mean squared error of", "value", "95 % interval"], *_rows(errors)]
    unit = "Errors are in standard deviations of each channel, so that all channels count equally; 0 is perfect."
    figures = _channel_figures(predictions.masked)
    sections = [Section(title, [*texts, unit, BOOTSTRAP_NOTE], table=table, figures=figures)]
    charts = per_object_charts(predictions, value_name, is_inverted)
    if charts:
        sections.append(_single_samples_section(charts, has_curves=predictions.curves is not None))
    if about["quantiles"]:
        found = coverage(predictions.masked, list(about["quantiles"]))
        by_distance = coverage_by_distance(predictions.masked, list(about["quantiles"]))
        sections.append(_coverage_section(found, by_distance, is_calibration_set=about["part"] == "validation"))
    return sections, errors


def _channel_figures(masked: pa.Table) -> list[Figure]:
    by_channel = channel_errors(masked, N_CHANNELS)
    if len(by_channel[METHOD_NAMES["answer"]]) < 2:
        return []
    return [Figure("channels", [channel_error_chart(by_channel)], "The same errors by channel.", is_wide=True)]


def _single_samples_section(charts: Sequence[Chart], has_curves: bool) -> Section:
    caption = "Filled dots are visible values, rings are masked values. "
    if has_curves:
        caption += (
            "The line is the prediction. About 50 % of the rings should be in the dark band (50 % interval) and about "
            "90 % in the light band (90 % interval)."
        )
    else:
        caption += "Crosses are the predictions for the rings; romae fit-interpolator trains a model with intervals."
    how = "Choose a sample from the list, or use the arrow buttons or the arrow keys."
    figure = Figure("samples", charts, caption, is_wide=True)
    return Section("Predictions for single samples", [how] if len(charts) > 1 else [], figures=[figure])


def _coverage_section(
    found: Mapping[float, Estimate], by_distance: Sequence[DistanceGroup], is_calibration_set: bool
) -> Section:
    table = [["interval", "masked values inside", "95 % interval"]]
    table += [[f"{level:.0%}", f"{e.value:.1%}", f"{e.low:.1%} to {e.high:.1%}"] for level, e in found.items()]
    caption = (
        "On the dashed line the intervals have their nominal coverage. Below it they are too narrow, above it too wide."
    )
    texts = ["A 90 % interval should contain about 90 % of the masked values."]
    if is_calibration_set:
        texts.append(
            "The intervals were calibrated on these samples, so their coverage is close to nominal here. romae report "
            "RUN --data DATA measures it on other samples."
        )
    figures = [Figure("coverage", [coverage_chart(found)], caption)]
    if len(by_distance) > 1:
        table += [["90 %, distance to the nearest visible value of the channel", "", ""]]
        for group in by_distance:
            name = f"{format_number(group.nearest)} to {format_number(group.farthest)} ({group.n_values:,} values)"
            estimate = group.coverage
            table.append([name, f"{estimate.value:.1%}", f"{estimate.low:.1%} to {estimate.high:.1%}"])
        caption = (
            "Coverage of the 90 % interval by the time between a masked value and the nearest visible value of its "
            "channel. It should be near the dashed line at all distances."
        )
        figures.append(Figure("coverage_by_distance", [distance_coverage_chart(by_distance)], caption))
    return Section("Coverage of the prediction intervals", texts, table=table, figures=figures)


def embedding_section(predictions: HeldOutPredictions, label_name: str = "label") -> Section | None:
    """Return a map of the embeddings, their first two principal components; None for fewer than three samples."""
    samples = predictions.samples
    columns = [name for name in samples.column_names if name[0] == "e" and name[1:].isdigit()]
    vectors = np.column_stack([samples[name].to_numpy() for name in columns])
    if len(vectors) < 3:
        return None
    pca = PCA(2, svd_solver="full").fit(vectors.astype(np.float64))
    labels = samples["label"].to_pylist() if "label" in samples.column_names else None
    chart = embedding_chart(
        pca.transform(vectors), pca.explained_variance_ratio_, samples["id"].to_pylist(), labels, label_name
    )
    texts = [
        f"The model computes a vector of {vectors.shape[1]} numbers for each sample. The map shows the two directions "
        "in which these vectors differ most (principal components). Samples with similar vectors are close together."
    ]
    if labels is None:
        texts.append(
            "There are no labels to colour the dots by; romae report RUN --data DATA --label COLUMN adds them."
        )
    caption = "One dot per sample; move the mouse over it, or tap it, to see the id."
    return Section("Map of the embeddings", texts, figures=[Figure("map", [chart], caption, is_wide=True)])


def _rows(estimates: Mapping[str, Estimate]) -> list[list[str]]:
    return [[name, format_number(estimate.value), estimate.interval] for name, estimate in estimates.items()]


def _evaluation_text(about: Mapping[str, Any]) -> str:
    """Return sentences that name the evaluated samples, and state if and why the metrics are optimistic."""
    n, n_evaluated = int(about["n_samples"]), int(about["n_judged"])
    drawn = f" ({n_evaluated:,} of them, drawn at random)" if n_evaluated < n else ""
    if about["part"] == "validation":
        return (
            f"Evaluated on the validation set: {n:,} samples{drawn} that were not used for training. They may have "
            "selected the best epoch, which makes the metrics slightly optimistic. romae report RUN --data DATA "
            "evaluates other samples."
        )
    text = f"Evaluated on {about['part']}: {n:,} samples{drawn}."
    if about.get("is_trained_on"):
        text += " They include the training samples, so the metrics are optimistic."
    return text
