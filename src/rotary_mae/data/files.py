"""Tables and token sets in files: CSV, Parquet and cache folders by path."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from rotary_mae._atomic import replacing_file, user_path
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


def open_data(
    path: str | Path, id: str | None = None, names: Collection[str] = ()
) -> TokenSet | CachedTokens | pa.Table:
    """Open a cache folder, a Parquet file of tokens, or a table.

    Parameters
    ----------
    path : path
        Folder that ``write_cache`` wrote, or a file.
    id : str, optional
        Column of ids in a table; see ``read_table``.
    names : collection of str
        Columns of a table that name things, such as channels and labels; see ``read_table``.

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
    path = user_path(path)
    if path.is_dir():
        if not (path / "schema.json").exists():
            raise ValueError(
                f"{path} is a folder, but no cache of samples (it has no schema.json); give a CSV or Parquet file, "
                "or a folder that write_cache wrote"
            )
        return open_cache(path)
    return read_parquet(path) if holds_tokens(path) else read_table(path, id, names)


# -- tables -------------------------------------------------------------------------------------------------


def read_table(path: str | Path, id: str | None = None, names: Collection[str] = ()) -> pa.Table:
    """Read a CSV (.csv, .csv.gz, .tsv) or Parquet (.parquet, .pq) file as a table for ``from_frame``.

    Parameters
    ----------
    path : path
        File to read.
    id : str, optional
        Column of ids. In a CSV file they become whole numbers only if the text is the same: 007 stays text.
    names : collection of str
        Other columns that name things, such as channels and labels. In a CSV file they become numbers or bools only if
        the text of all of them is the same.

    Returns
    -------
    pyarrow.Table
        All columns.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ValueError
        For an unknown suffix, a file that cannot be read, or cells that are separated by other characters.

    Notes
    -----
    Cells of columns that name things are missing only if they are empty: ``NA`` is a name like any other.
    """
    path = user_path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    kind = path.suffix if path.suffix != ".gz" else Path(path.stem).suffix
    try:
        if kind in (".parquet", ".pq"):
            return pa_parquet.ParquetFile(path).read()
        if kind in (".csv", ".tsv"):
            return _read_csv(path, "\t" if kind == ".tsv" else ",", id, names)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(
            f"cannot read {path}: {error}; it may be truncated or of another format, or text that is not in UTF-8"
        ) from error
    raise ValueError(f"{path} has suffix {path.suffix!r}; expected .csv, .csv.gz, .tsv, .parquet or .pq")


def column_names(path: str | Path) -> tuple[str, ...]:
    """Return the names of the columns of a table; empty for a cache, and for a file that cannot be read as a table."""
    path = user_path(path)
    kind = path.suffix if path.suffix != ".gz" else Path(path.stem).suffix
    try:
        if kind in (".parquet", ".pq") and path.is_file():
            return () if holds_tokens(path) else tuple(pa_parquet.read_schema(path).names)
        if kind in (".csv", ".tsv") and path.is_file():
            header = next(csv.reader([_first_line(path)], delimiter="\t" if kind == ".tsv" else ","), [])
            return tuple(header)
    except (pa.ArrowException, OSError, EOFError, csv.Error):
        pass  # reading the table raises an error that says more
    return ()


def _read_csv(path: Path, delimiter: str, id: str | None, names: Collection[str]) -> pa.Table:
    _check_separator(path, delimiter)
    naming = {*names, *([] if id is None else [id])}
    table = pa_csv.read_csv(
        path,
        parse_options=pa_csv.ParseOptions(delimiter=delimiter),
        convert_options=pa_csv.ConvertOptions(
            strings_can_be_null=False, column_types=dict.fromkeys(naming, pa.string())
        ),
    )
    for i, field in enumerate(table.schema):
        if not pa.types.is_string(field.type):
            continue
        column = table.column(i)
        column = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
        if field.name in naming:
            column = _with_own_type(column, is_id=field.name == id)
        table = table.set_column(i, field.name, column)
    return table


def _with_own_type(text: pa.ChunkedArray, is_id: bool) -> pa.ChunkedArray:
    """Return whole numbers if each is written as its text, for other names than ids also floats and bools."""
    try:
        whole = text.cast(pa.int64())
        if pc.all(pc.equal(whole.cast(pa.string()), text)).as_py() is not False:
            return whole
    except pa.ArrowInvalid:
        pass
    written = [] if is_id else text.unique().drop_null().to_pylist()
    if written and set(written) <= {"true", "false"}:
        return text.cast(pa.bool_())
    if written and all(_is_float_text(entry) for entry in written):
        return text.cast(pa.float64())
    return text


def _is_float_text(text: str) -> bool:
    try:
        return repr(float(text)) == text and text not in ("nan", "inf", "-inf")
    except ValueError:
        return False


SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def _check_separator(path: Path, delimiter: str) -> None:
    """Raise ValueError if the first line of a file has more of another separator than of the expected one."""
    header = re.sub('"[^"]*"', "", _first_line(path))
    other = max(SEPARATORS, key=header.count)
    if header.count(other) > header.count(delimiter):
        decimal = ", decimal=','" if other == ";" else ""
        comma = "; its numbers may have a decimal comma" if other == ";" else ""
        raise ValueError(
            f"the cells of {path} are separated by {SEPARATORS[other]}, expected {SEPARATORS[delimiter]}{comma}: "
            f"convert it, for example with pandas.read_csv(path, sep={other!r}{decimal}).to_csv(new_path, index=False)"
        )


def _first_line(path: Path) -> str:
    """Return the first line of a text file that is not empty."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", errors="replace", newline=None) as lines:
        return next((line.rstrip("\r\n") for line in lines if line.strip()), "")


def read_labels(path: str | Path, id: str, names: Sequence[str], are_numbers: bool = False) -> dict[Any, Any]:
    """Read labels by id from a file with a row a sample.

    Parameters
    ----------
    path : path
        CSV or Parquet file.
    id : str
        Column of ids.
    names : sequence of str
        Columns of labels.
    are_numbers : bool, default False
        False reads labels of a CSV file as names: 007 stays text.

    Returns
    -------
    dict
        Id -> label, or a tuple of labels if there are several columns. An empty cell is None.

    Raises
    ------
    ValueError
        If a column is not there, or an id is missing or occurs twice.
    """
    table = select(read_table(path, id, () if are_numbers else names), [id, *names])
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
    path = user_path(path)
    if any(other is not None and path.resolve() == user_path(other).resolve() for other in inputs):
        raise ValueError(f"{path} is an input and would be overwritten; choose another name for the output")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give the name of a file")
    return path


def check_table_output(path: str | Path, *inputs: str | Path | None) -> Path:
    """Return the path of a table to write.

    Raises ValueError as ``check_output``, and for a suffix other than .csv, .parquet and .pq.
    """
    path = user_path(path)
    if path.suffix not in TABLE_SUFFIXES:
        raise ValueError(f"{path} has suffix {path.suffix!r}; a table is written as one of {', '.join(TABLE_SUFFIXES)}")
    return check_output(path, *inputs)
