"""Arrays of regular or ragged series to tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.data.layout import About, FloatArray, Layout, Wide, arrange
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
    series = _series(X)
    n_channels = series[0].shape[1]
    names = tuple(str(i) for i in range(n_channels)) if channels is None else tuple(map(str, channels))
    if len(names) != n_channels:
        raise ValueError(
            f"channels must name the {n_channels} channels of X, got {len(names)} names: {names}"
        )
    named = np.arange(len(series)) if ids is None else np.asarray(ids)
    labels = None if targets is None else np.asarray(targets)
    for what, array in (("ids", named), ("targets", labels)):
        if array is not None and (array.ndim == 0 or len(array) != len(series)):
            raise ValueError(f"{what} must be ({len(series)},), one a sample, got shape {array.shape}")
    lengths = np.array([len(part) for part in series])
    rows = Wide(
        np.repeat(np.arange(len(series)), lengths), _times(times, lengths, named), np.concatenate(series)
    )
    return arrange(rows, About(named, names, np.empty((len(series), 0)), targets=labels), layout)


def _series(X: Any) -> list[FloatArray]:
    """The samples as (times, channels) arrays."""
    if isinstance(X, np.ndarray) and X.ndim not in (1, 2, 3):
        raise ValueError(
            f"X must be (n, channels, times), (n, times) or a list of arrays, got shape {X.shape}"
        )
    if len(X) == 0:
        raise ValueError(
            "X has no samples; expected (n, channels, times) or a list of (channels, times) arrays"
        )
    series = [_numbers(part, f"sample {i} of X") for i, part in enumerate(X)]
    series = [part[:, None] if part.ndim == 1 else part.T for part in series]
    for i, part in enumerate(series):
        if part.ndim != 2 or part.shape[1] != series[0].shape[1]:
            raise ValueError(
                f"samples of X must be (channels, times) with the {series[0].shape[1]} channels of the first, got "
                f"{part.T.shape} for sample {i}"
            )
    return series


def _times(times: Any, lengths: npt.NDArray[np.int64], ids: npt.NDArray[Any]) -> FloatArray:
    """(N,) the time of each step."""
    if times is None:
        return np.concatenate([np.arange(n, dtype=np.float64) for n in lengths])
    if np.ndim(times[0]) == 0:
        shared = _numbers(times, "times")
        each = [shared] * len(lengths)
    else:
        each = [_numbers(part, f"times of sample {i}") for i, part in enumerate(times)]
    if len(each) != len(lengths):
        raise ValueError(
            f"times must be shared or given for each of the {len(lengths)} samples, got {len(each)}"
        )
    for i, (part, length) in enumerate(zip(each, lengths, strict=True)):
        if part.shape != (length,):
            raise ValueError(
                f"times of id {ids[i].item()!r} must be ({length},), one a step of X, got shape {part.shape}"
            )
    return np.concatenate(each)


def _numbers(array: Any, name: str) -> FloatArray:
    given = np.asarray(array)
    if given.dtype.kind not in "fiub":
        raise ValueError(
            f"{name} must be numbers, got dtype {given.dtype}; convert it first (None becomes NaN)"
        )
    return given.astype(np.float64, copy=False)
