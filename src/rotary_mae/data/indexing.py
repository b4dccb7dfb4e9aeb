"""Indices of samples and of their tokens, and runs of samples up to a budget."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.data.entries import has_masked, is_series
from rotary_mae.data.sample_values import Ids, per_sample


def sample_indices(index: Any, n_samples: int, ids: Ids | None = None) -> npt.NDArray[np.int64]:
    """Return the indices of the samples that ``index`` selects.

    Parameters
    ----------
    index : int, slice, array, or (index, ...)
        An int array has any shape (k,) and may count from the end; a bool array has shape (B,).
    n_samples : int
        B.
    ids : array of shape (B,), or function that returns it, optional
        Names of the samples, by which a bool Series is read.

    Returns
    -------
    array of shape (k,)
        Indices from 0 to B - 1.

    Raises
    ------
    IndexError
        If an index is outside of the set, or of another type or shape.
    """
    if isinstance(index, tuple):
        if len(index) != 2 or index[1] is not Ellipsis:
            raise IndexError(f"samples have one index; got {len(index)} of them: {index!r}")
        index = index[0]
    if isinstance(index, slice):
        return np.arange(*index.indices(n_samples))
    if is_series(index) and np.asarray(index).dtype == np.bool_:
        try:
            index = per_sample(index, n_samples, "the bool index", ids)
        except ValueError as error:
            raise IndexError(str(error)) from error
    if has_masked(index):
        raise IndexError("an index must not have masked entries; say for each sample whether it is taken")
    array = np.asarray(index)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.dtype == np.bool_:
        if array.shape != (n_samples,):
            raise IndexError(f"a bool index must be ({n_samples},), one a sample, got {array.shape}")
        return np.flatnonzero(array)
    if array.dtype.kind not in "iu" or array.ndim > 1:
        raise IndexError(f"samples are chosen by int, slice, int or bool array, got {array.dtype} {array.shape}")
    array = np.atleast_1d(array).astype(np.int64)
    if array.size and not (-n_samples <= array.min() and array.max() < n_samples):
        raise IndexError(f"index {array.min()}..{array.max()} is outside of {n_samples} samples")
    return np.where(array < 0, array + n_samples, array)


def token_indices(starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the indices (sum of lengths,) of the tokens of samples that start at ``starts`` (k,), in that order."""
    before = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) + np.repeat(starts - before, lengths)


def budget_slices(sizes: npt.NDArray[np.integer[Any]], max_total: int, max_items: int | None = None) -> list[slice]:
    """Cut consecutive items into runs whose sizes sum to at most ``max_total``.

    Parameters
    ----------
    sizes : array of shape (B,)
        Size of each item, for example its number of tokens.
    max_total : int
        Largest sum of sizes in a run. An item that is larger is a run of its own.
    max_items : int, optional
        Largest number of items in a run.

    Returns
    -------
    list of slice
        The runs, in order; together they cover all items.
    """
    ends = np.cumsum(sizes)
    slices, start = [], 0
    while start < len(ends):
        before = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, before + max_total, side="right")), start + 1)
        if max_items is not None:
            stop = min(stop, start + max_items)
        slices.append(slice(start, stop))
        start = stop
    return slices
