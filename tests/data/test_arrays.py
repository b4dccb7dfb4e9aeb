"""Arrays: NaN is not observed, and the layouts are those of a wide frame."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from same_tokens import assert_same

from rotary_mae import from_arrays, from_frame


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


BAD_ARRAYS = {
    "nothing observed": ({"X": np.full((2, 1, 3), np.nan), "ids": ["u", "v"]}, "id 'u' has no observation"),
    "no samples": ({"X": []}, "X has no samples"),
    "other channels": (
        {"X": [np.ones((2, 3)), np.ones((3, 3))]},
        r"\(2, 3\) for sample 0 and \(3, 3\) for sample 1",
    ),
    "four axes": ({"X": np.ones((1, 2, 3, 4))}, r"samples of X must be \(channels, times\)"),
    "text": ({"X": [["a", "b"]]}, "sample 0 of X must be numbers, got dtype <U1"),
    "infinite": (
        {"X": [[1.0, np.inf]]},
        "each value must be finite .* got inf for channel '0' of id 0 at time 1.0",
    ),
    "time missing": (
        {"X": [[1.0, 2.0]], "times": [[0, np.nan]]},
        "times must be finite .* got nan in row 1 of id 0",
    ),
    "time twice": ({"X": [[1.0, 2.0]], "times": [[3, 3]]}, "id 0 at time 3.0 has 2 values"),
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
