"""Augmentation depends only on the sample, stays within its strengths, and changes no static value or flag."""

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.batches.augmentation import Augmentation
from rotary_mae.data.schema import Schema
from tests.builders import RAGGED, some_measurements

ALL_TRANSFORMS = Augmentation(scale=0.3, noise=0.1, shift=2.0, stretch=0.3, thinning=0.6)


def scaled(**settings):
    tokens = some_measurements(**settings)
    return rm.Scaling.fit(tokens).apply(tokens)


def assert_equal(a, b):
    assert (a.values == b.values).all()
    assert (a.positions == b.positions).all()
    assert (a.lengths == b.lengths).all()


@pytest.mark.parametrize("statics", [(), ("age",)])
def test_a_sample_is_transformed_the_same_way_in_any_batch(statics):
    tokens, keys = scaled(statics=statics, has_error=True), np.array([9, 4, 2**40, 0, 7, 1])
    together = ALL_TRANSFORMS.apply(tokens, keys, seed=1, epoch=2)
    assert_equal(together, ALL_TRANSFORMS.apply(tokens, keys, seed=1, epoch=2))
    order = np.array([3, 0, 5])
    few = ALL_TRANSFORMS.apply(tokens[order], keys[order], seed=1, epoch=2)
    for place, i in enumerate(order):
        assert_equal(few[place], together[i])


def test_transforms_differ_between_epochs_seeds_and_keys():
    tokens = scaled()
    drawn = [
        ALL_TRANSFORMS.apply(tokens, np.arange(6) + key, seed, epoch).values.tobytes()
        for key, seed, epoch in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    ]
    assert len(set(drawn)) == 4


def test_thinning_removes_fractions_up_to_its_strength_and_leaves_no_sample_empty():
    tokens = scaled(lengths=[1] * 50 + [100] * 50)
    lengths = Augmentation(thinning=0.9).apply(tokens, np.arange(100), 0, 0).lengths
    assert (lengths >= 1).all()
    fraction = 1 - lengths[50:] / 100
    assert fraction.min() < 0.1
    assert 0.7 < fraction.max() < 1
    assert fraction.mean() == pytest.approx(0.45, abs=0.1)


def test_static_covariates_do_not_change():
    tokens = scaled(statics=("age", "sex"))
    before, after = tokens, ALL_TRANSFORMS.apply(tokens, np.arange(6), 0, 0)
    assert after.is_static.sum() == before.is_static.sum()
    assert (after.values[after.is_static] == before.values[before.is_static]).all()
    changed = after.values[~after.is_static]
    # the median of a channel is 0, and a single token has no standard deviation
    assert not np.isin(changed[changed != 0], before.values[~before.is_static]).any()
    assert (after.positions[after.is_static, 1] == before.positions[before.is_static, 1]).all()


def test_flags_and_values_that_were_not_observed_do_not_change():
    rng = np.random.default_rng(0)
    flags = rng.integers(2, size=(34, 2)).astype(float)
    schema = Schema(("time",), ("a", "b"), ("value", "value", "observed", "observed"))
    tokens = rm.TokenSet(np.hstack([rng.normal(size=(34, 2)) * flags, flags]), rng.random(34), RAGGED, schema=schema)
    after = Augmentation(scale=0.5, noise=0.5).apply(tokens, np.arange(6), 0, 0)
    assert (after.values[:, 2:] == flags).all()
    assert not after.values[:, :2][flags == 0].any()
    assert (after.values[:, :2] != tokens.values[:, :2])[flags == 1].all()


def test_channels_do_not_move_and_times_move_within_their_strengths():
    tokens = scaled(lengths=[20] * 30)
    after = Augmentation(shift=3.0, stretch=0.2).apply(tokens, np.arange(30), 0, 0)
    assert (after.positions[:, 1] == tokens.positions[:, 1]).all()
    assert (after.values == tokens.values).all()
    first = tokens.starts
    shift = after.positions[first, 0] - tokens.positions[first, 0]
    assert np.abs(shift).max() <= 3.0
    assert np.abs(shift).max() > 2.0
    last = first + 19
    stretch = (after.positions[last, 0] - after.positions[first, 0]) / (
        tokens.positions[last, 0] - tokens.positions[first, 0]
    )
    assert np.abs(np.log(stretch)).max() <= 0.2 + 1e-9
    assert stretch.std() > 0.05


def test_values_and_errors_of_a_sample_are_multiplied_by_one_factor():
    tokens = scaled(has_error=True)
    ratio = Augmentation(scale=0.3).apply(tokens, np.arange(6), 0, 0).values / tokens.values
    for of_sample in np.split(ratio, tokens.starts[1:]):
        assert np.allclose(of_sample, of_sample[0, 0], rtol=1e-4)
    assert len(np.unique(ratio.round(4))) == 6


def test_without_strengths_nothing_changes():
    tokens = scaled()
    assert not Augmentation()
    assert ALL_TRANSFORMS
    assert_equal(Augmentation().apply(tokens, np.arange(6), 0, 0), tokens)


@pytest.mark.parametrize("strength", [{"noise": -0.1}, {"thinning": 1.0}])
def test_strengths_out_of_range_are_refused(strength):
    with pytest.raises(ValueError, match=r"must be at least 0 \(thinning below 1\)"):
        Augmentation(**strength)


def test_noise_is_in_units_of_the_std_of_its_channel_within_the_sample():
    # two channels of a sample far from zero, one with a hundredth of the std of the other
    rng = np.random.default_rng(0)
    channel = np.tile([0, 1], 2000)
    values = 50.0 + rng.normal(size=4000) * np.where(channel, 0.02, 2.0)
    times = np.arange(4000) / 10
    tokens = rm.TokenSet(
        values[:, None], np.stack([times, channel], 1), [4000], axes=("time", "channel"), channels=("a", "b")
    )
    added = (Augmentation(noise=0.5).apply(tokens, np.array([0]), 0, 0).values - tokens.values)[:, 0]
    assert added[channel == 0].std() == pytest.approx(1.0, rel=0.1)
    assert added[channel == 1].std() == pytest.approx(0.01, rel=0.1)


def test_values_that_were_not_observed_do_not_count_in_the_std():
    flags = np.arange(4000) % 2
    values = np.where(flags, 30.0 + np.random.default_rng(0).normal(size=4000), 0.0)
    schema = Schema(("time",), ("a",), ("value", "observed"))
    tokens = rm.TokenSet(np.stack([values, flags], 1), np.arange(4000.0), [4000], schema=schema)
    after = Augmentation(noise=0.5).apply(tokens, np.array([0]), 0, 0)
    assert (after.values - tokens.values)[flags == 1, 0].std() == pytest.approx(0.5, rel=0.1)
