"""Training and validation split: groups, classes, and fractions."""

import numpy as np
import pytest

from rotary_mae.estimators._fit.split import loss_weights, split_validation, without_validation
from tests.builders import some_tokens


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


def test_balanced_weights_are_those_of_the_training_set():
    class_idx = np.array([0] * 6 + [1] * 2 + [0] * 1 + [1] * 9)
    training = np.arange(8)
    weights = loss_weights("balanced", np.array(["a", "b"]), class_idx, training, None)
    assert weights[:8] == pytest.approx([8 / 12] * 6 + [2.0] * 2)
    assert set(weights[8:].tolist()) == set(weights[:8].tolist())
    given = loss_weights({"a": 1.0, "b": 3.0}, np.array(["a", "b"]), class_idx, training, np.full(18, 2.0))
    assert given.tolist() == [2.0 if i == 0 else 6.0 for i in class_idx]


def test_a_class_that_only_the_validation_set_has_counts_once():
    class_idx = np.array([0, 0, 0, 1, 2, 2])
    weights = loss_weights("balanced", np.array([3, 5, 7]), class_idx, np.arange(4), None)
    assert weights == pytest.approx([4 / 6] * 3 + [2.0, 1.0, 1.0])
    assert loss_weights(None, np.array([3, 5, 7]), class_idx, np.arange(4), None) is None


def test_samples_of_validation_groups_are_left_out():
    tokens = some_tokens([2] * 6)
    source, groups = without_validation(tokens, np.array([1, 4]), None)
    assert source.ids.tolist() == [0, 2, 3, 5]
    assert groups is None
    source, groups = without_validation(tokens, np.array([1]), np.array(["a", "b", "b", "c", "c", "a"]))
    assert source.ids.tolist() == [0, 3, 4, 5]
    assert groups.tolist() == ["a", "c", "c", "a"]
    assert without_validation(tokens, np.array([], int), None)[0] is tokens
