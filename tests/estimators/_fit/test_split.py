"""Training and validation split: groups, classes, and fractions."""

import numpy as np
import pytest

from rotary_mae.estimators._fit.split import split_validation


def test_groups_are_not_divided_by_the_validation_split():
    groups = np.repeat(np.arange(10), 6)
    for seed in range(5):
        split = split_validation(60, 0.2, seed, groups=groups)
        assert len(split.validation)
        assert not set(groups[split.training]) & set(groups[split.validation])
        assert sorted(np.r_[split.training, split.validation]) == list(range(60))
    assert not len(split_validation(60, 0.2, 0, groups=np.zeros(60)).validation)
    with pytest.raises(ValueError, match="groups must be"):
        split_validation(60, 0.2, 0, groups=groups[:5])


def test_the_validation_set_has_every_class_with_enough_samples():
    strata = np.repeat([0, 1, 2], [80, 10, 10])
    split = split_validation(100, 0.1, 0, strata)
    assert np.bincount(strata[split.validation]).tolist() == [8, 1, 1]
    assert not set(split.training) & set(split.validation)


@pytest.mark.parametrize("seed", range(6))
def test_the_validation_fraction_is_one_of_samples_not_of_groups(seed):
    one_large = np.r_[np.zeros(36), 1, 2, 3, 4]
    split = split_validation(40, 0.1, seed, groups=one_large)
    assert len(split.validation) == 4
    sizes = np.random.default_rng(seed).integers(1, 9, 60)
    groups = np.repeat(np.arange(60), sizes)
    split = split_validation(len(groups), 0.2, seed, groups=groups)
    assert abs(len(split.validation) - 0.2 * len(groups)) <= 4
    assert not set(groups[split.training]) & set(groups[split.validation])
    # of two groups that are both too large, the smaller
    halves = np.repeat([0, 1], [25, 15])
    assert (halves[split_validation(40, 0.1, seed, groups=halves).validation] == 1).all()


def test_every_class_has_a_training_sample() -> None:
    for seed in range(40):
        for strata in (["rare", *["a", "b"] * 11, "a"], [*"abcdefghij" * 2, "k", "l"]):
            split = split_validation(len(strata), 0.1, seed, np.array(strata))
            assert set(np.array(strata)[split.training]) == set(strata)
            assert sorted([*split.training, *split.validation]) == list(range(len(strata)))
