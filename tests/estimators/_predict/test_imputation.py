"""Gaps are filled where they are, and nowhere else; the future is asked about apart."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import rotary_mae as rm

TINY = {"model": {"width": 16, "heads": 2, "depth": 1, "decoder": {"width": 16, "heads": 2, "depth": 1}}, "epochs": 1}


def wide(n: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = n * 10
    return pd.DataFrame(
        {
            "patient": np.repeat([f"p{i}" for i in range(n)], 10),
            "when": pd.Timestamp("2024-05-01") + pd.to_timedelta(np.tile(np.arange(10), n) * 7.5, unit="min"),
            "hr": np.where(rng.random(rows) < 0.3, np.nan, 80 + rng.normal(size=rows)),
            "sbp": np.where(rng.random(rows) < 0.6, np.nan, 120 + 5 * rng.normal(size=rows)),
        }
    ).sample(frac=1.0, random_state=0)


@pytest.mark.parametrize("layout", ["steps", "measurements"])
def test_a_wide_frame_keeps_what_was_observed_and_gets_the_rest(layout: str) -> None:
    df = wide()
    columns = {"id": "patient", "time": "when", "value": ["hr", "sbp"]}
    filler = rm.RoMAEInterpolator(columns=columns, layout=layout, random_state=0, **TINY).fit(df)
    filled = filler.impute(df)
    assert filled.index.equals(df.index)
    for name in ("hr", "sbp"):
        seen = df[name].notna()
        pd.testing.assert_series_equal(filled.loc[seen, name], df.loc[seen, name])
        assert filled[name].notna().all()
        assert filled[f"{name}_std"].isna().equals(seen)
        assert filled[name].std() < 20
    pd.testing.assert_series_equal(filled["when"], df["when"])


@pytest.mark.parametrize("backend", [pd, pl])
def test_a_long_frame_is_filled_in_its_own_kind(backend: Any) -> None:
    df = rm.simulate_light_curves(10, seed=1).to_frame("pandas")[["id", "time", "channel", "value"]]
    df.loc[::7, "value"] = np.nan
    given = df if backend is pd else pl.from_pandas(df)
    filler = rm.RoMAEInterpolator(columns={"channel": "channel"}, random_state=0, **TINY).fit(given)
    filled = filler.impute(given)
    assert isinstance(filled, backend.DataFrame)
    assert np.isfinite(np.asarray(filled["value"])).all()
    assert (np.isfinite(np.asarray(filled["std"])) == df["value"].isna().to_numpy()).all()
    whole = filler.impute(filled.drop(columns="std") if backend is pd else filled.drop("std"))
    assert np.array_equal(np.asarray(whole["value"]), np.asarray(filled["value"]))


@pytest.mark.parametrize("channels", [["hr", "sbp"], ["hr"]])
def test_a_long_frame_laid_out_as_steps_is_filled_and_judged_like_a_wide_one(channels: list[str]) -> None:
    df = wide()[["patient", "when", *channels]].dropna(how="all", subset=channels)
    by_name = {"id": "patient", "time": "when", "value": channels}
    filler = rm.RoMAEInterpolator(columns=by_name, layout="steps", random_state=0, **TINY).fit(df)
    # a row a cell, in the order of the wide frame's cells
    long = df.melt(["patient", "when"], channels, ignore_index=False)
    in_rows = {"id": "patient", "time": "when", "channel": "variable"}
    again = rm.RoMAEInterpolator(columns=in_rows, layout="steps", random_state=0, **TINY).fit(long)
    filled, judged = again.impute(long), again.anomaly_score(long)["anomaly_score"]
    np.testing.assert_allclose(filled["value"], filler.impute(df)[channels].to_numpy().T.ravel(), rtol=1e-5)
    names = [f"{name}_anomaly_score" if len(channels) > 1 else "anomaly_score" for name in channels]
    np.testing.assert_allclose(judged, filler.anomaly_score(df)[names].to_numpy().T.ravel(), rtol=1e-3)


def test_what_has_no_cells_to_fill_is_a_clear_error() -> None:
    df = wide()
    columns = {"id": "patient", "time": "when", "value": ["hr", "sbp"]}
    filler = rm.RoMAEInterpolator(columns=columns, random_state=0, **TINY).fit(df)
    for data, message in (
        (rm.from_frame(df, **columns), "expected a data frame of pandas, polars or pyarrow, got TokenSet"),
        (pl.from_pandas(df).lazy(), "got LazyFrame"),
        (df.assign(hr="high"), "column 'hr' must be numbers, got text"),
    ):
        with pytest.raises(ValueError, match=message):
            filler.impute(data)
    at = df[["patient", "when"]]
    with pytest.raises(ValueError, match=r"last at 2024-05-01 01:07:30\)"):
        filler.forecast(df, at=at)


def test_the_future_is_what_predict_says_and_the_past_is_refused() -> None:
    tokens = rm.simulate_light_curves(6, seed=2)
    filler = rm.RoMAEInterpolator(hiding="future", random_state=0, **TINY).fit(tokens)
    last = np.maximum.reduceat(tokens.positions[:, 0], tokens.starts)
    at = [[[t + 1.0, 0], [t + 5.0, 2]] for t in last]
    np.testing.assert_array_equal(filler.forecast(tokens, at)[3], filler.predict(tokens, at)[3])
    at[2] = [[last[2] - 1.0, 0]]
    with pytest.raises(ValueError, match="not after the last observation"):
        filler.forecast(tokens, at)


@pytest.mark.parametrize("layout", ["steps", "measurements"])
def test_a_frame_with_its_columns_in_the_index_is_filled_and_judged_like_one_without(layout: str) -> None:
    df = wide().sort_values(["patient", "when"], ignore_index=True)
    columns = {"id": "patient", "time": "when", "value": ["hr", "sbp"]}
    filler = rm.RoMAEInterpolator(columns=columns, layout=layout, random_state=0, **TINY).fit(df)
    indexed = df.set_index(["patient", "when"])
    for answer in (filler.impute, filler.anomaly_score):
        found = answer(indexed)
        assert found.index.equals(indexed.index)
        pd.testing.assert_frame_equal(found.reset_index(), answer(df))


def test_a_wide_frame_without_a_channel_of_the_model_is_filled_and_judged_in_the_others() -> None:
    df = wide()
    columns = {"id": "patient", "time": "when", "value": ["hr", "sbp"]}
    filler = rm.RoMAEInterpolator(columns=columns, layout="measurements", random_state=0, **TINY).fit(df)
    without = df.drop(columns="sbp").groupby("patient").filter(lambda part: part["hr"].notna().any())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        filled, judged = filler.impute(without), filler.anomaly_score(without)
    assert filled["hr"].notna().all()
    assert filled["hr_std"].isna().equals(without["hr"].notna())
    assert judged["hr_anomaly_score"].notna().equals(without["hr"].notna())
    with pytest.raises(ValueError, match="no column 'hr'"):
        filler.impute(df.drop(columns=["hr", "sbp"]))


def test_a_model_fitted_on_complete_steps_fills_gaps_too() -> None:
    df = wide().assign(hr=80.0 + np.arange(120) % 7, sbp=120.0 + np.arange(120) % 5)
    columns = {"id": "patient", "time": "when", "value": ["hr", "sbp"]}
    filler = rm.RoMAEInterpolator(columns=columns, random_state=0, **TINY).fit(df)
    gappy = df.assign(hr=df["hr"].where(np.arange(120) % 9 > 0))
    with pytest.warns(UserWarning, match="filled by linear interpolation"):
        filled = filler.impute(gappy)
    assert filled["hr"].notna().all()
    assert filled["hr_std"].notna().equals(gappy["hr"].isna())


def test_questions_by_id_need_ids_that_are_of_one_sample_each() -> None:
    one = rm.simulate_light_curves(6, seed=1)
    filler = rm.RoMAEInterpolator(random_state=0, **TINY).fit(one)
    ask = pd.DataFrame({"id": one.ids[:1], "time": [59_000.0], "channel": one.channels[:1]})
    with pytest.raises(ValueError, match="is the id of several"):
        filler.predict(rm.TokenSet.concatenate([one, one]), ask)
    with pytest.raises(ValueError, match="no samples to answer for"):
        filler.predict(one[:0], [])
    with pytest.raises(ValueError, match="return_std or quantiles, not both"):
        filler.predict(one, ask, return_std=True, quantiles=[0.5])
    with pytest.raises(ValueError, match="hiding_fraction must be above 0"):
        rm.RoMAEInterpolator(hiding_fraction=0, **TINY).fit(one)
    with pytest.raises(ValueError, match="model has n_predicted, which the data decide"):
        rm.RoMAEInterpolator(model={"n_predicted": 2}).fit(one)
