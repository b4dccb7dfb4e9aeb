"""TokenSet: every check, every way to index, and copies with changes."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, train_test_split
from sklearn.utils import _safe_indexing

import rotary_mae as rm
from rotary_mae.data.schema import Schema
from rotary_mae.data.sources import Source
from tests.builders import some_measurements, some_tokens
from tests.data.same_tokens import assert_same


@pytest.fixture
def tokens():
    plain = some_tokens()
    return rm.TokenSet(
        plain.values,
        plain.positions,
        plain.lengths,
        axes=plain.axes,
        ids=list("abcdef"),
        targets=np.arange(12).reshape(6, 2),
        token_targets=np.arange(34),
    )


def test_attributes_and_their_types():
    tokens = rm.TokenSet([1, 2, 3], [10.5, 11, 12], [2, 1], channels=("g",), targets=["x", "y"])
    assert len(tokens) == 2
    assert tokens.shape == (2,)
    assert tokens.n_tokens == 3
    assert tokens.values.shape == tokens.positions.shape == (3, 1)
    assert tokens.values.dtype == np.float32
    assert tokens.positions.dtype == np.float64
    assert tokens.ids.tolist() == [0, 1]
    assert tokens.starts.tolist() == [0, 2]
    assert tokens.sample_idx.tolist() == [0, 0, 1]
    assert tokens.axes == ("time",)
    assert tokens.channels == ("g",)
    assert repr(tokens) == "TokenSet(2 samples, 3 tokens (1-2 a sample), 1 values, axes ('time',), channels (g))"
    assert isinstance(tokens, Source)


def test_order_is_kept_and_duplicates_are_allowed():
    tokens = rm.TokenSet([3, 1, 1], [5.0, 2.0, 2.0], [3])
    assert tokens.positions.ravel().tolist() == [5, 2, 2]
    assert tokens.values.ravel().tolist() == [3, 1, 1]


GOOD = {"values": [1.0, 2.0, 3.0], "positions": [1.0, 2.0, 3.0], "lengths": [2, 1]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positions": [1.0, 2.0]}, "values has 3 tokens but positions has 2"),
        ({"lengths": [2, 2]}, "lengths sum to 4 but there are 3 tokens"),
        ({"lengths": [[2, 1]]}, "lengths must be one whole number a sample, got int64 of shape (1, 2)"),
        ({"lengths": [2.0, 1.0]}, "lengths must be one whole number a sample, got float64 of shape (2,)"),
        ({"lengths": [4, -1]}, "lengths must be one whole number a sample"),
        ({"lengths": [2, 0, 1], "ids": ["a", "b", "c"]}, "sample 1 (id 'b') has no tokens; 1 of 3 samples"),
        ({"ids": ["a"]}, "ids must be (2,), one a sample, got shape (1,)"),
        ({"targets": [1, 2, 3]}, "targets must be (2,) or (2, k), got shape (3,)"),
        ({"targets": 5}, "targets must be (2,) or (2, k), got shape ()"),
        ({"token_targets": [1, 2]}, "token_targets must be one a token (3), got 2"),
        ({"axes": ("time", "row")}, "positions has 1 axes but they are named ('time', 'row')"),
        ({"axes": ()}, "axes need at least one name"),
        ({"axes": ("time", "time"), "positions": np.ones((3, 2))}, "no name twice, got ('time', 'time')"),
        ({"channels": ("g", "g")}, "channels must differ, got ['g'] twice; rename one of them"),
        ({"values": ["a", "b", "c"]}, "values must be numbers, got dtype <U1; convert the column"),
        ({"values": np.ones((3, 1, 1))}, "values must be a matrix, a row a token, got shape (3, 1, 1)"),
        ({"values": [1.0, np.nan, 3.0]}, "values must be finite, got nan at token 1, column 0 of sample 0 (id "),
        ({"positions": [1.0, 2.0, np.inf]}, "positions must be finite, got inf at token 2, column 0 of sample 1 (id "),
        ({"values": np.ma.masked_equal([1.0, 2.0, 3.0], 2.0)}, "values has masked entries; what was not observed"),
        (
            {"axes": ("row",), "positions": [0, 1, 1.5]},
            "index axis 'row' must be whole numbers from 0, got 1.5 at token 2",
        ),
        (
            {"axes": ("mel",), "positions": [0, -1, 1]},
            "index axis 'mel' must be whole numbers from 0, got -1 at token 1",
        ),
        (
            {"axes": ("channel",), "channels": ("g",), "positions": [0, 0, 1]},
            "below 1, the number of named channels, got 1",
        ),
        ({"axes": ("channel",), "positions": [0, 0, 1]}, "with a name each in channels=, and none is named"),
        ({"schema": Schema(("time",), roles=("value", "error"))}, "values has 1 columns but there are 2 roles"),
    ],
)
def test_each_wrong_argument_is_an_error_that_names_the_problem(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        rm.TokenSet(**{**GOOD, **changes})


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        (("value", "flag"), "roles must be among"),
        (("error", "value"), "must start with the predicted"),
        ((), "must start"),
    ],
)
def test_roles_are_checked(roles, message):
    with pytest.raises(ValueError, match=message):
        Schema(("time",), roles=roles)


@pytest.mark.parametrize(
    ("index", "chosen"),
    [
        (2, [2]),
        (-1, [5]),
        (np.int32(1), [1]),
        (slice(1, 4), [1, 2, 3]),
        (slice(None, None, -2), [5, 3, 1]),
        ([4, 1, 1], [4, 1, 1]),
        (np.array([-1, 0], np.int8), [5, 0]),
        (np.array([1], np.uint64), [1]),
        ([], []),
        (np.array([True, False, False, True, False, False]), [0, 3]),
        ([False, True, False, False, False, True], [1, 5]),
        (([2, 3], ...), [2, 3]),
        ((slice(2), ...), [0, 1]),
    ],
)
def test_samples_are_chosen_by_int_slice_array_or_mask(tokens, index, chosen):
    got = tokens[index]
    assert isinstance(got, rm.TokenSet)
    assert len(got) == len(chosen)
    assert got.ids.tolist() == tokens.ids[chosen].tolist()
    assert np.array_equal(got.targets, tokens.targets[chosen])
    assert got.lengths.tolist() == tokens.lengths[chosen].tolist()
    expected = [np.flatnonzero(tokens.sample_idx == i) for i in chosen]
    expected = np.concatenate([np.zeros(0, int), *expected])
    assert np.array_equal(got.values, tokens.values[expected])
    assert np.array_equal(got.positions, tokens.positions[expected])
    assert np.array_equal(got.token_targets, tokens.token_targets[expected])


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (6, "index 6..6 is outside of 6 samples"),
        ([0, -7], "index -7..0 is outside of 6 samples"),
        ([True, False], r"a bool index must be \(6,\), one a sample, got \(2,\)"),
        ([0.5], r"chosen by int, slice, int or bool array, got float64 \(1,\)"),
        ("a", "chosen by int, slice, int or bool array"),
        ([[0, 1]], "chosen by int, slice, int or bool array"),
        ((0, 1), "samples have one index; got 2 of them"),
    ],
)
def test_wrong_indices_are_errors(tokens, index, message):
    with pytest.raises(IndexError, match=message):
        tokens[index]


def test_iterating_and_concatenating_restores_the_set(tokens):
    assert_same(rm.TokenSet.concatenate(list(tokens)), tokens)


def test_chosen_samples_are_a_copy(tokens):
    before = tokens.values.copy()
    tokens[:3].values[:] = 0
    assert np.array_equal(tokens.values, before)


def test_sets_that_do_not_fit_together_cannot_be_concatenated(tokens):
    with pytest.raises(ValueError, match="cannot join sets of different schemas"):
        rm.TokenSet.concatenate([tokens, some_tokens(n_axes=2)])
    with pytest.raises(ValueError, match="with and without targets"):
        rm.TokenSet.concatenate([tokens, tokens.with_targets(None)])
    with pytest.raises(ValueError, match="nothing to join"):
        rm.TokenSet.concatenate([])


@pytest.mark.parametrize(
    "splitter", [KFold(3), KFold(3, shuffle=True, random_state=0), GroupKFold(3), StratifiedKFold(3)]
)
def test_splitters_of_scikit_learn_index_samples(tokens, splitter):
    y = np.array([0, 1, 0, 1, 0, 1])
    groups = [0, 0, 1, 1, 2, 2] if isinstance(splitter, GroupKFold) else None
    for train, test in splitter.split(tokens, y, groups):
        assert_same(_safe_indexing(tokens, train), tokens[train])
        assert len(tokens[train]) + len(tokens[test]) == 6
    for key in (np.arange(6) % 2 == 0, slice(2, 4), [1, 0]):
        assert_same(_safe_indexing(tokens, key), tokens[key])
    train, test, y_train, _ = train_test_split(tokens, y, test_size=2, random_state=0)
    assert len(train) == len(y_train) == 4
    assert set(train.ids) | set(test.ids) == set("abcdef")


@given(kept=st.lists(st.booleans(), min_size=34, max_size=34))
def test_tokens_can_be_selected_if_every_sample_keeps_one(kept):
    tokens, kept = some_tokens(), np.array(kept)
    counts = np.bincount(tokens.sample_idx[kept], minlength=6)
    if (counts == 0).any():
        with pytest.raises(ValueError, match=r"has no tokens; \d of 6 samples are empty"):
            tokens.select_tokens(kept)
    else:
        got = tokens.select_tokens(kept)
        assert got.lengths.tolist() == counts.tolist()
        assert np.array_equal(got.values, tokens.values[kept])


def test_selecting_needs_one_bool_a_token():
    with pytest.raises(ValueError, match=r"is_kept must be \(34,\) bool, got \(34,\) int64"):
        some_tokens().select_tokens(np.ones(34, int))


def test_replacing_repeats_all_checks(tokens):
    with pytest.raises(ValueError, match="values has 3 tokens but positions has 34"):
        tokens.replace(values=np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"targets must be \(6,\) or \(6, k\), got shape \(5,\)"):
        tokens.with_targets(np.zeros(5))


def test_static_covariates_are_channels_after_all_others():
    tokens = some_measurements(statics=("age", "sex"))
    assert tokens.is_static.sum() == 12
    assert tokens.is_static[tokens.starts].all()
    assert not some_tokens().is_static.any()


def test_channels_name_each_value_of_a_step():
    with pytest.raises(ValueError, match="name the 3 values of a token, got 2"):
        rm.TokenSet(np.zeros((4, 3)), np.arange(4.0), [4], axes=("time",), channels=("a", "b"))


def test_targets_are_read_by_id():
    tokens = rm.TokenSet([1, 2, 3], [0, 0, 0], [1, 1, 1], ids=["z", "a", "m"], targets={"a": 1, "m": 2, "z": 3})
    assert tokens.targets.tolist() == [3, 1, 2]
    by_id = pd.Series(["A", "M", "Z"], index=["a", "m", "z"])
    assert tokens.with_targets(by_id).targets.tolist() == ["Z", "A", "M"]
    assert tokens[[2, 0]].with_targets(by_id).targets.tolist() == ["M", "Z"]
    assert tokens[pd.Series([True, False, False], index=["a", "m", "z"])].ids.tolist() == ["a"]
    with pytest.raises(ValueError, match="targets has no label for 1 of 3 ids, first 'z'"):
        tokens.with_targets(by_id[:2])


def test_a_set_shares_no_memory_with_what_it_was_made_from():
    values, positions = np.ones((3, 1), np.float32), np.arange(3.0)[:, None]
    given = {
        "values": values,
        "positions": positions,
        "lengths": np.array([2, 1]),
        "ids": np.array([7, 8]),
        "targets": np.array([0.0, 1.0]),
        "token_targets": np.zeros((3, 1), np.float32),
    }
    tokens = rm.TokenSet(**given)
    replaced = tokens.replace(values=values, positions=positions)
    labelled = tokens.with_targets(given["targets"])
    for array in given.values():
        array += 1
    assert tokens.values.tolist() == replaced.values.tolist() == [[1.0]] * 3
    assert tokens.positions.tolist() == replaced.positions.tolist() == [[0.0], [1.0], [2.0]]
    assert (tokens.lengths.tolist(), tokens.ids.tolist()) == ([2, 1], [7, 8])
    assert tokens.targets.tolist() == labelled.targets.tolist() == [0.0, 1.0]
    assert tokens.token_targets.tolist() == [[0.0]] * 3


def test_arrays_are_taken_without_a_copy_on_request():
    values, positions = np.ones((3, 1), np.float32), np.arange(3.0)[:, None]
    tokens = rm.TokenSet(values, positions, [2, 1], copy=False)
    assert np.shares_memory(tokens.values, values)
    assert np.shares_memory(tokens.positions, positions)


@pytest.mark.parametrize("name", ["values", "positions", "lengths", "ids"])
def test_masked_entries_are_an_error(name):
    given = {"values": [1.0, 2.0], "positions": [0.0, 1.0], "lengths": [1, 1], "ids": [0, 1]}
    given[name] = np.ma.array(given[name], mask=[0, 1])
    with pytest.raises(ValueError, match=f"{name} has masked entries|ids must name every sample"):
        rm.TokenSet(**given)
