"""One line from a fitted interpolator to a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from rotary_mae._atomic import replacing_file
from rotary_mae.data.alignment import align
from rotary_mae.data.scaling import Scaling
from rotary_mae.data.tokens import TokenSet
from rotary_mae.report.figures import Example, Line, interpolation_figure, reconstruction_figure

Array = npt.NDArray[Any]

N_SAMPLES, N_CHANNELS = 3, 4


class Interpolates(Protocol):
    """What a fitted ``RoMAEInterpolator`` can do."""

    @property
    def scaling_(self) -> Scaling:
        """The fitted scaling."""

    def read(self, X: Any) -> TokenSet:
        """Data as samples."""

    def predict(self, X: Any, at: Any, *, quantiles: Sequence[float]) -> Any:
        """Quantiles at positions."""


def plot_interpolation(
    interpolator: Interpolates,
    X: Any,
    *,
    ids: Any = None,
    channels: Sequence[str] | None = None,
    n_times: int = 200,
    is_inverted: bool = False,
) -> Figure:
    """A picture of the answers between the observations: a row a sample, a panel a channel, with 90 % bands.

    Args:
        interpolator: a fitted RoMAEInterpolator.
        X: samples, as it takes them to predict.
        ids: of the samples to draw, one or several; None draws the first three.
        channels: to draw; None draws the four with most observations in these samples.
        n_times: answers a panel, evenly spread over the sample's span.
        is_inverted: smaller values up, as magnitudes are drawn.

    Returns:
        A matplotlib figure: ``.savefig("picture.png")`` writes it, a notebook shows it.

    Raises:
        ValueError: ids or channels that are not there, and samples that are no series.
        TypeError: another estimator.
    """
    if not hasattr(interpolator, "forecast"):
        raise TypeError(f"expected a fitted RoMAEInterpolator, got {type(interpolator).__name__}")
    tokens = align(interpolator.read(X), interpolator.scaling_.schema)
    if "time" not in tokens.axes or tokens.schema.patch is not None:
        raise ValueError(f"only series can be drawn over time, these samples have the axes {tokens.axes}")
    tokens = tokens[_chosen(tokens, ids)]
    drawn = _channels(tokens, channels)
    time = tokens.axes.index("time")
    grids = [_grid(tokens[[i]], time, n_times) for i in range(len(tokens))]
    at = [_questions(grid, tokens, drawn) for grid in grids]
    low, mid, high = interpolator.predict(tokens, at, quantiles=[0.05, 0.5, 0.95])
    examples = []
    for i, name in enumerate(tokens.ids.tolist()):
        answers = [_by_channel(answer[i], tokens, drawn, n_times) for answer in (low, mid, high)]
        lines = [_line(tokens[[i]], c, grids[i], *(a[k] for a in answers)) for k, c in enumerate(drawn)]
        examples.append(Example(str(name), lines))
    figure = interpolation_figure(examples, "value", "time", is_inverted)
    if _is_dated(tokens):
        for panel in figure.axes:
            locator = AutoDateLocator(maxticks=6)
            panel.xaxis.set_major_locator(locator)
            panel.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    return figure


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write the figure in the format of the suffix (png, pdf or svg), whole or not at all."""
    suffix = check_picture(path).suffix.removeprefix(".")
    with replacing_file(Path(path)) as partial:
        figure.savefig(partial, format=suffix, dpi=120, facecolor="white")


def check_picture(path: str | Path) -> Path:
    """The path of a picture to be written; raises ValueError for a suffix that is no picture's."""
    path = Path(path)
    if path.suffix not in (".png", ".pdf", ".svg"):
        raise ValueError(f"{path} has suffix {path.suffix!r}; a picture is written as one of .png, .pdf, .svg")
    return path


def _chosen(tokens: TokenSet, ids: Any) -> npt.NDArray[np.int64]:
    """(n,) indices of the samples named."""
    if ids is None:
        return np.arange(min(N_SAMPLES, len(tokens)))
    place = {name: i for i, name in enumerate(tokens.ids.tolist())}
    wanted = np.atleast_1d(np.asarray(ids)).tolist()
    if missing := [name for name in wanted if name not in place]:
        raise ValueError(f"there is no sample {missing[0]!r}; the ids begin with {list(place)[:3]}")
    return np.array([place[name] for name in wanted], np.int64)


