"""from_arrays: NaN was not observed, and the tokens are those of a wide data frame."""

from itertools import permutations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rotary_mae import from_arrays, from_frame
from tests.data.same_tokens import assert_same


def as_frame(X: np.ndarray, times: np.ndarray) -> pd.DataFrame:
    n, n_channels, n_steps = X.shape
    flat = X.transpose(0, 2, 1).reshape(-1, n_channels)
    wide = pd.DataFrame(flat, columns=[str(c) for c in range(n_channels)])
    return wide.assign(id=np.repeat(np.arange(n), n_steps), time=times.reshape(-1))


cells = st.floats(-100, 100, width=32) | st.just(np.nan)


@settings(max_examples=50, deadline=None)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 6)), elements=cells),
    st.sampled_from(["auto", "steps", "measurements"]),
)
def test_arrays_become_the_tokens_of_a_wide_frame(X: np.ndarray, layout: str) -> None:
    X[:, 0, 0] = 1.0  # every sample has an observation
    times = np.random.default_rng(0).permuted(np.tile(np.arange(X.shape[2]) / 3, (len(X), 1)), axis=1)
    names = [str(c) for c in range(X.shape[1])]
    expected = from_frame(as_frame(X, times), value=names, layout=layout)
    assert_same(from_arrays(X, times, layout=layout), expected)
    assert_same(from_arrays(list(X), list(times), layout=layout), expected)


def test_a_list_may_hold_series_of_different_lengths() -> None:
    tokens = from_arrays([np.ones((2, 3)), np.ones((2, 5))], targets=["a", "b"], channels=["hr", "sbp"])
    assert tokens.lengths.tolist() == [3, 5]
    assert tokens.channels == ("hr", "sbp")
    assert tokens.positions[:, 0].tolist() == [0, 1, 2, 0, 1, 2, 3, 4]
    one_channel = from_arrays([np.ones(3), np.ones(5)], ids=["x", "y"])
    assert one_channel.values.shape == (8, 1)
    assert_same(from_arrays(np.ones((2, 4))), from_arrays(np.ones((2, 1, 4))))


def test_padding_becomes_no_token() -> None:
    X = np.array([[[1.0, 2.0, np.nan]], [[np.nan, 3.0, np.nan]]])
    tokens = from_arrays(X, times=[[0.5, 1.5, np.nan], [np.nan, 4.0, np.nan]])
    assert tokens.lengths.tolist() == [2, 1]
    assert tokens.positions[:, 0].tolist() == [0.5, 1.5, 4.0]
    assert_same(from_arrays(X, times=[0.0, 1.0, 2.0]), from_arrays(X))


def irregular(n: int = 4, n_channels: int = 3, n_steps: int = 5) -> np.ndarray:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, n_channels, n_steps))
    X[rng.random(X.shape) < 0.3] = np.nan
    X[:, 0, 0] = 1.0
    return X


def test_masked_cells_were_not_observed() -> None:
    values = np.arange(12.0).reshape(2, 2, 3)
    is_masked = values % 5 == 0
    masked = np.ma.masked_array(values, is_masked)
    expected = from_arrays(np.where(is_masked, np.nan, values))
    assert_same(from_arrays(masked), expected)
    assert_same(from_arrays(list(masked)), expected)


@pytest.mark.parametrize("order", list(permutations(("sample", "channel", "time"))))
def test_axes_may_have_any_stated_order(order: tuple[str, ...]) -> None:
    X, times = irregular(), np.arange(20.0).reshape(4, 5) ** 2
    where = [("sample", "channel", "time").index(name) for name in order]
    expected = from_arrays(X, times)
    assert_same(from_arrays(X.transpose(where), times, axis_order=order), expected)
    own = np.broadcast_to(times[:, None], (4, 1, 5)).transpose(where)
    assert_same(from_arrays(X.transpose(where), own, axis_order=order), expected)


def test_arrays_of_a_list_have_the_stated_order_without_the_sample() -> None:
    ragged = [np.arange(6.0).reshape(2, 3), np.arange(10.0).reshape(2, 5)]
    transposed = from_arrays([part.T for part in ragged], axis_order=("sample", "time", "channel"))
    assert_same(transposed, from_arrays(ragged))
    with pytest.raises(ValueError, match="has its samples first"):
        from_arrays(ragged, axis_order=("time", "sample", "channel"))


def test_each_channel_may_have_its_own_times() -> None:
    X = np.array([[[1.0, 2.0], [3.0, np.nan]], [[4.0, np.nan], [5.0, 6.0]]])
    times = np.array([[[0.5, 9.0], [7.0, np.nan]], [[1.0, np.nan], [1.0, 2.0]]])
    tokens = from_arrays(X, times, channels=["g", "r"])
    assert tokens.axes == ("time", "channel")
    assert tokens.positions.tolist() == [[0.5, 0], [7, 1], [9, 0], [1, 0], [1, 1], [2, 1]]
    assert tokens.values[:, 0].tolist() == [1, 3, 2, 4, 5, 6]
    assert from_arrays(X, times, layout="steps").lengths.tolist() == [3, 2]


