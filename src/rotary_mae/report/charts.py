"""Charts of training and of held-out answers, as plain data for Plotly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.report.bootstrap import Estimate, number
from rotary_mae.report.page import Chart, plain

Array = npt.NDArray[Any]

N_COLOURS = 8

SYMBOLS = ("circle", "square", "diamond", "cross", "x", "triangle-up")

# light to dark through one hue: read the same by the colour-blind, and in both themes
FADE = [[0.0, "$card"], [1.0, "$accent"]]


def curve_chart(history: Sequence[Mapping[str, Any]], name: str, title: str) -> Chart:
    """A metric over epochs, in training and on the validation part; a ring marks the epoch that was kept.

    name: "loss", or a metric of the validation part alone.
    """
    traces: list[dict[str, Any]] = []
    if name == "loss":
        traces.append(_curve(history, "loss", "training", "$soft", "dot"))
    checked = [line for line in history if line.get(f"validation_{name}") is not None]
    if checked:
        traces.append(_curve(checked, f"validation_{name}", "validation", "$accent", "solid"))
        losses = [line.get("validation_loss", np.inf) for line in checked]
        best = checked[int(np.argmin(losses))]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [best["epoch"]],
                "y": [best[f"validation_{name}"]],
                "name": "least validation loss",
                "marker": {"size": 11, "color": "rgba(0, 0, 0, 0)", "line": {"width": 2, "color": "$other"}},
                "hoverinfo": "skip",
            }
        )
    return Chart(traces, {"height": 320, "xaxis": {"title": {"text": "epoch"}}, "yaxis": {"title": {"text": title}}})


def _curve(lines: Sequence[Mapping[str, Any]], key: str, name: str, colour: str, dash: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines" if len(lines) > 1 else "markers",
        "x": [line["epoch"] for line in lines],
        "y": [line[key] for line in lines],
        "name": name,
        "line": {"color": colour, "width": 2, "dash": dash},
        "hovertemplate": "epoch %{x}: %{y:.4g}<extra>" + name + "</extra>",
    }


def confusion_chart(truth: Array, guess: Array, classes: Sequence[str]) -> Chart:
    """truth, guess: (n,) numbers of classes. Colour is the share of the true class, the numbers are counts."""
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (truth, guess), 1)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    names = [plain(name) for name in classes]
    heat: dict[str, Any] = {
        "type": "heatmap",
        "x": names,
        "y": names,
        "z": shares,
        "customdata": counts,
        "colorscale": FADE,
        "zmin": 0.0,
        "zmax": 1.0,
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
        "hovertemplate": "%{customdata} of %{y} taken for %{x} (%{z:.0%})<extra></extra>",
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


def reliability_chart(chance: Array, is_right: Array, title: str) -> Chart:
    """How often predictions of each stated probability came true, in groups of equally many samples."""
    n_groups = int(np.clip(len(chance) // 20, 1, 10))
    groups = np.array_split(np.argsort(chance, kind="stable"), n_groups)
    count = np.array([len(group) for group in groups])
    stated = np.array([chance[group].mean() for group in groups])
    found = np.array([is_right[group].mean() for group in groups])
    low, high = wilson(found, count)
    points = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": stated,
        "y": found,
        "customdata": count,
        "name": "model",
        "line": {"color": "$accent", "width": 2},
        "marker": {"size": 9, "color": "$accent"},
        "error_y": _bars(found, low, high),
        "hovertemplate": "stated %{x:.0%}, came true %{y:.0%}<br>%{customdata} samples<extra></extra>",
    }
    return Chart([_diagonal(), points], _unit_square(title, "share that came true"))


def wilson(share: Array, n: Array) -> tuple[Array, Array]:
    """Ends of the 95 % interval of shares of n (Wilson 1927)."""
    z = 1.959964
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return centre - half, centre + half


def coverage_chart(found: Mapping[float, Estimate]) -> Chart:
    """The share of hidden values inside intervals against what the intervals promise."""
    share = np.array([e.value for e in found.values()])
    low, high = (np.array([getattr(e, end) for e in found.values()]) for end in ("low", "high"))
    points = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": list(found),
        "y": share,
        "name": "model",
        "line": {"color": "$accent", "width": 2},
        "marker": {"size": 9, "color": "$accent"},
        "error_y": _bars(share, low, high),
        "hovertemplate": "promised %{x:.0%}, found %{y:.1%}<extra></extra>",
    }
    return Chart([_diagonal(), points], _unit_square("promised by the interval", "share of values inside"))


def channel_chart(errors: Mapping[str, Mapping[str, float]]) -> Chart:
    """Errors by channel, a bar a method; ``errors`` by method and then by channel."""
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


def truth_chart(truth: Array, answer: Array, ids: Sequence[str], name: str) -> Chart:
    """Predicted against true numbers, with the diagonal on which they are equal."""
    ends = [float(min(truth.min(), answer.min())), float(max(truth.max(), answer.max()))]
    points = {
        "type": "scatter",
        "mode": "markers",
        "x": truth,
        "y": answer,
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


def map_chart(places: Array, shares: Array, ids: Sequence[str], labels: Sequence[Any] | None, name: str) -> Chart:
    """Embeddings (n, 2), a dot a sample, coloured by label; hovering shows id and label.

    shares: (2,) of the variance, of each axis. labels: text for classes, numbers for a scale of colours, or None.
    """
    hover = [plain(i) for i in ids]
    if labels is None:
        traces = [_dots(places, hover, "", {"color": "$accent"}, "")]
    elif isinstance(labels[0], float):
        marker = {
            "color": list(labels),
            "colorscale": [[0.0, "$c1"], [1.0, "$c0"]],
            "colorbar": {"title": {"text": plain(name)}},
        }
        shown = [f"{text}<br>{plain(name)} {number(label)}" for text, label in zip(hover, labels, strict=True)]
        traces = [_dots(places, shown, "", marker, "")]
    else:
        names = np.asarray([str(label) for label in labels])
        traces = []
        for k, label in enumerate(np.unique(names)):
            mine = np.flatnonzero(names == label)
            marker = {"color": f"$c{k % N_COLOURS}", "symbol": SYMBOLS[k // N_COLOURS % len(SYMBOLS)]}
            word = plain(label)
            traces.append(_dots(places[mine], [hover[i] for i in mine], word, marker, f"<br>{word}"))
    axes = {
        f"{axis}axis": {"title": {"text": f"component {k + 1} ({shares[k]:.0%} of the variance)"}, "nticks": 6}
        for k, axis in enumerate("xy")
    }
    is_named = labels is not None and not isinstance(labels[0], float)
    return Chart(traces, {"height": 520, "showlegend": is_named, **axes})


def _dots(places: Array, hover: list[str], name: str, marker: dict[str, Any], after: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": places[:, 0],
        "y": places[:, 1],
        "text": [text + after for text in hover],
        "name": name,
        "marker": {"size": 8, "opacity": 0.8, **marker},
        "hovertemplate": "%{text}<extra></extra>",
    }


def score_chart(scores: Mapping[str, Sequence[float]], name: str, chance: float | None) -> Chart:
    """Bars of scores, a dot a repetition; ``chance`` is where guessing stands."""
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
    if chance is not None:
        line = {"color": "$ink", "width": 1, "dash": "dash"}
        layout["shapes"] = [
            {"type": "line", "x0": chance, "x1": chance, "y0": 0, "y1": 1, "yref": "paper", "line": line}
        ]
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


def _bars(middle: Array, low: Array, high: Array) -> dict[str, Any]:
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
