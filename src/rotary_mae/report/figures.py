"""Matplotlib figures of interpolations and reconstructions, drawn without a window."""

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
"""Palette of Okabe and Ito, which the colour-blind can tell apart."""


@dataclass(frozen=True)
class ChannelSeries:
    """One channel of one sample with its predictions.

    Attributes
    ----------
    channel : str
        Name of the channel.
    visible : array of shape (n, 2)
        Times and values given to the model.
    masked : array of shape (m, 2)
        Times and values that were masked; m may be 0.
    times : array of shape (q,)
        Times of the predictions.
    prediction : array of shape (q,)
        Median of the predictive distribution.
    low, high : array of shape (q,)
        Ends of the 90 % interval.
    linear : array of shape (q,)
        Linear interpolation between the visible values.
    truth : array of shape (q,), optional
        Values without noise, if they are known.
    """

    channel: str
    visible: Array
    masked: Array
    times: Array
    prediction: Array
    low: Array
    high: Array
    linear: Array
    truth: Array | None = None


@dataclass(frozen=True)
class Example:
    """A sample to draw.

    Attributes
    ----------
    title : str
        Name of the sample.
    channels : sequence of ChannelSeries
        Its channels, one panel each.
    """

    title: str
    channels: Sequence[ChannelSeries]


def interpolation_figure(examples: Sequence[Example], value_name: str, time_name: str, is_inverted: bool) -> Figure:
    """Draw observed values and predictions with their 90 % intervals.

    Parameters
    ----------
    examples : sequence of Example
        Samples, one row each with one panel per channel.
    value_name, time_name : str
        Labels of the axes.
    is_inverted : bool
        True if smaller values are drawn at the top, as is usual for magnitudes.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, which belongs to no window.
    """
    n_columns = max(len(example.channels) for example in examples)
    figure, axes = _figure(3.6 * n_columns, 2.5 * len(examples), len(examples), n_columns)
    for row, example in enumerate(examples):
        for column in range(n_columns):
            panel = axes[row, column]
            if column >= len(example.channels):
                panel.set_axis_off()
                continue
            _draw_channel(panel, example.channels[column], COLOURS[column % len(COLOURS)])
            panel.set_title(f"{example.title}, {example.channels[column].channel}", fontsize=9)
            if is_inverted:
                panel.invert_yaxis()
        axes[row, 0].set_ylabel(value_name)
    for panel in axes[-1]:
        panel.set_xlabel(time_name)
    # a panel without masked values has a shorter legend
    handles, labels = max((panel.get_legend_handles_labels() for panel in axes.flat), key=lambda legend: len(legend[1]))
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize=9, frameon=False)
    return figure


def _figure(width: float, height: float, rows: int, columns: int) -> tuple[Figure, Any]:
    """Return a figure (inches) without pyplot, which would keep it in a global list, and its panels (rows, columns)."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _draw_channel(panel: Any, series: ChannelSeries, colour: str) -> None:
    panel.fill_between(series.times, series.low, series.high, color=colour, alpha=0.2, lw=0, label="90 % interval")
    if series.truth is not None:
        panel.plot(series.times, series.truth, color="black", lw=0.8, ls=":", label="truth without noise")
    panel.plot(series.times, series.linear, color="grey", lw=0.8, label="linear interpolation")
    panel.plot(series.times, series.prediction, color=colour, lw=1.6, label="RoMAE")
    panel.plot(*series.visible.T, "o", color=colour, ms=4, label="observed")
    if len(series.masked):
        panel.plot(*series.masked.T, "o", mfc="white", mec=colour, ms=4, label="masked")
    panel.tick_params(labelsize=8)
    shown = np.concatenate([series.visible[:, 1], series.masked[:, 1], series.prediction])
    margin = 0.25 * max(float(np.ptp(shown)), 1e-6)
    panel.set_ylim(shown.min() - margin, shown.max() + margin)


def reconstruction_figure(
    original: Sequence[npt.NDArray[Any]], masked: Sequence[npt.NDArray[Any]], filled: Sequence[npt.NDArray[Any]]
) -> Figure:
    """Draw originals, their visible parts and reconstructions, one row per sample.

    Parameters
    ----------
    original : sequence of array
        Images (height, width, 1 or 3) with colours in [0, 1], or spectrograms (frames, bands).
    masked : sequence of array
        The originals with NaN where they were masked.
    filled : sequence of array
        The reconstructions.

    Returns
    -------
    matplotlib.figure.Figure
        Spectrograms have time on the x axis, and all three panels have the colour scale of the original.

    Raises
    ------
    ValueError
        If the samples are neither images nor spectrograms.
    """
    shapes = {np.ndim(picture) for picture in original}
    if not original or shapes - {2, 3}:
        raise ValueError(
            f"expected at least one image (height, width, colours) or spectrogram (frames, bands), got {len(original)} "
            f"arrays with {sorted(shapes)} axes; take single frames of a video"
        )
    is_spectrogram = shapes == {2}
    width, height = (3.4, 1.8) if is_spectrogram else (1.5, 1.5)
    figure, axes = _figure(3 * width, height * len(original) + 0.3, len(original), 3)
    for row, pictures in zip(axes, zip(original, masked, filled, strict=True), strict=True):
        low, high = float(pictures[0].min()), float(pictures[0].max())
        for panel, picture in zip(row, pictures, strict=True):
            panel.set_facecolor("#b8bec6")
            panel.set(xticks=[], yticks=[])
            if is_spectrogram:
                panel.imshow(picture.T, origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=high)
            elif picture.shape[2] == 1:
                panel.imshow(picture[..., 0], cmap="gray", vmin=low, vmax=high)
            else:
                is_visible = ~np.isnan(picture).any(2)
                panel.imshow(np.dstack([np.nan_to_num(picture).clip(0, 1), is_visible]))
    for panel, name in zip(axes[0], ("original", "visible", "reconstruction"), strict=True):
        panel.set_title(name, fontsize=10)
    return figure


def png_bytes(figure: Figure, dpi: int = 110) -> bytes:
    """Return the figure as the content of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    return buffer.getvalue()
