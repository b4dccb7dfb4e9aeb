"""Interpolations to leaf through: a chart an object, a panel a channel."""

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


def per_object_charts(
    evidence: HeldOutPredictions, value_name: str = "value", is_inverted: bool = False
) -> list[Chart]:
    """A chart for every object that can be drawn: what was visible, what was hidden, the answers and their bands.

    is_inverted: smaller values up, as magnitudes are drawn.
    """
    if evidence.visible is None or evidence.masked is None:
        return []
    ids = evidence.samples["id"].to_pylist()
    labels = evidence.samples["label"].to_pylist() if "label" in evidence.samples.column_names else None
    charts = []
    for sample in evidence.visible["sample"].unique().to_pylist():
        seen, hidden = _of(evidence.visible, "sample", sample), _of(evidence.masked, "sample", sample)
        curves = None if evidence.curves is None else _of(evidence.curves, "sample", sample)
        title = ids[sample] if labels is None else f"{ids[sample]} ({_word(labels[sample])})"
        layout: dict[str, Any] = {}
        traces: list[dict[str, Any]] = []
        channels = _channels(seen, hidden, curves)
        for row, channel in enumerate(channels):
            drawn = [None if t is None else _of(t, "channel", channel) for t in (seen, hidden, curves)]
            panel = _Panel(row, len(channels), evidence.about.get("times"))
            traces += panel.traces(*drawn)
            layout |= panel.axes(channel, value_name, str(evidence.about["position"]), is_inverted)
        layout["height"] = 90 + PANEL_HEIGHT * len(channels)
        charts.append(Chart(traces, layout, title))
    return charts


def _channels(seen: pa.Table, hidden: pa.Table, curves: pa.Table | None) -> list[str]:
    """Those that answers were drawn for; else those with most values."""
    if curves is not None:
        return [str(name) for name in curves["channel"].unique().to_pylist()]
    both = pa.concat_tables([seen.select(["channel"]), hidden.select(["channel"])])
    counts = both.group_by("channel", use_threads=False).aggregate([("channel", "count")])
    often = counts.sort_by([("channel_count", "descending"), ("channel", "ascending")])["channel"].to_pylist()
    return sorted(str(name) for name in often[:MAX_PANELS])


class _Panel:
    """One of the panels below each other; times: the type of the time stamps, or None."""

    def __init__(self, row: int, n_rows: int, times: str | None) -> None:
        self.row, self.n_rows, self.times = row, n_rows, times
        self.number = "" if row == 0 else str(row + 1)

    def traces(self, seen: pa.Table, hidden: pa.Table, curves: pa.Table | None) -> list[dict[str, Any]]:
        """Bands, answers, straight lines, truth, and the values themselves on top."""
        found = []
        if curves is not None and len(curves):
            time = self._when(curves)
            found += [self._band(curves, time, share, alpha) for share, alpha in (("90", 0.16), ("50", 0.28))]
            found.append(self._line(time, curves["answer"], "answer", "$accent", "solid", 2))
            if "truth" in curves.column_names:
                found.append(self._line(time, curves["truth"], "truth without noise", "$ink", "dot", 1.2))
        ends = {"color": "$ink", "size": 6}
        rings = {"color": "$paper", "size": 7, "line": {"color": "$other", "width": 1.6}}
        found.append(self._points(seen, "value", "seen", ends))
        found.append(self._points(hidden, "truth", "hidden", rings))
        if curves is None:
            found.append(
                self._points(
                    hidden,
                    "answer",
                    "answer",
                    {"color": "$accent", "size": 7, "symbol": "x-thin", "line": {"color": "$accent", "width": 1.8}},
                )
            )
        return found

    def axes(self, channel: str, value_name: str, position: str, is_inverted: bool) -> dict[str, Any]:
        """The panel's axes; the times are those of the lowest."""
        gap = 0.15 / self.n_rows if self.n_rows > 1 else 0.0
        height = (1.0 + gap) / self.n_rows - gap
        top = 1.0 - self.row * (height + gap)
        is_last = self.row == self.n_rows - 1
        x: dict[str, Any] = {"anchor": f"y{self.number}", "showticklabels": is_last, "tickformat": None}
        if self.row:
            x["matches"] = "x"
        if is_last:
            x["title"] = {"text": self._position(position)}
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

    def _position(self, name: str) -> str:
        return f"{name} (hours)" if self.times is not None and not self._is_stamp else name

    def _when(self, table: pa.Table) -> list[Any]:
        time = table["time"].to_numpy()
        if self.times is None:
            return list(time.tolist())
        if not self._is_stamp:
            return list((time / 3600.0).tolist())
        return [stamp.isoformat() for stamp in from_seconds(time, "timestamp[ms]").to_pylist()]

    def _trace(self, name: str, **more: Any) -> dict[str, Any]:
        place = {"xaxis": f"x{self.number}", "yaxis": f"y{self.number}"}
        return {"type": "scatter", "name": name, "legendgroup": name, "showlegend": self.row == 0, **place, **more}

    def _band(self, curves: pa.Table, time: list[Any], share: str, alpha: float) -> dict[str, Any]:
        low, high = curves[f"low_{share}"].to_numpy(), curves[f"high_{share}"].to_numpy()
        around = {"x": time + time[::-1], "y": np.concatenate([high, low[::-1]])}
        line = {"width": 0, "color": "$accent"}
        fill = {"fill": "toself", "fillcolor": f"$accent/{alpha}", "line": line, "hoverinfo": "skip"}
        return self._trace(f"{share} % band", mode="lines", **around, **fill)

    def _line(self, time: list[Any], y: Any, name: str, colour: str, dash: str, width: float) -> dict[str, Any]:
        line = {"color": colour, "width": width, "dash": dash}
        hover = "%{y:.4g}<extra>" + name + "</extra>"
        return self._trace(name, mode="lines", x=time, y=y.to_numpy(), line=line, hovertemplate=hover)

    def _points(self, table: pa.Table, column: str, name: str, marker: dict[str, Any]) -> dict[str, Any]:
        hover = "%{x}: %{y:.4g}<extra>" + name + "</extra>"
        y = table[column].to_numpy()
        return self._trace(name, mode="markers", x=self._when(table), y=y, marker=marker, hovertemplate=hover)


def _of(table: pa.Table, column: str, value: Any) -> pa.Table:
    return table.filter(pc.equal(table[column], value))


def _word(label: Any) -> str:
    return f"{label:.4g}" if isinstance(label, float) else str(label)
