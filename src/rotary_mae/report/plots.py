"""Plots of fitted estimators: interpolations of series, reconstructions of images and audio."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from rotary_mae._atomic import replacing_file, user_path
from rotary_mae.data.alignment import align
from rotary_mae.data.scaling import Scaling
from rotary_mae.data.tokens import TokenSet
from rotary_mae.report.figures import ChannelSeries, Example, interpolation_figure, reconstruction_figure

Array = npt.NDArray[Any]

N_SAMPLES, N_CHANNELS = 3, 4
"""Samples and channels that are drawn by default; more panels do not fit on a screen. Not tuned."""


class FittedInterpolator(Protocol):
    """The methods of ``RoMAEInterpolator`` that a plot uses; this package does not import estimators."""

    @property
    def scaling_(self) -> Scaling:
        """The fitted scaling."""

    def read(self, X: Any) -> TokenSet:
        """Return data as samples."""

    def predict(self, X: Any, at: Any, *, quantiles: Sequence[float]) -> Any:
        """Return quantiles at positions."""


class FittedEmbedder(Protocol):
    """The method of ``RoMAEEmbedder`` that a plot uses."""

    def reconstruct(self, X: Any, fraction: float | None = None, seed: int = 0) -> Any:
        """Return masked and reconstructed patches."""


def plot_interpolation(
    interpolator: FittedInterpolator,
    X: Any,
    *,
    ids: Any = None,
    channels: Sequence[str] | None = None,
    n_times: int = 200,
    is_inverted: bool = False,
) -> Figure:
    """Draw observed values and predictions between them with 90 % intervals: a row per sample, a panel per channel.

    Parameters
    ----------
    interpolator : RoMAEInterpolator
        A fitted interpolator.
    X : TokenSet, data frame or array
        Samples, in any form that ``interpolator.predict`` takes.
    ids : id or sequence of ids, optional
        Samples to draw; by default the first three.
    channels : sequence of str, optional
        Channels to draw; by default the four with most observations in these samples.
    n_times : int
        Number of predictions in each panel, at equally spaced times from the first to the last of the sample.
    is_inverted : bool
        True if smaller values are drawn at the top, as is usual for magnitudes.

    Returns
    -------
    matplotlib.figure.Figure
        ``.savefig("picture.png")`` writes it; a notebook shows it.

    Raises
    ------
    ValueError
        If an id or channel is unknown, or the samples are not series.
    TypeError
        If the estimator is not an interpolator.
    """
    if not hasattr(interpolator, "forecast"):
        raise TypeError(f"expected a fitted RoMAEInterpolator, got {type(interpolator).__name__}")
    tokens = align(interpolator.read(X), interpolator.scaling_.schema)
    if "time" not in tokens.axes or tokens.schema.patch is not None:
        raise ValueError(f"only series can be drawn over time, these samples have the axes {tokens.axes}")
    tokens = tokens[_sample_indices(tokens, ids)]
    channel_idx = _channel_indices(tokens, channels)
    grids = [_time_grid(tokens[[i]], n_times) for i in range(len(tokens))]
    at = [_queries(grid, tokens, channel_idx) for grid in grids]
    quantiles = interpolator.predict(tokens, at, quantiles=[0.05, 0.5, 0.95])
    examples = []
    for i, name in enumerate(tokens.ids.tolist()):
        low, median, high = (_by_channel(quantile[i], tokens, channel_idx, n_times) for quantile in quantiles)
        series = [
            _channel_series(tokens[[i]], channel, grids[i], low[k], median[k], high[k])
            for k, channel in enumerate(channel_idx)
        ]
        examples.append(Example(str(name), series))
    figure = interpolation_figure(examples, "value", "time", is_inverted)
    if _has_time_stamps(tokens):
        for panel in figure.axes:
            locator = AutoDateLocator(maxticks=6)
            panel.xaxis.set_major_locator(locator)
            panel.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    return figure


def plot_reconstruction(embedder: FittedEmbedder, X: Any, *, fraction: float | None = None, seed: int = 0) -> Figure:
    """Draw images or spectrograms with masked patches: a row per sample with original, visible part, reconstruction.

    Parameters
    ----------
    embedder : RoMAEEmbedder
        A fitted embedder.
    X : TokenSet or other Source
        Tokens of images or of audio; all samples are drawn.
    fraction : float, optional
        Fraction of the patches that is masked, in [0, 1); by default as in training.
    seed : int
        Seed of the choice of masked patches.

    Returns
    -------
    matplotlib.figure.Figure
        ``.savefig("picture.png")`` writes it; a notebook shows it.

    Raises
    ------
    ValueError
        If the samples are not patches, or are videos.
    """
    return reconstruction_figure(*embedder.reconstruct(X, fraction, seed).pictures())


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure in the format of the suffix (.png, .pdf or .svg), completely or not at all."""
    suffix = check_picture(path).suffix.removeprefix(".")
    with replacing_file(user_path(path)) as partial:
        figure.savefig(partial, format=suffix, dpi=120, facecolor="white")


