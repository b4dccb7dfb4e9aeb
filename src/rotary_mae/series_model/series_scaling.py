"""Scaling of each view by its visible tokens: a level and a deviation of each channel, and a unit of time.

Level of a channel with n values: the median. Its raw deviation, for n >= 2, is

    a = sqrt(pi / 2) mean|y - median| sqrt(n / (n - 1)),

the standard deviation for normal values. It is less sensitive to outliers than the standard deviation, and unlike an
interquartile range it is 0 for constants alone. It is shrunk, in logarithms, towards the deviation W that is pooled
within all channels of the view, which has the weight of one value:

    log s = ((n - 1) log max(a, W / 1000) + log W) / n;   s = W for one value and for constants.

With one channel W = a, and nothing is shrunk. s is at least half the median known error of the channel. If W = 0 (one
value, or constants alone), W is the larger of 0.3 |level| and the median known error, or 1 if both are 0. A channel
without values has the median m of all values of the view as level, and the larger of their deviation and 0.3 |m| as
deviation.

The unit of time is the median gap between distinct times of the predicted channel; if it has fewer than two, that of
the whole view. It is at least 1/1000 of the time span of the view. If all times of a view are equal no unit is known,
and queries lie one unit before or after.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.series_model.views import Bools, Floats, Ints, Views

STD_OF_MEAN_ABSOLUTE = float(np.sqrt(np.pi / 2.0))
"""Standard deviation of a normal distribution, divided by its mean absolute deviation."""

LEVEL_SHARE = 0.3
"""Deviation of a series of constants, as a share of its level. Not tuned."""

MIN_SHARE_OF_POOLED = 1e-3
"""Smallest deviation of a channel before shrinkage, as a share of the pooled one. Not tuned."""

ROUNDING = 1e-9
"""Differences of values below this share of the level, and of times below this share of the span, are rounding."""

MAX_SPAN = 1000.0
"""Largest time span of visible tokens in units. Bursts of close times would else make it arbitrarily large."""

MAX_SPANS_BEYOND = 4.0
"""Queries further than this many spans beyond the visible tokens are treated as if they were at this distance. Nine of
ten queries beyond the end in training are within 2.3 spans."""


@dataclass(frozen=True, eq=False)
class ScaledViews:
    """Views in the units of the model.

    Attributes
    ----------
    values, errors, times : ndarray, shape (T,)
        Visible tokens: values less level, divided by the deviation; errors divided by the deviation; times from the
        first visible one, in units.
    query_times, targets, target_errors : ndarray, shape (M,)
        Queries, alike.
    level, deviation : ndarray, shape (B,)
        Those of the predicted channel of each view, in the units of the values.
    n_channels : ndarray of int, shape (B,)
        Channels of each view with a visible value, and the predicted one.
    log_gaps : ndarray, shape (B, 2)
        Logarithm of the mean gap between distinct times in units, for all and for the predicted channel.
    """

    values: Floats
    errors: Floats
    times: Floats
    query_times: Floats
    targets: Floats
    target_errors: Floats
    level: Floats
    deviation: Floats
    n_channels: Ints
    log_gaps: Floats


def scale_views(views: Views) -> ScaledViews:
    """Scale views.

    Parameters
    ----------
    views : Views
        In the user's units.

    Returns
    -------
    ScaledViews
        Equal for views that differ by a shift and a scale of times, or of the values of all channels together with
        their errors, unless values are constant.
    """
    channel, level, deviation, n_channels = _scales(views)
    predicted = channel[len(views.values) :]
    level_of_view, deviation_of_view = level[predicted], deviation[predicted]
    token, query = channel[: len(views.values)], views.query_view_idx
    origin, unit, log_gaps = _time_units(views)
    return ScaledViews(
        (views.values - level[token]) / deviation[token],
        views.errors / deviation[token],
        (views.times - origin[views.view_idx]) / unit[views.view_idx],
        _query_times(views, origin, unit),
        (views.targets - level_of_view[query]) / deviation_of_view[query],
        views.target_errors / deviation_of_view[query],
        level_of_view,
        deviation_of_view,
        n_channels,
        log_gaps,
    )


def group_medians(values: Floats, group: Ints, n_groups: int) -> tuple[Floats, Ints]:
    """Return the median of each group, 0 for an empty one, and the number of values of each group, (n_groups,)."""
    ordered = np.append(values[np.lexsort((values, group))], 0.0)
    count = np.bincount(group, minlength=n_groups)
    start, last = np.cumsum(count) - count, len(ordered) - 1
    low = ordered[np.minimum(start + np.maximum(count - 1, 0) // 2, last)]
    high = ordered[np.minimum(start + count // 2, last)]
    # not (low + high) / 2: the median of one value or of equal values is that value
    return np.where(count > 0, low + 0.5 * (high - low), 0.0), count


def _scales(views: Views) -> tuple[Ints, Floats, Floats, Ints]:
    """Channel index (T + B,) of each token and of each view's predicted channel, level and deviation by channel index,
    and the number of channels of each view."""
    n_views, view = len(views), views.view_idx
    stride = int(views.channels.max(initial=0)) + 1
    keys = np.concatenate((view * stride + views.channels, np.arange(n_views) * stride))
    unique, index = np.unique(keys, return_inverse=True)
    n, of_view, channel = len(unique), unique // stride, index[: len(view)]
    median, count = group_medians(views.values, channel, n)
    view_median, view_count = group_medians(views.values, view, n_views)
    difference = np.abs(views.values - median[channel])
    own = _deviations(np.bincount(channel, difference, n), count)
    n_observed = np.bincount(of_view, count > 0, n_views)
    freedom = np.maximum(view_count - n_observed, 1)
    pooled = STD_OF_MEAN_ABSOLUTE * np.bincount(view, difference, n_views) / freedom
    # with one channel the same correction for few values as in its own deviation, so that nothing is shrunk
    pooled = np.where(n_observed <= 1, np.bincount(of_view, own, n_views), pooled)[of_view]
    whole = _deviations(np.bincount(view, np.abs(views.values - view_median[view]), n_views), view_count)[of_view]
    has_error = views.errors > 0
    error, _ = group_medians(views.errors[has_error], channel[has_error], n)
    level = np.where(count > 0, median, view_median[of_view])
    fallback = np.maximum(LEVEL_SHARE * np.abs(level), error)
    fallback = np.where(fallback > 0, fallback, 1.0)
    rounding = ROUNDING * np.abs(level)
    pooled = np.where(pooled > rounding, pooled, fallback)
    own = np.where(own > rounding, np.maximum(own, MIN_SHARE_OF_POOLED * pooled), pooled)
    shrunk = np.exp(((count - 1) * np.log(own) + np.log(pooled)) / np.maximum(count, 1))
    deviation = np.maximum(np.where(count > 0, shrunk, np.maximum(whole, fallback)), 0.5 * error)
    return index, level, deviation, np.bincount(of_view, minlength=n_views)


def _deviations(total: npt.NDArray[Any], count: Ints) -> Floats:
    """Deviations from the sums of absolute differences from medians, 0 for fewer than two values."""
    correction = np.sqrt(count / np.maximum(count - 1, 1))
    return np.where(count > 1, STD_OF_MEAN_ABSOLUTE * total / np.maximum(count, 1) * correction, 0.0)


def _time_units(views: Views) -> tuple[Floats, Floats, Floats]:
    """Origin and unit of time (B,), and logarithms of mean gaps in units (B, 2)."""
    n_views, view = len(views), views.view_idx
    origin = np.full(n_views, np.inf)
    np.minimum.at(origin, view, views.times)
    origin = np.where(np.isfinite(origin), origin, 0.0)
    time = views.times - origin[view]
    span = np.zeros(n_views)
    np.maximum.at(span, view, time)
    median, mean = _gaps(time, view, span)
    own = views.channels == 0
    own_median, own_mean = _gaps(time[own], view[own], span)
    unit = np.maximum(np.where(own_median > 0, own_median, median), span / MAX_SPAN)
    unit = np.where(unit > 0, unit, 1.0)
    own_mean = np.where(own_mean > 0, own_mean, mean)
    gaps = np.stack([mean, own_mean], axis=1) / unit[:, None]
    return origin, unit, np.log(np.where(gaps > 0, gaps, 1.0))


def _gaps(time: Floats, view: Ints, span: Floats) -> tuple[Floats, Floats]:
    """Median and mean gap (B,) between distinct times; 0 where there are not two."""
    order = np.lexsort((time, view))
    view = view[order]
    gap = np.diff(time[order])
    is_gap: Bools = (np.diff(view) == 0) & (gap > ROUNDING * span[view[1:]])
    of_view = view[1:][is_gap]
    median, count = group_medians(gap[is_gap], of_view, len(span))
    return median, np.bincount(of_view, gap[is_gap], len(span)) / np.maximum(count, 1)


def _query_times(views: Views, origin: Floats, unit: Floats) -> Floats:
    """Times of queries in units, with a limited distance from the visible tokens."""
    query, view = views.query_view_idx, views.view_idx
    time = views.query_times - origin[query]
    span = np.zeros(len(views))
    np.maximum.at(span, view, views.times - origin[view])
    beyond, last = MAX_SPANS_BEYOND * span[query], span[query]
    scaled = np.clip(time, -beyond, last + beyond) / unit[query]
    return np.where(last > 0, scaled, np.sign(time))
