"""Layout: measurements or steps, duplicates, and a warning where float32 rounds too much."""

import warnings

import numpy as np
import pandas as pd
import pytest

from rotary_mae import from_arrays, from_frame
from rotary_mae.data.layout import steps_to_measurements
from tests.data.same_tokens import assert_same


def test_the_default_layout_depends_on_channels_gaps_errors_and_statics() -> None:
    sparse = pd.DataFrame({"id": 0, "time": range(3), "a": [1.0, None, None], "b": [None, 1.0, None]})
    sparse["c"] = [None, None, 1.0]
    one = pd.DataFrame({"id": 0, "time": range(3), "value": 1.0, "error": 1.0, "z": 1.0})
    assert from_frame(sparse, value=["a", "b", "c"]).schema.layout == "measurements"
    assert from_frame(sparse.loc[:1], value=["a", "b"]).schema.layout == "steps"
    assert from_frame(one).schema.layout == "steps"
    assert from_frame(one).channels == ("value",)
    assert from_frame(one, error="error").schema.layout == "measurements"
    assert from_frame(one, static="z").schema.layout == "measurements"


def test_rows_of_one_time_with_different_channels_become_one_step() -> None:
    split = pd.DataFrame({"id": 0, "time": [1, 0, 1], "a": [1.0, 3.0, None], "b": [None, 4.0, 2.0]})
    tokens = from_frame(split, value=["a", "b"])
    np.testing.assert_array_equal(tokens.values, [[3, 4], [1, 2]])


@pytest.mark.parametrize("layout", ["measurements", "steps"])
def test_duplicates_in_a_frame_are_kept_averaged_or_errors(layout: str) -> None:
    df = pd.DataFrame({"id": 0, "time": [1, 1, 0, 1], "channel": list("abab"), "value": [5.0, 2.0, 1.0, 4.0]})
    kw = {"channel": "channel", "layout": layout}
    kept = from_frame(df, **kw, duplicates="keep")
    assert_same(kept, from_frame(df[::-1], **kw, duplicates="keep"))
    assert kept.n_tokens == (4 if layout == "measurements" else 3)
    mean = from_frame(df, **kw, duplicates="mean")
    assert 3.0 in mean.values
    assert mean.n_tokens == (3 if layout == "measurements" else 2)
    message = "id 0 at time 1.* has 2 values of channel 'b', expected one .*duplicates='mean'"
    with pytest.warns(UserWarning, match=message):
        assert_same(from_frame(df, **kw), kept)
    with pytest.raises(ValueError, match=message):
        from_frame(df, **kw, duplicates="error")
    noisy = from_frame(df.assign(e=1.0), channel="channel", error="e", duplicates="mean")
    assert noisy.values[-1].tolist() == [3.0, np.float32(np.sqrt(0.5))]


def test_small_changes_at_a_large_level_give_a_warning() -> None:
    rng = np.random.default_rng(0)
    df = pd.DataFrame({"id": 0, "time": np.arange(20.0), "value": 1e9 + 10 * rng.normal(size=20)})
    with pytest.warns(UserWarning, match="channel 'value' lie about .*subtract a constant"):
        from_frame(df)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from_frame(df.assign(value=df["value"] - 1e9))
        from_frame(df.assign(value=1e9))


@pytest.mark.parametrize("layout", ["steps", "measurements"])
def test_duplicates_in_arrays_are_kept_with_a_warning_by_default(layout: str) -> None:
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


@pytest.mark.parametrize("static", [(), ("age", "sex")])
def test_steps_become_the_measurements_that_a_frame_gives(static: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    df = pd.DataFrame({"id": np.repeat(list("abc"), 5), "time": np.tile(np.arange(5.0), 3)})
    df[["x", "y"]] = rng.normal(size=(15, 2))
    df.loc[[1, 7], "x"] = df.loc[[3, 4], "y"] = np.nan
    df["age"], df["sex"], df["label"] = df["id"].map({"a": 40.0, "b": 50.0, "c": 60.0}), 1.0, df["id"]
    kw = {"value": ["x", "y"], "static": static, "target": "label"}
    steps = from_frame(df, **kw, layout="steps")
    assert_same(steps_to_measurements(steps), from_frame(df, **kw, layout="measurements"))
