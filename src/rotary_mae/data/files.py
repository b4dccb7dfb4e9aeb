"""Tables and token sets in files: CSV, Parquet and cache folders by path."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from rotary_mae._atomic import replacing_file
from rotary_mae.data.cache import CachedTokens, open_cache
from rotary_mae.data.columns import codes, select
from rotary_mae.data.parquet import holds_tokens, read_token_arrays
from rotary_mae.data.tokens import TokenSet

TABLE_SUFFIXES = (".csv", ".parquet", ".pq")
"""Suffixes of tables that can be written."""


def read_parquet(path: str | Path) -> TokenSet:
    """Read the set that ``TokenSet.to_parquet`` wrote, with ids, targets and schema.

    Parameters
    ----------
    path : path
        Parquet file of tokens.

    Returns
    -------
    TokenSet
        The set, equal to the last bit.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ValueError
        If the file is truncated, or a Parquet file of another kind.
    """
    return TokenSet(**read_token_arrays(path), copy=False)


def open_data(path: str | Path, id: str | None = None) -> TokenSet | CachedTokens | pa.Table:
    """Open a cache folder, a Parquet file of tokens, or a table.

    Parameters
    ----------
    path : path
        Folder that ``write_cache`` wrote, or a file.
    id : str, optional
        Column of ids in a table; see ``read_table``.

    Returns
    -------
    CachedTokens, TokenSet or pyarrow.Table
        Samples, or a table for ``from_frame``.

    Raises
    ------
    FileNotFoundError
        If there is nothing at this path.
    ValueError
        If the folder is no cache or the file cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / "schema.json").exists():
            raise ValueError(
                f"{path} is a folder, but no cache of samples (it has no schema.json); give a CSV or Parquet file, "
                "or a folder that write_cache wrote"
            )
        return open_cache(path)
    return read_parquet(path) if holds_tokens(path) else read_table(path, id)


# -- tables -------------------------------------------------------------------------------------------------


def read_table(path: str | Path, id: str | None = None) -> pa.Table:
    """Read a CSV (.csv, .csv.gz, .tsv) or Parquet (.parquet, .pq) file as a table for ``from_frame``.

    Parameters
    ----------
    path : path
        File to read.
    id : str, optional
        Column of ids. In a CSV file they become whole numbers only if the text is the same: 007 stays text.

    Returns
    -------
    pyarrow.Table
        All columns.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ValueError
        For an unknown suffix, or a file that cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    kind = path.suffix if path.suffix != ".gz" else Path(path.stem).suffix
    try:
        if kind in (".parquet", ".pq"):
            return pa_parquet.ParquetFile(path).read()
        if kind in (".csv", ".tsv"):
            return _read_csv(path, "\t" if kind == ".tsv" else ",", id)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"cannot read {path}: {error}; it may be truncated or of another format") from error
    raise ValueError(f"{path} has suffix {path.suffix!r}; expected .csv, .csv.gz, .tsv, .parquet or .pq")


def _read_csv(path: Path, delimiter: str, id: str | None) -> pa.Table:
    table = pa_csv.read_csv(
        path,
        parse_options=pa_csv.ParseOptions(delimiter=delimiter),
        convert_options=pa_csv.ConvertOptions(
            strings_can_be_null=True, column_types=None if id is None else {id: pa.string()}
        ),
    )
    if id is None or id not in table.column_names:
        return table
    text = table[id]
    try:
        numbers = text.cast(pa.int64())
    except pa.ArrowInvalid:
        return table
    is_same = pc.all(pc.equal(numbers.cast(pa.string()), text)).as_py()
    return table.set_column(table.column_names.index(id), id, numbers) if is_same is not False else table


def read_labels(path: str | Path, id: str, names: Sequence[str]) -> dict[Any, Any]:
    """Read labels by id from a file with a row a sample.

    Parameters
    ----------
    path : path
        CSV or Parquet file.
    id : str
        Column of ids.
    names : sequence of str
        Columns of labels.

    Returns
    -------
    dict
        Id -> label, or a tuple of labels if there are several columns. An empty cell is None.

    Raises
    ------
    ValueError
        If a column is not there, or an id is missing or occurs twice.
    """
    table = select(read_table(path, id), [id, *names])
    columns = []
    for name in (id, *names):
        code, entries = codes(table, name)
        if name == id and (code < 0).any():
            row = int(np.argmax(code < 0))
            raise ValueError(f"{path}: column {name!r} is empty in row {row} ({int((code < 0).sum())} such rows)")
        known = [*entries.tolist(), None]  # code -1, of an empty cell, is the index of None
        columns.append([known[i] for i in code.tolist()])
    ids, *labels = columns
    if len(set(ids)) < len(ids):
        twice = next(key for key in ids if ids.count(key) > 1)
        raise ValueError(f"{path}: id {twice!r} occurs more than once; labels need one row an id")
    entries_of = labels[0] if len(labels) == 1 else zip(*labels, strict=True)
    return dict(zip(ids, entries_of, strict=True))


def write_table(table: pa.Table, path: str | Path) -> None:
    """Write a table as CSV or Parquet by its suffix, whole or not at all.

    Raises ValueError as ``check_table_output``.
    """
    with replacing_file(check_table_output(path)) as partial:
        if Path(path).suffix == ".csv":
            pa_csv.write_csv(table, partial)
        else:
            pa_parquet.write_table(table, partial)


def check_output(path: str | Path, *inputs: str | Path | None) -> Path:
    """Return the path of a file to write.

    Raises ValueError for a folder, and for one of the ``inputs``, the files that are read.
    """
    path = Path(path)
    if any(other is not None and path.resolve() == Path(other).resolve() for other in inputs):
        raise ValueError(f"{path} is an input and would be overwritten; choose another name for the output")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give the name of a file")
    return path


def check_table_output(path: str | Path, *inputs: str | Path | None) -> Path:
    """Return the path of a table to write.

    Raises ValueError as ``check_output``, and for a suffix other than .csv, .parquet and .pq.
    """
    path = Path(path)
    if path.suffix not in TABLE_SUFFIXES:
        raise ValueError(f"{path} has suffix {path.suffix!r}; a table is written as one of {', '.join(TABLE_SUFFIXES)}")
    return check_output(path, *inputs)
