"""What a practical person tries first: a few features of each channel, for a forest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.data.tokens import TokenSet

Array = npt.NDArray[np.float64]


def distribution_features(tokens: TokenSet) -> Array:
    """(B, 4 C) for each channel the standard deviation, 5-95 % range, skewness and median of its values.

    A channel without values gets zeros for shape and NaN for the median. Order in time plays no part.
    """
    seen = observations(tokens)
    series, values, n_series = seen.series, seen.values, len(tokens) * seen.n_channels
    order = np.lexsort((values, series))
    series, values = series[order], values[order]
    count = np.bincount(series, minlength=n_series)
    mean = np.bincount(series, weights=values, minlength=n_series) / np.maximum(count, 1)
    centred = values - mean[series]
    moments = [np.bincount(series, weights=centred**p, minlength=n_series) / np.maximum(count, 1) for p in (2, 3)]
    scatter = np.sqrt(moments[0])
    skewness = np.divide(moments[1], scatter**3, out=np.zeros(n_series), where=scatter > 1e-12)
    low, median, high = (quantile_by_series(values, count, share) for share in (0.05, 0.5, 0.95))
    features = np.stack([scatter, np.nan_to_num(high - low), skewness, median], axis=1)
    return features.reshape(len(tokens), -1)


@dataclass(frozen=True)
class Observations:
    """Every observed value: series (N,) is sample * n_channels + channel; times (N,), 0 without a continuous axis."""

    series: npt.NDArray[np.int64]
    times: Array
    values: Array
    n_channels: int

    def in_time(self) -> Observations:
        """Sorted by series and, within one, by time."""
        order = np.lexsort((self.times, self.series))
        return Observations(self.series[order], self.times[order], self.values[order], self.n_channels)


def observations(tokens: TokenSet) -> Observations:
    """All observed values of real channels; static covariates are none."""
    schema, sample = tokens.schema, tokens.sample_idx
    axes = schema.continuous_axes
    times = tokens.positions[:, axes[0]] if axes else np.zeros(tokens.n_tokens)
    if schema.channel_axis is not None:
        real, n = ~tokens.is_static, len(tokens.channels)
        channel = tokens.positions[real, schema.channel_axis].astype(np.int64)
        return Observations(sample[real] * n + channel, times[real], tokens.values[real, 0].astype(np.float64), n)
    n = schema.n_predicted
    observed: npt.NDArray[Any] = np.ones((tokens.n_tokens, n), bool)
    if flags := schema.columns("observed"):
        observed = tokens.values[:, flags] > 0
    series = sample[:, None] * n + np.arange(n)
    times = np.broadcast_to(times[:, None], observed.shape)
    return Observations(series[observed], times[observed], tokens.values[:, :n][observed].astype(np.float64), n)


def quantile_by_series(ordered: Array, count: npt.NDArray[np.int64], share: float) -> Array:
    """Quantile of each series in ``ordered``, which holds them one after the other, each sorted; NaN if empty."""
    start = np.cumsum(count) - count
    place = share * np.maximum(count - 1, 0)
    below = np.floor(place).astype(np.int64)
    last = max(len(ordered) - 1, 0)
    low, high = ordered[np.minimum(start + below, last)], ordered[np.minimum(start + np.ceil(place).astype(int), last)]
    return np.where(count > 0, low + (high - low) * (place - below), np.nan)


def series_features(tokens: TokenSet) -> Array:
    """(B, F) of each channel ``distribution_features`` and what its order in time says; then the static covariates.

    Of images in patches all of one size: the pixels. NaN where a channel has no values.
    """
    if tokens.schema.patch is not None:
        return tokens.values.reshape(len(tokens), -1).astype(np.float64)
    parts = [distribution_features(tokens), _features_in_time(tokens), _statics(tokens)]
    return np.concatenate(parts, axis=1)


def _features_in_time(tokens: TokenSet) -> Array:
    """(B, 17 C) number, span, level and trend, ends, roughness over 1 to 8 steps, crossings, extremes and thirds."""
    seen = observations(tokens).in_time()
    series, times, values = seen.series, seen.times, seen.values
    n_series = len(tokens) * seen.n_channels
    count = np.bincount(series, minlength=n_series)
    first = np.minimum(np.cumsum(count) - count, max(len(values) - 1, 0))
    last = np.maximum(np.cumsum(count) - 1, 0)

    def mean(numbers: Array, of: npt.NDArray[np.int64]) -> Array:
        total = np.bincount(of, weights=numbers, minlength=n_series)
        return total / np.maximum(np.bincount(of, minlength=n_series), 1)

    def at(numbers: Array, place: npt.NDArray[np.int64]) -> Array:
        return np.where(count > 0, numbers[place], np.nan)

    span = np.maximum(times[last] - times[first], 1e-12)
    phase = (times - times[first][series]) / span[series]
    level = mean(values, series)
    centred = values - level[series]
    scatter = np.sqrt(mean(centred**2, series)) + 1e-12
    late = phase - mean(phase, series)[series]
    trend = mean(centred * late, series) / (scatter * (np.sqrt(mean(late**2, series)) + 1e-12))
    found = [count.astype(np.float64), np.where(count > 0, span, 0.0), at(level[series], first), trend]
    found += [at(values, first), at(values, last)]
    for step in (1, 2, 4, 8):
        is_same = series[step:] == series[:-step]
        change = (values[step:] - values[:-step])[is_same]
        found.append(mean(change**2, series[step:][is_same]) / scatter**2)
    is_same = series[1:] == series[:-1]
    crosses = ((centred[1:] > 0) != (centred[:-1] > 0))[is_same]
    found.append(mean(crosses.astype(np.float64), series[1:][is_same]))
    by_value = np.lexsort((values, series))
    found += [at(phase[by_value], first), at(phase[by_value], last), at(values[by_value], last)]
    third = np.minimum((3 * phase).astype(np.int64), 2)
    found += [mean(centred[third == k], series[third == k]) / scatter for k in range(3)]
    return np.stack(found, axis=1).reshape(len(tokens), -1)


def _statics(tokens: TokenSet) -> Array:
    """(B, static covariates), NaN where unknown."""
    schema = tokens.schema
    if schema.channel_axis is None:
        return tokens.values[tokens.starts][:, schema.columns("static")].astype(np.float64)
    found = np.full((len(tokens), len(schema.statics)), np.nan)
    which = tokens.positions[tokens.is_static, schema.channel_axis].astype(np.int64) - len(schema.channels)
    found[tokens.sample_idx[tokens.is_static], which] = tokens.values[tokens.is_static, 0]
    return found


def series_on_grid(tokens: TokenSet, n_times: int) -> Array:
    """(B, channels, n_times) straight lines between the values of each channel, over each sample's own span.

    A channel without values is its median over the samples.
    """
    seen = observations(tokens).in_time()
    n, n_series = seen.n_channels, len(tokens) * seen.n_channels
    count = np.bincount(seen.series, minlength=n_series)
    ends = np.cumsum(count)
    sample, channel = seen.series // n, seen.series % n
    low, high = np.full(len(tokens), np.inf), np.full(len(tokens), -np.inf)
    np.minimum.at(low, sample, seen.times)
    np.maximum.at(high, sample, seen.times)
    medians = [np.median(seen.values[channel == k]) if (channel == k).any() else 0.0 for k in range(n)]
    grid = np.tile(np.repeat(np.asarray(medians)[:, None], n_times, axis=1), (len(tokens), 1))
    for k in np.flatnonzero(count):
        part = slice(ends[k] - count[k], ends[k])
        when = np.linspace(low[k // n], high[k // n], n_times)
        grid[k] = np.interp(when, seen.times[part], seen.values[part])
    return grid.reshape(len(tokens), n, n_times)
