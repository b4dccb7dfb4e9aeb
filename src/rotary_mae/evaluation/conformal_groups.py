"""Calibration of groups of queries, after that of channels (Mondrian conformal prediction)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from rotary_mae.evaluation.conformal import LEVELS, Calibration, score_quantiles, shrink
from rotary_mae.evaluation.query_groups import KINDS, QueryFeatures, fit_knots, group_places

Array = npt.NDArray[Any]

MIN_SERIES_OWN_GROUP = 20
"""Minimum number of series for a group of queries to be calibrated only by its own scores. With fewer series, its
quantiles are shrunk towards those of all groups. Not tuned."""


def fit_groups(
    calibration: Calibration,
    score: Array,
    channel: npt.NDArray[np.int64],
    series: npt.NDArray[np.int64],
    value: npt.NDArray[np.int64],
    features: QueryFeatures,
) -> Calibration:
    """Add groups of queries to a calibration.

    A score between two knots counts for both groups, with the weights that a query there gives to their quantiles.

    Parameters
    ----------
    calibration : Calibration
        Calibration of the channels, fitted to the same scores.
    score, channel, series, value : array, shape (N,)
        As in ``fit_calibration``.
    features : QueryFeatures
        Features of the scores.

    Returns
    -------
    Calibration
        With ``knots``, ``group_table`` and what belongs to them; as it was if it is not fitted.
    """
    if not calibration.is_fitted:
        return calibration
    # the channels bring their scores to a standard normal distribution
    transformed = calibration.to_standard_normal(score, channel)
    knots = fit_knots(features)
    place = group_places(features, knots)
    n_groups = sum(len(of_kind) for of_kind in knots)
    normal = ndtri(LEVELS)
    table, n_values, n_series = np.tile(normal, (n_groups, 1)), np.zeros(n_groups, int), np.zeros(n_groups, int)
    for g in range(n_groups):
        weight = 1.0 - np.abs(place - g)
        is_own = weight > 0
        weight = weight[is_own]
        n_values[g] = round(len(np.unique(value[is_own])) * weight.mean())
        n_series[g] = len(np.unique(series[is_own]))
        own = score_quantiles(transformed[is_own], n_values[g], weight)
        if own is not None:
            table[g] = shrink(own, normal, n_series[g], MIN_SERIES_OWN_GROUP)
    finite = np.where(np.isfinite(features.distance), features.distance, 0.0)
    farthest = (float(finite[features.kind == kind].max(initial=0.0)) for kind in range(len(KINDS)))
    return replace(
        calibration,
        knots=knots,
        group_table=tuple(tuple(row) for row in table.tolist()),
        group_n_values=tuple(n_values.tolist()),
        group_n_series=tuple(n_series.tolist()),
        farthest=tuple(farthest),
    )
