"""Summary of a Source (counts, times, channels, targets) that a user reads to check how data was loaded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rotary_mae.data.labels import is_missing
from rotary_mae.data.sources import Source
from rotary_mae.data.timestamps import describe_time
from rotary_mae.data.tokens import TokenSet

MAX_SAMPLES = 10_000
"""Largest number of samples from which statistics of tokens are computed, in a few seconds. Not tuned."""


@dataclass(frozen=True)
class ChannelSummary:
    """Statistics of one channel.

    Attributes
    ----------
    name : str
        Name of the channel.
    n_samples : int
        Number of samples with a value in this channel.
    n_values : int
        Number of its values.
    low, median, high : float
        Smallest, median and largest value; NaN if there is none.
    """

    name: str
    n_samples: int
    n_values: int
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Summary:
    """Statistics of a Source.

    Those of tokens are computed from at most ``MAX_SAMPLES`` samples, spaced evenly over the source.

    Attributes
    ----------
    n_samples, n_summarised : int
        Number of samples of the source, and number of those that were read.
    n_tokens : int
        Number of tokens of the source; of the samples that were read, if the source has no lengths.
    lengths : tuple of (int, float, int)
        Smallest, median and largest number of tokens of a sample.
    layout : str
        "measurements" or "steps".
    axes, statics : tuple of str
        Names of the position axes and of the static covariates.
    has_error, is_stamped : bool
        True if there are measurement errors, and if times are time stamps.
    span : tuple of (str, str), or None
        First and last time as the user wrote them; None without a time axis.
    spacing : float or None
        Typical distance between distinct times of a sample; in seconds for time stamps.
    missing_fraction : float
        Fraction of the cells (distinct time, channel) that were not observed.
    channels : tuple of ChannelSummary
        Statistics of each channel.
    targets : str
        Frequency of each class, or smallest and largest number.
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
        """Return the summary as text by topic, without the channels."""
        least, median, most = self.lengths
        unit = " s" if self.is_stamped else ""
        found = {
            "samples": f"{self.n_samples:,}"
            + (f" (below: from {self.n_summarised:,} of them)" if self.n_summarised < self.n_samples else ""),
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
    """Return the summary of a Source."""
    chosen = np.linspace(0, len(source) - 1, min(len(source), MAX_SAMPLES)).round().astype(np.int64)
    tokens = source[chosen]
    schema = tokens.schema
    lengths = tokens.lengths if source.lengths is None else np.asarray(source.lengths)
    sample, time, channel, value = observed_values(tokens)
    n_steps = _count_distinct(sample, time)
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
        missing_fraction=1.0 - _count_distinct(sample, time, channel) / (n_steps * n_channels),
        channels=_channels(tokens, sample, channel, value),
        targets=_describe_targets(source.targets),
    )


def observed_values(tokens: TokenSet) -> tuple[npt.NDArray[np.int64], ...]:
    """Return sample, position in time, channel and value of the N observed values, each (N,).

    A patch counts as one value, its mean, of channel 0.
    """
    schema = tokens.schema
    is_series = ~tokens.is_static
    sample, time = tokens.sample_idx[is_series], tokens.positions[is_series, schema.time_axis]
    if schema.channel_axis is not None:
        return (
            sample,
            time,
            tokens.positions[is_series, schema.channel_axis].astype(np.int64),
            tokens.values[is_series, 0],
        )
    if schema.patch is not None:
        return sample, time, np.zeros(len(sample), np.int64), tokens.values.mean(1)
    flags = schema.columns("observed")
    is_observed = tokens.values[:, flags] > 0 if flags else np.ones((tokens.n_tokens, schema.n_predicted), bool)
    row, column = np.nonzero(is_observed)
    return sample[row], time[row], column, tokens.values[row, column]


def _count_distinct(*keys: npt.NDArray[np.generic]) -> int:
    """Return the number of distinct combinations of the keys, each (N,)."""
    order = np.lexsort(keys[::-1])
    changes = [key[order][1:] != key[order][:-1] for key in keys]
    return int(np.logical_or.reduce(changes).sum()) + 1


def _span(tokens: TokenSet, time: npt.NDArray[np.generic]) -> tuple[str, str] | None:
    if "time" not in tokens.axes:
        return None
    stamps = tokens.schema.times
    return describe_time(float(time.min()), stamps), describe_time(float(time.max()), stamps)


def _spacing(sample: npt.NDArray[np.int64], time: npt.NDArray[np.generic]) -> float | None:
    """Return the median distance between neighbouring distinct times of a sample."""
    order = np.lexsort((time, sample))
    gaps = np.diff(time[order].astype(np.float64))[np.diff(sample[order]) == 0]
    gaps = gaps[gaps > 0]
    return float(np.median(gaps)) if gaps.size else None


def _channels(
    tokens: TokenSet, sample: npt.NDArray[np.int64], channel: npt.NDArray[np.int64], value: npt.NDArray[np.generic]
) -> tuple[ChannelSummary, ...]:
    found = []
    for index, name in enumerate(tokens.channels):
        is_chosen = channel == index
        values = value[is_chosen].astype(np.float64)
        low, median, high = np.quantile(values, (0.0, 0.5, 1.0)) if values.size else (np.nan,) * 3
        n_samples = len(np.unique(sample[is_chosen]))
        found.append(ChannelSummary(name, n_samples, len(values), float(low), float(median), float(high)))
    return tuple(found)


def _describe_targets(targets: npt.NDArray[np.generic] | None) -> str:
    if targets is None:
        return "none"
    array = np.asarray(targets)
    is_unlabelled = np.all(is_missing(array).reshape(len(array), -1), axis=1)
    known = array[~is_unlabelled]
    missing = f"; {np.count_nonzero(is_unlabelled)} unlabelled" if is_unlabelled.any() else ""
    if not len(known):
        return f"none, {len(array)} unlabelled"
    if known.ndim == 2 or known.dtype.kind == "f":
        return f"numbers from {known.min():g} to {known.max():g}{missing}"
    names, counts = np.unique(known, return_counts=True)
    shown = ", ".join(f"{name} {count}" for name, count in zip(names[:20], counts[:20], strict=True))
    return f"{len(names)} values: {shown}{', ...' if len(names) > 20 else ''}{missing}"
