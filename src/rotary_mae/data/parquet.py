"""Arrays of tokens in a Parquet file, one row a sample, with their Schema in the metadata."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from rotary_mae._atomic import replacing_file, user_path
from rotary_mae.data.indexing import budget_slices
from rotary_mae.data.labels import fill_missing, restore_missing, to_storable
from rotary_mae.data.schema import Schema

METADATA_KEY = b"rotary_mae"
"""Marks a Parquet file of tokens."""

NUMBERS_PER_BLOCK = 1 << 22
"""Values that are written at once, 16 MiB of float32: bounds the memory of a copy. Not tuned."""

Array = npt.NDArray[Any]


def write_token_arrays(
    path: str | Path,
    schema: Schema,
    *,
    values: Array,
    positions: Array,
    lengths: Array,
    ids: Array,
    targets: Array | None,
    token_targets: Array | None,
) -> None:
    """Write the arrays of a TokenSet to one Parquet file, whole or not at all.

    Parameters
    ----------
    path : path
        File to write; its folder is created.
    schema : Schema
        Meaning of the columns.
    values, positions : arrays of shape (T, V) and (T, D)
        The tokens.
    lengths : array of shape (B,)
        Tokens of each sample.
    ids : array of shape (B,)
        Text or numbers.
    targets : array of shape (B,) or (B, k), or None
        Text or numbers; missing ones are stored as null.
    token_targets : array of shape (T, k), or None
        Numbers.

    Raises
    ------
    ValueError
        If ids or targets are neither text nor numbers.
    """
    per_token = {"values": values, "positions": positions}
    if token_targets is not None:
        per_token["token_targets"] = token_targets
    per_sample, types = {"ids": to_storable(ids, "ids")}, {}
    if targets is not None:
        filled, is_known = fill_missing(targets)
        per_sample["targets"] = filled if is_known.all() else restore_missing(filled, is_known)
        types["targets"] = pa.from_numpy_dtype(filled.dtype) if filled.dtype.kind != "U" else pa.string()
    ends = np.cumsum(lengths)

    def table(rows: slice) -> pa.Table:
        """The samples ``rows`` as a table."""
        start = ends[rows.start] - lengths[rows.start] if rows.stop else 0
        tokens = slice(start, ends[rows.stop - 1] if rows.stop else 0)
        columns = {name: _entries(array[rows], types.get(name)) for name, array in per_sample.items()}
        return pa.table({**columns, **{n: _lists(array[tokens], lengths[rows]) for n, array in per_token.items()}})

    described = {"schema": asdict(schema), "dtypes": {name: array.dtype.str for name, array in per_sample.items()}}
    arrow_schema = table(slice(0, 0)).schema.with_metadata({METADATA_KEY: json.dumps(described)})
    with replacing_file(user_path(path)) as partial, pq.ParquetWriter(partial, arrow_schema) as writer:
        for rows in budget_slices(lengths * values.shape[1], NUMBERS_PER_BLOCK):
            writer.write_table(table(rows))


def read_token_arrays(path: str | Path) -> dict[str, Any]:
    """Return the arrays and the schema that ``write_token_arrays`` wrote, by the names of the arguments of TokenSet.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ValueError
        If the file is truncated, or a Parquet file of another kind.
    """
    path = user_path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        table = pq.ParquetFile(path).read().combine_chunks()
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"cannot read {path}: {error}; it is truncated or not a Parquet file") from error
    metadata = table.schema.metadata or {}
    if METADATA_KEY not in metadata:
        raise ValueError(
            f"{path} is a Parquet file, but not one of tokens; its columns are {table.column_names}: read it "
            "with from_frame(pandas.read_parquet(path), id=..., time=..., value=...)"
        )
    described = json.loads(metadata[METADATA_KEY])
    schema = Schema(**described["schema"])
    lengths = table["positions"].combine_chunks().value_lengths().to_numpy() // len(schema.axes)
    per_sample = {name: _array(table[name], np.dtype(dtype)) for name, dtype in described["dtypes"].items()}
    token_targets = None
    if "token_targets" in table.column_names:
        token_targets = _flat(table["token_targets"]).reshape(int(lengths.sum()), -1)
    return {
        "values": _flat(table["values"]).reshape(-1, len(schema.roles)),
        "positions": _flat(table["positions"]).reshape(-1, len(schema.axes)),
        "lengths": lengths,
        "ids": per_sample["ids"],
        "targets": per_sample.get("targets"),
        "token_targets": token_targets,
        "schema": schema,
    }


def holds_tokens(path: str | Path) -> bool:
    """Return True for a Parquet file that ``write_token_arrays`` wrote; reads only the end of the file."""
    path = user_path(path)
    if path.suffix not in (".parquet", ".pq") or not path.exists():
        return False
    try:
        return METADATA_KEY in (pq.read_schema(path).metadata or {})
    except (pa.ArrowInvalid, OSError):
        return False


def _lists(array: Array, lengths: Array) -> pa.Array:
    """(T, k) numbers as one list a sample."""
    offsets = np.append(0, np.cumsum(lengths)) * array.shape[1]
    return pa.LargeListArray.from_arrays(offsets, pa.array(array.reshape(-1)))


def _flat(column: pa.ChunkedArray) -> Array:
    """All numbers of a column of lists, in order."""
    flat: Array = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat


def _entries(array: Array, kind: pa.DataType | None = None) -> pa.Array:
    """(B,) or (B, k) entries, one row a sample; ``kind`` is the type of labels of which some are missing."""
    # a block of such labels may have none that is known, from which the type could be found
    flat = pa.array(array.reshape(-1), kind if array.dtype.kind == "O" else None)
    return flat if array.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, array.shape[1])


def _array(column: pa.ChunkedArray, dtype: np.dtype[Any]) -> Array:
    """(B,) or (B, k) entries of a column that ``_entries`` made."""
    is_listed = pa.types.is_fixed_size_list(column.type)
    if dtype.kind == "O":
        # whole numbers of which some are missing would become floats
        array = np.array(column.to_pylist(), object)
    else:
        array = _flat(column) if is_listed else column.to_numpy()
    return array.astype(dtype).reshape((-1, column.type.list_size) if is_listed else -1)
