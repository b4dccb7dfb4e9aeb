"""Hand-made features of series: a summary of each channel for a forest, and series on a regular grid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rotary_mae.data.channel_series import ChannelSeries, channel_series, quantile_by_series
from rotary_mae.data.tokens import TokenSet

Array = npt.NDArray[np.float64]


def distribution_features(tokens: TokenSet) -> Array:
    """Return features of the distribution of each channel's values, without their order in time.

    Parameters
    ----------
    tokens : TokenSet
        B samples of C channels.

    Returns
    -------
    array of float, shape (B, 4 * C)
        Standard deviation, 5-95 % range, skewness and median of each channel. A channel without values has zeros, and
        NaN as its median.
    """
    observed = channel_series(tokens)
    series, values, n_series = observed.series, observed.values, len(tokens) * observed.n_channels
    order = np.lexsort((values, series))
    series, values = series[order], values[order]
    count = np.bincount(series, minlength=n_series)
    mean = np.bincount(series, weights=values, minlength=n_series) / np.maximum(count, 1)
    centred = values - mean[series]
    moments = [np.bincount(series, weights=centred**p, minlength=n_series) / np.maximum(count, 1) for p in (2, 3)]
    std = np.sqrt(moments[0])
    skewness = np.divide(moments[1], std**3, out=np.zeros(n_series), where=std > 1e-12)
    low, median, high = (quantile_by_series(values, count, p) for p in (0.05, 0.5, 0.95))
    features = np.stack([std, np.nan_to_num(high - low), skewness, median], axis=1)
    return features.reshape(len(tokens), -1)


def series_features(tokens: TokenSet) -> Array:
    """Return features of each sample for a classifier or regressor on tables.

    Parameters
    ----------
    tokens : TokenSet
        B samples of series, or of images in patches with as many patches in every sample.

    Returns
    -------
    array of float, shape (B, F)
        For series the ``distribution_features``, features of the order in time, and the static covariates; NaN for a
        channel without values. For images the pixels.
    """
    if tokens.schema.patch is not None:
        return tokens.values.reshape(len(tokens), -1).astype(np.float64)
    return np.concatenate([distribution_features(tokens), _features_in_time(tokens), _statics(tokens)], axis=1)


def series_on_grid(tokens: TokenSet, n_times: int) -> Array:
    """Interpolate each channel linearly on a regular grid over the sample's own span of time.

    Parameters
    ----------
    tokens : TokenSet
        B samples of series with C channels.
    n_times : int
        Number of times of the grid.

    Returns
    -------
    array of float, shape (B, C, n_times)
        A channel without values is filled with its median over the samples.
    """
    observed = channel_series(tokens).sorted_by_time()
    n, n_series = observed.n_channels, len(tokens) * observed.n_channels
    count = np.bincount(observed.series, minlength=n_series)
    ends = np.cumsum(count)
    sample, channel = observed.series // n, observed.series % n
    first_time, last_time = np.full(len(tokens), np.inf), np.full(len(tokens), -np.inf)
    np.minimum.at(first_time, sample, observed.times)
    np.maximum.at(last_time, sample, observed.times)
    medians = [np.median(observed.values[channel == k]) if (channel == k).any() else 0.0 for k in range(n)]
    grid = np.tile(np.repeat(np.asarray(medians)[:, None], n_times, axis=1), (len(tokens), 1))
    for k in np.flatnonzero(count):
        own = slice(ends[k] - count[k], ends[k])
        times = np.linspace(first_time[k // n], last_time[k // n], n_times)
        grid[k] = np.interp(times, observed.times[own], observed.values[own])
    return grid.reshape(len(tokens), n, n_times)


def _features_in_time(tokens: TokenSet) -> Array:
    """Return 17 features a channel, (B, 17 C), that depend on the order in time.

    Number, span, mean, trend, first and last value, mean squared change over 1, 2, 4 and 8 steps, share of
    crossings of the mean, phases of minimum and maximum, maximum, and the means of the three thirds of the span.
    """
    observed = channel_series(tokens).sorted_by_time()
    series, times, values = observed.series, observed.times, observed.values
    n_series = len(tokens) * observed.n_channels
    count = np.bincount(series, minlength=n_series)
    first = np.minimum(np.cumsum(count) - count, max(len(values) - 1, 0))
    last = np.maximum(np.cumsum(count) - 1, 0)
    span = np.maximum(times[last] - times[first], 1e-12)
    phase = (times - times[first][series]) / span[series]
    mean = _series_mean(values, series, n_series)
    centred = values - mean[series]
    std = np.sqrt(_series_mean(centred**2, series, n_series)) + 1e-12

    def take(numbers: Array, position: npt.NDArray[np.int64]) -> Array:
        return np.where(count > 0, numbers[position], np.nan)

    features = [count.astype(np.float64), np.where(count > 0, span, 0.0), take(mean[series], first)]
    features += [_trend(phase, centred, std, series), take(values, first), take(values, last)]
    features += _roughness(observed, centred, std, n_series)
    by_value = np.lexsort((values, series))
    features += [take(phase[by_value], first), take(phase[by_value], last), take(values[by_value], last)]
    third = np.minimum((3 * phase).astype(np.int64), 2)
    features += [_series_mean(centred[third == k], series[third == k], n_series) / std for k in range(3)]
    return np.stack(features, axis=1).reshape(len(tokens), -1)


def _trend(phase: Array, centred: Array, std: Array, series: npt.NDArray[np.int64]) -> Array:
    """Return the correlation (S,) of value and time within each series."""
    late = phase - _series_mean(phase, series, len(std))[series]
    late_std = np.sqrt(_series_mean(late**2, series, len(std))) + 1e-12
    return _series_mean(centred * late, series, len(std)) / (std * late_std)


def _roughness(observed: ChannelSeries, centred: Array, std: Array, n_series: int) -> list[Array]:
    """Return the mean squared change over 1, 2, 4 and 8 steps, and the share of crossings of the mean, (S,) each."""
    series, values = observed.series, observed.values
    features = []
    for step in (1, 2, 4, 8):
        is_same = series[step:] == series[:-step]
        change = (values[step:] - values[:-step])[is_same]
        features.append(_series_mean(change**2, series[step:][is_same], n_series) / std**2)
    is_same = series[1:] == series[:-1]
    is_crossing = ((centred[1:] > 0) != (centred[:-1] > 0))[is_same]
    return [*features, _series_mean(is_crossing.astype(np.float64), series[1:][is_same], n_series)]


def _series_mean(numbers: Array, series: npt.NDArray[np.int64], n_series: int) -> Array:
    """Return the mean (S,) of the numbers (N,) of each series; 0 for an empty series."""
    total = np.bincount(series, weights=numbers, minlength=n_series)
    return total / np.maximum(np.bincount(series, minlength=n_series), 1)


def _statics(tokens: TokenSet) -> Array:
    """Return the static covariates (B, S), NaN where unknown."""
    schema = tokens.schema
    if schema.channel_axis is None:
        return tokens.values[tokens.starts][:, schema.columns("static")].astype(np.float64)
    statics = np.full((len(tokens), len(schema.statics)), np.nan)
    which = tokens.positions[tokens.is_static, schema.channel_axis].astype(np.int64) - len(schema.channels)
    statics[tokens.sample_idx[tokens.is_static], which] = tokens.values[tokens.is_static, 0]
    return statics
