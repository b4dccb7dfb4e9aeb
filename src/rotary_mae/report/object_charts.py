"""Charts of single samples: a panel per channel with visible values, masked values and predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rotary_mae.data.timestamps import from_seconds
from rotary_mae.evaluation.held_out import HeldOutPredictions
from rotary_mae.report.page import Chart, plain

Array = npt.NDArray[Any]

MAX_PANELS, PANEL_HEIGHT = 4, 170
"""Channels that fit on a screen, and the height of each in pixels. Not tuned."""


def per_object_charts(
    predictions: HeldOutPredictions, value_name: str = "value", is_inverted: bool = False
) -> list[Chart]:
    """Draw each sample of ``predictions.visible``.

    Parameters
    ----------
    predictions : HeldOutPredictions
        Predictions of an embedder or interpolator on masked values.
    value_name : str
        Label of the value axis, if the channel has no name.
    is_inverted : bool
        True if smaller values are drawn at the top, as is usual for magnitudes.

    Returns
    -------
    list of Chart
        Empty if the samples are not series.
    """
    if predictions.visible is None or predictions.masked is None:
        return []
    ids = predictions.samples["id"].to_pylist()
    labels = predictions.samples["label"].to_pylist() if "label" in predictions.samples.column_names else None
    charts = []
    for sample in predictions.visible["sample"].unique().to_pylist():
        visible, masked = _rows(predictions.visible, "sample", sample), _rows(predictions.masked, "sample", sample)
        curves = None if predictions.curves is None else _rows(predictions.curves, "sample", sample)
        title = ids[sample] if labels is None else f"{ids[sample]} ({_label_text(labels[sample])})"
        layout: dict[str, Any] = {}
        traces: list[dict[str, Any]] = []
        channels = _channels(visible, masked, curves)
        for row, channel in enumerate(channels):
            panel = _Panel(row, len(channels), predictions.about.get("times"))
            traces += panel.traces(
                _rows(visible, "channel", channel),
                _rows(masked, "channel", channel),
                None if curves is None else _rows(curves, "channel", channel),
            )
            layout |= panel.axes(channel, value_name, str(predictions.about["position"]), is_inverted)
        layout["height"] = 90 + PANEL_HEIGHT * len(channels)
        charts.append(Chart(traces, layout, title))
    return charts


def _channels(visible: pa.Table, masked: pa.Table, curves: pa.Table | None) -> list[str]:
    """Return the channels with predicted curves, or without curves those with most values."""
    if curves is not None:
        return [str(name) for name in curves["channel"].unique().to_pylist()]
    both = pa.concat_tables([visible.select(["channel"]), masked.select(["channel"])])
    counts = both.group_by("channel", use_threads=False).aggregate([("channel", "count")])
    by_count = counts.sort_by([("channel_count", "descending"), ("channel", "ascending")])["channel"].to_pylist()
    return sorted(str(name) for name in by_count[:MAX_PANELS])


class _Panel:
    """One panel of a chart. The panels of a chart are stacked.

    Parameters
    ----------
    row, n_rows : int
        Index of the panel from the top, and number of panels.
    times : str or None
        Arrow type of the time stamps or durations; None for plain numbers.
    """

    def __init__(self, row: int, n_rows: int, times: str | None) -> None:
        self.row, self.n_rows, self.times = row, n_rows, times
        self.number = "" if row == 0 else str(row + 1)

    def traces(self, visible: pa.Table, masked: pa.Table, curves: pa.Table | None) -> list[dict[str, Any]]:
        """Return the traces from back to front: intervals, predictions, truth, and the values themselves."""
        found = []
        if curves is not None and len(curves):
            time = self._times(curves)
            found += [self._interval(curves, time, level, alpha) for level, alpha in (("90", 0.16), ("50", 0.28))]
            found.append(self._line(time, curves["answer"], "prediction", "$accent", "solid", 2))
            if "truth" in curves.column_names:
                found.append(self._line(time, curves["truth"], "truth without noise", "$ink", "dot", 1.2))
        dots = {"color": "$ink", "size": 6}
        rings = {"color": "$paper", "size": 7, "line": {"color": "$other", "width": 1.6}}
        found.append(self._points(visible, "value", "visible", dots))
        found.append(self._points(masked, "truth", "masked", rings))
        if curves is None:
            crosses = {
                "color": "$accent",
                "size": 7,
                "symbol": "x-thin",
                "line": {"color": "$accent", "width": 1.8},
            }
            found.append(self._points(masked, "answer", "prediction", crosses))
        return found

    def axes(self, channel: str, value_name: str, position: str, is_inverted: bool) -> dict[str, Any]:
        """Return the axes of the panel; all panels share the time axis, whose labels are on the lowest one."""
        gap = 0.15 / self.n_rows if self.n_rows > 1 else 0.0
        height = (1.0 + gap) / self.n_rows - gap
        top = 1.0 - self.row * (height + gap)
        is_last = self.row == self.n_rows - 1
        x: dict[str, Any] = {"anchor": f"y{self.number}", "showticklabels": is_last, "tickformat": None}
        if self.row:
            x["matches"] = "x"
        if is_last:
            x["title"] = {"text": self._position_text(position)}
        if not self._is_stamp:
            x["tickformat"] = "~g" if self.times is None else None
        y = {
            "anchor": f"x{self.number}",
            "domain": [max(top - height, 0.0), min(top, 1.0)],
            "title": {"text": plain(channel) if channel != "value" else value_name},
            "nticks": 5,
        }
        if is_inverted:
            y["autorange"] = "reversed"
        return {f"xaxis{self.number}": {k: v for k, v in x.items() if v is not None}, f"yaxis{self.number}": y}

    @property
    def _is_stamp(self) -> bool:
        return self.times is not None and not self.times.startswith("duration")

    def _position_text(self, name: str) -> str:
        return f"{name} (hours)" if self.times is not None and not self._is_stamp else name

    def _times(self, table: pa.Table) -> list[Any]:
        """Return times as Plotly takes them: numbers, hours of durations, ISO dates of time stamps."""
        time = table["time"].to_numpy()
        if self.times is None:
            return list(time.tolist())
        if not self._is_stamp:
            return list((time / 3600.0).tolist())
        return [stamp.isoformat() for stamp in from_seconds(time, "timestamp[ms]").to_pylist()]

    def _trace(self, name: str, **more: Any) -> dict[str, Any]:
        axes = {"xaxis": f"x{self.number}", "yaxis": f"y{self.number}"}
        return {"type": "scatter", "name": name, "legendgroup": name, "showlegend": self.row == 0, **axes, **more}

    def _interval(self, curves: pa.Table, time: list[Any], level: str, alpha: float) -> dict[str, Any]:
        low, high = curves[f"low_{level}"].to_numpy(), curves[f"high_{level}"].to_numpy()
        outline = {"x": time + time[::-1], "y": np.concatenate([high, low[::-1]])}
        line = {"width": 0, "color": "$accent"}
        fill = {"fill": "toself", "fillcolor": f"$accent/{alpha}", "line": line, "hoverinfo": "skip"}
        return self._trace(f"{level} % interval", mode="lines", **outline, **fill)

    def _line(self, time: list[Any], y: Any, name: str, colour: str, dash: str, width: float) -> dict[str, Any]:
        line = {"color": colour, "width": width, "dash": dash}
        hover = "%{y:.4g}<extra>" + name + "</extra>"
        return self._trace(name, mode="lines", x=time, y=y.to_numpy(), line=line, hovertemplate=hover)

    def _points(self, table: pa.Table, column: str, name: str, marker: dict[str, Any]) -> dict[str, Any]:
        hover = "%{x}: %{y:.4g}<extra>" + name + "</extra>"
        y = table[column].to_numpy()
        return self._trace(name, mode="markers", x=self._times(table), y=y, marker=marker, hovertemplate=hover)


def _rows(table: pa.Table, column: str, value: Any) -> pa.Table:
    return table.filter(pc.equal(table[column], value))


def _label_text(label: Any) -> str:
    return f"{label:.4g}" if isinstance(label, float) else str(label)