def _channels(tokens: TokenSet, names: Sequence[str] | None) -> list[int]:
    """Indices of the channels to draw."""
    n_channels = len(tokens.channels) or tokens.schema.n_predicted
    if names is None:
        counts = [sum(len(_observed(tokens[[i]], c)) for i in range(len(tokens))) for c in range(n_channels)]
        return sorted(np.argsort(counts, kind="stable")[::-1][:N_CHANNELS].tolist())
    if unknown := [name for name in names if name not in tokens.channels]:
        raise ValueError(f"there is no channel {unknown[0]!r}; there are {', '.join(tokens.channels)}")
    return [tokens.channels.index(name) for name in names]


def _grid(sample: TokenSet, time: int, n_times: int) -> Array:
    times = sample.positions[~sample.is_static, time]
    return np.linspace(times.min(), times.max(), n_times)


def _questions(grid: Array, tokens: TokenSet, drawn: Sequence[int]) -> Array:
    """(q, D): the grid, once for every channel where channels are an axis."""
    axis = tokens.schema.channel_axis
    if axis is None:
        return grid[:, None]
    at = np.zeros((len(drawn) * len(grid), len(tokens.axes)))
    at[:, tokens.axes.index("time")] = np.tile(grid, len(drawn))
    at[:, axis] = np.repeat(drawn, len(grid))
    return at


def _by_channel(answer: Array, tokens: TokenSet, drawn: Sequence[int], n_times: int) -> Array:
    """(channels drawn, times)."""
    if tokens.schema.channel_axis is None:
        return answer[:, list(drawn)].T
    return answer[:, 0].reshape(len(drawn), n_times)


def _line(sample: TokenSet, channel: int, grid: Array, low: Array, mid: Array, high: Array) -> Line:
    seen = _observed(sample, channel)
    linear = np.interp(grid, *seen.T) if len(seen) else np.full(len(grid), np.nan)
    times = _drawable(grid, sample)
    known = np.column_stack([_drawable(seen[:, 0], sample), seen[:, 1]])
    name = sample.channels[channel] if sample.channels else "value"
    return Line(name, known, np.zeros((0, 2)), times, mid, low, high, linear)


def _observed(sample: TokenSet, channel: int) -> Array:
    """(n, 2) times and values of what was observed, by time."""
    schema = sample.schema
    times, values = sample.positions[:, schema.axes.index("time")], sample.values
    if schema.channel_axis is not None:
        is_mine = ~sample.is_static & (sample.positions[:, schema.channel_axis] == channel)
        found = np.column_stack([times[is_mine], values[is_mine, 0]])
    else:
        flags = schema.columns("observed")
        is_mine = values[:, flags[channel]] > 0 if flags else np.ones(len(times), bool)
        found = np.column_stack([times[is_mine], values[is_mine, channel]])
    return found[np.argsort(found[:, 0], kind="stable")]


def _drawable(times: Array, sample: TokenSet) -> Array:
    """Times as they are drawn: numbers as they are, time stamps as matplotlib counts days."""
    if not _is_dated(sample):
        return times
    stamps = np.round(times * 1e6).astype(np.int64).astype("datetime64[us]")
    return np.asarray(date2num(stamps), np.float64)


def _is_dated(tokens: TokenSet) -> bool:
    """Whether times are time stamps; durations are drawn in seconds."""
    return tokens.schema.times is not None and not tokens.schema.times.startswith("duration")


class Reconstructs(Protocol):
    """What a picture asks of an embedder (see ``RoMAEEmbedder``)."""

    def reconstruct(self, X: Any, fraction: float | None = None, seed: int = 0) -> Any: ...


def plot_reconstruction(embedder: Reconstructs, X: Any, *, fraction: float | None = None, seed: int = 0) -> Figure:
    """A picture of images or spectrograms with patches hidden: a row a sample, as it is, as seen, as filled in.

    Args:
        embedder: a fitted RoMAEEmbedder.
        X: samples, all of which are drawn: tokens of images or of sound.
        fraction: share of the patches to hide, in [0, 1]; None: as in training. seed: which they are.

    Returns:
        A matplotlib figure: ``.savefig("picture.png")`` writes it, a notebook shows it.

    Raises ValueError for samples that are no patches, and for videos.
    """
    return reconstruction_figure(*embedder.reconstruct(X, fraction, seed).pictures())
