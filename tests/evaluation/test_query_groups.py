"""Features of queries are those of the visible values around them, and places among groups follow from distances."""

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.data.schema import Schema
from rotary_mae.evaluation.query_groups import (
    AFTER,
    BEFORE,
    BETWEEN,
    KINDS,
    SHARED,
    UNSEEN,
    QueryFeatures,
    at_places,
    fit_knots,
    group_places,
    interp_rows,
    masked_features,
    query_features,
    shared_fraction,
)

# sample, channel, time, is_query
CELLS = np.array(
    [
        (0, 0, 1.0, False),
        (0, 0, 4.0, False),
        (0, 1, 2.0, False),
        (0, 0, 2.5, True),
        (0, 0, 2.0, True),
        (0, 0, 0.5, True),
        (0, 0, 9.0, True),
        (0, 2, 3.0, True),
        (0, 2, 4.0, True),
        (1, 0, 7.0, False),
        (1, 0, 5.0, True),
        (0, 1, 4.0, True),
    ]
)
KIND = [BETWEEN, SHARED, BEFORE, AFTER, UNSEEN, UNSEEN, BEFORE, SHARED]
DISTANCE = [1.5, 1.0, 0.5, 5.0, np.inf, np.inf, 2.0, 2.0]


def features_of(cells: np.ndarray) -> QueryFeatures:
    sample, channel = cells[:, 0].astype(np.int64), cells[:, 1].astype(np.int64)
    return query_features(sample, cells[:, 2], channel, cells[:, 3].astype(bool))


def test_kind_and_distance_are_those_computed_by_hand() -> None:
    found = features_of(CELLS)
    assert found.kind.tolist() == KIND
    assert found.distance.tolist() == DISTANCE


def test_features_do_not_depend_on_the_order_nor_on_other_queries() -> None:
    order = np.random.default_rng(0).permutation(len(CELLS))
    shuffled = features_of(CELLS[order])
    rank = np.cumsum(CELLS[:, 3]).astype(int) - 1
    own = rank[order[CELLS[order, 3] > 0]]
    assert shuffled.kind.tolist() == np.array(KIND)[own].tolist()
    assert shuffled.distance.tolist() == np.array(DISTANCE)[own].tolist()
    visible = CELLS[CELLS[:, 3] == 0]
    for i, query in enumerate(CELLS[CELLS[:, 3] > 0]):
        alone = features_of(np.vstack([visible, query]))
        assert (alone.kind[0], alone.distance[0]) == (KIND[i], DISTANCE[i])


def test_a_visible_value_at_the_same_time_in_the_same_channel_has_distance_0() -> None:
    found = features_of(np.array([(0, 0, 1.0, False), (0, 0, 1.0, True), (0, 0, 2.0, False)]))
    assert (found.kind[0], found.distance[0]) == (BETWEEN, 0.0)


def test_static_covariates_are_not_measurements() -> None:
    schema = Schema(("time", "channel"), ("g", "r"), ("value",), ("age",))
    positions = np.array([[3.0, 2], [1.0, 0], [3.0, 1]])
    found = masked_features(schema, np.ones((3, 1)), positions, np.zeros(3, int), np.array([False, False, True]))
    assert found is not None
    assert found.kind.tolist() == [UNSEEN]


def test_values_of_steps_have_features_of_their_own() -> None:
    schema = Schema(("time",), ("a", "b"), ("value", "value", "observed", "observed"))
    values = np.array([[1.0, 0, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0], [2, 0, 1, 0]], float)
    positions = np.array([[0.0], [2.0], [3.0], [3.0]])
    is_masked = np.array([False, False, True, False])
    found = masked_features(schema, values, positions, np.zeros(4, int), is_masked)
    assert found is not None
    # a is visible at the time of the query, b was last seen at 2, where a is visible at the time of the query
    assert found.kind.tolist() == [AFTER, SHARED]
    assert found.distance.tolist() == [0.0, 1.0]


def test_patches_have_no_features() -> None:
    images = rm.from_images(np.zeros((2, 8, 8, 3)), patch=(4, 4))
    masked = np.ones(images.n_tokens, bool)
    assert masked_features(images.schema, images.values, images.positions, images.sample_idx, masked) is None


def test_shared_fraction_counts_measurements_with_another_channel_at_their_time() -> None:
    sample, channel = np.array([0, 0, 0, 0, 1]), np.array([0, 1, 0, 0, 1])
    assert shared_fraction(sample, np.array([1.0, 1.0, 2.0, 2.0, 1.0]), channel) == pytest.approx(0.4)
    assert shared_fraction(sample[:0], np.zeros(0), channel[:0]) == 0.0


def test_places_are_interpolated_by_the_logarithm_of_the_distance_within_a_kind() -> None:
    knots = ((1.0, 10.0, 100.0), (), (2.0,), (1.0, 4.0), ())
    kind = np.array([BETWEEN, BETWEEN, BETWEEN, BETWEEN, BEFORE, AFTER, SHARED, SHARED])
    distance = np.array([0.1, 10.0, np.sqrt(1000.0), 1e9, 1.0, 50.0, 2.0, np.inf])
    places = group_places(QueryFeatures(kind, distance), knots)
    np.testing.assert_allclose(places, [0, 1, 1.5, 2, -1, 3, 4.5, 5])
    of_group = np.array([0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 99.0])
    np.testing.assert_allclose(at_places(of_group, places), [0, 10, 15, 20, 99, 30, 45, 50])


def test_knots_are_distances_that_occurred() -> None:
    rng = np.random.default_rng(0)
    steps = rng.integers(1, 5, 1000).astype(float)
    features = QueryFeatures(np.full(1001, AFTER), np.r_[steps, np.inf])
    knots = fit_knots(features)
    assert [len(of_kind) for of_kind in knots] == [0, 0, 4, 0, 0]
    assert knots[AFTER] == (1.0, 2.0, 3.0, 4.0)
    unseen = fit_knots(QueryFeatures(np.full(3, UNSEEN), np.full(3, np.inf)))
    assert [len(of_kind) for of_kind in unseen] == [0, 0, 0, 0, 1]
    assert len(knots) == len(KINDS)


def test_rows_are_interpolated_like_numpy_and_beyond_their_ends_by_the_scale() -> None:
    rng = np.random.default_rng(0)
    known, values = np.sort(rng.normal(size=(50, 6)), axis=1), np.sort(rng.normal(size=6))
    x = rng.uniform(known[:, 0], known[:, -1])
    expected = [np.interp(x[i], known[i], values) for i in range(50)]
    np.testing.assert_allclose(interp_rows(x, known, values, np.ones(50)), expected)
    beyond = interp_rows(known[:, -1] + 3.0, known, values, np.full(50, 2.0))
    np.testing.assert_allclose(beyond, values[-1] + 1.5)
