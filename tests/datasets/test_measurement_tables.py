"""Tables of measurements: many texts parsed at once, rows sorted into tokens."""

import numpy as np
import pyarrow as pa
import pytest

from rotary_mae.data.schema import Schema
from rotary_mae.datasets._measurement_tables import Rows, map_words, parse_tables


def test_rows_are_assigned_to_their_text() -> None:
    table, text_idx = parse_tables([b"1,a\n2,b\n", b"", b"3,?"], {"x": pa.int64(), "y": pa.string()}, ",", "it")
    assert table["x"].to_pylist() == [1, 2, 3]
    assert text_idx.tolist() == [0, 0, 2]
    with pytest.raises(ValueError, match="it holds no rows"):
        parse_tables([b"", b" \n"], {"x": pa.int64()}, ",", "it")


def test_each_distinct_word_is_mapped_once() -> None:
    mapped: list[str] = []

    def length(word: str) -> int:
        mapped.append(word)
        return len(word)

    column = pa.chunked_array([["aa", "b"], ["aa"]])
    assert map_words(column, length).tolist() == [2, 1, 2]
    assert sorted(mapped) == ["aa", "b"]


def test_tokens_are_sorted_by_time_then_order_then_row() -> None:
    rows = Rows(
        sample_idx=np.array([1, 0, 0, 0, 1]),
        times=np.array([2.0, 5, 5, 1, 1]),
        channel_idx=np.array([0, 1, 0, 0, 1]),
        values=np.arange(5.0)[:, None],
    )
    schema = Schema(("time", "channel"), ("a", "b"))
    stable = rows.to_tokens(schema, np.array([7, 8]), np.array(["x", "y"]))
    assert stable.values[:, 0].tolist() == [3, 1, 2, 4, 0]
    ordered = rows.to_tokens(schema, np.array([7, 8]), np.array(["x", "y"]), order=rows.channel_idx)
    assert ordered.values[:, 0].tolist() == [3, 2, 1, 4, 0]
