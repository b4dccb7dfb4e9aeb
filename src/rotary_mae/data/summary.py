"""What a set of samples holds, in numbers: for a person who wants to see what was read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rotary_mae.data.labels import is_missing
from rotary_mae.data.sources import Source
from rotary_mae.data.timestamps import describe_time
from rotary_mae.data.tokens import TokenSet

MAX_SAMPLES = 10_000


@dataclass(frozen=True)
class ChannelSummary:
    """A channel: its name, in how many samples it is observed, how many values it has, and their range."""

    name: str
    n_samples: int
    n_values: int
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Summary:
    """Numbers of a Source, the inner ones from at most ``MAX_SAMPLES`` of its samples, evenly spread.

    lengths: least, median and largest number of tokens a sample. span: first and last time as the user wrote
    them; None without a time axis. spacing: typical distance of a sample's distinct times (in seconds for time
    stamps). missing_fraction: share of the cells (distinct time, channel) that were not observed. targets: the
    frequency of each class, or least and largest number.
    """

    n_samples: int
    n_summarised: int
    n_tokens: int
    lengths: tuple[int, float, int]
    layout: str
    axes: tuple[str, ...]
    statics: tuple[str, ...]
    has_error: bool
    is_stamped: bool
    span: tuple[str, str] | None
    spacing: float | None
    missing_fraction: float
    channels: tuple[ChannelSummary, ...]
    targets: str

    def lines(self) -> dict[str, str]:
        """In words, but for the channels."""
        least, median, most = self.lengths
        unit = " s" if self.is_stamped else ""
        found = {
            "samples": f"{self.n_samples:,}"
            + (f" (what follows: of {self.n_summarised:,} of them)" if self.n_summarised < self.n_samples else ""),
            "tokens": f"{self.n_tokens:,}; {least} to {most} a sample, median {median:g}",
            "layout": f"{self.layout}, axes {', '.join(self.axes)}" + (", with errors" if self.has_error else ""),
        }
        if self.span is not None:
            found["time"] = f"{self.span[0]} to {self.span[1]}"
        if self.spacing is not None:
            found["typical spacing"] = f"{self.spacing:.4g}{unit}"
        found["missing"] = f"{100 * self.missing_fraction:.1f} % of the cells (time, channel)"
        if self.statics:
            found["static"] = ", ".join(self.statics)
        return {**found, "targets": self.targets}


def summarise(source: Source) -> Summary:
    """Look through a TokenSet or another Source."""
    chosen = np.linspace(0, len(source) - 1, min(len(source), MAX_SAMPLES)).round().astype(np.int64)
    tokens = source[chosen]
    schema = tokens.schema
    lengths = tokens.lengths if source.lengths is None else np.asarray(source.lengths)
    sample, time, channel, value = observed_values(tokens)
    n_steps = _distinct(sample, time)
    n_channels = max(len(schema.channels), 1 if schema.channel_axis is not None else schema.n_predicted)
    return Summary(
        n_samples=len(source),
        n_summarised=len(tokens),
        n_tokens=int(lengths.sum()),
        lengths=(int(lengths.min()), float(np.median(lengths)), int(lengths.max())),
        layout=schema.layout,
        axes=schema.axes,
        statics=schema.statics,
        has_error="error" in schema.roles,
        is_stamped=schema.times is not None,
        span=_span(tokens, time),
        spacing=_spacing(sample, time) if "time" in schema.axes else None,
        missing_fraction=1.0 - _distinct(sample, time, channel) / (n_steps * n_channels),
        channels=_channels(tokens, sample, channel, value),
        targets=_describe_targets(source.targets),
    )


def observed_values(tokens: TokenSet) -> tuple[npt.NDArray[np.int64], ...]:
    """Sample, position in time, channel and value of everything that was observed, each (N,)."""
    schema = tokens.schema
    is_real = ~tokens.is_static
    sample, time = tokens.sample_idx[is_real], tokens.positions[is_real, schema.time_axis]
    if schema.channel_axis is not None:
        return sample, time, tokens.positions[is_real, schema.channel_axis].astype(np.int64), tokens.values[is_real, 0]
    if schema.patch is not None:
        return sample, time, np.zeros(len(sample), np.int64), tokens.values.mean(1)
    flags = schema.columns("observed")
    is_seen = tokens.values[:, flags] > 0 if flags else np.ones((tokens.n_tokens, schema.n_predicted), bool)
    row, column = np.nonzero(is_seen)
    return sample[row], time[row], column, tokens.values[row, column]


def _distinct(*keys: npt.NDArray[np.generic]) -> int:
    """How many different rows there are."""
    order = np.lexsort(keys[::-1])
    changes = [key[order][1:] != key[order][:-1] for key in keys]
    return int(np.logical_or.reduce(changes).sum()) + 1


def _span(tokens: TokenSet, time: npt.NDArray[np.generic]) -> tuple[str, str] | None:
    if "time" not in tokens.axes:
        return None
    stamps = tokens.schema.times
    return describe_time(float(time.min()), stamps), describe_time(float(time.max()), stamps)


def _spacing(sample: npt.NDArray[np.int64], time: npt.NDArray[np.generic]) -> float | None:
    """Median distance between a sample's neighbouring distinct times."""
    order = np.lexsort((time, sample))
    gaps = np.diff(time[order].astype(np.float64))[np.diff(sample[order]) == 0]
    gaps = gaps[gaps > 0]
    return float(np.median(gaps)) if gaps.size else None


def _channels(
    tokens: TokenSet, sample: npt.NDArray[np.int64], channel: npt.NDArray[np.int64], value: npt.NDArray[np.generic]
) -> tuple[ChannelSummary, ...]:
    found = []
    for index, name in enumerate(tokens.channels):
        is_mine = channel == index
        mine = value[is_mine].astype(np.float64)
        low, median, high = np.quantile(mine, (0.0, 0.5, 1.0)) if mine.size else (np.nan,) * 3
        n_samples = len(np.unique(sample[is_mine]))
        found.append(ChannelSummary(name, n_samples, len(mine), float(low), float(median), float(high)))
    return tuple(found)


def _describe_targets(targets: npt.NDArray[np.generic] | None) -> str:
    if targets is None:
        return "none"
    array = np.asarray(targets)
    is_none = np.all(is_missing(array).reshape(len(array), -1), axis=1)
    known, gaps = array[~is_none], f"; {np.count_nonzero(is_none)} without" if is_none.any() else ""
    if not len(known):
        return f"none of {len(array)}"
    if known.ndim == 2 or known.dtype.kind == "f":
        return f"numbers from {known.min():g} to {known.max():g}{gaps}"
    names, counts = np.unique(known, return_counts=True)
    shown = ", ".join(f"{name} {count}" for name, count in zip(names[:20], counts[:20], strict=True))
    return f"{len(names)} values: {shown}{', ...' if len(names) > 20 else ''}{gaps}"
