"""Split conformal calibration of regressors, number by number, from their residuals on the validation set.

The quantile p of n residuals is the one of rank (n + 1) p, so that intervals have their coverage for any distribution
(Lei et al. 2018). Quantiles outside of the residuals, and with few residuals all quantiles, are drawn towards those of
Student's t distribution. It is exact for normal residuals, and wide if a few residuals alone determine the scale.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from rotary_mae.evaluation.conformal import LEVELS, Calibration

MIN_SAMPLES_NO_SHRINKAGE = 20
"""Number of validation samples whose residuals alone determine quantiles. 19 have a 90 % interval in their range."""

NOT_CALIBRATED = (
    "standard deviations and quantiles are NaN: no samples were held out of training, so the errors on new samples are "
    "not known. Fit to at least 20 samples, with validation_fraction above 0; if the fit was stopped, resume it"
)
"""Text of the warning where a regressor has no calibration."""

Array = npt.NDArray[Any]


def fit_on_residuals(residuals: Array, stds: Array, weights: Array | None = None) -> Calibration:
    """Fit a calibration to the residuals on samples that the model was not trained on.

    Parameters
    ----------
    residuals : array of float, shape (n, k)
        Differences between k true and predicted numbers, n at least 1.
    stds : array of float, shape (n, k)
        Standard deviations that the model predicts.
    weights : array of float, shape (n,), optional
        Weights of the samples; equal by default. The effective number of samples takes the place of n.

    Returns
    -------
    Calibration
        Each of the k numbers is a channel, calibrated independently of the others.
    """
    scores = residuals / stds
    weights = np.ones(len(scores)) if weights is None else weights
    is_counted = weights > 0
    table = tuple(tuple(_quantiles(score, weights[is_counted]).tolist()) for score in scores[is_counted].T)
    n_values = (int(is_counted.sum()),) * len(table)
    return Calibration(tuple(LEVELS.tolist()), table, (0.0,) * len(table), n_values, n_values, "series")


def _quantiles(score: Array, weights: Array) -> Array:
    """Return the quantiles (K,) of the scores (n,) of one number; weights (n,) are above 0."""
    total = float(weights.sum())
    n_effective = total**2 / float(np.square(weights).sum())
    scale = np.sqrt(np.average(np.square(score), weights=weights))
    order = np.argsort(score, kind="stable")
    # a new score has the typical weight; with equal weights these are the ranks over n + 1
    new = total / n_effective
    rank = (np.cumsum(weights[order]) - 0.5 * weights[order] + 0.5 * new) / (total + new)
    # beyond the scores as far as between the same levels of Student's t distribution
    student = scale * stdtrit(n_effective, LEVELS)
    nearest = scale * stdtrit(n_effective, np.clip(LEVELS, rank[0], rank[-1]))
    own = np.interp(LEVELS, rank, score[order]) + (student - nearest)
    share = min(1.0, n_effective / MIN_SAMPLES_NO_SHRINKAGE)
    quantiles: Array = share * own + (1.0 - share) * student
    return quantiles
