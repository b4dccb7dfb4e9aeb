"""Features of a whole view: counts, gaps, roughness of the predicted channel, and its relation to other channels.

Roughness says how well values of the predicted channel are told by their neighbours. Every inner value is left out and
predicted as the value before it, and by linear interpolation of its two neighbours. With e the mean absolute error
over that of white noise, shrunk towards 1 with the weight of two values, the features are log e of both and their
difference.

The relation of another channel is the correlation r of its n values with the predicted channel, linearly interpolated
at their times and constant beyond its ends, shrunk to r n / (n + 4).
"""

from __future__ import annotations

import numpy as np

from rotary_mae.series_model.series_scaling import ScaledViews
from rotary_mae.series_model.views import Floats, Views

N_SUMMARY = 8
"""Features of a view from ``view_summary``."""

WHITE_NOISE_ERRORS = (2.0 / np.sqrt(np.pi), np.sqrt(3.0 / np.pi))
"""Mean absolute errors of the value before and of linear interpolation, for white noise of std 1 at equal gaps."""

ROUGHNESS_WEIGHT = 2
"""Weight of white noise in the roughness, in values. Not tuned."""

RELATION_WEIGHT = 4
"""Weight of a correlation of 0 in the relation, in values. Not tuned."""

SOFT_LIMIT = 4.0
"""Scaled values are compressed beyond this many deviations. Not tuned."""

MAX_LOG_GAP = 4.0
"""Largest logarithm of a mean gap in units, as a feature. Not tuned."""

MIN_ERROR_RATIO = 1e-3
"""Added to the errors of roughness before the logarithm."""


def compress(values: Floats) -> Floats:
    """Return values that are nearly unchanged if small, and grow with the logarithm if large."""
    compressed: Floats = SOFT_LIMIT * np.arcsinh(values / SOFT_LIMIT)
    return compressed


def view_summary(views: Views, scaled: ScaledViews) -> Floats:
    """Return the features of whole views.

    Parameters
    ----------
    views : Views
        The views.
    scaled : ScaledViews
        The same, scaled.

    Returns
    -------
    ndarray, shape (B, 8)
        Logarithms of the number of values of the predicted channel, of the others, and of channels; logarithms of mean
        gaps in units, of all tokens and of the predicted channel; roughness.
    """
    n_own = np.bincount(views.view_idx[views.channels == 0], minlength=len(views))
    counts = [np.log1p(n_own) / 2, np.log1p(views.lengths - n_own) / 2, np.log1p(scaled.n_channels)]
    gaps = scaled.log_gaps.clip(-MAX_LOG_GAP, MAX_LOG_GAP) / 2
    return np.concatenate([np.stack(counts, axis=1), gaps, roughness(views, scaled)], axis=1)


def roughness(views: Views, scaled: ScaledViews) -> Floats:
    """Return the roughness of the predicted channel.

    Parameters
    ----------
    views, scaled
        As in ``view_summary``.

    Returns
    -------
    ndarray, shape (B, 3)
        log e of the value before, log e of linear interpolation, and the second less the first; 0 with fewer than
        three values.
    """
    own = np.flatnonzero(views.channels == 0)  # sorted by time within a view
    value, time, view = compress(scaled.values[own]), scaled.times[own], views.view_idx[own]
    first = np.flatnonzero(view[2:] == view[:-2])
    before, inner, after = value[first], value[first + 1], value[first + 2]
    gap = time[first + 2] - time[first]
    weight = np.divide(time[first + 1] - time[first], gap, out=np.full(len(first), 0.5), where=gap > 0)
    of_view = view[first]
    count = np.bincount(of_view, minlength=len(views))
    features = []
    linear = before + weight * (after - before)
    for predicted, white in zip((before, linear), WHITE_NOISE_ERRORS, strict=True):
        total = np.bincount(of_view, np.abs(inner - predicted), len(views)) / white
        features.append(np.log((total + ROUGHNESS_WEIGHT) / (count + ROUGHNESS_WEIGHT) + MIN_ERROR_RATIO))
    return np.stack([*features, features[1] - features[0]], axis=1)


def channel_relation(views: Views, scaled: ScaledViews) -> Floats:
    """Return how the channel of each visible token goes with the predicted channel.

    Parameters
    ----------
    views, scaled
        As in ``view_summary``.

    Returns
    -------
    ndarray, shape (T,)
        Shrunk correlations; 0 for tokens of the predicted channel, and where it has no visible value.
    """
    relation = np.zeros(len(views.values))
    is_own, view = views.channels == 0, views.view_idx
    own, other = np.flatnonzero(is_own), np.flatnonzero(~is_own)
    if not len(own) or not len(other):
        return relation
    # times of one view lie before those of the next, so that one search serves all views
    stride = 4.0 * (np.abs(scaled.times).max() + 1.0)
    own_time, time = view[own] * stride + scaled.times[own], view[other] * stride + scaled.times[other]
    place = np.searchsorted(own_time, time)
    before, after = np.maximum(place - 1, 0), np.minimum(place, len(own) - 1)
    has_before, has_after = view[own[before]] == view[other], view[own[after]] == view[other]
    before, after = np.where(has_before, before, after), np.where(has_after, after, before)
    gap = own_time[after] - own_time[before]
    weight = np.divide(time - own_time[before], gap, out=np.zeros(len(time)), where=gap > 0).clip(0.0, 1.0)
    values = scaled.values[own]
    x, y = compress(scaled.values[other]), compress(values[before] * (1 - weight) + values[after] * weight)
    channels = view[other] * (int(views.channels.max()) + 1) + views.channels[other]
    _, channel, count = np.unique(channels, return_inverse=True, return_counts=True)
    is_known = has_before | has_after

    def mean(numbers: Floats) -> Floats:
        return np.asarray(np.bincount(channel, np.where(is_known, numbers, 0.0)) / count)

    x, y = x - mean(x)[channel], y - mean(y)[channel]
    correlation = mean(x * y) / np.sqrt(mean(x * x) * mean(y * y) + 1e-6)
    relation[other] = (correlation * count / (count + RELATION_WEIGHT))[channel]
    return relation
