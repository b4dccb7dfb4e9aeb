"""Positions that differ but become equal in 32 bits are named; equal and resolved ones are not."""

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.data.resolution import merged_pairs
from rotary_mae.data.schema import Schema

CLOSE = np.arange(20) * 1e-3
"""20 times a thousandth apart."""


def one_series(times, unit=1.0, axes=("time",)):
    """The scaling with a unit, and one sample named 'star' with these times."""
    tokens = rm.TokenSet(np.zeros(len(times)), times, [len(times)], axes=axes, ids=["star"])
    return rm.Scaling.fit(tokens, unit=unit), tokens


def n_distinct(scaling, tokens):
    return len(np.unique(scaling.apply(tokens).positions.astype(np.float32)))


def test_the_number_of_merged_pairs_is_that_of_lost_positions():
    times = np.concatenate([CLOSE, 1e5 + CLOSE])
    scaling, tokens = one_series(times)
    scaled = scaling.apply(tokens).positions[:, 0]
    earlier, later = merged_pairs(np.zeros(40, int), times, scaled)
    assert len(later) == 40 - n_distinct(scaling, tokens) > 0
    assert (times[later] > times[earlier]).all()
    assert (earlier >= 20).all()


@pytest.mark.parametrize("first", [0.0, 59_000.0, 1.7e9])
def test_resolved_positions_and_rounding_of_64_bits_are_no_reason_to_warn(first):
    days = first + np.arange(50.0)
    scaling, tokens = one_series(days)
    assert scaling.describe_merged(tokens) is None
    # the same times, computed in two ways
    scaling, tokens = one_series(np.sort(np.concatenate([days, np.nextafter(days, np.inf)])))
    assert scaling.describe_merged(tokens) is None


def test_equal_positions_and_static_covariates_are_no_reason_to_warn():
    scaling, tokens = one_series(np.repeat(np.arange(5.0), 2))
    assert scaling.describe_merged(tokens) is None
    positions = [[1e9, 0.0], [0.0, 1.0], [1e9 + 50.0, 0.0]]
    schema = Schema(("time", "channel"), ("x",), statics=("age",))
    tokens = rm.TokenSet(np.zeros(3), positions, [3], schema=schema)
    assert rm.Scaling.fit(tokens, unit=1.0).describe_merged(tokens) is None


def test_the_warning_names_the_sample_and_a_smaller_unit_where_that_helps():
    scaling, tokens = one_series(np.arange(20) * 1e-8)
    lost = 20 - n_distinct(scaling, tokens)
    text = scaling.describe_merged(tokens)
    assert text.startswith(f"{lost} times of measurements differ from the one before")
    assert "first in sample 'star': 1e-08 apart" in text
    assert "fit with a smaller unit (it is 1; " in text
    better, _ = one_series(np.arange(20) * 1e-8, unit="auto")
    assert better.describe_merged(tokens) is None


def test_gaps_that_no_unit_resolves_are_to_be_split():
    scaling, tokens = one_series(np.concatenate([CLOSE, 1e8 + CLOSE]), unit="auto")
    text = scaling.describe_merged(tokens)
    assert "after its first time. To tell them apart, split samples at long gaps" in text


def test_the_warning_names_the_first_of_several_samples_and_its_axis():
    good, bad = np.arange(4.0), np.array([0.0, 1.0, 1e9, 1e9 + 1.0])
    tokens = rm.TokenSet(np.zeros(8), np.concatenate([good, bad]), [4, 4], axes=("phase",), ids=["a", "b"])
    text = rm.Scaling.fit(tokens, unit=1.0).describe_merged(tokens)
    assert text.startswith("1 phases of measurements differ")
    assert "sample 'b': 1 apart, 1e+09 after its first phase" in text


def test_queries_are_compared_with_each_other_and_with_distant_measurements():
    scaling, tokens = one_series([0.0, 1.0, 1e7])
    counts = np.array([3])

    def text(*at):
        return scaling.describe_merged(tokens, np.array(at)[:, None], counts)

    assert text(0.5, 2.0, 3.0) is None
    assert "2 times of queries differ from the one before" in text(1e6, 1e6 + 1e-3, 1e6 + 2e-3)
    # a query near a measurement may have its position, but not one that is half a unit away
    assert text(1e7 + 1e-3, 2.0, 3.0) is None
    assert "1 times of queries" in text(1e7 + 0.4, 2.0, 3.0)
    # pairs of measurements are the matter of another call
    scaling, tokens = one_series([0.0, 1e9, 1e9 + 1.0])
    assert scaling.describe_merged(tokens) is not None
    assert scaling.describe_merged(tokens, np.array([[5.0]]), np.array([1])) is None
