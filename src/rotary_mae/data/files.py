"""Tables and files of any kind that hold samples: what a path turns out to be, and tables out again."""

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
from rotary_mae.data.parquet import holds_tokens, read_parquet
from rotary_mae.data.tokens import TokenSet

WRITTEN = (".csv", ".parquet", ".pq")


def open_data(path: str | Path, id: str | None = None) -> TokenSet | CachedTokens | pa.Table:
    """What is at ``path``: a cache folder, a Parquet file of tokens, or else a table for ``from_frame``.

    id: see ``columns.read_table``. Raises FileNotFoundError if there is nothing, ValueError for what cannot be read.
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


def read_labels(path: str | Path, id: str, names: Sequence[str]) -> dict[Any, Any]:
    """Labels by id from a file with a row a sample: one entry, or a tuple where several columns are named.

    An empty cell is no label (None). Raises ValueError for a column that is not there, and an id that comes twice or is
    missing.
    """
    table = select(read_table(path, id), [id, *names])
    columns = []
    for name in (id, *names):
        code, entries = codes(table, name)
        if name == id and (code < 0).any():
            row = int(np.argmax(code < 0))
            raise ValueError(f"{path}: column {name!r} is empty in row {row} ({int((code < 0).sum())} such rows)")
        known = [*entries.tolist(), None]  # which -1 is the place of
        columns.append([known[i] for i in code.tolist()])
    ids, *labels = columns
    if len(set(ids)) < len(ids):
        twice = next(key for key in ids if ids.count(key) > 1)
        raise ValueError(f"{path}: id {twice!r} comes more than once; labels need one row an id")
    entries_of = labels[0] if len(labels) == 1 else zip(*labels, strict=True)
    return dict(zip(ids, entries_of, strict=True))


def check_output(path: str | Path, *read: str | Path | None) -> Path:
    """The path of a file to be written; raises ValueError for a folder, and for one of the files that are ``read``."""
    path = Path(path)
    if any(other is not None and path.resolve() == Path(other).resolve() for other in read):
        raise ValueError(f"{path} is what is read, and would be lost; choose another name for the file to write")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give the name of a file")
    return path


def check_suffix(path: str | Path, *read: str | Path | None) -> Path:
    """The path of a table to be written; raises ValueError as ``check_output``, or unless it ends in .csv, .parquet or
    .pq."""
    path = Path(path)
    if path.suffix not in WRITTEN:
        raise ValueError(f"{path} has suffix {path.suffix!r}; a table is written as one of {', '.join(WRITTEN)}")
    return check_output(path, *read)


def write_table(table: pa.Table, path: str | Path) -> None:
    """Write a table as CSV or Parquet by its suffix, whole or not at all."""
    with replacing_file(check_suffix(path)) as partial:
        if Path(path).suffix == ".csv":
            pa_csv.write_csv(table, partial)
        else:
            pa_parquet.write_table(table, partial)


def read_table(path: str | Path, id: str | None = None) -> pa.Table:
    """A CSV (.csv, .csv.gz, .tsv) or Parquet (.parquet, .pq) file as a table for ``from_frame``.

    id: a column of names, which in a CSV file are whole numbers only if they are written as such: 007 is text.

    Raises FileNotFoundError, or ValueError for an unknown suffix and for a file that cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    kind = path.suffix if path.suffix != ".gz" else Path(path.stem).suffix
    try:
        if kind in (".parquet", ".pq"):
            return pa_parquet.ParquetFile(path).read()
        if kind in (".csv", ".tsv"):
            table = pa_csv.read_csv(
                path,
                parse_options=pa_csv.ParseOptions(delimiter="\t" if kind == ".tsv" else ","),
                convert_options=pa_csv.ConvertOptions(
                    strings_can_be_null=True, column_types=None if id is None else {id: pa.string()}
                ),
            )
            return table if id is None else _with_whole_ids(table, id)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"cannot read {path}: {error}; it may be truncated or of another format") from error
    raise ValueError(f"{path} has suffix {path.suffix!r}; expected .csv, .csv.gz, .tsv, .parquet or .pq")


def _with_whole_ids(table: pa.Table, id: str) -> pa.Table:
    """The column ``id``, read as text, as whole numbers, if these would be written just so."""
    if id not in table.column_names:
        return table
    text = table[id]
    try:
        whole = text.cast(pa.int64())
    except pa.ArrowInvalid:
        return table
    is_same = pc.all(pc.equal(whole.cast(pa.string()), text)).as_py()
    return table.set_column(table.column_names.index(id), id, whole) if is_same is not False else table
