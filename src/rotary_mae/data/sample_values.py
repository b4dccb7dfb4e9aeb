"""Values given one a sample (labels, numbers, weights, groups, covariates, ids), in the order of the samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.data.entries import as_entries, is_default_index, is_frame_like, is_series, plain_entry
from rotary_mae.data.labels import is_missing

Array = npt.NDArray[Any]

Ids = npt.NDArray[Any] | Callable[[], npt.NDArray[Any]]
"""Names of the samples, or a function that returns them: a source on disk may have to read them."""


def per_sample(given: Any, n_samples: int, name: str, ids: Ids | None = None, *, max_ndim: int = 1) -> Array:
    """Return values in the order of the samples, as a new array.

    Values with keys are read by id: a mapping, a pandas Series or frame whose index holds ids, a frame with a column
    ``id``. All others are read by position, and so is an index that counts rows.

    Parameters
    ----------
    given : array, masked array, list, mapping, Series, column or data frame of any library
        B values, or more if they have keys.
    n_samples : int
        B.
    name : str
        Name of the values in error messages.
    ids : array of shape (B,), or function that returns it, optional
        Names of the samples. None for samples without names: mappings are then keyed by 0..B-1, and an index is
        ignored.
    max_ndim : {1, 2}, default 1
        2 accepts (B, k) as well.

    Returns
    -------
    array of shape (B,) or (B, k)
        The values; None, NaN or NaT where one is missing or masked.

    Raises
    ------
    ValueError
        If a sample has no value or several, if the keys may be ids as well as numbers of rows, or if entries are
        neither text nor numbers.
    """
    keys, index, values = _split_keys(given, ids is not None, name)
    array = as_entries(values, name)
    if keys is None:
        return _checked(array, n_samples, name, max_ndim)
    found = ids() if callable(ids) else ids
    names: list[Any] = list(range(n_samples)) if found is None else np.asarray(found).tolist()
    keys = keys_like(keys, names)
    if index is not None and _is_by_position(index, keys, names, name):
        return _checked(array, n_samples, name, max_ndim)
    return _checked(array[_rows_of(keys, names, array, name)], n_samples, name, max_ndim)


def sample_ids(given: Any, n_samples: int | None = None) -> Array:
    """Return names of samples as a new array (B,); ``n_samples`` is B if it is known.

    Raises ValueError if a name is missing, or neither text nor a number.
    """
    ids = as_entries(
        given.to_numpy() if getattr(given, "index", None) is not None and is_series(given) else given, "ids"
    )
    if n_samples is not None and ids.shape != (n_samples,):
        raise ValueError(f"ids must be ({n_samples},), one a sample, got shape {ids.shape}")
    if (missing := is_missing(ids)).any():
        raise ValueError(
            f"ids must name every sample, but {int(missing.sum())} are missing, the first of sample "
            f"{int(np.argmax(missing))}; name them, or leave those samples out"
        )
    return ids


def frame_columns(frame: Any, has_ids: bool, name: str) -> dict[str, Any]:
    """Return the columns of a frame by name, each with its keys, as ``per_sample`` reads them.

    Raises ValueError if the frame has a column ``id`` and the samples have no ids.
    """
    names = list(frame.column_names if hasattr(frame, "column_names") else frame.columns)
    if "id" not in names or _has_own_index(frame):
        return {str(column): frame[column] for column in names}
    if not has_ids:
        raise ValueError(
            f"{name} has a column 'id', but the samples have no ids to match it with: give ids=, or drop the column if "
            "the rows are in the order of the samples"
        )
    keys = as_entries(frame["id"], "id").tolist()
    # pairs, because a dictionary would drop repeated ids
    return {str(c): Keyed(keys, as_entries(frame[c], f"{name}[{c!r}]")) for c in names if c != "id"}


class Keyed:
    """Values with a key each, which may repeat.

    Parameters
    ----------
    keys : list
        N keys.
    values : array of shape (N,)
        Their values.
    """

    def __init__(self, keys: list[Any], values: Array) -> None:
        self.keys, self.values = keys, values


# -- order --------------------------------------------------------------------------------------------------


def _split_keys(given: Any, has_ids: bool, name: str) -> tuple[list[Any] | None, Any, Any]:
    """Return the keys of values (None for values in the order of the samples), their index if any, and the values."""
    if isinstance(given, Keyed):
        return given.keys, None, given.values
    if isinstance(given, Mapping):
        return [plain_entry(key) for key in given], None, list(given.values())
    if is_frame_like(given):
        columns = frame_columns(given, has_ids, name)
        first = next(iter(columns.values()), None)
        if isinstance(first, Keyed):
            return first.keys, None, _side_by_side([column.values for column in columns.values()])
        if not is_series(given):
            return None, None, _side_by_side([as_entries(column, name) for column in columns.values()])
    if has_ids and is_series(given):
        keys = [plain_entry(key) for key in np.asarray(given.index).tolist()]
        return keys, given.index, given.to_numpy()
    return None, None, given


def _side_by_side(columns: list[Array]) -> Array:
    """Return columns (N,) as (N, k), a single one as (N,), and text beside numbers as objects."""
    if len(columns) == 1:
        return columns[0]
    kinds = {column.dtype.kind for column in columns}
    return np.column_stack([c.astype(object) for c in columns] if kinds - set("fiu") else columns)


def _has_own_index(frame: Any) -> bool:
    index = getattr(frame, "index", None)
    return index is not None and not callable(index) and not is_default_index(index)


def keys_like(keys: list[Any], ids: list[Any]) -> list[Any]:
    """Return the keys as text, or as whole numbers, if the ids are and have the same text: files lose such types."""
    if set(ids) & set(keys) or not keys or not ids:
        return keys
    if all(isinstance(i, str) for i in ids) and all(_is_whole(key) for key in keys):
        as_ids: list[Any] = [str(key) for key in keys]
    elif all(_is_whole(i) for i in ids) and all(isinstance(key, str) and _is_whole_text(key) for key in keys):
        as_ids = [int(key) for key in keys]
    else:
        return keys
    return as_ids if set(ids) <= set(as_ids) or set(as_ids) <= set(ids) else keys


def _is_whole(entry: Any) -> bool:
    return isinstance(entry, int) and not isinstance(entry, bool)


def _is_whole_text(text: str) -> bool:
    return text.removeprefix("-").isdecimal() and str(int(text)) == text


def _is_by_position(index: Any, keys: list[Any], ids: list[Any], name: str) -> bool:
    """Return True if values with this index are in the order of the samples, False if the index holds ids.

    An index of whole numbers without a name may be what is left of the numbers of rows after a selection.
    Raises ValueError if both may be meant.
    """
    if keys == ids:
        return True
    known = set(keys)
    n_found = sum(i in known for i in ids)
    kind, is_range = np.asarray(index).dtype.kind, type(index).__name__ == "RangeIndex"
    is_counting = keys == list(range(len(ids)))
    if kind not in "iu" or getattr(index, "name", None) is not None:
        return kind in "iu" and is_counting and not n_found
    if len(keys) == len(ids):
        are_whole = all(_is_whole(i) for i in ids)
        if not n_found and (is_counting or not are_whole):
            return True
        raise _ambiguous(name, keys, ids, n_found)
    # numbers of the rows of all samples, and the ids of some of them: the same only if both count up
    if is_range and n_found == len(ids) and any(b <= a for a, b in pairwise(ids)):
        raise _ambiguous(name, keys, ids, n_found)
    return is_range and n_found < len(ids)


def _ambiguous(name: str, keys: list[Any], ids: list[Any], n_found: int) -> ValueError:
    it = name if name.isidentifier() else "it"
    return ValueError(
        f"the index of {name} may mean either: ids, of which it holds {n_found} of {len(ids)}, or rows, in the order "
        f"of the samples; it starts with {keys[:3]}, the ids with {ids[:3]}: give {it}.to_dict() if the index holds "
        f"ids, or {it}.to_numpy() if it is in the order of the samples"
    )


def _rows_of(keys: list[Any], ids: list[Any], array: Array, name: str) -> npt.NDArray[np.int64]:
    """Return the row (B,) of each id; raise ValueError if an id has none, or several with different values."""
    first: dict[Any, int] = {}
    for row, key in enumerate(keys):
        before = first.setdefault(key, row)
        if before != row and not _is_same(array[before], array[row]):
            both = array[[before, row]].tolist()
            raise ValueError(f"{name} has several {_noun(name)}s for id {key!r}: {both[0]!r} and {both[1]!r}; give one")
    if missing := [i for i in ids if i not in first]:
        remedy = "give None for samples without a label" if _noun(name) == "label" else "give one for every sample"
        raise ValueError(
            f"{name} has no {_noun(name)} for {len(missing)} of {len(ids)} ids, first {missing[0]!r}; its first keys "
            f"are {keys[:3]}; {remedy}, or leave those samples out"
        )
    return np.array([first[i] for i in ids], np.int64)


def _is_same(one: Any, other: Any) -> bool:
    a, b = np.atleast_1d(np.asarray(one)), np.atleast_1d(np.asarray(other))
    both = is_missing(a) & is_missing(b)
    return bool(np.all(both | np.array([bool(x == y) for x, y in zip(a.tolist(), b.tolist(), strict=True)])))


def _noun(name: str) -> str:
    return "label" if name in ("y", "targets") else "entry" if not name.endswith("weight") else "weight"


def _checked(array: Array, n_samples: int, name: str, max_ndim: int) -> Array:
    """Return the array if it has one entry, or one row, a sample."""
    expected = f"({n_samples},)" + (f" or ({n_samples}, k)" if max_ndim > 1 else ", one a sample")
    if array.ndim == 0 or array.ndim > max_ndim:
        raise ValueError(f"{name} must be {expected}, got shape {array.shape}")
    if len(array) != n_samples:
        raise ValueError(
            f"{name} must be {expected}, got shape {array.shape}: {len(array)} {_noun(name)}s for "
            f"{n_samples} samples; give one a sample"
        )
    return array