@pytest.mark.parametrize("layout", ["measurements", "steps"])
def test_static_covariates_become_the_tokens_of_a_frame(layout: str) -> None:
    X = irregular(n_channels=2)
    given = {"age": np.array([30.0, 41, 52, 63]), "dose": np.array([1.0, 2, 1, 2])}
    frame = as_frame(X, np.tile(np.arange(5.0), (4, 1)))
    frame = frame.assign(**{name: np.repeat(column, 5) for name, column in given.items()})
    expected = from_frame(frame, value=["0", "1"], static=["age", "dose"], layout=layout)
    for static in (given, pd.DataFrame(given), pl.DataFrame(given)):
        assert_same(from_arrays(X, static=static, layout=layout), expected)
    unnamed = from_arrays(X, static=np.column_stack(list(given.values())), layout=layout)
    assert unnamed.schema.statics == ("static_0", "static_1")
    np.testing.assert_array_equal(unnamed.values, expected.values)


def test_unknown_static_covariates_become_no_token() -> None:
    tokens = from_arrays(np.ones((3, 1, 2)), static=[1.0, np.nan, 3.0])
    assert tokens.lengths.tolist() == [3, 2, 3]
    assert tokens.is_static.sum() == 2


BAD_ARRAYS = {
    "axis twice": ({"X": np.ones((1, 1, 1)), "axis_order": ("sample", "time", "time")}, "axis_order must hold each of"),
    "axis by letter": ({"X": np.ones((1, 1, 1)), "axis_order": "ntc"}, "axis_order must hold each of .* got 'ntc'"),
    "times of the other axis": (
        {"X": np.ones((4, 9, 2)), "times": np.arange(9.0)},
        r"times of id 0 must be \(2,\), .*; if X is \('sample', 'time', 'channel'\), give axis_order=",
    ),
    "names of the other axis": (
        {"X": np.ones((4, 9, 2)), "channels": ["a", "b"]},
        r"must name the 9 channels of X, got 2.*; if X is \('sample', 'time', 'channel'\), give axis_order=",
    ),
    "labels of the other axis": (
        {"X": np.ones((9, 2, 4)), "targets": [0, 1, 1, 0]},
        r"targets must be \(9,\).*; if X is \('time', 'channel', 'sample'\), give axis_order=",
    ),
    "times of cells": ({"X": np.ones((4, 3, 2)), "times": np.ones((4, 2, 2))}, "must have the shape of X"),
    "times as text": ({"X": [[1.0]], "times": ["noon"]}, "times of id 0 must be numbers or time stamps, got <U4"),
    "static too short": ({"X": np.ones((3, 1, 2)), "static": {"age": [1.0]}}, r"'age' must be \(3,\)"),
    "static infinite": ({"X": np.ones((1, 1, 2)), "static": [np.inf]}, "'static_0' must be finite"),
    "nothing observed": ({"X": np.full((2, 1, 3), np.nan), "ids": ["u", "v"]}, "id 'u' has no observation"),
    "no samples": ({"X": []}, "X has no samples"),
    "a frame": ({"X": pd.DataFrame({"a": [1.0]})}, "got DataFrame; data frames go to from_frame"),
    "a dictionary": ({"X": {"X": np.ones((1, 1, 1))}}, "got dict; .* from a dictionary, take the array in it"),
    "nothing": ({"X": None}, r"X must be \(n, channels, times\), .*got NoneType"),
    "other channels": (
        {"X": [np.ones((2, 3)), np.ones((3, 3))]},
        r"\(2, 3\) for sample 0 and \(3, 3\) for sample 1",
    ),
    "four axes": (
        {"X": np.ones((1, 2, 3, 4))},
        r"samples of X must be \(channels, times\).*images go through rotary_mae.from_images",
    ),
    "text": ({"X": [["a", "b"]]}, "sample 0 of X must be numbers, got dtype <U1"),
    "infinite": (
        {"X": [[1.0, np.inf]]},
        "each value must be finite .* got inf for channel '0' of id 0 at time 1.0",
    ),
    "time missing": (
        {"X": [[1.0, 2.0]], "times": [[0, np.nan]]},
        "times must be finite .* got nan in row 1 of id 0",
    ),
    "times too short": (
        {"X": [[1.0, 2.0]], "times": [0]},
        r"times of id 0 must be \(2,\), .* got shape \(1,\)",
    ),
    "times of others": ({"X": [[1.0]], "times": [[0], [1]]}, "for each of 1 samples, got 2"),
    "names missing": ({"X": [[1.0]], "channels": ["a", "b"]}, "must name the 1 channels of X, got 2"),
    "targets missing": ({"X": [[1.0]], "targets": [1, 2]}, r"targets must be \(1,\)"),
    "ids missing": ({"X": [[1.0], [2.0]], "ids": ["a"]}, r"ids must be \(2,\)"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_bad_arrays_are_errors_that_name_the_problem(case: str) -> None:
    arguments, message = BAD_ARRAYS[case]
    with pytest.raises(ValueError, match=message):
        from_arrays(**arguments)


def test_arrays_may_be_tensors_and_times_may_have_an_index() -> None:
    torch = pytest.importorskip("torch")
    X, times = np.arange(12.0).reshape(2, 1, 6), np.arange(10.0, 16.0)
    plain = from_arrays(X, times)
    indexed = from_arrays(X, pd.Series(times, index=range(20, 26)))
    assert np.array_equal(indexed.positions, plain.positions)
    last = from_arrays(torch.tensor(X).permute(2, 1, 0), times, axis_order=("time", "channel", "sample"))
    assert np.array_equal(last.values, plain.values)
    each = from_arrays(torch.tensor(X), torch.tensor(times).expand(2, 1, 6))
    assert np.array_equal(each.positions, plain.positions)
