"""Channels without a value in the training set: predictions are NaN with a warning, and scores leave them out."""

import warnings

import numpy as np
import pandas as pd
import pytest

import rotary_mae as rm
from tests.estimators.small import quick

WIDE = {"id": "id", "time": "time", "value": ["a", "c"]}
LONG = {"id": "id", "time": "time", "channel": "channel", "value": "value"}


def frame(n: int = 24, c: float = np.nan) -> pd.DataFrame:
    t = np.tile(np.arange(12.0), n)
    df = pd.DataFrame({"id": np.repeat(np.arange(n), 12), "time": t, "a": 10 + np.sin(t), "c": c})
    df.loc[::5, "a"] = np.nan
    return df


def long(df: pd.DataFrame) -> pd.DataFrame:
    return df.melt(["id", "time"], ["a", "c"], "channel", "value")


@pytest.fixture(scope="module")
def fitted() -> dict[str, rm.RoMAEInterpolator]:
    return {
        layout: rm.RoMAEInterpolator(columns=WIDE, layout=layout, **quick()).fit(frame())
        for layout in ("steps", "measurements")
    }


@pytest.mark.parametrize("layout", ["steps", "measurements"])
def test_cells_of_an_unobserved_channel_are_not_filled(fitted, layout, tmp_path):
    fitted[layout].save(tmp_path)
    for itp in (fitted[layout], rm.load(tmp_path)):
        with pytest.warns(UserWarning, match=r"channels \['c'\] had no value in the training set"):
            filled = itp.impute(frame())
        assert filled["c"].isna().all()
        assert filled["c_std"].isna().all()
        assert filled["a"].notna().all()
        assert filled["a_std"].notna().sum() == frame()["a"].isna().sum()


@pytest.mark.parametrize("layout", ["steps", "measurements"])
@pytest.mark.parametrize("method", ["predict", "forecast"])
def test_predictions_of_an_unobserved_channel_are_nan(fitted, layout, method):
    itp, df = fitted[layout], frame(3)
    at = pd.DataFrame({"id": [0, 0], "time": [20.0, 20.0], "channel": ["a", "c"]})
    for arguments in ({}, {"return_std": True}, {"quantiles": [0.1, 0.9]}):
        with pytest.warns(UserWarning, match=r"channels \['c'\] had no value in the training set"):
            out = getattr(itp, method)(df, at, **arguments)
        numbers = out.drop(columns=["id", "time", "channel"])
        assert numbers.iloc[0].notna().all()
        assert numbers.iloc[1].isna().all()


@pytest.mark.parametrize("layout", ["steps", "measurements"])
def test_an_observed_channel_is_predicted_without_a_warning(fitted, layout):
    at = pd.DataFrame({"id": [0], "time": [3.5], "channel": ["a"]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(fitted[layout].predict(frame(3), at)["value"]).all()


@pytest.mark.parametrize("layout", ["steps", "measurements"])
def test_scores_leave_an_unobserved_channel_out(fitted, layout):
    itp = fitted[layout]
    plain = itp.score(frame())
    with_values = frame(c=1e6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = itp.anomaly_score(with_values)
        assert np.isfinite(itp.score(with_values))
        assert np.isfinite(list(rm.evaluate(itp, with_values).values())).all()
    assert scores["c_anomaly_score"].isna().all()
    assert scores["a_anomaly_score"].notna().any()
    assert np.isfinite(plain)


@pytest.mark.parametrize("layout", ["steps", "measurements"])
def test_a_channel_with_values_in_the_validation_set_alone_is_unobserved(layout):
    settings = quick(validation_fraction=0.25)
    df = frame(40)
    itp = rm.RoMAEInterpolator(columns=WIDE, layout=layout, **settings).fit(df)
    is_validation = df["id"].isin(itp.validation_idx_)
    assert is_validation.any()
    spoilt = df.assign(c=np.where(is_validation, 1e3 * df["time"], np.nan))
    again = rm.RoMAEInterpolator(columns=WIDE, layout=layout, **settings).fit(spoilt)
    np.testing.assert_array_equal(again.validation_idx_, itp.validation_idx_)
    assert again.scaling_.unobserved == ("c",)
    assert again.summary_.scores == pytest.approx(itp.summary_.scores, rel=0.2)
    with pytest.warns(UserWarning, match="had no value in the training set"):
        assert again.impute(spoilt).loc[spoilt["c"].isna(), "c"].isna().all()


def test_fine_tuning_can_observe_a_channel():
    embedder = rm.RoMAEEmbedder(columns=WIDE, layout="measurements", **quick()).fit(frame())
    assert embedder.scaling_.unobserved == ("c",)
    itp = rm.RoMAEInterpolator(columns=WIDE, init=embedder, **quick()).fit(frame(c=1.0))
    assert itp.scaling_.unobserved == ()
    assert itp.impute(frame(c=1.0))["c"].notna().all()


def test_a_long_frame_names_only_channels_that_have_values():
    df = long(frame()).dropna()
    itp = rm.RoMAEInterpolator(columns=LONG, **quick()).fit(df)
    assert itp.scaling_.unobserved == ()
    with pytest.raises(ValueError, match=r"at has channels \['c'\]"):
        itp.predict(df, pd.DataFrame({"id": [0], "time": [1.0], "channel": ["c"]}))
