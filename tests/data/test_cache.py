"""Cache: round trips are exact, and a damaged or half-written cache is an error."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from rotary_mae import TokenSet, from_arrays, from_images, open_cache, write_cache
from rotary_mae.data import cache as cache_module
from rotary_mae.data.sources import Source
from tests.data.examples import Bare, series, token_sets
from tests.data.same_tokens import assert_same


@settings(max_examples=40, deadline=None)
@given(token_sets())
def test_round_trip_is_exact(tmp_path_factory: pytest.TempPathFactory, tokens: TokenSet) -> None:
    folder = tmp_path_factory.mktemp("sets")
    assert_same(write_cache(tokens, folder / "cache")[:], tokens)
    assert [path.name for path in folder.iterdir()] == ["cache"]


def test_patches_of_images_are_cached(tmp_path: Path) -> None:
    tokens = from_images(np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8), (4, 4))
    assert_same(write_cache(tokens, tmp_path / "cache")[:], tokens)


def test_large_sets_are_written_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "NUMBERS_PER_BLOCK", 20)
    read: list[int] = []

    class Watched(TokenSet):
        def __getitem__(self, index: Any) -> TokenSet:
            part = super().__getitem__(index)
            read.append(len(part))
            return part

    tokens = series(30)
    watched = Watched(tokens.values, tokens.positions, tokens.lengths, ids=tokens.ids, schema=tokens.schema)
    assert_same(write_cache(watched, tmp_path / "cache", progress=True)[:], watched)
    assert len(read) > 5
    assert sum(read) == 30


def test_ids_that_only_pickle_could_store_are_errors(tmp_path: Path) -> None:
    tokens = TokenSet([1.0], [0.0], [1], ids=np.array(["2020-01-01"], "datetime64[D]"))
    with pytest.raises(ValueError, match="ids must be text or numbers to be written"):
        write_cache(tokens, tmp_path / "cache")
    assert not list(tmp_path.iterdir())
    named = TokenSet([1.0], [0.0], [1], ids=np.array(["a"], dtype=object))
    assert write_cache(named, tmp_path / "cache").ids.dtype == np.dtype("<U1")


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


def test_pickling_transfers_the_folder_and_no_arrays(tmp_path: Path) -> None:
    cache = write_cache(series(200), tmp_path / "cache")
    sent = pickle.dumps(cache)
    assert len(sent) < 500
    assert_same(pickle.loads(sent)[:], cache[:])


def test_parts_are_joined_and_the_width_of_names_may_grow(tmp_path: Path) -> None:
    parts = [
        series(3, seed=1),
        series(4, seed=2, names="a much longer name, {}"),
        series(2, seed=3, names="{}"),
    ]
    assert_same(write_cache(iter(parts), tmp_path / "cache")[:], TokenSet.concatenate(parts))


def test_an_interrupted_write_leaves_the_old_cache(tmp_path: Path) -> None:
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


def test_leftovers_of_a_killed_process_are_not_opened_and_not_in_the_way(tmp_path: Path) -> None:
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
def test_a_damaged_cache_is_an_error(tmp_path: Path, name: str) -> None:
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


def test_parts_that_do_not_fit_together_are_an_error(tmp_path: Path) -> None:
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


def test_a_folder_that_is_no_cache_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ValueError, match="is no cache, or holds other files too; choose another"):
        write_cache(series(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_released_pages_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "RUNS_PER_READ", 1)
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


@pytest.mark.parametrize("schema", ['{"mine": 1}', "no JSON", None])
def test_a_folder_with_other_files_is_not_replaced(tmp_path, schema):
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


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_missing_class_names_are_none(tmp_path: Path, missing: object) -> None:
    tokens = from_arrays(np.ones((4, 1, 3)), targets=np.array(["long name", missing, "b", ""], object))
    # also in a part that has all names, or none
    cache = write_cache([tokens[2:], tokens[:2], tokens[1:2]], tmp_path / "cache")
    assert cache.targets.tolist() == ["b", "", "long name", None, None]
    assert cache[[3, 2]].targets.tolist() == [None, "long name"]
    assert isinstance(write_cache(tokens[2:], tmp_path / "whole").targets, np.memmap)


@pytest.mark.parametrize("labels", [[1, None, 0, 7], [True, None, False, True], ["a", None, "b", "b"]])
def test_labels_of_each_type_may_be_missing(tmp_path: Path, labels: list[Any]) -> None:
    targets = np.empty(len(labels), object)
    targets[:] = labels
    cache = write_cache(TokenSet(np.arange(4.0), np.arange(4.0), [1] * 4, targets=targets), tmp_path / "cache")
    assert cache.targets.tolist() == labels
    assert cache[[1, 2]].targets.tolist() == labels[1:3]


def test_a_block_without_labels_keeps_the_type_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "SAMPLES_PER_BLOCK", 1)
    targets = np.array([None, None, 3], object)
    source = Bare(TokenSet(np.arange(3.0), np.arange(3.0), [1, 1, 1], targets=targets))
    assert write_cache(source, tmp_path / "cache").targets.tolist() == [None, None, 3]


def test_token_targets_are_cached(tmp_path: Path) -> None:
    token_targets = np.arange(12.0).reshape(6, 2)
    tokens = TokenSet(np.arange(6.0), np.arange(6.0), [2, 4], targets=[0, 1], token_targets=token_targets)
    cache = write_cache(tokens, tmp_path / "cache")
    np.testing.assert_array_equal(cache[[0, 1]].token_targets, tokens.token_targets)
    np.testing.assert_array_equal(cache[1].token_targets, tokens[1].token_targets)


def test_a_source_with_only_length_and_indexing_is_cached(tmp_path: Path) -> None:
    assert_same(write_cache(Bare(series()), tmp_path / "cache")[:], series())


def test_a_cache_killed_between_its_renames_is_recovered(tmp_path: Path) -> None:
    write_cache(series(), tmp_path / "cache")
    (tmp_path / "cache").rename(tmp_path / ".cache.replaced")
    assert_same(open_cache(tmp_path / "cache")[:], series())
