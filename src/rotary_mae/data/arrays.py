"""Arrays of regular or ragged series to tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.data.layout import Layout, arrange
from rotary_mae.data.rows import About, FloatArray, IntArray, Wide, name_id
from rotary_mae.data.tokens import TokenSet


def from_arrays(
    X: npt.ArrayLike | Sequence[npt.ArrayLike],
    times: npt.ArrayLike | Sequence[npt.ArrayLike] | None = None,
    targets: npt.ArrayLike | None = None,
    *,
    ids: npt.ArrayLike | None = None,
    channels: Sequence[str] | None = None,
    layout: Layout = "auto",
) -> TokenSet:
    """Tokens from series in arrays; steps of which nothing was observed are left out.

    Args:
        X: (n, channels, times) with NaN = not observed; or a list of (channels, times) arrays of any lengths;
            of a single channel also (n, times) or a list of (times,) arrays.
        times: (times,) for all, (n, times), or a list of (times,) arrays; None counts 0, 1, 2 ... NaN is
            allowed where nothing was observed, as padding.
        targets: (n,) labels or numbers, or (n, k) numbers.
        ids: (n,) names of the samples; 0..n-1 if None.
        channels: names of the channels; "0", "1" ... if None.
        layout: as in ``from_frame``: "steps", "measurements", or "auto" (steps if at least half of their
            cells are observed).

    Raises:
        ValueError: shapes that do not fit, infinite values, times that are missing or occur twice, a sample
            of which nothing was observed.
    """
    values, lengths = _series(X)
    n_samples, n_channels = len(lengths), values.shape[1]
    names = tuple(map(str, range(n_channels) if channels is None else channels))
    if len(names) != n_channels:
        raise ValueError(f"channels must name the {n_channels} channels of X, got {len(names)}: {names}")
    named = np.arange(n_samples) if ids is None else np.asarray(ids)
    labels = None if targets is None else np.asarray(targets)
    for what, array in (("ids", named), ("targets", labels)):
        if array is not None and (array.ndim == 0 or len(array) != n_samples):
            raise ValueError(f"{what} must be ({n_samples},), one a sample, got shape {array.shape}")
    rows = Wide(np.repeat(np.arange(n_samples), lengths), _times(times, lengths, named), values)
    return arrange(rows, About(named, names, np.empty((n_samples, 0)), targets=labels), layout)


def _series(X: Any) -> tuple[FloatArray, IntArray]:
    """All steps laid end to end, (N, channels), and the number of steps of each sample."""
    if len(X) == 0:
        raise ValueError("X has no samples; expected (n, channels, times) or a list of (channels, times)")
    if isinstance(X, np.ndarray) and X.ndim in (2, 3):
        regular = _numbers(X.reshape(len(X), -1, X.shape[-1]), "X")
        n, n_channels, n_steps = regular.shape
        return regular.transpose(0, 2, 1).reshape(n * n_steps, n_channels), np.full(n, n_steps)
    series = [np.atleast_2d(_numbers(part, f"sample {i} of X")).T for i, part in enumerate(X)]
    for i, part in enumerate(series):
        if part.ndim != 2 or part.shape[1] != series[0].shape[1]:
            raise ValueError(
                "samples of X must be (channels, times) with the same channels, got shapes "
                f"{series[0].T.shape} for sample 0 and {part.T.shape} for sample {i}"
            )
    return np.concatenate(series), np.array([len(part) for part in series])


def _times(times: Any, lengths: IntArray, ids: npt.NDArray[Any]) -> FloatArray:
    """(N,) the time of each step."""
    if times is None:
        first = np.cumsum(lengths) - lengths
        return (np.arange(lengths.sum()) - np.repeat(first, lengths)).astype(np.float64)
    is_shared = len(times) > 0 and np.ndim(times[0]) == 0
    parts = [times] * len(lengths) if is_shared else times
    if len(parts) != len(lengths):
        raise ValueError(f"times must be shared or given for each of {len(lengths)} samples, got {len(parts)}")
    each = [_numbers(part, f"times of {name_id(ids, i)}") for i, part in enumerate(parts)]
    for i, (part, length) in enumerate(zip(each, lengths, strict=True)):
        if part.shape != (length,):
            raise ValueError(f"times of {name_id(ids, i)} must be ({length},), one a step of X, got shape {part.shape}")
    return np.concatenate(each)


def _numbers(array: Any, name: str) -> FloatArray:
    given = np.asarray(array)
    if given.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be numbers, got dtype {given.dtype}; convert it first")
    return given.astype(np.float64, copy=False)
