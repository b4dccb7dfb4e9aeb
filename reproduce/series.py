"""Helpers for series that are all measured at the same times.

Three experiments on generated series share them: frequencies, spirals and synthetic.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import rotary_mae as rm

Array = npt.NDArray[Any]


def tokens_at_shared_times(times: Array, values: Array, ids: Array | None = None) -> rm.TokenSet:
    """Return one token per time of each series.

    Parameters
    ----------
    times : array
        (k,) times of all series.
    values : array
        (n, k) or (n, k, V) values.
    ids : array, optional
        (n,) names of the series.

    Returns
    -------
    TokenSet
        n samples of k tokens.
    """
    n, k = values.shape[:2]
    return rm.TokenSet(values.reshape(n * k, -1), np.tile(times, n), [k] * n, axes=("time",), ids=ids)


def linear_interpolation(times: Array, values: Array, is_hidden: Array) -> Array:
    """Return masked values by linear interpolation in time, constant beyond the first and last visible value.

    Parameters
    ----------
    times : array
        (k,) times of all series.
    values : array
        (n, k) values of the series.
    is_hidden : array
        (n, k) True where a value is masked.

    Returns
    -------
    array
        (M,) interpolated values, series by series.
    """
    pairs = zip(values, is_hidden, strict=True)
    return np.concatenate([np.interp(times[hidden], times[~hidden], row[~hidden]) for row, hidden in pairs])
