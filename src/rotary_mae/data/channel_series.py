"""Observed values of a TokenSet, grouped into one series a sample and channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.data.tokens import TokenSet

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ChannelSeries:
    """All observed values of some samples, with the series that each belongs to.

    Attributes
    ----------
    series : array of int, shape (N,)
        Index of the series of each value: ``sample * n_channels + channel``.
    times : array of float, shape (N,)
        Positions on the first continuous axis; 0 without a continuous axis.
    values : array of float, shape (N,)
    n_channels : int
    """

    series: npt.NDArray[np.int64]
    times: Array
    values: Array
    n_channels: int

    def sorted_by_time(self) -> ChannelSeries:
        """Return the values sorted by series and, within a series, by time."""
        order = np.lexsort((self.times, self.series))
        return ChannelSeries(self.series[order], self.times[order], self.values[order], self.n_channels)


def channel_series(tokens: TokenSet) -> ChannelSeries:
    """Return all observed values of the channels, without static covariates."""
    schema, sample = tokens.schema, tokens.sample_idx
    axes = schema.continuous_axes
    times = tokens.positions[:, axes[0]] if axes else np.zeros(tokens.n_tokens)
    if schema.channel_axis is not None:
        is_measured, n = ~tokens.is_static, len(tokens.channels)
        channel = tokens.positions[is_measured, schema.channel_axis].astype(np.int64)
        values = tokens.values[is_measured, 0].astype(np.float64)
        return ChannelSeries(sample[is_measured] * n + channel, times[is_measured], values, n)
    n = schema.n_predicted
    is_observed: npt.NDArray[Any] = np.ones((tokens.n_tokens, n), bool)
    if flags := schema.columns("observed"):
        is_observed = tokens.values[:, flags] > 0
    series = sample[:, None] * n + np.arange(n)
    times = np.broadcast_to(times[:, None], is_observed.shape)
    values = tokens.values[:, :n][is_observed].astype(np.float64)
    return ChannelSeries(series[is_observed], times[is_observed], values, n)


def quantile_by_series(ordered: Array, count: npt.NDArray[np.int64], probability: float) -> Array:
    """Return the quantile of each series, shape (S,); NaN for an empty series.

    Parameters
    ----------
    ordered : array of float, shape (N,)
        Values of all series, one series after the other, each sorted.
    count : array of int, shape (S,)
        Number of values of each series.
    probability : float
        Probability of the quantile, in [0, 1].
    """
    start = np.cumsum(count) - count
    place = probability * np.maximum(count - 1, 0)
    below = np.floor(place).astype(np.int64)
    last = max(len(ordered) - 1, 0)
    low, high = ordered[np.minimum(start + below, last)], ordered[np.minimum(start + np.ceil(place).astype(int), last)]
    return np.where(count > 0, low + (high - low) * (place - below), np.nan)
