"""Parquet: round trips are exact, and truncated or other files are errors."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from rotary_mae import TokenSet, from_arrays, from_frame, from_images, read_parquet
from rotary_mae.data import parquet
from rotary_mae.data.files import read_table
from tests.data.examples import series, token_sets
from tests.data.same_tokens import assert_same


@settings(max_examples=40, deadline=None)
@given(token_sets())
def test_round_trip_is_exact(tmp_path_factory: pytest.TempPathFactory, tokens: TokenSet) -> None:
    folder = tmp_path_factory.mktemp("sets")
    tokens.to_parquet(folder / "set.parquet")
    assert_same(read_parquet(folder / "set.parquet"), tokens)
    assert [path.name for path in folder.iterdir()] == ["set.parquet"]


def test_patches_of_images_are_stored(tmp_path: Path) -> None:
    tokens = from_images(np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8), (4, 4))
    tokens.to_parquet(tmp_path / "images.parquet")
    assert_same(read_parquet(tmp_path / "images.parquet"), tokens)


def test_a_folder_named_like_a_partition_adds_no_column(tmp_path: Path) -> None:
    path = tmp_path / "label=3" / "set.parquet"
    series().to_parquet(path)
    assert_same(read_parquet(path), series())
    assert pq.ParquetFile(path).schema_arrow.names == read_table(path).column_names


def test_large_sets_are_written_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "NUMBERS_PER_BLOCK", 20)
    tokens = series(30)
    tokens.to_parquet(tmp_path / "set.parquet")
    assert pq.ParquetFile(tmp_path / "set.parquet").num_row_groups > 5
    assert_same(read_parquet(tmp_path / "set.parquet"), tokens)


def test_a_block_without_labels_keeps_the_type_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "NUMBERS_PER_BLOCK", 1)
    for labels in ([None, None, "a"], [None, None, 3], [None, None, True]):
        targets = np.empty(3, object)
        targets[:] = labels
        TokenSet(np.arange(3.0), np.arange(3.0), [1, 1, 1], targets=targets).to_parquet(tmp_path / "some.parquet")
        assert pq.ParquetFile(tmp_path / "some.parquet").num_row_groups == 3
        assert read_parquet(tmp_path / "some.parquet").targets.tolist() == labels


@pytest.mark.parametrize("size", [0, 10, 0.5, -1])
def test_a_truncated_file_is_an_error(tmp_path: Path, size: float) -> None:
    path = tmp_path / "set.parquet"
    series().to_parquet(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * size) if isinstance(size, float) else size])
    with pytest.raises(ValueError, match=r"cannot read .*set\.parquet.* truncated"):
        read_parquet(path)


def test_other_parquet_files_and_missing_files_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "curves.parquet"
    pd.DataFrame({"id": [1], "mjd": [2.0]}).to_parquet(path)
    with pytest.raises(ValueError, match=r"not one of tokens; its columns are \['id', 'mjd'\].*from_frame"):
        read_parquet(path)
    with pytest.raises(FileNotFoundError, match=r"there is no file"):
        read_parquet(tmp_path / "none.parquet")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, tokens = tmp_path / "set.parquet", series()
    tokens.to_parquet(path)

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(OSError, match="no space left"):
        series(3).to_parquet(path)
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["set.parquet"]
    assert_same(read_parquet(path), tokens)


def test_the_type_of_time_stamps_is_stored(tmp_path: Path) -> None:
    stamps = pd.to_datetime(["2024-01-01", "2024-01-02"]).tz_localize("Asia/Tokyo")
    tokens = from_frame(pd.DataFrame({"id": 1, "time": stamps, "value": [1.0, 2.0]}))
    tokens.to_parquet(tmp_path / "set.parquet")
    back = read_parquet(tmp_path / "set.parquet").to_frame("pyarrow")
    assert back["time"].type == pa.timestamp("us", "Asia/Tokyo")


def test_a_set_without_samples_is_stored(tmp_path: Path) -> None:
    empty = series(3)[[]]
    empty.to_parquet(tmp_path / "empty.parquet")
    assert_same(read_parquet(tmp_path / "empty.parquet"), empty)


def test_ids_and_targets_that_only_pickle_could_store_are_errors(tmp_path: Path) -> None:
    tokens = TokenSet([1.0], [0.0], [1], ids=np.array(["2020-01-01"], "datetime64[D]"))
    with pytest.raises(ValueError, match="ids must be text or numbers to be written"):
        tokens.to_parquet(tmp_path / "set.parquet")
    targets = np.array([("a", 1), None], object)
    with pytest.raises(ValueError, match="targets must be text or numbers"):
        from_arrays(np.ones((2, 1, 3)), targets=targets).to_parquet(tmp_path / "set.parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_missing_class_names_are_none(tmp_path: Path, missing: object) -> None:
    tokens = from_arrays(np.ones((4, 1, 3)), targets=np.array(["long name", missing, "b", ""], object))
    tokens.to_parquet(tmp_path / "some.parquet")
    assert read_parquet(tmp_path / "some.parquet").targets.tolist() == ["long name", None, "b", ""]


@pytest.mark.parametrize("labels", [[1, None, 0, 7], [True, None, False, True], ["a", None, "b", "b"]])
def test_labels_of_each_type_may_be_missing(tmp_path: Path, labels: list[Any]) -> None:
    targets = np.empty(len(labels), object)
    targets[:] = labels
    TokenSet(np.arange(4.0), np.arange(4.0), [1] * 4, targets=targets).to_parquet(tmp_path / "some.parquet")
    assert read_parquet(tmp_path / "some.parquet").targets.tolist() == labels


def test_token_targets_are_stored(tmp_path: Path) -> None:
    token_targets = np.arange(12.0).reshape(6, 2)
    tokens = TokenSet(np.arange(6.0), np.arange(6.0), [2, 4], targets=[0, 1], token_targets=token_targets)
    tokens.to_parquet(tmp_path / "tokens.parquet")
    np.testing.assert_array_equal(read_parquet(tmp_path / "tokens.parquet").token_targets, tokens.token_targets)
