"""Limits of forecasts: the history that a forecast is made from, and warnings of queries beyond the training."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rotary_mae._warnings import warn_caller
from rotary_mae.data.indexing import token_indices
from rotary_mae.data.scaling import Scaling
from rotary_mae.data.tokens import TokenSet
from rotary_mae.evaluation.conformal import Calibration
from rotary_mae.evaluation.query_groups import AFTER, BEFORE, BETWEEN, QueryFeatures

Array = npt.NDArray[np.float64]

Ints = npt.NDArray[np.int64]

WINDOW_FRACTIONS = (0.125, 0.25, 0.5, 1.0)
"""Horizons, as fractions of the longest one of the training, up to which queries share a history. Not tuned."""

HORIZON_TOLERANCE, DISTANCE_TOLERANCE = 1.05, 2.0
"""Factors of the largest distance in calibration from which forecasts, and predictions of other models, are said to be
beyond it. Not tuned."""


def limit_history(
    observed: TokenSet, times: Array, sample_idx: Ints, calibration: Calibration
) -> tuple[TokenSet, Ints]:
    """Return samples with the history that their forecasts are made from, and the sample of each query among them.

    A model has seen no times that are farther apart than the longest series of the training. A history as long as that
    leaves no room for a horizon. Therefore the oldest measurements are left out, so that history and horizon together
    are no longer than ``calibration.reach``. The history depends on the horizon of the query alone, not on the other
    queries: queries of similar horizons share one.

    Parameters
    ----------
    observed : TokenSet
        B samples in scaled units.
    times : array, shape (Q,)
        Times of the queries, in scaled units.
    sample_idx : array of int, shape (Q,)
        Sample of each query, ascending.
    calibration : Calibration
        Calibration of a model that was trained to forecast.

    Returns
    -------
    samples : TokenSet
        Samples, some several times with histories of different lengths.
    sample_idx : array of int, shape (Q,)
        Sample of each query among them.
    """
    axis, is_static, sample = observed.schema.time_axis, observed.is_static, observed.sample_idx
    time = observed.positions[:, axis]
    first, last = np.full(len(observed), np.inf), np.full(len(observed), -np.inf)
    np.minimum.at(first, sample[~is_static], time[~is_static])
    np.maximum.at(last, sample[~is_static], time[~is_static])
    horizon = times - last[sample_idx]
    longest = np.asarray(WINDOW_FRACTIONS) * calibration.horizon
    window = np.searchsorted(longest, horizon).clip(max=len(longest) - 1)
    # the last measurement stays in any case
    start = last[sample_idx] + np.minimum(longest[window] - calibration.reach, 0.0)
    is_cut = (horizon > 0) & (start > first[sample_idx])
    if not is_cut.any():
        return observed, sample_idx
    n_windows = len(longest) + 1
    key, index = np.unique(sample_idx * n_windows + np.where(is_cut, window + 1, 0), return_inverse=True)
    source = key // n_windows
    earliest = np.full(len(key), -np.inf)
    earliest[index] = np.where(is_cut, start, -np.inf)
    tokens = token_indices(observed.starts[source], observed.lengths[source])
    repeated = observed[source]
    is_kept = (time[tokens] >= earliest[repeated.sample_idx]) | is_static[tokens]
    return repeated.select_tokens(is_kept), index


def warn_if_beyond(features: QueryFeatures, calibration: Calibration, scaling: Scaling) -> None:
    """Warn of queries that are farther from the visible values of their channel than any that calibration met."""
    unit = scaling.unit[scaling.schema.time_axis]
    tolerance = HORIZON_TOLERANCE if calibration.reach else DISTANCE_TOLERANCE
    for kind, side in ((AFTER, "after the last"), (BEFORE, "before the first"), (BETWEEN, "from the nearest")):
        farthest = calibration.farthest[kind]
        is_beyond = (features.kind == kind) & (features.distance > tolerance * farthest)
        if is_beyond.any():
            met = f"at most {farthest * unit:.3g} there" if farthest else "none there"
            warn_caller(
                f"{int(is_beyond.sum())} of {len(features.kind)} predictions are up to "
                f"{features.distance[is_beyond].max() * unit:.3g} {side} measurement of their channel, where the model "
                f"was trained and calibrated on {met}: such predictions and their intervals are not reliable; fit to "
                "longer series, or with the hiding= that predictions will meet"
            )
