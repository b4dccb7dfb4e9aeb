"""Labels of samples, some of which may be missing, and their form in files."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_PLACEHOLDERS: dict[str, str | int | float | bool] = {"U": "", "i": 0, "u": 0, "f": 0.0, "b": False}
"""Stored in place of a missing label, by the dtype kind of the known labels."""


def is_missing(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return True, in the shape of ``labels``, where a label is None, NaN, NaT or pandas' NA.

    -1 is a label like any other.
    """
    if labels.dtype.kind == "f":
        return np.isnan(labels)
    if labels.dtype.kind in "mM":
        return np.isnat(labels)
    if labels.dtype.kind != "O":
        return np.zeros(labels.shape, bool)
    return np.array([is_missing_entry(entry) for entry in labels.flat], bool).reshape(labels.shape)


def is_missing_entry(entry: Any) -> bool:
    """Return True if one label is None, NaN, NaT or pandas' NA."""
    # compared by name, because pandas need not be installed
    is_nan = isinstance(entry, float | np.floating) and bool(np.isnan(entry))
    return entry is None or is_nan or type(entry).__name__ in ("NAType", "NaTType")


# -- in files ----------------------------------------------------------------------------------------------


def to_storable(array: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """Return text as fixed-width unicode and numbers as they are.

    Raises ValueError, with ``name`` in the message, for entries that only pickle could store.
    """
    if array.dtype.kind == "O" and all(isinstance(entry, str) for entry in array.flat):
        return array.astype(np.str_)
    if array.dtype.kind not in "iufbU":
        raise ValueError(f"{name} must be text or numbers to be written, got dtype {array.dtype}; convert them")
    return array


def fill_missing(
    targets: npt.NDArray[Any], all_targets: npt.NDArray[Any] | None = None
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Return targets that can be stored, with "", 0 or False where one is missing, and True where one is known.

    ``all_targets`` decides the type where ``targets`` are only a part of them, of which all may be missing.
    """
    if targets.dtype.kind != "O":
        return to_storable(targets, "targets"), np.ones(targets.shape, bool)
    is_known = ~is_missing(targets)
    whole = targets if all_targets is None else all_targets
    known = [entry for entry in whole.flat if not is_missing_entry(entry)]
    kinds = {np.dtype(type(entry)).kind for entry in known} or {"U"}
    if len(kinds) > 1 or not kinds <= set(_PLACEHOLDERS):
        given = ", ".join(sorted({type(entry).__name__ for entry in known}))
        raise ValueError(f"targets must be text or numbers to be written, all of one kind, got {given}; convert them")
    placeholder = _PLACEHOLDERS[kinds.pop()]
    filled = np.array(
        [entry if is_there else placeholder for entry, is_there in zip(targets.flat, is_known.flat, strict=True)]
    )
    return to_storable(filled.reshape(targets.shape), "targets"), is_known


def restore_missing(filled: npt.NDArray[Any], is_known: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Return the targets that ``fill_missing`` filled, with None where one is missing."""
    restored = filled.astype(object)
    restored[~is_known] = None
    return restored
