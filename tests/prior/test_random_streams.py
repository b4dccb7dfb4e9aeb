"""Random streams: numbers depend on key and label alone and have the stated distributions."""

import numpy as np
import pytest
from scipy.stats import kstest

from rotary_mae.prior.random_streams import Streams, take_columns

N = 20_000
FAR = 6.0  # standard errors: exceeded with a probability of 2e-9


@pytest.fixture(scope="module")
def streams() -> Streams:
    return Streams.for_series(7, np.arange(N))


def test_numbers_do_not_depend_on_the_other_streams(streams: Streams) -> None:
    rows = np.array([17, 3, 19_999])
    alone = Streams.for_series(7, rows)
    np.testing.assert_array_equal(streams.uniform("a", shape=(5,))[rows], alone.uniform("a", shape=(5,)))
    np.testing.assert_array_equal(streams.child("x", 3).normal("a")[rows], alone.child("x", 3).normal("a"))
    np.testing.assert_array_equal(streams.take(rows).normal("b"), alone.normal("b"))


def test_a_longer_draw_begins_with_the_shorter_one(streams: Streams) -> None:
    few = streams.take(slice(0, 4))
    np.testing.assert_array_equal(few.uniform("a", shape=(9, 2))[:, :3], few.uniform("a", shape=(3, 2)))


@pytest.mark.parametrize("seed", [0, -1, 2**64 + 5, 12345678901234567890])
def test_any_integer_is_a_seed(seed: int) -> None:
    unit = Streams.for_series(seed, np.arange(N)).uniform("a")
    assert kstest(unit, "uniform").pvalue > 1e-6


def test_uniform_numbers_fill_the_open_interval_evenly(streams: Streams) -> None:
    unit = streams.uniform("a", shape=(3,))
    assert ((unit > 0) & (unit < 1)).all()
    assert kstest(unit.ravel(), "uniform").pvalue > 1e-6
    high = 1.0 + np.arange(N)
    scaled = streams.uniform("b", -high, high, (2,))
    assert (np.abs(scaled) < high[:, None]).all()


def test_normal_numbers_are_normal_and_finite(streams: Streams) -> None:
    assert kstest(streams.normal("a", (3,)).ravel(), "norm").pvalue > 1e-6


def test_labels_numbers_seeds_and_neighbours_are_uncorrelated(streams: Streams) -> None:
    draws = [
        streams.normal("a"),
        streams.normal("b"),
        streams.child("a").normal("a"),
        streams.child("a", 1).normal("a"),
        streams.normal("a", (2,))[:, 1],
        np.roll(streams.normal("a"), 1),
        Streams.for_series(8, np.arange(N)).normal("a"),
    ]
    correlation = np.corrcoef(draws) - np.eye(len(draws))
    assert np.abs(correlation).max() < FAR / np.sqrt(N)


def test_shared_draws_are_those_of_the_parent(streams: Streams) -> None:
    parents = streams.take(np.array([4, 4, 4]))
    children = parents.child("latent", np.arange(3)).sharing(parents, np.array([True, True, False]))
    first, second, third = children.shared.normal("period")
    assert first == second != third
    assert len(set(children.normal("phase"))) == 3
    nested = children.child("part")
    assert len(set(nested.shared.normal("period"))) == 2


def test_integers_choices_and_chances_have_their_frequencies(streams: Streams) -> None:
    whole = streams.integers("n", -1, 4)
    assert set(whole) == {-1, 0, 1, 2, 3}
    weights = np.array([1.0, 0.0, 3.0])
    frequency = np.bincount(streams.choice("kind", list(weights)), minlength=3) / N
    assert np.abs(frequency - weights / 4).max() < FAR * 0.5 / np.sqrt(N)
    assert frequency[1] == 0
    assert abs(streams.chance("c", 0.2).mean() - 0.2) < FAR * 0.4 / np.sqrt(N)
    assert set(streams.sign("s")) == {-1.0, 1.0}


def test_columns_are_taken_row_by_row() -> None:
    table = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(take_columns(table, np.array([[2, 0], [1, 1]])), [[2, 0], [4, 4]])
