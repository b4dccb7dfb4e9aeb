"""SyntheticSeries: a pure function of seed and index, and valid TokenSets throughout."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rotary_mae.data.sources import Source
from rotary_mae.prior import FAMILIES, PRIOR_VERSION, SyntheticSeries
from rotary_mae.prior.__main__ import main
from rotary_mae.prior.series import SyntheticDraw

N = 1500


@pytest.fixture(scope="module")
def source() -> SyntheticSeries:
    return SyntheticSeries(10**9, seed=5)


@pytest.fixture(scope="module")
def draw(source: SyntheticSeries) -> SyntheticDraw:
    return source.draw(slice(0, N))


def assert_same(one: SyntheticDraw, other: SyntheticDraw) -> None:
    np.testing.assert_array_equal(one.tokens.values, other.tokens.values)
    np.testing.assert_array_equal(one.tokens.positions, other.tokens.positions)
    np.testing.assert_array_equal(one.tokens.lengths, other.tokens.lengths)
    np.testing.assert_array_equal(one.tokens.ids, other.tokens.ids)
    np.testing.assert_array_equal(one.is_query, other.is_query)
    np.testing.assert_array_equal(one.noiseless, other.noiseless)
    np.testing.assert_array_equal(one.has_extra_noise, other.has_extra_noise)


def picked(draw: SyntheticDraw, samples: Sequence[int]) -> SyntheticDraw:
    """The same draw with some of its series."""
    rows = np.asarray(samples)
    starts, lengths = draw.tokens.starts, draw.tokens.lengths
    tokens = np.concatenate([np.arange(starts[i], starts[i] + lengths[i]) for i in rows])
    return SyntheticDraw(
        draw.tokens[rows],
        draw.is_query[tokens],
        draw.noiseless[tokens],
        draw.has_errors[rows],
        draw.has_extra_noise[rows],
        draw.n_channels[rows],
        draw.family[rows],
    )


def test_a_series_is_the_same_alone_and_in_every_batch_and_order(source: SyntheticSeries, draw: SyntheticDraw) -> None:
    order = np.random.default_rng(0).permutation(N)
    assert_same(source.draw(order), picked(draw, order))
    for i in range(0, 120):
        assert_same(source.draw(i), picked(draw, [i]))
    assert_same(source.draw([7, 7, 1400]), picked(draw, [7, 7, 1400]))


def test_the_length_of_the_source_does_not_change_its_series(draw: SyntheticDraw) -> None:
    short = SyntheticSeries(N, seed=5)
    assert_same(short.draw(slice(0, 100)), picked(draw, range(100)))
    assert_same(short.draw(-1), picked(draw, [N - 1]))


def test_seeds_and_indices_give_different_series(source: SyntheticSeries) -> None:
    other = SyntheticSeries(10, seed=6)
    assert not np.array_equal(source[:10].lengths, other[:10].lengths)
    assert len(np.unique(source[:200].values[:, 0])) > 5000


def test_tokens_are_valid_and_in_order_of_time(source: SyntheticSeries, draw: SyntheticDraw) -> None:
    tokens = draw.tokens
    assert isinstance(source, Source)
    assert tokens.schema == source.schema
    assert tokens.schema.roles == ("value", "error")
    assert np.isfinite(tokens.values).all()
    assert np.isfinite(tokens.positions).all()
    assert tokens.lengths.min() == 2
    assert tokens.lengths.max() <= 512
    same = tokens.sample_idx[1:] == tokens.sample_idx[:-1]
    assert (np.diff(tokens.positions[:, 0])[same] >= 0).all()
    channel = tokens.positions[:, 1]
    assert (channel == np.round(channel)).all()
    assert (channel >= 0).all()
    assert (channel < draw.n_channels[tokens.sample_idx]).all()
    np.testing.assert_array_equal(tokens.ids, np.arange(N))


def test_every_series_has_visible_tokens_and_queries(draw: SyntheticDraw) -> None:
    n_queries = np.bincount(draw.tokens.sample_idx, draw.is_query)
    assert (n_queries >= 1).all()
    assert (n_queries < draw.tokens.lengths).all()


def test_queries_lie_inside_and_beyond_the_visible_tokens(draw: SyntheticDraw) -> None:
    times, sample = draw.tokens.positions[:, 0], draw.tokens.sample_idx
    visible = ~draw.is_query
    last = np.full(N, -np.inf)
    np.maximum.at(last, sample[visible], times[visible])
    is_beyond = draw.is_query & (times > last[sample])
    assert 0.1 < is_beyond.sum() / draw.is_query.sum() < 0.6


def test_errors_are_given_where_that_is_stated(draw: SyntheticDraw) -> None:
    has = np.bincount(draw.tokens.sample_idx, draw.tokens.values[:, 1] > 0) > 0
    np.testing.assert_array_equal(has, draw.has_errors)
    known = (draw.tokens.values[:, 1] > 0) & ~draw.has_extra_noise[draw.tokens.sample_idx]
    ratio = (draw.tokens.values[known, 0] - draw.noiseless[known]) / draw.tokens.values[known, 1]
    # float32 rounds values of a high level with small errors
    assert 0.95 < np.median(np.abs(ratio)) / 0.6745 < 1.05


def test_families_channels_and_tokens_can_be_limited() -> None:
    small = SyntheticSeries(400, seed=1, families=["trend", "gaussian_process"], max_channels=2, max_tokens=40)
    draw = small.draw(slice(None))
    assert set(draw.family) == {list(FAMILIES).index("trend"), list(FAMILIES).index("gaussian_process")}
    assert draw.n_channels.max() == 2
    assert draw.tokens.lengths.max() == 40
    assert len(draw.tokens.channels) == 2


def test_an_empty_index_gives_no_series(source: SyntheticSeries) -> None:
    assert len(source[[]]) == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_series": -1}, "n_series must be a whole number from 0"),
        ({"max_channels": 51}, "max_channels must be a whole number from 1 to 50, got 51"),
        ({"max_tokens": 1}, "max_tokens must be a whole number from 2 to 512, got 1"),
        ({"families": ["ou"]}, "unknown families"),
        ({"families": []}, "families must be a list of different names"),
        ({"families": "ode"}, "families must be a list of different names"),
    ],
)
def test_wrong_arguments_are_named(given: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SyntheticSeries(**{"n_series": 10, **given})


def test_indices_outside_are_refused() -> None:
    with pytest.raises(IndexError, match="outside of 10 samples"):
        SyntheticSeries(10).draw(10)


def test_this_version_draws_the_recorded_series() -> None:
    """A change of any draw needs a new ``PRIOR_VERSION``: trained models state the version they have seen."""
    tokens = SyntheticSeries(100, seed=0)[:100]
    assert PRIOR_VERSION == 1
    assert tokens.n_tokens == RECORDED_TOKENS
    chosen = tokens.values[tokens.starts, 0][[0, 20, 40, 60, 80, 99]]
    np.testing.assert_allclose(chosen, RECORDED_VALUES, rtol=1e-4)


RECORDED_TOKENS = 5095
RECORDED_VALUES = (-0.00186455, -0.0445157, 101.0, 10596.8, 0.998497, 1760.74)


def test_the_gallery_is_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gallery.png"
    main([str(path)])
    assert path.read_bytes().startswith(b"\x89PNG")
    assert str(path) in capsys.readouterr().out
