"""Parts of a report: what each figure is, said to somebody who has not read the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA

from rotary_mae.evaluation.held_out import HeldOutPredictions
from rotary_mae.report.bootstrap import (
    Estimate,
    channel_errors,
    class_estimates,
    coverage,
    hidden_estimates,
    number,
    number_estimates,
)
from rotary_mae.report.charts import (
    channel_chart,
    confusion_chart,
    coverage_chart,
    curve_chart,
    map_chart,
    reliability_chart,
    truth_chart,
)
from rotary_mae.report.object_charts import per_object_charts
from rotary_mae.report.page import Chart, Figure, Section

Array = npt.NDArray[Any]

N_CHANNELS = 12

INTERVALS = (
    "Behind each number stands its 95 % interval: where it may lie by the luck of which samples were held out "
    "(bootstrap, 1000 draws)."
)


def data_section(about: Mapping[str, Any], learned: Mapping[str, str]) -> Section:
    """What it was trained on: the summary in ``about["data"]``, if it is there, and what is known of the training."""
    data = about.get("data", {})
    details = {"Channels": data["channels"]} if len(data.get("channels", ())) > 1 else {}
    return Section("What it was trained on", facts={**data.get("lines", {}), **learned}, details=details)


def curve_section(histories: Mapping[str, Sequence[Mapping[str, Any]]], is_stopped: bool = False) -> Section:
    """How it learned, a figure a training and for each what is best read of its validation part."""
    figures = []
    for k, (name, history) in enumerate(histories.items()):
        words = f"Loss of {name}, lower is better." if len(histories) > 1 else "Loss, lower is better."
        figures.append(Figure(f"loss{k}", [curve_chart(history, "loss", "loss")], words))
        judged = [m for m in ("balanced_accuracy", "r2") if any(h.get(f"validation_{m}") is not None for h in history)]
        for metric in judged if len(histories) == 1 else ():
            title = {"balanced_accuracy": "Balanced accuracy", "r2": "R²"}[metric]
            figures.append(
                Figure(
                    metric, [curve_chart(history, metric, title)], f"{title} on the validation part, higher is better."
                )
            )
    texts = [
        "An epoch is one pass over the training samples. The validation part is not trained on: while its loss falls, "
        "what is learned holds for other samples too. The weights of the ringed epoch are the ones that are kept."
    ]
    if is_stopped:
        texts.append("This training has not come to its end; the curves show it so far.")
    return Section("How it learned", texts, figures=figures)


def class_sections(evidence: HeldOutPredictions) -> tuple[list[Section], dict[str, Estimate]]:
    """Metrics, confusion and calibration of a classifier; and the metrics themselves."""
    classes = [str(name) for name in evidence.about["classes"]]
    label = evidence.samples["label"].to_pylist()
    truth = np.array([classes.index(name) for name in label])
    chances = np.column_stack([evidence.samples[f"p_{k}"].to_numpy() for k in range(len(classes))])
    guess, found = chances.argmax(1), class_estimates(truth, chances)
    if len(classes) == 2:
        stated, came, what = chances[:, 1], truth == 1, f"stated probability of {classes[1]}"
    else:
        stated, came, what = chances.max(1), guess == truth, "stated probability of the predicted class"
    confusion = Figure(
        "confusion",
        [confusion_chart(truth, guess, classes)],
        "A row a true class, a column a prediction: right answers lie on the diagonal. Numbers are samples, colour is "
        "the share of the row.",
    )
    reliability = Figure(
        "reliability",
        [reliability_chart(stated, came.astype(np.float64), what)],
        "On the dashed line a stated 80 % comes true 8 times in 10. Below it the model is too sure of itself, above it "
        "too shy. Every dot stands for equally many samples; bars are 95 % intervals.",
    )
    table = [["metric", "value", "95 % interval"], *_rows(found)]
    texts = [_who(evidence), INTERVALS]
    return [
        Section("How good it is", texts, table=table),
        Section(
            "Which classes it confuses, and whether its probabilities can be trusted", figures=[confusion, reliability]
        ),
    ], found


def simple_section(summary: Mapping[str, Any]) -> list[Section]:
    """The validation score beside those of simple methods, as the estimator's summary has it; none if it has none."""
    scores, baselines = summary.get("scores", {}), summary.get("baselines", {})
    if not scores or not baselines:
        return []
    header = ["on the validation part", *(name.replace("_", " ") for name in scores)]
    rows = [[name, *(number(float(of.get(m, np.nan))) for m in scores)] for name, of in baselines.items()]
    table = [header, ["RoMAE", *(number(float(score)) for score in scores.values())], *rows]
    texts = [
        "Simple methods, learned from the same training samples: a model is worth its trouble where it beats them."
    ]
    return [Section("Beside simple methods", [*texts, *filter(None, [summary.get("note")])], table=table)]


def number_sections(evidence: HeldOutPredictions) -> tuple[list[Section], dict[str, Estimate]]:
    """Metrics, and predicted against true numbers, of a regressor; and the metrics of the first number."""
    names = [str(name) for name in evidence.about["targets"]]
    ids = evidence.samples["id"].to_pylist()
    table: list[list[str]] = [["number", "metric", "value", "95 % interval"]]
    charts: list[Chart] = []
    first: dict[str, Estimate] = {}
    for k, name in enumerate(names):
        truth = evidence.samples[f"truth_{k}"].to_numpy()
        answer = evidence.samples[f"prediction_{k}"].to_numpy()
        found = number_estimates(truth, answer)
        first = first or found
        table += [[name, *row] for row in _rows(found)]
        charts.append(truth_chart(truth, answer, ids, name))
    figure = Figure(
        "truth",
        charts,
        "A dot a sample, its id under the mouse: on the dashed line the prediction is right.",
        is_wide=True,
    )
    return [
        Section("How good it is", [_who(evidence), INTERVALS], table=table),
        Section("Predicted against true", figures=[figure]),
    ], first