def check_picture(path: str | Path) -> Path:
    """Return the path of a picture to write; raises ValueError for an unknown suffix."""
    path = user_path(path)
    if path.suffix not in (".png", ".pdf", ".svg"):
        raise ValueError(f"{path} has suffix {path.suffix!r}; a picture is written as one of .png, .pdf, .svg")
    return path


def _sample_indices(tokens: TokenSet, ids: Any) -> npt.NDArray[np.int64]:
    """Return the indices (n,) of the samples to draw."""
    if ids is None:
        return np.arange(min(N_SAMPLES, len(tokens)))
    index_of = {name: i for i, name in enumerate(tokens.ids.tolist())}
    names = np.atleast_1d(np.asarray(ids)).tolist()
    if missing := [name for name in names if name not in index_of]:
        raise ValueError(f"there is no sample {missing[0]!r}; the first ids are {list(index_of)[:3]}")
    return np.array([index_of[name] for name in names], np.int64)


def _channel_indices(tokens: TokenSet, names: Sequence[str] | None) -> list[int]:
    """Return the indices of the channels to draw."""
    n_channels = len(tokens.channels) or tokens.schema.n_predicted
    if names is None:
        counts = [sum(len(_observed(tokens[[i]], c)) for i in range(len(tokens))) for c in range(n_channels)]
        return sorted(np.argsort(counts, kind="stable")[::-1][:N_CHANNELS].tolist())
    if unknown := [name for name in names if name not in tokens.channels]:
        raise ValueError(f"there is no channel {unknown[0]!r}; there are {', '.join(tokens.channels)}")
    return [tokens.channels.index(name) for name in names]


def _time_grid(sample: TokenSet, n_times: int) -> Array:
    """Return equally spaced times (n_times,) from the first to the last of one sample."""
    times = sample.positions[~sample.is_static, sample.axes.index("time")]
    return np.linspace(times.min(), times.max(), n_times)


def _queries(grid: Array, tokens: TokenSet, channels: Sequence[int]) -> Array:
    """Return query positions (q, D): the grid, repeated for each channel if channels are an axis."""
    axis = tokens.schema.channel_axis
    if axis is None:
        return grid[:, None]
    at = np.zeros((len(channels) * len(grid), len(tokens.axes)))
    at[:, tokens.axes.index("time")] = np.tile(grid, len(channels))
    at[:, axis] = np.repeat(channels, len(grid))
    return at


def _by_channel(predictions: Array, tokens: TokenSet, channels: Sequence[int], n_times: int) -> Array:
    """Return predictions of one sample as (channels, n_times)."""
    if tokens.schema.channel_axis is None:
        return predictions[:, list(channels)].T
    return predictions[:, 0].reshape(len(channels), n_times)


def _channel_series(
    sample: TokenSet, channel: int, grid: Array, low: Array, median: Array, high: Array
) -> ChannelSeries:
    observed = _observed(sample, channel)
    linear = np.interp(grid, *observed.T) if len(observed) else np.full(len(grid), np.nan)
    times = _axis_times(grid, sample)
    visible = np.column_stack([_axis_times(observed[:, 0], sample), observed[:, 1]])
    name = sample.channels[channel] if sample.channels else "value"
    return ChannelSeries(name, visible, np.zeros((0, 2)), times, median, low, high, linear)


def _observed(sample: TokenSet, channel: int) -> Array:
    """Return times and values (n, 2) of the observations of a channel, in the order of time."""
    schema = sample.schema
    times, values = sample.positions[:, schema.axes.index("time")], sample.values
    if schema.channel_axis is not None:
        is_chosen = ~sample.is_static & (sample.positions[:, schema.channel_axis] == channel)
        points = np.column_stack([times[is_chosen], values[is_chosen, 0]])
    else:
        flags = schema.columns("observed")
        is_chosen = values[:, flags[channel]] > 0 if flags else np.ones(len(times), bool)
        points = np.column_stack([times[is_chosen], values[is_chosen, channel]])
    return points[np.argsort(points[:, 0], kind="stable")]


def _axis_times(times: Array, sample: TokenSet) -> Array:
    """Return times as matplotlib draws them: time stamps as days, other times unchanged."""
    if not _has_time_stamps(sample):
        return times
    stamps = np.round(times * 1e6).astype(np.int64).astype("datetime64[us]")
    return np.asarray(date2num(stamps), np.float64)


def _has_time_stamps(tokens: TokenSet) -> bool:
    """Return True if times are time stamps; durations are drawn in seconds."""
    return tokens.schema.times is not None and not tokens.schema.times.startswith("duration")
