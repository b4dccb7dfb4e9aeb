"""Charts of training and of held-out predictions, as plain data for Plotly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.report.bootstrap import DistanceGroup, Estimate, format_number
from rotary_mae.report.page import Chart, plain

Array = npt.NDArray[Any]

N_COLOURS = 8
"""Colours $c0 to $c7 of page.css."""

SYMBOLS = ("circle", "square", "diamond", "cross", "x", "triangle-up")
"""Symbols that distinguish classes of the same colour, if there are more classes than colours."""

COLOUR_SCALE = [[0.0, "$card"], [1.0, "$accent"]]
"""One hue from light to dark: it is legible for colour-blind readers and in both themes of the page."""

SAMPLES_PER_DOT, MAX_DOTS = 20, 10
"""Least samples per dot of the reliability chart (95 % interval at most 0.4 wide), and most dots. Not tuned."""


def learning_curve_chart(history: Sequence[Mapping[str, Any]], name: str, title: str) -> Chart:
    """Draw a metric over epochs for the training set and the validation set.

    Parameters
    ----------
    history : sequence of mapping
        Metrics of each epoch, as ``metrics.jsonl`` has them.
    name : str
        "loss", or a metric that is measured on the validation set only.
    title : str
        Label of the axis.

    Returns
    -------
    Chart
        A ring marks the epoch with the lowest validation loss, whose weights are kept.
    """
    traces: list[dict[str, Any]] = []
    if name == "loss":
        traces.append(_curve(history, "loss", "training", "$soft", "dot"))
    validated = [epoch for epoch in history if epoch.get(f"validation_{name}") is not None]
    if validated:
        traces.append(_curve(validated, f"validation_{name}", "validation", "$accent", "solid"))
        losses = [epoch.get("validation_loss", np.inf) for epoch in validated]
        best = validated[int(np.argmin(losses))]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [best["epoch"]],
                "y": [best[f"validation_{name}"]],
                "name": "lowest validation loss",
                "marker": {"size": 11, "color": "rgba(0, 0, 0, 0)", "line": {"width": 2, "color": "$other"}},
                "hoverinfo": "skip",
            }
        )
    return Chart(traces, {"height": 320, "xaxis": {"title": {"text": "epoch"}}, "yaxis": {"title": {"text": title}}})


def _curve(epochs: Sequence[Mapping[str, Any]], key: str, name: str, colour: str, dash: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines" if len(epochs) > 1 else "markers",
        "x": [epoch["epoch"] for epoch in epochs],
        "y": [epoch[key] for epoch in epochs],
        "name": name,
        "line": {"color": colour, "width": 2, "dash": dash},
        "hovertemplate": "epoch %{x}: %{y:.4g}<extra>" + name + "</extra>",
    }


def confusion_chart(truth: Array, predicted: Array, classes: Sequence[str]) -> Chart:
    """Draw a confusion matrix.

    Parameters
    ----------
    truth, predicted : array of shape (B,)
        Indices of the true and of the predicted classes.
    classes : sequence of str
        Names of the classes.

    Returns
    -------
    Chart
        A row per true class; numbers are samples, and the colour is their share of the row.
    """
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (truth, predicted), 1)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    names = [plain(name) for name in classes]
    heat: dict[str, Any] = {
        "type": "heatmap",
        "x": names,
        "y": names,
        "z": shares,
        "customdata": counts,
        "colorscale": COLOUR_SCALE,
        "zmin": 0.0,
        "zmax": 1.0,
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
        "hovertemplate": "%{customdata} samples of %{y} predicted as %{x} (%{z:.0%})<extra></extra>",
    }
    if len(classes) <= 12:
        heat |= {"text": counts, "texttemplate": "%{text}"}
    axis = {"type": "category", "showgrid": False, "tickangle": 0 if len(classes) <= 5 else "auto"}
    layout = {
        "height": min(260 + 34 * len(classes), 720),
        "xaxis": {**axis, "title": {"text": "predicted"}},
        "yaxis": {**axis, "title": {"text": "true"}, "autorange": "reversed"},
        "margin": {"l": 56, "r": 12, "t": 12, "b": 48},
    }
    return Chart([heat], layout)


def reliability_chart(probability: Array, is_correct: Array, title: str) -> Chart:
    """Draw the observed frequency against the predicted probability, in groups of equally many samples.

    Parameters
    ----------
    probability : array of shape (B,)
        Predicted probabilities.
    is_correct : array of shape (B,)
        1.0 where the prediction was correct, else 0.0.
    title : str
        Label of the axis of probabilities.
    """
    n_groups = int(np.clip(len(probability) // SAMPLES_PER_DOT, 1, MAX_DOTS))
    groups = np.array_split(np.argsort(probability, kind="stable"), n_groups)
    count = np.array([len(group) for group in groups])
    predicted = np.array([probability[group].mean() for group in groups])
    observed = np.array([is_correct[group].mean() for group in groups])
    low, high = wilson_interval(observed, count)
    points = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": predicted,
        "y": observed,
        "customdata": count,
        "name": "model",
        "line": {"color": "$accent", "width": 2},
        "marker": {"size": 9, "color": "$accent"},
        "error_y": _error_bars(observed, low, high),
        "hovertemplate": "predicted %{x:.0%}, observed %{y:.0%}<br>%{customdata} samples<extra></extra>",
    }
    return Chart([_diagonal(), points], _unit_square(title, "observed frequency"))


def wilson_interval(share: Array, n: Array) -> tuple[Array, Array]:
    """Return the ends of the 95 % interval of shares of n samples (Wilson 1927)."""
    z = 1.959964
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return centre - half, centre + half


def coverage_chart(found: Mapping[float, Estimate]) -> Chart:
    """Draw the observed coverage of intervals against the nominal coverage, which is the key of ``found``."""
    share = np.array([estimate.value for estimate in found.values()])
    low = np.array([estimate.low for estimate in found.values()])
    high = np.array([estimate.high for estimate in found.values()])
    points = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": list(found),
        "y": share,
        "name": "model",
        "line": {"color": "$accent", "width": 2},
        "marker": {"size": 9, "color": "$accent"},
        "error_y": _error_bars(share, low, high),
        "hovertemplate": "nominal %{x:.0%}, observed %{y:.1%}<extra></extra>",
    }
    return Chart([_diagonal(), points], _unit_square("nominal coverage", "observed coverage"))


def distance_coverage_chart(groups: Sequence[DistanceGroup]) -> Chart:
    """Draw the observed coverage of 90 % intervals against the distance to the nearest visible value."""
    chart = coverage_chart({group.median: group.coverage for group in groups})
    ideal, points = chart.traces
    ideal = {**ideal, "x": [groups[0].median, groups[-1].median], "y": [0.9, 0.9]}
    points = {**points, "hovertemplate": "distance %{x:.3g}, observed %{y:.1%}<extra></extra>"}
    axis = {"title": {"text": "time to the nearest visible value"}}
    return Chart([ideal, points], {**chart.layout, "xaxis": axis})


def channel_error_chart(errors: Mapping[str, Mapping[str, float]]) -> Chart:
    """Draw the errors of each channel, one bar per method; ``errors`` are given by method and then by channel."""
    colours = ("$accent", "$soft/0.7", "$soft/0.35")
    traces = []
    for (method, by_channel), colour in zip(errors.items(), cycle(colours), strict=False):
        traces.append(
            {
                "type": "bar",
                "x": [plain(name) for name in by_channel],
                "y": list(by_channel.values()),
                "name": method,
                "marker": {"color": colour},
                "hovertemplate": "%{x}: %{y:.3f}<extra>" + method + "</extra>",
            }
        )
    axes = {
        "xaxis": {"type": "category", "showgrid": False},
        "yaxis": {"title": {"text": "root mean squared error"}, "rangemode": "tozero"},
    }
    return Chart(traces, {"height": 320, "barmode": "group", "bargap": 0.35, **axes})


def regression_chart(truth: Array, prediction: Array, ids: Sequence[str], name: str) -> Chart:
    """Draw predicted against true numbers, and the diagonal on which they are equal.

    Parameters
    ----------
    truth, prediction : array of shape (B,)
        True and predicted numbers.
    ids : sequence of str
        Ids of the samples, shown under the mouse.
    name : str
        Name of the number.
    """
    ends = [float(min(truth.min(), prediction.min())), float(max(truth.max(), prediction.max()))]
    points = {
        "type": "scatter",
        "mode": "markers",
        "x": truth,
        "y": prediction,
        "text": [plain(i) for i in ids],
        "name": "samples",
        "marker": {"size": 7, "color": "$accent", "opacity": 0.6},
        "hovertemplate": "%{text}<br>true %{x:.4g}, predicted %{y:.4g}<extra></extra>",
    }
    axes = {
        "xaxis": {"title": {"text": f"true {plain(name)}"}},
        "yaxis": {"title": {"text": f"predicted {plain(name)}"}},
    }
    return Chart([_diagonal(ends), points], {"height": 420, "showlegend": False, **axes}, title=name)


def embedding_chart(
    vectors: Array, shares: Array, ids: Sequence[str], labels: Sequence[Any] | None, name: str
) -> Chart:
    """Draw embeddings as one dot per sample, coloured by label.

    Parameters
    ----------
    vectors : array of shape (B, 2)
        First two principal components.
    shares : array of shape (2,)
        Their shares of the variance.
    ids : sequence of str
        Ids of the samples, shown under the mouse.
    labels : sequence or None
        Text for classes, float for a colour scale, or None.
    name : str
        Name of the label.
    """
    hover = [plain(i) for i in ids]
    if labels is None:
        traces = [_dots(vectors, hover, "", {"color": "$accent"}, "")]
    elif isinstance(labels[0], float):
        marker = {
            "color": list(labels),
            "colorscale": [[0.0, "$c1"], [1.0, "$c0"]],
            "colorbar": {"title": {"text": plain(name)}},
        }
        shown = [f"{text}<br>{plain(name)} {format_number(label)}" for text, label in zip(hover, labels, strict=True)]
        traces = [_dots(vectors, shown, "", marker, "")]
    else:
        names = np.asarray([str(label) for label in labels])
        traces = []
        for k, label in enumerate(np.unique(names)):
            rows = np.flatnonzero(names == label)
            marker = {"color": f"$c{k % N_COLOURS}", "symbol": SYMBOLS[k // N_COLOURS % len(SYMBOLS)]}
            class_name = plain(label)
            traces.append(_dots(vectors[rows], [hover[i] for i in rows], class_name, marker, f"<br>{class_name}"))
    axes = {
        f"{axis}axis": {"title": {"text": f"component {k + 1} ({shares[k]:.0%} of the variance)"}, "nticks": 6}
        for k, axis in enumerate("xy")
    }
    is_named = labels is not None and not isinstance(labels[0], float)
    return Chart(traces, {"height": 520, "showlegend": is_named, **axes})


def _dots(vectors: Array, hover: list[str], name: str, marker: dict[str, Any], after: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": vectors[:, 0],
        "y": vectors[:, 1],
        "text": [text + after for text in hover],
        "name": name,
        "marker": {"size": 8, "opacity": 0.8, **marker},
        "hovertemplate": "%{text}<extra></extra>",
    }


def score_chart(scores: Mapping[str, Sequence[float]], name: str, chance_level: float) -> Chart:
    """Draw the mean score of each method as a bar, and single repetitions as dots.

    Parameters
    ----------
    scores : mapping of str to sequence of float
        Scores in [0, 1] of each repetition, by method; the first method is highlighted.
    name : str
        Name of the metric.
    chance_level : float
        Score of random guesses, drawn as a dashed line.
    """
    names, means = list(scores), [float(np.mean(values)) for values in scores.values()]
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": means,
        "y": [plain(n) for n in names],
        "text": [f"{mean:.3f}" for mean in means],
        "textposition": "inside",
        "insidetextanchor": "start",
        "marker": {"color": ["$accent" if k == 0 else "$soft" for k in range(len(names))]},
        "hovertemplate": "%{y}: %{x:.3f}<extra></extra>",
    }
    traces: list[dict[str, Any]] = [bars]
    if max(len(values) for values in scores.values()) > 1:
        dots = [(v, plain(n)) for n, values in scores.items() for v in values]
        marker = {"color": "$ink", "size": 6}
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [d[0] for d in dots],
                "y": [d[1] for d in dots],
                "marker": marker,
            }
        )
    layout: dict[str, Any] = {
        "height": 110 + 48 * len(names),
        "showlegend": False,
        "bargap": 0.3,
        "xaxis": {"range": [0, 1], "title": {"text": name}},
        "yaxis": {"type": "category", "autorange": "reversed", "showgrid": False, "ticksuffix": "  "},
        "margin": {"l": 56, "r": 12, "t": 8, "b": 48},
    }
    line = {"color": "$ink", "width": 1, "dash": "dash"}
    ends = {"x0": chance_level, "x1": chance_level, "y0": 0, "y1": 1, "yref": "paper"}
    layout["shapes"] = [{"type": "line", **ends, "line": line}]
    return Chart(traces, layout)


def _diagonal(ends: Sequence[float] = (0.0, 1.0)) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": list(ends),
        "y": list(ends),
        "name": "ideal",
        "line": {"color": "$soft", "width": 1, "dash": "dash"},
        "hoverinfo": "skip",
    }


def _error_bars(middle: Array, low: Array, high: Array) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": np.maximum(high - middle, 0),
        "arrayminus": np.maximum(middle - low, 0),
        "color": "$accent/0.6",
        "thickness": 1.5,
        "width": 0,
    }


def _unit_square(x: str, y: str) -> dict[str, Any]:
    axis = {"range": [0, 1.03], "tickformat": ".0%", "dtick": 0.2}
    return {
        "height": 360,
        "xaxis": {**axis, "title": {"text": x}},
        "yaxis": {**axis, "title": {"text": y}},
    }
