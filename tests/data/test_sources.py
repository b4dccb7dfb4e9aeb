"""Sources: the whole contract, user objects that have only a part of it, and subsets."""

from pathlib import Path

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.data import sources
from rotary_mae.data.sources import MinimalSource, Source, SourceAdapter, Subset, adapt_source
from tests.data.examples import Bare, series
from tests.data.same_tokens import assert_same


def test_every_source_has_the_whole_contract(tmp_path: Path) -> None:
    tokens = series(6)
    lazy = [
        rm.write_cache(tokens, tmp_path / "cache"),
        rm.LazyImages(np.zeros((6, 4, 4)), (2, 2)),
        rm.LazyAudio(np.zeros((6, 1000))),
        SourceAdapter(Bare(tokens)),
    ]
    for source in (tokens, *lazy, *(Subset(source, [4, 1]) for source in lazy)):
        assert isinstance(source, Source)
        assert adapt_source(source) is source
        some = source[:]
        assert source.schema == some.schema
        np.testing.assert_array_equal(source.ids, some.ids)
        assert source.lengths is None or np.array_equal(source.lengths, some.lengths)
        assert (source.targets is None) == (some.targets is None)
        assert source.targets is None or np.array_equal(source.targets, some.targets)
        assert isinstance(source.is_on_disk, bool)


def test_only_a_cache_is_on_disk(tmp_path: Path) -> None:
    tokens = series(6)
    cache = rm.write_cache(tokens, tmp_path / "cache")
    assert cache.is_on_disk
    assert Subset(cache, [0, 1]).is_on_disk
    assert not tokens.is_on_disk
    assert not SourceAdapter(Bare(tokens)).is_on_disk


def test_an_object_with_length_and_indexing_is_completed() -> None:
    tokens, bare = series(6), Bare(series(6))
    assert isinstance(bare, MinimalSource)
    source = adapt_source(bare)
    assert source is not None
    assert source.schema == tokens.schema
    assert source.lengths is None
    np.testing.assert_array_equal(source.ids, tokens.ids)
    np.testing.assert_array_equal(source.targets, tokens.targets)
    for index in (slice(1, 4), -1, [2, 0], np.arange(6) > 3):
        assert_same(source[index], tokens[index])


def test_ids_and_targets_are_collected_at_their_first_use_only() -> None:
    bare = Bare(series(6))
    source = adapt_source(bare)
    assert source is not None
    assert bare.n_read <= 2
    assert source.ids is source.ids
    assert bare.n_read <= 2 + 6


def test_samples_without_names_are_numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "SAMPLES_PER_READ", 2)
    tokens = rm.from_arrays(np.ones((5, 1, 3)))

    class Unnamed(Bare):
        def __getitem__(self, indices: np.ndarray) -> rm.TokenSet:
            read = super().__getitem__(indices)
            return rm.TokenSet(read.values, read.positions, read.lengths, schema=read.schema)

    source = adapt_source(Unnamed(tokens))
    assert source is not None
    assert source.ids.tolist() == [0, 1, 2, 3, 4]
    assert source.targets is None


def test_attributes_that_an_object_has_are_used() -> None:
    tokens = series(4)

    class Partly(Bare):
        schema = tokens.schema
        ids = np.array(["a", "b", "c", "d"])
        lengths = tuple(tokens.lengths)
        is_on_disk = True

    source = adapt_source(Partly(tokens))
    assert source is not None
    assert source.ids.tolist() == ["a", "b", "c", "d"]
    assert source.lengths is not None
    assert source.lengths.tolist() == tokens.lengths.tolist()
    assert source.is_on_disk


@pytest.mark.parametrize("other", [[1, 2], "tokens", np.zeros((3, 4)), {"a": 1}, None, iter([series(2)]), [series(2)]])
def test_other_objects_are_no_source(other: object) -> None:
    assert adapt_source(other) is None


def test_a_subset_reads_its_samples_in_order() -> None:
    tokens = series(6)
    subset = Subset(tokens, [4, 1, 0])
    assert len(subset) == 3
    assert_same(subset[[2, 0]], tokens[[0, 4]])
    assert subset.ids.tolist() == tokens.ids[[4, 1, 0]].tolist()
    assert subset.lengths is not None
    assert subset.lengths.tolist() == tokens.lengths[[4, 1, 0]].tolist()
    np.testing.assert_array_equal(subset.targets, tokens.targets[[4, 1, 0]])


def test_a_subset_may_have_targets_of_its_own() -> None:
    subset = Subset(series(6), [4, 1], np.array([7, 8]))
    assert subset.targets is not None
    assert subset.targets.tolist() == [7, 8]
    assert subset[1].targets.tolist() == [8]
