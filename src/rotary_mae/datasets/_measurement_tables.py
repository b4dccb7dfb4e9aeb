"""Original files into rows, and rows into tokens: what the readers of measurement tables share."""

from __future__ import annotations

import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import TokenSet


def tar_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Base name and content of every file of a .tar.gz or .tar.xz archive, in its order.

    Raises ValueError where the archive is damaged or incomplete.
    """
    uncompress = lzma.open if path.suffix == ".xz" else gzip.open
    try:
        # Streams are read once from front to back, where random access would decompress again for every file.
        # tarfile's own decompression takes the end of a cut file for the end of the archive.
        with uncompress(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is not None:
                    yield PurePosixPath(member.name).name, content.read()
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> ValueError:
    """What to raise for an archive that cannot be read."""
    return ValueError(f"{path} is damaged ({error}); delete it, so that it is downloaded again")


def parse_table(text: bytes, columns: dict[str, pa.DataType], delimiter: str, what: str) -> pa.Table:
    """Rows of text without a header as a table of the given column types; ``?`` is null.

    Raises ValueError, saying in which file (``what``) and which value, where a row does not fit.
    """
    if not text.strip():
        raise ValueError(f"{what} holds no rows")
    try:
        return csv.read_csv(
            pa.BufferReader(text),
            read_options=csv.ReadOptions(column_names=list(columns)),
            parse_options=csv.ParseOptions(delimiter=delimiter),
            convert_options=csv.ConvertOptions(column_types=columns, null_values=["?"]),
        )
    except pa.ArrowInvalid as error:
        raise ValueError(f"{what} is not the table that was expected: {error}") from error


def parse_tables(
    texts: Sequence[bytes], columns: dict[str, pa.DataType], delimiter: str, what: str
) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """The rows of many texts as one table, and (rows,) the index of the text that each row comes from.

    One parse of all is far faster than one a text. Errors as in ``parse_table``; blank lines inside a text
    are an error too.
    """
    bodies = [text.strip() for text in texts]
    n_rows = np.array([body.count(b"\n") + 1 if body else 0 for body in bodies])
    table = parse_table(b"\n".join(body for body in bodies if body), columns, delimiter, what)
    if table.num_rows != n_rows.sum():
        raise ValueError(f"{what} has {n_rows.sum()} lines but {table.num_rows} rows; remove blank lines")
    return table, np.repeat(np.arange(len(bodies)), n_rows)


def map_words(column: pa.ChunkedArray, function: Callable[[str], int]) -> npt.NDArray[np.int64]:
    """(rows,) what ``function`` makes of each word; it is called once a distinct word, not once a row."""
    encoded = column.combine_chunks().dictionary_encode()
    table = np.array([function(word) for word in encoded.dictionary.to_pylist()], np.int64)
    return table[encoded.indices.to_numpy()]


@dataclass(frozen=True)
class Rows:
    """Measurements in any order, all arrays (T,) but ``values`` (T, V); ``sample_idx`` counts from 0."""

    sample_idx: npt.NDArray[np.int64]
    times: npt.NDArray[np.float64]
    channel_idx: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    def select(self, index: npt.NDArray[Any]) -> Rows:
        """The rows that an int or bool array names."""
        return Rows(self.sample_idx[index], self.times[index], self.channel_idx[index], self.values[index])

    def to_tokens(
        self,
        schema: Schema,
        ids: npt.NDArray[Any],
        targets: npt.NDArray[Any],
        order: npt.NDArray[np.int64] | None = None,
    ) -> TokenSet:
        """Tokens of axes (time, channel): within a sample by time, then by ``order`` (T,), then as given.

        ids, targets: (B,), indexed by ``sample_idx``.
        """
        keys = (self.times, self.sample_idx) if order is None else (order, self.times, self.sample_idx)
        rows = self.select(np.lexsort(keys))
        return TokenSet(
            rows.values,
            np.stack([rows.times, rows.channel_idx.astype(np.float64)], axis=1),
            np.bincount(rows.sample_idx, minlength=len(ids)),
            ids=ids,
            targets=targets,
            schema=schema,
        )
