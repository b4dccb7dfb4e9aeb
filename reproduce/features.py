"""Summary features of series, as input of the tree-based baselines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

import rotary_mae as rm

Array = npt.NDArray[Any]

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
N_FEATURES = 21


def features(tokens: rm.TokenSet) -> Array:
    """Return summary features of each channel.

    They are the number of values, mean, standard deviation, quantiles, skewness, slope, mean absolute change, crossings
    of the mean, and times of the extremes.

    Parameters
    ----------
    tokens : TokenSet
        B series. Their C channels are those of the channel axis, or else the values of a step.

    Returns
    -------
    array
        (B, C * N_FEATURES); NaN where a channel has no values.
    """
    axis = tokens.schema.channel_axis
    n_channels = len(tokens.channels) if axis is not None else tokens.schema.n_predicted
    found = np.full((len(tokens), n_channels, N_FEATURES), np.nan)
    found[:, :, 0] = 0
    for sample, channel, times, values in _channel_series(tokens, n_channels):
        found[sample, channel] = _features_of_series(times, values)
    return found.reshape(len(tokens), -1)


def _channel_series(tokens: rm.TokenSet, n_channels: int) -> Iterator[tuple[int, int, Array, Array]]:
    """Sample, channel, times and values of every channel of a sample that has any."""
    axis, times = tokens.schema.channel_axis, tokens.positions[:, 0]
    observed = tokens.schema.columns("observed")
    for sample, (start, length) in enumerate(zip(tokens.starts, tokens.lengths, strict=True)):
        rows = slice(start, start + length)
        for channel in range(n_channels):
            if axis is not None:
                is_in_channel = tokens.positions[rows, axis] == channel
                values = tokens.values[rows, 0]
            else:
                values = tokens.values[rows, channel]
                is_in_channel = tokens.values[rows, observed[channel]] > 0 if observed else np.ones(length, bool)
            if is_in_channel.any():
                yield sample, channel, times[rows][is_in_channel], values[is_in_channel].astype(float)


def _features_of_series(times: Array, values: Array) -> list[float]:
    """The N_FEATURES features of one channel, from (n,) times and (n,) values."""
    quantiles = np.quantile(values, QUANTILES)
    mean, std = values.mean(), values.std()
    centred_times = times - times.mean()
    is_high = values > (quantiles[0] + quantiles[-1]) / 2
    high_times = times[is_high] if is_high.any() else times[:1]
    change = np.diff(values)
    return [
        len(values),
        mean,
        std,
        *quantiles,
        ((values - mean) ** 3).mean() / (std**3 + 1e-12),
        values[0],
        values[-1],
        (centred_times * values).mean() / ((centred_times**2).mean() + 1e-12),
        np.abs(change).mean() if len(change) else 0.0,
        float(((values[1:] > mean) != (values[:-1] > mean)).sum()),
        times[values.argmax()] - times[0],
        times[values.argmin()] - times[0],
        times[-1] - times[0],
        high_times[-1] - high_times[0],
        times[values.argmax()] - high_times[0],
    ]
