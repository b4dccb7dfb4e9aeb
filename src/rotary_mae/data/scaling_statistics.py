"""Centres and scales of values and units of positions, measured on training data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rotary_mae.data.channel_series import quantile_by_series
from rotary_mae.data.schema import Schema
from rotary_mae.data.sources import SAMPLES_PER_READ, MinimalSource
from rotary_mae.data.tokens import TokenSet

TAIL_DISTANCE = 10.0
"""Distance from the centre, in scales, from which a value counts as part of a heavy tail.

No value of a normal distribution is so far out."""

IQR_PER_STD = 1.349
"""Interquartile range of a normal distribution with standard deviation 1."""

LONG_SPAN = 0.95
"""Quantile of the spans of the samples that stands for long samples. Not the maximum, which one wrong time decides. Not
tuned."""

MIN_GAP = 0.25
"""Smallest gap between channels that counts, in gaps within a channel: channels that are measured one right after the
other count as measured together. 0.1 was slightly worse on simulated light curves."""

ValueScaling = Literal["auto", "robust", "standard", "none"]

Array = npt.NDArray[np.float64]


def fit_centers_and_scales(tokens: TokenSet, how: ValueScaling) -> tuple[Array, Array]:
    """Centres and scales, in the order of ``Scaling.center``."""
    schema = tokens.schema
    if schema.channel_axis is not None:
        channel = tokens.positions[:, schema.channel_axis].astype(np.int64)
        n = len(schema.channels) + len(schema.statics)
        by_channel = np.argsort(channel, kind="stable")
        ordered = tokens.values[by_channel, : schema.n_predicted]
        parts = np.split(ordered, np.cumsum(np.bincount(channel, minlength=n))[:-1])
        fitted = [_fit_column(column, how) for part in parts for column in part.T]
    elif schema.patch is not None:
        # every pixel of a patch is the same quantity
        fitted = [_fit_column(tokens.values.ravel(), how)] * tokens.values.shape[1]
    else:
        observed = schema.flags
        fitted = []
        for column, role in enumerate(schema.roles):
            values = tokens.values[:, column]
            if column in observed:
                values = values[tokens.values[:, observed[column]] > 0]
            fitted.append((0.0, 1.0) if role == "observed" else _fit_column(values, how))
    return np.array([f[0] for f in fitted]), np.array([f[1] for f in fitted])


def _fit_column(values: npt.NDArray[np.float32], how: ValueScaling) -> tuple[float, float]:
    if how == "none" or not values.size:
        return 0.0, 1.0
    values64 = values.astype(np.float64)
    if how == "standard":
        return float(values64.mean()), float(values64.std()) or 1.0
    low, middle, high = np.quantile(values64, (0.25, 0.5, 0.75))
    # a channel that is mostly one number has no interquartile range, so its standard deviation is used
    return float(middle), float((high - low) / IQR_PER_STD) or float(values64.std()) or 1.0


def unobserved_channels(tokens: MinimalSource, schema: Schema) -> tuple[str, ...]:
    """Return the names of the channels without any value; samples are read until all channels have been seen."""
    if schema.patch is not None:
        return ()
    is_observed = np.zeros(len(schema.channels), bool)
    for start in range(0, len(tokens), SAMPLES_PER_READ):
        if is_observed.all():
            break
        is_observed |= _is_observed(tokens[np.arange(start, min(start + SAMPLES_PER_READ, len(tokens)))], schema)
    return tuple(name for name, is_there in zip(schema.channels, is_observed, strict=True) if not is_there)


def _is_observed(tokens: TokenSet, schema: Schema) -> npt.NDArray[np.bool_]:
    """Return True for each channel (C,) of the schema that has a value; those of a set may be in another order."""
    own = tokens.schema
    if own.channel_axis is not None:
        count = np.bincount(tokens.positions[:, own.channel_axis].astype(np.int64), minlength=len(own.channels))
        has_value: npt.NDArray[Any] = count[: len(own.channels)] > 0
    else:
        flags = own.columns("observed")
        is_complete = np.ones(len(own.channels), bool)
        has_value = np.any(tokens.values[:, flags] > 0, axis=0) if flags else is_complete
    found = {name for name, is_there in zip(own.channels, has_value, strict=True) if is_there}
    return np.array([name in found for name in schema.channels], bool)


def tail_fraction(scaled: TokenSet) -> float:
    """Fraction of the observed values beyond ``TAIL_DISTANCE``."""
    schema, is_series = scaled.schema, ~scaled.is_static
    values = np.abs(scaled.values[is_series, : schema.n_predicted])
    observed = schema.columns("observed")
    is_observed = scaled.values[is_series][:, observed] > 0 if observed else np.ones(values.shape, bool)
    return float((values[is_observed] > TAIL_DISTANCE).mean()) if is_observed.any() else 0.0


def fit_units(tokens: TokenSet, unit: float | Sequence[float] | str) -> Array:
    """Units (D,) of the axes; 1 on index axes."""
    units, continuous = np.ones(len(tokens.axes)), list(tokens.schema.continuous_axes)
    if isinstance(unit, str):
        if unit != "auto":
            raise ValueError(f"unit must be one of 'auto' or a positive number, in the unit of the times, got {unit!r}")
        units[continuous] = [_typical_gap(tokens, axis) for axis in continuous]
        return units
    given = np.asarray(unit, np.float64)
    if given.shape not in ((), (len(continuous),)):
        raise ValueError(f"unit must be one number, or one a continuous axis ({len(continuous)}), got {unit}")
    if not (np.isfinite(given).all() and (given > 0).all()):
        raise ValueError(f"the unit of an axis must be positive, got {unit}")
    units[continuous] = given
    return units


def _typical_gap(tokens: TokenSet, axis: int) -> float:
    """Median over the samples of the median gap within a channel.

    Samples in which no channel has two distinct positions do not count. If there are no others, gaps between the
    distinct positions of all channels are used instead. Without these the result is 1.
    """
    gaps = _channel_gaps(tokens, axis)
    gaps = gaps if len(gaps) else _token_gaps(tokens, axis)
    return float(np.median(gaps)) if len(gaps) else 1.0


def _channel_gaps(tokens: TokenSet, axis: int) -> Array:
    """Median gap within a channel of each sample that has a gap."""
    schema, is_measured = tokens.schema, ~tokens.is_static
    sample, position = tokens.sample_idx[is_measured], tokens.positions[is_measured, axis]
    index_axes = [i for i in range(len(tokens.axes)) if i not in schema.continuous_axes]
    channel = tokens.positions[is_measured][:, index_axes]
    if flags := schema.columns("observed"):
        # a channel of a step that was not observed is no measurement
        row, column = np.nonzero(tokens.values[is_measured][:, flags] > 0)
        return _median_gaps(sample[row], position[row], column[:, None], len(tokens))
    return _median_gaps(sample, position, channel, len(tokens))


def _token_gaps(tokens: TokenSet, axis: int) -> Array:
    """Median gap between the distinct positions of all channels of each sample that has a gap."""
    position = tokens.positions[~tokens.is_static]
    return _median_gaps(tokens.sample_idx[~tokens.is_static], position[:, axis], position[:, :0], len(tokens))


def _median_gaps(
    sample: npt.NDArray[np.int64], position: Array, channel: npt.NDArray[np.generic], n_samples: int
) -> Array:
    """Median gap within a channel of each sample that has a gap; equal positions have none.

    sample, position: (N,). channel: (N, k) keys that are equal within a channel.
    """
    order = np.lexsort((position, *channel.T, sample))
    sample, position, channel = sample[order], position[order], channel[order]
    gap = np.diff(position)
    is_gap = (np.diff(sample) == 0) & (channel[1:] == channel[:-1]).all(1) & (gap > 0)
    gap, gap_sample = gap[is_gap], sample[1:][is_gap]
    n_gaps = np.bincount(gap_sample, minlength=n_samples)
    by_size = np.lexsort((gap, gap_sample))
    return quantile_by_series(gap[by_size], n_gaps, 0.5)[n_gaps > 0] if len(gap) else gap


def fit_gaps(tokens: TokenSet) -> tuple[Array, Array]:
    """Typical gaps (D,) between tokens of any channel, and spans (D,) of long samples; 0 on index axes.

    A gap is at least ``MIN_GAP`` of the gap within a channel.
    """
    gaps, spans, is_measured = np.zeros(len(tokens.axes)), np.zeros(len(tokens.axes)), ~tokens.is_static
    sample = tokens.sample_idx[is_measured]
    for axis in tokens.schema.continuous_axes:
        between, position = _token_gaps(tokens, axis), tokens.positions[is_measured, axis]
        gaps[axis] = max(float(np.median(between)) if len(between) else 1.0, MIN_GAP * _typical_gap(tokens, axis))
        low, high = np.full(len(tokens), np.inf), np.full(len(tokens), -np.inf)
        np.minimum.at(low, sample, position)
        np.maximum.at(high, sample, position)
        if (has_tokens := high >= low).any():
            spans[axis] = np.quantile((high - low)[has_tokens], LONG_SPAN)
    return gaps, spans
