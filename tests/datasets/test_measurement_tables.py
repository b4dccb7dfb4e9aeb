"""What the readers of tables share: archives read to the end, rows that keep their order."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from rotary_mae.data.schema import Schema
from rotary_mae.datasets._measurement_tables import Rows, map_words, parse_tables, tar_files

Write = Callable[[Path, dict[str, str]], Path]


@pytest.mark.parametrize("suffix", ["gz", "xz"])
def test_archives_of_either_compression(tmp_path: Path, write_tar: Write, suffix: str) -> None:
    archive = write_tar(tmp_path / f"a.tar.{suffix}", {"b": "1", "a": "2"})
    assert list(tar_files(archive)) == [("b", b"1"), ("a", b"2")]


@pytest.mark.parametrize("suffix", ["gz", "xz"])
def test_cut_archives_are_an_error_wherever_they_are_cut(tmp_path: Path, write_tar: Write, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(33, 126, (3, 4000)).astype(np.uint8)
    whole = write_tar(tmp_path / "whole.tar.gz", {str(i): bytes(row).decode() for i, row in enumerate(noise)})
    whole = write_tar(tmp_path / f"whole.tar.{suffix}", {name: text.decode() for name, text in tar_files(whole)})
    content = whole.read_bytes()
    for size in range(0, len(content) - 100, 997):
        cut = tmp_path / f"cut.tar.{suffix}"
        cut.write_bytes(content[:size])
        with pytest.raises(ValueError, match=rf"cut.tar.{suffix} is damaged.*downloaded again"):
            list(tar_files(cut))


def test_rows_know_their_text() -> None:
    table, text_idx = parse_tables([b"1,a\n2,b\n", b"", b"3,?"], {"x": pa.int64(), "y": pa.string()}, ",", "it")
    assert table["x"].to_pylist() == [1, 2, 3]
    assert text_idx.tolist() == [0, 0, 2]
    with pytest.raises(ValueError, match="it holds no rows"):
        parse_tables([b"", b" \n"], {"x": pa.int64()}, ",", "it")


def test_words_are_mapped_once_each() -> None:
    seen: list[str] = []

    def length(word: str) -> int:
        seen.append(word)
        return len(word)

    column = pa.chunked_array([["aa", "b"], ["aa"]])
    assert map_words(column, length).tolist() == [2, 1, 2]
    assert sorted(seen) == ["aa", "b"]


def test_tokens_go_by_time_then_order_then_as_given() -> None:
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
