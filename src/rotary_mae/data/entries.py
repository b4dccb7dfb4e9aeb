"""Entries of any container (arrays, lists, columns, tensors) as a new array with missing and masked ones marked."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from numbers import Real
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt

from rotary_mae.data.labels import is_missing_entry

Array = npt.NDArray[Any]


def as_entries(given: Any, name: str) -> Array:
    """Return values of any container as a new array, in which missing and masked ones are missing.

    Parameters
    ----------
    given : array, masked array, list, tensor, or column of any library
        Text or numbers.
    name : str
        Name of the values in error messages.

    Returns
    -------
    array
        Missing entries are NaN among floats, NaT among time stamps, else None.

    Raises
    ------
    ValueError
        If entries are neither text nor numbers, or some are text and others numbers.
    """
    plain = _without_library(given, name)
    values, is_masked = split_mask(plain)
    if isinstance(values, list):
        array = _array_of(values, name)
    else:
        array = np.array(values)
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8")
    if array.dtype.kind == "T":
        array = array.astype(object)
    if array.dtype.kind == "O":
        array = _checked_objects(array, name)
    if array.dtype.kind not in "fiubUOmM":
        raise ValueError(f"{name} must be text or numbers, got dtype {array.dtype}; convert it first")
    return array if is_masked is None or not is_masked.any() else _with_missing(array, is_masked)


def split_mask(given: Any) -> tuple[Any, npt.NDArray[np.bool_] | None]:
    """Return the values of an array or column, and True (in its shape) where they are masked; None without a mask.

    Knows masked arrays of numpy, and the columns, quantities and times of astropy. ``Time`` becomes MJD in days,
    ``TimeDelta`` days; quantities lose their unit.
    """
    if not (np.ma.isMaskedArray(given) or hasattr(given, "unmasked") or hasattr(given, "unit") or _is_time(given)):
        return given, None
    mask = getattr(given, "mask", None)
    is_masked = None if mask is None or mask is np.ma.nomask else np.array(mask, bool)
    if (days := getattr(given, "mjd", None)) is None:  # Time
        days = getattr(given, "jd", None)  # TimeDelta: a number of days
    plain = given if days is None else days
    plain = getattr(plain, "value", plain)  # Quantity
    plain = getattr(plain, "unmasked", plain)
    values = np.asarray(np.ma.getdata(plain))
    return values, None if is_masked is None else np.broadcast_to(is_masked, values.shape)


def _is_time(given: Any) -> bool:
    return type(given).__name__ in ("Time", "TimeDelta") and hasattr(given, "jd")


def has_masked(given: Any) -> bool:
    """Return True if an array, or one of the arrays of a list, has masked entries."""
    if isinstance(given, list | tuple):
        # plain numbers are the usual case, and there are many of them
        return any(not isinstance(part, int | float | str) and has_masked(part) for part in given)
    if given is np.ma.masked:
        return True
    _, is_masked = split_mask(given)
    return is_masked is not None and bool(is_masked.any())


def is_labelled(given: Any) -> bool:
    """Return True for objects with named axes (frames, mappings, Series with an index that does not count)."""
    if isinstance(given, Mapping) or is_frame_like(given) or (hasattr(given, "dims") and hasattr(given, "coords")):
        return True
    return is_series(given) and not is_default_index(given.index)


def is_series(given: Any) -> bool:
    """Return True for a Series or frame of pandas, which has an index; pandas need not be installed."""
    index = getattr(given, "index", None)
    return index is not None and not callable(index) and hasattr(given, "to_numpy")


def is_frame_like(given: Any) -> bool:
    """Return True for data frames of any library, which have columns."""
    return (hasattr(given, "columns") or hasattr(given, "column_names")) and hasattr(given, "__getitem__")


def is_default_index(index: Any) -> bool:
    """Return True for the index 0, 1, 2 ... that pandas makes where none is given."""
    is_range = type(index).__name__ == "RangeIndex" and getattr(index, "name", None) is None
    return is_range and (index.start, index.step) == (0, 1)


def _without_library(given: Any, name: str) -> Any:
    """Return columns of pandas, polars and pyarrow, and tensors, as an array or a list."""
    if isinstance(given, str | bytes | set | frozenset):
        raise ValueError(f"{name} must be an array or a list with one a sample, got {type(given).__name__}")
    if hasattr(given, "toarray"):
        raise ValueError(f"{name} must be a dense array, got {type(given).__name__}; give {name}.toarray()")
    if hasattr(given, "detach"):
        given = given.detach().cpu().numpy()
    if hasattr(given, "to_pylist"):
        return given.to_pylist()
    library = type(given).__module__.partition(".")[0]
    if library == "polars" and hasattr(given, "null_count"):
        return given.to_list() if given.null_count() else given.to_numpy()
    if hasattr(given, "to_numpy") and not isinstance(given, np.ndarray):
        # pandas makes floats of whole numbers, or of bools, of which some are missing
        is_nullable = getattr(getattr(given, "dtype", None), "kind", "") in "iub" and hasattr(given, "isna")
        return given.to_numpy(dtype=object) if is_nullable and given.isna().any() else given.to_numpy()
    return list(given) if isinstance(given, list | tuple) else given


def _array_of(entries: list[Any], name: str) -> Array:
    """Return the entries of a list as an array: numpy alone turns a NaN among texts into "nan"."""
    if any(is_labelled(entry) for entry in entries):
        kind = next(type(entry).__name__ for entry in entries if is_labelled(entry))
        raise ValueError(f"{name} must be a list of text or numbers, got a list of {kind}; give plain values")
    if any(np.ma.isMaskedArray(entry) and entry.ndim for entry in entries):
        rows = np.ma.stack(entries)
        return _with_missing(np.array(rows.data), np.ma.getmaskarray(rows))
    missing = [entry is np.ma.masked or is_missing_entry(entry) for entry in entries]
    known = [entry for entry, is_gap in zip(entries, missing, strict=True) if not is_gap]
    is_number = all(isinstance(entry, Real) and not isinstance(entry, bool | np.bool_) for entry in known)
    if any(missing) and is_number and not any(entry is None for entry in entries):
        return np.array([np.nan if gap else float(e) for e, gap in zip(entries, missing, strict=True)])
    try:
        if any(missing) or len({_kind(entry) for entry in known if np.ndim(entry) == 0}) > 1:
            array = np.empty(len(entries), object)
            array[:] = [None if gap else entry for entry, gap in zip(entries, missing, strict=True)]
            return array
        array = np.array(entries)
        # numpy turns rows of text and numbers into text
        return np.array(entries, object) if array.ndim > 1 and array.dtype.kind == "U" else array
    except ValueError as error:
        raise ValueError(f"{name} must have entries of one shape, got a list of others ({error})") from error


def _checked_objects(array: Array, name: str) -> Array:
    """Return objects as text or numbers, with None for missing ones; each column must hold one kind."""
    plain = np.empty(array.shape, object)
    for place, entry in np.ndenumerate(array):
        plain[place] = None if entry is np.ma.masked or is_missing_entry(entry) else plain_entry(entry)
    for column in plain.reshape(len(plain), -1).T if plain.ndim else [plain.reshape(1)]:
        kinds = {_kind(entry): entry for entry in column.tolist() if entry is not None}
        odd = [kind for kind in kinds if kind not in ("text", "number", "bool")]
        if odd:
            raise ValueError(
                f"{name} must be text or numbers, got {odd[0]}, for example {kinds[odd[0]]!r}; {conversion_of(odd[0])}"
            )
        if "text" in kinds and len(kinds) > 1:
            raise ValueError(
                f"{name} must be all text or all numbers, got both, for example {list(kinds.values())[:2]}; convert "
                "one of them, to text with astype(str)"
            )
    return plain


def plain_entry(entry: Any) -> Any:
    """Return a UUID as text, a decimal as a float, bytes as text and numbers of numpy as those of Python."""
    if isinstance(entry, UUID):
        return str(entry)
    if isinstance(entry, Decimal):
        return float(entry)
    if isinstance(entry, bytes):
        return entry.decode("utf-8")
    is_scalar = isinstance(entry, np.generic) and not isinstance(entry, np.datetime64 | np.timedelta64)
    return entry.item() if is_scalar else entry


def _kind(entry: Any) -> str:
    if isinstance(entry, str):
        return "text"
    if isinstance(entry, bool | np.bool_):
        return "bool"
    return "number" if isinstance(entry, Real) else type(entry).__name__


def conversion_of(kind: str) -> str:
    """Return what to do with entries of a type that is not read, by the name of the type."""
    lowered = kind.lower()
    if "period" in lowered:
        return "convert it to time stamps with .dt.to_timestamp(), or names to text with .astype(str)"
    if "interval" in lowered:
        return "take the middle (a Series: .array.mid), or convert it to text with astype(str)"
    if "complex" in lowered:
        return "give real and imaginary parts as two columns"
    return "convert it to text with astype(str), or to numbers"


def _with_missing(array: Array, is_masked: npt.NDArray[np.bool_]) -> Array:
    """Return a new array in which masked entries are missing."""
    if array.dtype.kind in "fmM":
        array = array.copy()
        array[is_masked] = np.nan if array.dtype.kind == "f" else np.array("NaT", array.dtype)
        return array
    objects = array.astype(object)
    objects[is_masked] = None
    return objects
