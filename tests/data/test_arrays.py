"""Arrays: NaN is not observed, and the layouts are those of a wide frame."""

from datetime import UTC, datetime
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
def test_arrays_are_wide_frames(X: np.ndarray, layout: str) -> None:
    X[:, 0, 0] = 1.0  # something is observed of each sample
    times = np.random.default_rng(0).permuted(np.tile(np.arange(X.shape[2]) / 3, (len(X), 1)), axis=1)
    names = [str(c) for c in range(X.shape[1])]
    expected = from_frame(as_frame(X, times), value=names, layout=layout)
    assert_same(from_arrays(X, times, layout=layout), expected)
    assert_same(from_arrays(list(X), list(times), layout=layout), expected)


def test_lists_hold_series_of_different_lengths() -> None:
    tokens = from_arrays([np.ones((2, 3)), np.ones((2, 5))], targets=["a", "b"], channels=["hr", "sbp"])
    assert tokens.lengths.tolist() == [3, 5]
    assert tokens.channels == ("hr", "sbp")
    assert tokens.positions[:, 0].tolist() == [0, 1, 2, 0, 1, 2, 3, 4]
    one_channel = from_arrays([np.ones(3), np.ones(5)], ids=["x", "y"])
    assert one_channel.values.shape == (8, 1)
    assert_same(from_arrays(np.ones((2, 4))), from_arrays(np.ones((2, 1, 4))))


def test_padding_is_no_token() -> None:
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


def test_what_is_masked_was_not_observed() -> None:
    values = np.arange(12.0).reshape(2, 2, 3)
    is_masked = values % 5 == 0
    masked = np.ma.masked_array(values, is_masked)
    expected = from_arrays(np.where(is_masked, np.nan, values))
    assert_same(from_arrays(masked), expected)
    assert_same(from_arrays(list(masked)), expected)


@pytest.mark.parametrize("order", list(permutations(("sample", "channel", "time"))))
def test_axes_come_in_any_order_that_is_stated(order: tuple[str, ...]) -> None:
    X, times = irregular(), np.arange(20.0).reshape(4, 5) ** 2
    where = [("sample", "channel", "time").index(name) for name in order]
    expected = from_arrays(X, times)
    assert_same(from_arrays(X.transpose(where), times, axis_order=order), expected)
    own = np.broadcast_to(times[:, None], (4, 1, 5)).transpose(where)
    assert_same(from_arrays(X.transpose(where), own, axis_order=order), expected)


def test_arrays_in_a_list_have_the_same_order() -> None:
    ragged = [np.arange(6.0).reshape(2, 3), np.arange(10.0).reshape(2, 5)]
    turned = from_arrays([part.T for part in ragged], axis_order=("sample", "time", "channel"))
    assert_same(turned, from_arrays(ragged))
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


STAMPS = {
    "numpy": lambda stamps: np.array(stamps, "datetime64[s]"),
    "days": lambda stamps: np.array(stamps, "datetime64[h]"),
    "pandas": pd.to_datetime,
    "pandas with a zone": lambda stamps: pd.to_datetime(stamps).tz_localize("UTC").tz_convert("America/Lima"),
    "python": lambda stamps: [datetime.fromisoformat(stamp).replace(tzinfo=UTC) for stamp in stamps],
}


@pytest.mark.parametrize("kind", STAMPS)
def test_time_stamps_are_seconds_and_come_back(kind: str) -> None:
    times = STAMPS[kind](["2024-03-01T06:00", "2024-03-01T18:00", "2024-03-09T00:00"])
    for clock in (times, [times]):
        tokens = from_arrays(np.ones((1, 2, 3)), clock)
        assert (tokens.positions[:, 0] - tokens.positions[0, 0]).tolist() == [0, 43_200, 669_600]
        assert tokens.positions[0, 0] == 1_709_272_800
        assert tokens.to_frame("pandas")["time"].dt.hour.tolist()[:2] == ([1, 13] if "zone" in kind else [6, 18])


def test_stamps_may_be_missing_where_nothing_was_observed() -> None:
    stamps = np.array([["2024-03-01", "2024-03-02"], ["2024-03-05", "NaT"]], "datetime64[D]")
    tokens = from_arrays([[1.0, 2.0], [3.0, np.nan]], stamps)
    assert tokens.lengths.tolist() == [2, 1]
    with pytest.raises(ValueError, match="one type, got"):
        from_arrays([[1.0], [2.0]], [[1.0], stamps[0, :1]])


@pytest.mark.parametrize("layout", ["measurements", "steps"])
def test_static_covariates_are_those_of_a_frame(layout: str) -> None:
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


def test_unknown_static_covariates_are_no_tokens() -> None:
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
    "times in words": ({"X": [[1.0]], "times": ["noon"]}, "times of id 0 must be numbers or time stamps, got <U4"),
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
def test_bad_arrays_are_told_what_is_wrong(case: str) -> None:
    arguments, message = BAD_ARRAYS[case]
    with pytest.raises(ValueError, match=message):
        from_arrays(**arguments)


def test_masked_times_are_missing_and_not_what_lies_under_the_mask() -> None:
    X = np.arange(6.0).reshape(1, 1, 6)
    times = np.ma.masked_array(np.arange(6.0), [0, 0, 0, 0, 0, 1])
    for clock in (times, np.ma.masked_array(times.data.astype("datetime64[D]"), times.mask)):
        with pytest.raises(ValueError, match="got nan in row 5 of id 0"):
            from_arrays(X, clock)
        kept = from_arrays(np.where(times.mask, np.nan, X), clock)
        assert kept.lengths.tolist() == [5]


@pytest.mark.parametrize("layout", ["steps", "measurements"])
def test_what_occurs_twice_is_kept_with_a_warning_unless_it_is_said_what_to_do(layout: str) -> None:
    X, times = np.arange(6.0).reshape(1, 2, 3), [1, 1, 2]
    with pytest.raises(ValueError, match="duplicates='keep'"):
        from_arrays(X, times, layout=layout, duplicates="error")
    with pytest.warns(UserWarning, match="all are kept.*duplicates='mean'"):
        warned = from_arrays(X, times, layout=layout)
    kept = from_arrays(X, times, layout=layout, duplicates="keep")
    assert kept.n_tokens == (3 if layout == "steps" else 6)
    assert np.array_equal(warned.values, kept.values)
    mean = from_arrays(X, times, layout=layout, duplicates="mean")
    assert sorted(mean.values.ravel().tolist()) == [0.5, 2.0, 3.5, 5.0]


def test_times_and_arrays_may_be_tensors_or_have_an_index() -> None:
    torch = pytest.importorskip("torch")
    X, times = np.arange(12.0).reshape(2, 1, 6), np.arange(10.0, 16.0)
    plain = from_arrays(X, times)
    indexed = from_arrays(X, pd.Series(times, index=range(20, 26)))
    assert np.array_equal(indexed.positions, plain.positions)
    last = from_arrays(torch.tensor(X).permute(2, 1, 0), times, axis_order=("time", "channel", "sample"))
    assert np.array_equal(last.values, plain.values)
    each = from_arrays(torch.tensor(X), torch.tensor(times).expand(2, 1, 6))
    assert np.array_equal(each.positions, plain.positions)