def hidden_sections(
    evidence: HeldOutPredictions, value_name: str = "value", is_inverted: bool = False
) -> tuple[list[Section], dict[str, Estimate]]:
    """Errors of hidden values, objects to leaf through, and the coverage of intervals; and the errors by method."""
    about = evidence.about
    hiding = f"Of each sample a part was hidden, as in training, and the model was asked for it: {about['hiding']}."
    if evidence.masked is None:
        metrics = [["metric, in scaled units", "value"]]
        metrics += [[name.replace("_", " "), number(float(value))] for name, value in about["metrics"].items()]
        return [Section("How well it fills in what was hidden", [_who(evidence), hiding], table=metrics)], {}
    errors = hidden_estimates(evidence.masked)
    table = [["root mean squared error of", "value", "95 % interval"], *_rows(errors)]
    unit = "Errors are in standard deviations of each channel, so that channels count alike: 0 is perfect."
    by_channel = channel_errors(evidence.masked, N_CHANNELS)
    figures = []
    if len(by_channel["the model"]) > 1:
        figures.append(Figure("channels", [channel_chart(by_channel)], "The same by channel.", is_wide=True))
    sections = [
        Section(
            "How well it fills in what was hidden",
            [_who(evidence), hiding, unit, INTERVALS],
            table=table,
            figures=figures,
        )
    ]
    charts = per_object_charts(evidence, value_name, is_inverted)
    if charts:
        words = "The line is the answer. Half of the rings should lie in the dark band, nine in ten in the light one."
        if evidence.curves is None:
            words = "Crosses are the answers for the rings; their spread is what romae fit-interpolator learns."
        leaves = Figure(
            "leaves", charts, "Dots were seen by the model, rings were hidden from it. " + words, is_wide=True
        )
        how = "Choose an object from the list, or leaf through with the arrows, on the page or on the keyboard."
        sections.append(Section("Object by object", [how] if len(charts) > 1 else [], figures=[leaves]))
    if about["quantiles"]:
        sections.append(_coverage_section(evidence))
    return sections, errors


def _coverage_section(evidence: HeldOutPredictions) -> Section:
    assert evidence.masked is not None
    found = coverage(evidence.masked, list(evidence.about["quantiles"]))
    table = [["interval", "holds so many of the hidden values", "95 % interval"]]
    table += [[f"{p:.0%}", f"{e.value:.1%}", f"{e.low:.1%} to {e.high:.1%}"] for p, e in found.items()]
    figure = Figure(
        "coverage",
        [coverage_chart(found)],
        "On the dashed line intervals hold what they promise. Below it they are too narrow, above it too wide.",
    )
    texts = ["An interval that promises 90 % should hold nine in ten of the values that were hidden."]
    if evidence.about["part"] == "validation":
        texts.append(
            "The intervals were calibrated on these very samples, so they should do well here; whether they hold on "
            "new ones is what romae report RUN --data DATA tells."
        )
    return Section("Whether its intervals hold what they promise", texts, table=table, figures=[figure])


def map_section(evidence: HeldOutPredictions, label_name: str = "label") -> Section | None:
    """The two directions in which embeddings differ most; None for fewer than three samples."""
    samples = evidence.samples
    vectors = np.column_stack([samples[name].to_numpy() for name in _embedding_columns(evidence)])
    if len(vectors) < 3:
        return None
    parts = PCA(2, svd_solver="full").fit(vectors.astype(np.float64))
    labels = samples["label"].to_pylist() if "label" in samples.column_names else None
    chart = map_chart(
        parts.transform(vectors), parts.explained_variance_ratio_, samples["id"].to_pylist(), labels, label_name
    )
    caption = "A dot a sample, its id under the mouse (or finger)."
    texts = [
        f"The model turns each sample into {vectors.shape[1]} numbers. Here are the two directions in which they "
        "differ most (principal components): near each other lies what the model finds alike."
    ]
    if labels is None:
        texts.append(
            "Without labels all dots have one colour; romae report RUN --data DATA --label COLUMN colours them."
        )
    return Section("How samples lie to each other", texts, figures=[Figure("map", [chart], caption, is_wide=True)])


def _embedding_columns(evidence: HeldOutPredictions) -> list[str]:
    return [name for name in evidence.samples.column_names if name[0] == "e" and name[1:].isdigit()]


def _rows(found: Mapping[str, Estimate]) -> list[list[str]]:
    return [[name, number(e.value), e.between] for name, e in found.items()]


def _who(evidence: HeldOutPredictions) -> str:
    about = evidence.about
    n, judged = int(about["n_samples"]), int(about["n_judged"])
    drawn = f" ({judged:,} of them, drawn at random)" if judged < n else ""
    if about["part"] == "validation":
        return (
            f"Judged on the validation part: {n:,} samples{drawn} that were not trained on. They did choose which "
            "epoch is kept, so numbers flatter a little; romae report RUN --data DATA judges on samples of your own."
        )
    known = " Among them are those it was trained on, so the numbers flatter." if about.get("is_trained_on") else ""
    return f"Judged on {about['part']}: {n:,} samples{drawn}.{known}"
