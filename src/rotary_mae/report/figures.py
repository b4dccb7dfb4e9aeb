"""Pictures of interpolations for pages and slides, with matplotlib and no window."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Told apart by the colour-blind too (Okabe and Ito)."""


@dataclass(frozen=True)
class Line:
    """One channel of one object.

    seen, hidden: (n, 2) times and values given to the model, and kept from it. times, answer: (q,). low, high: (q,)
    ends of the 90 % interval. linear: (q,) straight lines between what was seen. truth: (q,) without noise, where it
    is known.
    """

    channel: str
    seen: Array
    hidden: Array
    times: Array
    answer: Array
    low: Array
    high: Array
    linear: Array
    truth: Array | None = None


@dataclass(frozen=True)
class Example:
    """An object with its channels."""

    title: str
    lines: Sequence[Line]


def _figure(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def interpolation_figure(examples: Sequence[Example], value_name: str, time_name: str, is_inverted: bool) -> Figure:
    """A row an object, a panel a channel: what was seen, what was hidden, and the answer with its 90 % band.

    is_inverted: smaller values up, as magnitudes are drawn.
    """
    n_columns = max(len(example.lines) for example in examples)
    figure, axes = _figure(3.6 * n_columns, 2.5 * len(examples), len(examples), n_columns)
    for row, example in enumerate(examples):
        for column in range(n_columns):
            panel = axes[row, column]
            if column >= len(example.lines):
                panel.set_axis_off()
                continue
            _draw_line(panel, example.lines[column], COLOURS[column % len(COLOURS)])
            panel.set_title(f"{example.title}, {example.lines[column].channel}", fontsize=9)
            if is_inverted:
                panel.invert_yaxis()
        axes[row, 0].set_ylabel(value_name)
    for panel in axes[-1]:
        panel.set_xlabel(time_name)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize=9, frameon=False)
    return figure


def _draw_line(panel: Any, line: Line, colour: str) -> None:
    panel.fill_between(line.times, line.low, line.high, color=colour, alpha=0.2, lw=0, label="90 %")
    if line.truth is not None:
        panel.plot(line.times, line.truth, color="black", lw=0.8, ls=":", label="truth")
    panel.plot(line.times, line.linear, color="grey", lw=0.8, label="linear")
    panel.plot(line.times, line.answer, color=colour, lw=1.6, label="RoMAE")
    panel.plot(*line.seen.T, "o", color=colour, ms=4, label="seen")
    if len(line.hidden):
        panel.plot(*line.hidden.T, "o", mfc="white", mec=colour, ms=4, label="hidden")
    panel.tick_params(labelsize=8)
    shown = np.concatenate([line.seen[:, 1], line.hidden[:, 1], line.answer])
    margin = 0.25 * max(float(np.ptp(shown)), 1e-6)
    panel.set_ylim(shown.min() - margin, shown.max() + margin)


def reconstruction_figure(
    original: Sequence[npt.NDArray[Any]], masked: Sequence[npt.NDArray[Any]], filled: Sequence[npt.NDArray[Any]]
) -> Figure:
    """A row a sample: as it is, what the model saw (NaN = hidden), and what it made of that.

    Images (height, width, 1 or 3 colours), colours between 0 and 1; or spectrograms (frames, bands), drawn with time
    to the right and all on the scale of the original.
    """
    shapes = {np.ndim(picture) for picture in original}
    if not original or shapes - {2, 3}:
        raise ValueError(
            f"expected at least one image (height, width, colours) or spectrogram (frames, bands), got {len(original)} "
            f"pictures with {sorted(shapes)} axes; of videos take single frames"
        )
    is_sound = shapes == {2}
    wide, high = (3.4, 1.8) if is_sound else (1.5, 1.5)
    figure, axes = _figure(3 * wide, high * len(original) + 0.3, len(original), 3)
    for row, pictures in zip(axes, zip(original, masked, filled, strict=True), strict=True):
        low, top = float(pictures[0].min()), float(pictures[0].max())
        for panel, picture in zip(row, pictures, strict=True):
            panel.set_facecolor("#b8bec6")
            panel.set(xticks=[], yticks=[])
            if is_sound:
                panel.imshow(picture.T, origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=top)
            elif picture.shape[2] == 1:
                panel.imshow(picture[..., 0], cmap="gray", vmin=low, vmax=top)
            else:
                is_seen = ~np.isnan(picture).any(2)
                panel.imshow(np.dstack([np.nan_to_num(picture).clip(0, 1), is_seen]))
    for panel, name in zip(axes[0], ("original", "seen", "reconstruction"), strict=True):
        panel.set_title(name, fontsize=10)
    return figure


def png_bytes(figure: Figure, dpi: int = 110) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    return buffer.getvalue()
