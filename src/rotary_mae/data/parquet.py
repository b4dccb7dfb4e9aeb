"""TokenSets as Parquet files, one row a sample."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from rotary_mae._atomic import replacing_file
from rotary_mae.data.labels import is_missing, is_nothing
from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import TokenSet

_KEY = b"rotary_mae"

_NUMBERS_PER_BLOCK = 1 << 22


# -- Parquet ----------------------------------------------------------------------------------------------


def write_parquet(tokens: TokenSet, path: str | Path) -> None:
    """Write a set to one Parquet file with a row a sample, whole or not at all; ``read_parquet`` reads it.

    Names of classes may be missing: as null. Raises ValueError if ids or targets are neither text nor numbers.
    """
    extras = {"ids": storable(tokens.ids, "ids")}
    types: dict[str, pa.DataType] = {}
    if tokens.targets is not None:
        filled, is_known = fill_gaps(tokens.targets)
        extras["targets"] = filled if is_known.all() else restore_gaps(filled, is_known)
        types["targets"] = pa.from_numpy_dtype(filled.dtype) if filled.dtype.kind != "U" else pa.string()
    about = {"schema": asdict(tokens.schema), "dtypes": {name: a.dtype.str for name, a in extras.items()}}
    schema = _table(tokens[:0], extras, types).schema.with_metadata({_KEY: json.dumps(about)})
    with replacing_file(Path(path)) as partial, pq.ParquetWriter(partial, schema) as writer:
        for rows in token_blocks(tokens):
            writer.write_table(_table(tokens[rows], {name: array[rows] for name, array in extras.items()}, types))


def _table(tokens: TokenSet, extras: dict[str, npt.NDArray[Any]], types: dict[str, pa.DataType]) -> pa.Table:
    columns = {name: _rows(array[: len(tokens)], types.get(name)) for name, array in extras.items()}
    columns["values"] = _lists(tokens.values, tokens.lengths)
    columns["positions"] = _lists(tokens.positions, tokens.lengths)
    if tokens.token_targets is not None:
        columns["token_targets"] = _lists(tokens.token_targets, tokens.lengths)
    return pa.table(columns)


def token_blocks(tokens: Any) -> Iterator[slice]:
    """Slices of samples that hold about ``_NUMBERS_PER_BLOCK`` values each."""
    ends = (tokens.starts + tokens.lengths) * tokens.values.shape[1]
    start = 0
    while start < len(ends):
        before = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, before + _NUMBERS_PER_BLOCK, side="right")), start + 1)
        yield slice(start, stop)
        start = stop


def holds_tokens(path: str | Path) -> bool:
    """Whether this is a Parquet file that ``write_parquet`` wrote; only its foot is read."""
    path = Path(path)
    if path.suffix not in (".parquet", ".pq") or not path.exists():
        return False
    try:
        return _KEY in (pq.read_schema(path).metadata or {})
    except (pa.ArrowInvalid, OSError):
        return False


def read_parquet(path: str | Path) -> TokenSet:
    """The set that ``TokenSet.to_parquet`` wrote to ``path``, with ids, targets and channels.

    Raises FileNotFoundError, or ValueError for a truncated file and for a Parquet file of another kind.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        table = pq.ParquetFile(path).read().combine_chunks()
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"cannot read {path}: {error}; it is truncated or not a Parquet file") from error
    metadata = table.schema.metadata or {}
    if _KEY not in metadata:
        raise ValueError(
            f"{path} is a Parquet file, but not one of tokens; its columns are {table.column_names}: read it "
            "with from_frame(pandas.read_parquet(path), id=..., time=..., value=...)"
        )
    about = json.loads(metadata[_KEY])
    schema = Schema(**about["schema"])
    values, positions = (_flat(table[name]) for name in ("values", "positions"))
    lengths = table["positions"].combine_chunks().value_lengths().to_numpy() // len(schema.axes)
    extras = {name: _matrix(table[name], np.dtype(dtype)) for name, dtype in about["dtypes"].items()}
    answers = None
    if "token_targets" in table.column_names:
        answers = _flat(table["token_targets"]).reshape(int(lengths.sum()), -1)
    return TokenSet(
        values.reshape(-1, len(schema.roles)),
        positions.reshape(-1, len(schema.axes)),
        lengths,
        ids=extras["ids"],
        targets=extras.get("targets"),
        token_targets=answers,
        schema=schema,
    )


def _lists(array: npt.NDArray[Any], lengths: npt.NDArray[np.int64]) -> pa.Array:
    offsets = np.append(0, np.cumsum(lengths)) * array.shape[1]
    return pa.LargeListArray.from_arrays(offsets, pa.array(array.reshape(-1)))


def _flat(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    flat: npt.NDArray[Any] = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat


def _rows(array: npt.NDArray[Any], kind: pa.DataType | None = None) -> pa.Array:
    # of labels some of which are missing a part may lack all
    flat = pa.array(array.reshape(-1), kind if array.dtype.kind == "O" else None)
    return flat if array.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, array.shape[1])


def _matrix(column: pa.ChunkedArray, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    is_listed = pa.types.is_fixed_size_list(column.type)
    if dtype.kind == "O":
        # whole numbers of which some are missing would become floats
        array = np.array(column.to_pylist(), object)
    else:
        array = _flat(column) if is_listed else column.to_numpy()
    return array.astype(dtype).reshape((-1, column.type.list_size) if is_listed else -1)


def storable(array: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """The array with text as fixed-width unicode; raises ValueError for what only pickle could hold."""
    if array.dtype.kind == "O" and all(isinstance(entry, str) for entry in array.flat):
        return array.astype(np.str_)
    if array.dtype.kind not in "iufbU":
        raise ValueError(f"{name} must be text or numbers to be written, got dtype {array.dtype}; convert them")
    return array


_NOTHING: dict[str, str | int | float | bool] = {"U": "", "i": 0, "u": 0, "f": 0.0, "b": False}
"""What stands for a label that is missing, by the kind of the others."""


def fill_gaps(
    targets: npt.NDArray[Any], like: npt.NDArray[Any] | None = None
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Targets that can be stored, with "", 0 or False for what is missing; and True for those that are not.

    like: targets of which these are a part, which may lack all.
    """
    if targets.dtype.kind != "O":
        return storable(targets, "targets"), np.ones(targets.shape, bool)
    is_known = ~is_missing(targets)
    known = [entry for entry in (targets if like is None else like).flat if not is_nothing(entry)]
    kinds = {np.dtype(type(entry)).kind for entry in known} or {"U"}
    if len(kinds) > 1 or not kinds <= set(_NOTHING):
        given = ", ".join(sorted({type(entry).__name__ for entry in known}))
        raise ValueError(f"targets must be text or numbers to be written, all of one kind, got {given}; convert them")
    nothing = _NOTHING[kinds.pop()]
    filled = np.array(
        [entry if is_there else nothing for entry, is_there in zip(targets.flat, is_known.flat, strict=True)]
    )
    return storable(filled.reshape(targets.shape), "targets"), is_known


def restore_gaps(filled: npt.NDArray[Any], is_known: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    found = filled.astype(object)
    found[~is_known] = None
    return found
