"""Tables of measurements in text to rows, and rows to tokens, for all readers of such tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import TokenSet


def parse_table(text: bytes, columns: dict[str, pa.DataType], delimiter: str, source: str) -> pa.Table:
    """Parse rows of text without a header; ``?`` is null.

    Parameters
    ----------
    text : bytes
        The rows.
    columns : dict
        Types of the columns by name, in order.
    delimiter : str
        Character between two columns.
    source : str
        Name of the file in error messages.

    Returns
    -------
    pyarrow.Table
        The columns.

    Raises
    ------
    ValueError
        If there are no rows, or a row does not fit.
    """
    if not text.strip():
        raise ValueError(f"{source} holds no rows")
    try:
        return csv.read_csv(
            pa.BufferReader(text),
            read_options=csv.ReadOptions(column_names=list(columns)),
            parse_options=csv.ParseOptions(delimiter=delimiter),
            convert_options=csv.ConvertOptions(column_types=columns, null_values=["?"]),
        )
    except pa.ArrowInvalid as error:
        raise ValueError(f"{source} is not the table that was expected: {error}") from error


def parse_tables(
    texts: Sequence[bytes], columns: dict[str, pa.DataType], delimiter: str, source: str
) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """Parse many texts at once, which is far faster than one by one.

    Parameters
    ----------
    texts : sequence of bytes
        Rows of each text.
    columns, delimiter, source
        As in ``parse_table``.

    Returns
    -------
    pyarrow.Table
        All rows.
    array of shape (rows,)
        Index of the text of each row.

    Raises
    ------
    ValueError
        As in ``parse_table``, and for blank lines inside a text.
    """
    bodies = [text.strip() for text in texts]
    n_rows = np.array([body.count(b"\n") + 1 if body else 0 for body in bodies])
    table = parse_table(b"\n".join(body for body in bodies if body), columns, delimiter, source)
    if table.num_rows != n_rows.sum():
        raise ValueError(f"{source} has {n_rows.sum()} lines but {table.num_rows} rows; remove blank lines")
    return table, np.repeat(np.arange(len(bodies)), n_rows)


def map_words(column: pa.ChunkedArray, function: Callable[[str], int]) -> npt.NDArray[np.int64]:
    """Return ``function`` (rows,) of each word; it is called once for each distinct word."""
    encoded = column.combine_chunks().dictionary_encode()
    results = np.array([function(word) for word in encoded.dictionary.to_pylist()], np.int64)
    return results[encoded.indices.to_numpy()]


@dataclass(frozen=True)
class Rows:
    """T measurements in any order.

    Attributes
    ----------
    sample_idx, channel_idx : int arrays of shape (T,)
        Sample and channel of each measurement, from 0.
    times : array of shape (T,)
        Positions on the time axis.
    values : array of shape (T, V)
        Value columns.
    """

    sample_idx: npt.NDArray[np.int64]
    times: npt.NDArray[np.float64]
    channel_idx: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    def select(self, index: npt.NDArray[Any]) -> Rows:
        """Return the rows that an int or bool array selects."""
        return Rows(self.sample_idx[index], self.times[index], self.channel_idx[index], self.values[index])

    def to_tokens(
        self,
        schema: Schema,
        ids: npt.NDArray[Any],
        targets: npt.NDArray[Any],
        order: npt.NDArray[np.int64] | None = None,
    ) -> TokenSet:
        """Make tokens with the axes (time, channel).

        Parameters
        ----------
        schema : Schema
            Meaning of the columns.
        ids, targets : arrays of shape (B,)
            Names and labels of the samples.
        order : array of shape (T,), optional
            Order of measurements of a sample at the same time.

        Returns
        -------
        TokenSet
            Tokens of a sample by time, then by ``order``, then in the order of the rows.
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
