"""What a practical person tries first: a few features of each channel, for a forest."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.data.tokens import TokenSet

Array = npt.NDArray[np.float64]


def simple_features(tokens: TokenSet) -> Array:
    """(B, 4 C) for each channel the standard deviation, 5-95 % range, skewness and median of its values.

    A channel without values gets zeros for shape and NaN for the median. Order in time plays no part.
    """
    series, values = _series(tokens)
    n_series = len(tokens) * _n_channels(tokens)
    order = np.lexsort((values, series))
    series, values = series[order], values[order]
    count = np.bincount(series, minlength=n_series)
    mean = np.bincount(series, weights=values, minlength=n_series) / np.maximum(count, 1)
    centred = values - mean[series]
    moments = [np.bincount(series, weights=centred**p, minlength=n_series) / np.maximum(count, 1) for p in (2, 3)]
    scatter = np.sqrt(moments[0])
    skewness = np.divide(moments[1], scatter**3, out=np.zeros(n_series), where=scatter > 1e-12)
    low, median, high = (_quantile(values, count, share) for share in (0.05, 0.5, 0.95))
    features = np.stack([scatter, np.nan_to_num(high - low), skewness, median], axis=1)
    return features.reshape(len(tokens), -1)


def _n_channels(tokens: TokenSet) -> int:
    return len(tokens.channels) if tokens.schema.channel_axis is not None else tokens.schema.n_predicted


def _series(tokens: TokenSet) -> tuple[npt.NDArray[np.int64], Array]:
    """(N,) sample * channels + channel of every observed value, and the values."""
    schema, sample = tokens.schema, tokens.sample_idx
    if schema.channel_axis is not None:
        real = ~tokens.is_static
        channel = tokens.positions[real, schema.channel_axis].astype(np.int64)
        return sample[real] * _n_channels(tokens) + channel, tokens.values[real, 0].astype(np.float64)
    n = schema.n_predicted
    observed: npt.NDArray[Any] = np.ones((tokens.n_tokens, n), bool)
    if flags := schema.columns("observed"):
        observed = tokens.values[:, flags] > 0
    series = sample[:, None] * n + np.arange(n)
    return series[observed], tokens.values[:, :n][observed].astype(np.float64)


def _quantile(ordered: Array, count: npt.NDArray[np.int64], share: float) -> Array:
    """Quantile of each series in ``ordered``, which holds them one after the other, each sorted; NaN if empty."""
    start = np.cumsum(count) - count
    place = share * np.maximum(count - 1, 0)
    below = np.floor(place).astype(np.int64)
    last = max(len(ordered) - 1, 0)
    low, high = ordered[np.minimum(start + below, last)], ordered[np.minimum(start + np.ceil(place).astype(int), last)]
    return np.where(count > 0, low + (high - low) * (place - below), np.nan)
