"""Features of series that somebody would make by hand, for gradient boosting to stand beside a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

import rotary_mae as rm

Array = npt.NDArray[Any]

SHARES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
N_FEATURES = 21


def features(tokens: rm.TokenSet) -> Array:
    """(B, C * N_FEATURES) of each channel: number, level, spread, quantiles, skewness, and what happens when.

    Channels are those of the channel axis, or else the values of a step. NaN where a channel has no values.
    """
    axis = tokens.schema.channel_axis
    n_channels = len(tokens.channels) if axis is not None else tokens.schema.n_predicted
    found = np.full((len(tokens), n_channels, N_FEATURES), np.nan)
    found[:, :, 0] = 0
    for sample, channel, times, values in _lines(tokens, n_channels):
        found[sample, channel] = _of_line(times, values)
    return found.reshape(len(tokens), -1)


def _lines(tokens: rm.TokenSet, n_channels: int) -> Iterator[tuple[int, int, Array, Array]]:
    """Sample, channel, times and values of every channel of a sample that has any."""
    axis, times = tokens.schema.channel_axis, tokens.positions[:, 0]
    observed = tokens.schema.columns("observed")
    for sample, (start, length) in enumerate(zip(tokens.starts, tokens.lengths, strict=True)):
        part = slice(start, start + length)
        for channel in range(n_channels):
            if axis is not None:
                is_its = tokens.positions[part, axis] == channel
                values = tokens.values[part, 0]
            else:
                values = tokens.values[part, channel]
                is_its = tokens.values[part, observed[channel]] > 0 if observed else np.ones(length, bool)
            if is_its.any():
                yield sample, channel, times[part][is_its], values[is_its].astype(float)


def _of_line(times: Array, values: Array) -> list[float]:
    quantiles = np.quantile(values, SHARES)
    level, spread = values.mean(), values.std()
    late = times - times.mean()
    is_high = values > (quantiles[0] + quantiles[-1]) / 2
    high = times[is_high] if is_high.any() else times[:1]
    change = np.diff(values)
    return [
        len(values),
        level,
        spread,
        *quantiles,
        ((values - level) ** 3).mean() / (spread**3 + 1e-12),
        values[0],
        values[-1],
        (late * values).mean() / ((late**2).mean() + 1e-12),
        np.abs(change).mean() if len(change) else 0.0,
        float(((values[1:] > level) != (values[:-1] > level)).sum()),
        times[values.argmax()] - times[0],
        times[values.argmin()] - times[0],
        times[-1] - times[0],
        high[-1] - high[0],
        times[values.argmax()] - high[0],
    ]
