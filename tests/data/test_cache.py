"""Storage: round trips are exact, and what is damaged or half written is not opened."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotary_mae import from_arrays, from_frame, from_images, open_cache, read_parquet, write_cache
from rotary_mae.data import cache as storage
from rotary_mae.data import parquet
from rotary_mae.data.files import read_table
from rotary_mae.data.schema import Schema
from rotary_mae.data.sources import Source
from rotary_mae.data.tokens import TokenSet
from tests.data.same_tokens import assert_same


def series(n: int = 7, seed: int = 0, names: str = "object {}") -> TokenSet:
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(2, rng.integers(1, 9))) for _ in range(n)]
    ids = np.array([names.format(i) for i in range(n)])
    return from_arrays(X, targets=rng.integers(0, 3, n), ids=ids)


@st.composite
def token_sets(draw: st.DrawFn) -> TokenSet:
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    seed, n, total = draw(st.integers(0, 99)), len(lengths), sum(lengths)
    rng = np.random.default_rng(seed)
    texts = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=n, max_size=n)
    targets = [None, rng.normal(size=(n, 3)), rng.integers(0, 9, n, dtype=np.int8), rng.random(n) > 0.5]
    return TokenSet(
        rng.normal(size=(total, 2)),
        np.column_stack([rng.normal(size=total) * 1e6, rng.integers(0, 3, total)]),
        lengths,
        ids=draw(st.just(np.arange(n)) | texts.map(lambda names: np.array(names, np.str_))),
        targets=draw(st.sampled_from(targets) | texts.map(lambda names: np.array(names, np.str_))),
        schema=Schema(("time", "channel"), ("é", "b"), ("value", "error"), ("z",), "timestamp[us, tz=UTC]"),
    )


@settings(max_examples=40, deadline=None)
@given(token_sets())
def test_round_trips_are_exact(tmp_path_factory: pytest.TempPathFactory, tokens: TokenSet) -> None:
    folder = tmp_path_factory.mktemp("sets")
    tokens.to_parquet(folder / "set.parquet")
    assert_same(read_parquet(folder / "set.parquet"), tokens)
    assert_same(write_cache(tokens, folder / "cache")[:], tokens)
    assert sorted(p.name for p in folder.iterdir()) == ["cache", "set.parquet"]


def test_images_are_stored_too(tmp_path: Path) -> None:
    tokens = from_images(np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8), (4, 4))
    tokens.to_parquet(tmp_path / "images.parquet")
    assert_same(read_parquet(tmp_path / "images.parquet"), tokens)
    assert_same(write_cache(tokens, tmp_path / "cache")[:], tokens)


def test_folders_named_like_partitions_add_nothing(tmp_path: Path) -> None:
    path = tmp_path / "label=3" / "set.parquet"
    series().to_parquet(path)
    assert_same(read_parquet(path), series())
    assert pq.ParquetFile(path).schema_arrow.names == read_table(path).column_names


def test_large_sets_are_written_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "NUMBERS_PER_BLOCK", 20)
    monkeypatch.setattr(storage, "NUMBERS_PER_BLOCK", 20)
    tokens = series(30)
    tokens.to_parquet(tmp_path / "set.parquet")
    assert pq.ParquetFile(tmp_path / "set.parquet").num_row_groups > 5
    assert_same(read_parquet(tmp_path / "set.parquet"), tokens)
    assert_same(write_cache(tokens, tmp_path / "cache", progress=True)[:], tokens)


# -- Parquet ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0, 10, 0.5, -1])
def test_truncated_parquet_is_not_read(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "set.parquet"
    series().to_parquet(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept) if isinstance(kept, float) else kept])
    with pytest.raises(ValueError, match=r"cannot read .*set\.parquet.* truncated"):
        read_parquet(path)


def test_parquet_of_others_and_missing_files(tmp_path: Path) -> None:
    path = tmp_path / "curves.parquet"
    pd.DataFrame({"id": [1], "mjd": [2.0]}).to_parquet(path)
    with pytest.raises(ValueError, match=r"not one of tokens; its columns are \['id', 'mjd'\].*from_frame"):
        read_parquet(path)
    with pytest.raises(FileNotFoundError, match=r"there is no file"):
        read_parquet(tmp_path / "none.parquet")


def test_failed_writing_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_ids_that_only_pickle_could_hold(tmp_path: Path) -> None:
    tokens = TokenSet([1.0], [0.0], [1], ids=np.array([("a", 1)], dtype="O,O"))
    with pytest.raises(ValueError, match="ids must be text or numbers to be written"):
        tokens.to_parquet(tmp_path / "set.parquet")
    with pytest.raises(ValueError, match="ids must be text or numbers to be written"):
        write_cache(tokens, tmp_path / "cache")
    assert not list(tmp_path.iterdir())
    named = TokenSet([1.0], [0.0], [1], ids=np.array(["a"], dtype=object))
    assert write_cache(named, tmp_path / "cache").ids.dtype == np.dtype("<U1")


# -- cache ------------------------------------------------------------------------------------------------


def test_cache_is_a_source_that_indexes_like_the_set(tmp_path: Path) -> None:
    tokens = series(12)
    cache = write_cache(tokens, tmp_path / "cache")
    assert isinstance(cache, Source)
    assert len(cache) == 12
    assert cache.targets is not None
    np.testing.assert_array_equal(cache.ids, tokens.ids)
    np.testing.assert_array_equal(cache.lengths, tokens.lengths)
    for index in (0, -1, slice(3, 9, 2), [5, 2, 2], np.arange(12) % 3 == 0, (np.array([1]), ...)):
        assert_same(cache[index], tokens[index])
    assert isinstance(cache.values, np.memmap)
    assert not isinstance(cache[:].values, np.memmap)


def test_another_process_gets_the_place_not_the_arrays(tmp_path: Path) -> None:
    cache = write_cache(series(200), tmp_path / "cache")
    sent = pickle.dumps(cache)
    assert len(sent) < 500
    assert_same(pickle.loads(sent)[:], cache[:])


def test_parts_are_joined_and_names_may_grow(tmp_path: Path) -> None:
    parts = [
        series(3, seed=1),
        series(4, seed=2, names="a much longer name, {}"),
        series(2, seed=3, names="{}"),
    ]
    assert_same(write_cache(iter(parts), tmp_path / "cache")[:], TokenSet.concatenate(parts))


def test_interrupted_writing_leaves_the_old_cache(tmp_path: Path) -> None:
    folder, tokens = tmp_path / "cache", series()

    def interrupted() -> Iterator[TokenSet]:
        yield series(3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_cache(interrupted(), folder)
    assert not list(tmp_path.iterdir())
    write_cache(tokens, folder)
    with pytest.raises(KeyboardInterrupt):
        write_cache(interrupted(), folder)
    assert [p.name for p in tmp_path.iterdir()] == ["cache"]
    assert_same(open_cache(folder)[:], tokens)
    assert_same(write_cache(series(3), folder)[:], series(3))


def test_what_a_killed_process_left_is_not_opened_and_not_in_the_way(tmp_path: Path) -> None:
    partial = tmp_path / ".cache.partial"
    partial.mkdir()
    (partial / "values.npy").write_bytes(b"half")
    with pytest.raises(FileNotFoundError, match="make one with write_cache"):
        open_cache(tmp_path / "cache")
    with pytest.raises(FileNotFoundError, match="make one with write_cache"):
        open_cache(partial)
    assert len(write_cache(series(), tmp_path / "cache")) == 7
    assert [p.name for p in tmp_path.iterdir()] == ["cache"]


@pytest.mark.parametrize("name", ["values", "positions", "lengths", "starts", "ids", "targets"])
def test_damaged_caches_are_not_opened(tmp_path: Path, name: str) -> None:
    write_cache(series(), tmp_path / "cache")
    path = tmp_path / "cache" / f"{name}.npy"
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:40], b""):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=rf"{name}\.npy is missing or truncated .*make it anew"):
            open_cache(tmp_path / "cache")
    np.save(path, np.zeros(3))
    with pytest.raises(ValueError, match=r"has shape \(3,\), expected"):
        open_cache(tmp_path / "cache")
    path.unlink()
    with pytest.raises(ValueError, match="missing or truncated"):
        open_cache(tmp_path / "cache")
    (tmp_path / "cache" / "schema.json").write_text('{"format"')
    with pytest.raises(ValueError, match=r"is damaged .*make it anew"):
        open_cache(tmp_path / "cache")


def test_parts_must_fit_together(tmp_path: Path) -> None:
    one, folder = series(2), tmp_path / "cache"
    bad = {
        "all parts need one schema": [one, from_arrays([[1.0]])],
        "some parts have targets": [one, one.with_targets(None)],
        "no samples": [],
        "ids must be text or numbers in all parts": [one, from_arrays(np.ones((1, 2, 3)), targets=[1])],
        "rows have shape": [one, one.with_targets(np.ones((2, 2)))],
    }
    for message, parts in bad.items():
        with pytest.raises(ValueError, match=message):
            write_cache(parts, folder)
    assert not list(tmp_path.iterdir())


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ValueError, match="is no cache, or holds other files too; choose another"):
        write_cache(series(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_stored_frames_know_their_time_stamps(tmp_path: Path) -> None:
    stamps = pd.to_datetime(["2024-01-01", "2024-01-02"]).tz_localize("Asia/Tokyo")
    tokens = from_frame(pd.DataFrame({"id": 1, "time": stamps, "value": [1.0, 2.0]}))
    tokens.to_parquet(tmp_path / "set.parquet")
    back = read_parquet(tmp_path / "set.parquet").to_frame("pyarrow")
    assert back["time"].type == pa.timestamp("us", "Asia/Tokyo")


def test_pages_that_were_given_back_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "RUNS_PER_READ", 1)
    tokens = from_arrays(np.random.default_rng(0).normal(size=(20, 2, 9)))
    cache = write_cache(tokens, tmp_path / "cache")
    scattered = [17, 3, 4, 9, 0, 19]
    assert np.array_equal(cache[scattered].values, tokens[scattered].values)
    assert np.array_equal(cache[scattered].ids, tokens[scattered].ids)
    first, again = cache[3:15], cache[3:15]
    assert np.array_equal(first.values, tokens[3:15].values)
    assert np.array_equal(again.values, first.values)
    assert np.array_equal(again.ids, tokens[3:15].ids)
    assert np.array_equal(cache.lengths, tokens.lengths)


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_names_of_classes_may_be_missing(tmp_path, nothing):
    tokens = from_arrays(np.ones((4, 1, 3)), targets=np.array(["long name", nothing, "b", ""], object))
    tokens.to_parquet(tmp_path / "some.parquet")
    expected = ["long name", None, "b", ""]
    assert read_parquet(tmp_path / "some.parquet").targets.tolist() == expected
    # in a cache also where a part has them all, or none
    cache = write_cache([tokens[2:], tokens[:2], tokens[1:2]], tmp_path / "cache")
    assert cache.targets.tolist() == ["b", "", "long name", None, None]
    assert cache[[3, 2]].targets.tolist() == [None, "long name"]
    assert isinstance(write_cache(tokens[2:], tmp_path / "whole").targets, np.memmap)
    with pytest.raises(ValueError, match="targets must be text or numbers"):
        from_arrays(np.ones((2, 1, 3)), targets=np.array([("a", 1), None], object)).to_parquet(tmp_path / "x.parquet")


def test_answers_of_tokens_are_kept_in_files_and_caches(tmp_path):
    tokens = TokenSet(
        np.arange(6.0), np.arange(6.0), [2, 4], targets=[0, 1], token_targets=np.arange(12.0).reshape(6, 2)
    )
    tokens.to_parquet(tmp_path / "tokens.parquet")
    write_cache(tokens, tmp_path / "cache")
    for back in (read_parquet(tmp_path / "tokens.parquet"), open_cache(tmp_path / "cache")[[0, 1]]):
        np.testing.assert_array_equal(back.token_targets, tokens.token_targets)
    np.testing.assert_array_equal(open_cache(tmp_path / "cache")[1].token_targets, tokens[1].token_targets)


@pytest.mark.parametrize("schema", ['{"mine": 1}', "no JSON", None])
def test_a_folder_with_other_files_is_never_replaced_by_a_cache(tmp_path, schema):
    tokens = TokenSet(np.arange(4.0), np.arange(4.0), [2, 2])
    folder = tmp_path / "mine"
    if schema is None:
        write_cache(tokens, folder)
    else:
        folder.mkdir()
        (folder / "schema.json").write_text(schema)
    (folder / "precious.txt").write_text("x")
    with pytest.raises(ValueError, match="is no cache, or holds other files too"):
        write_cache(tokens, folder)
    assert (folder / "precious.txt").read_text() == "x"
    beside = tmp_path / "q.partial"
    beside.mkdir()
    (beside / "precious.txt").write_text("x")
    assert len(write_cache(tokens, tmp_path / "q")) == len(tokens)
    assert (beside / "precious.txt").exists()


@pytest.mark.parametrize("labels", [[1, None, 0, 7], [True, None, False, True], ["a", None, "b", "b"]])
def test_labels_of_any_kind_may_be_missing(tmp_path: Path, labels: list[Any]) -> None:
    targets = np.empty(len(labels), object)
    targets[:] = labels
    tokens = TokenSet(np.arange(4.0), np.arange(4.0), [1] * 4, targets=targets)
    tokens.to_parquet(tmp_path / "some.parquet")
    assert read_parquet(tmp_path / "some.parquet").targets.tolist() == labels
    cache = write_cache(tokens, tmp_path / "cache")
    assert cache.targets.tolist() == labels
    assert cache[[1, 2]].targets.tolist() == labels[1:3]


def test_labels_of_several_kinds_are_refused(tmp_path: Path) -> None:
    targets = np.array([1, "a", None], object)
    tokens = TokenSet(np.arange(3.0), np.arange(3.0), [1] * 3, targets=targets)
    with pytest.raises(ValueError, match="all of one kind, got int, str"):
        tokens.to_parquet(tmp_path / "some.parquet")
