"""Labels, some of which may not be there."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def is_missing(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where a label is None, NaN, NaT or pandas' NA, in the shape of ``labels``. -1 is a label like any other."""
    if labels.dtype.kind == "f":
        return np.isnan(labels)
    if labels.dtype.kind in "mM":
        return np.isnat(labels)
    if labels.dtype.kind != "O":
        return np.zeros(labels.shape, bool)
    return np.array([is_nothing(entry) for entry in labels.flat], bool).reshape(labels.shape)


def is_nothing(entry: Any) -> bool:
    """Whether one label is None, NaN, NaT or pandas' NA."""
    # by name: pandas need not be installed
    is_nan = isinstance(entry, float | np.floating) and bool(np.isnan(entry))
    return entry is None or is_nan or type(entry).__name__ in ("NAType", "NaTType")


def as_labels(given: Any) -> npt.NDArray[Any]:
    """An array that keeps what is missing: numpy would make the text "nan" of a NaN among texts."""
    if isinstance(given, np.ndarray):
        return given
    entries = list(given) if isinstance(given, list | tuple) else given
    if isinstance(entries, list) and any(isinstance(e, str) for e in entries) and any(map(is_nothing, entries)):
        kept = np.empty(len(entries), object)
        kept[:] = [None if is_nothing(entry) else entry for entry in entries]
        return kept
    return np.asarray(entries)
