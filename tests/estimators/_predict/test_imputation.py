"""Imputation: empty cells of frames are filled, observed cells are kept."""

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
def test_a_wide_frame_keeps_observed_cells_and_fills_the_others(layout: str) -> None:
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
def test_a_long_frame_is_filled_in_the_same_library(backend: Any) -> None:
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
def test_a_long_frame_of_steps_is_filled_and_scored_like_a_wide_one(channels: list[str]) -> None:
    df = wide()[["patient", "when", *channels]].dropna(how="all", subset=channels)
    by_name = {"id": "patient", "time": "when", "value": channels}
    filler = rm.RoMAEInterpolator(columns=by_name, layout="steps", random_state=0, **TINY).fit(df)
    # a row a cell, in the order of the wide frame's cells
    long = df.melt(["patient", "when"], channels, ignore_index=False)
    in_rows = {"id": "patient", "time": "when", "channel": "variable"}
    again = rm.RoMAEInterpolator(columns=in_rows, layout="steps", random_state=0, **TINY).fit(long)
    filled, scored = again.impute(long), again.anomaly_score(long)["anomaly_score"]
    np.testing.assert_allclose(filled["value"], filler.impute(df)[channels].to_numpy().T.ravel(), rtol=1e-5)
    names = [f"{name}_anomaly_score" if len(channels) > 1 else "anomaly_score" for name in channels]
    np.testing.assert_allclose(scored, filler.anomaly_score(df)[names].to_numpy().T.ravel(), rtol=1e-3)


def test_data_without_cells_to_fill_is_a_clear_error() -> None:
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


@pytest.mark.parametrize("layout", ["steps", "measurements"])
def test_a_frame_with_columns_in_its_index_is_filled_and_scored_like_one_without(layout: str) -> None:
    df = wide().sort_values(["patient", "when"], ignore_index=True)
    columns = {"id": "patient", "time": "when", "value": ["hr", "sbp"]}
    filler = rm.RoMAEInterpolator(columns=columns, layout=layout, random_state=0, **TINY).fit(df)
    indexed = df.set_index(["patient", "when"])
    for method in (filler.impute, filler.anomaly_score):
        found = method(indexed)
        assert found.index.equals(indexed.index)
        pd.testing.assert_frame_equal(found.reset_index(), method(df))


def test_a_wide_frame_may_lack_a_channel_of_the_model() -> None:
    df = wide()
    columns = {"id": "patient", "time": "when", "value": ["hr", "sbp"]}
    filler = rm.RoMAEInterpolator(columns=columns, layout="measurements", random_state=0, **TINY).fit(df)
    without = df.drop(columns="sbp").groupby("patient").filter(lambda part: part["hr"].notna().any())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        filled, scored = filler.impute(without), filler.anomaly_score(without)
    assert filled["hr"].notna().all()
    assert filled["hr_std"].isna().equals(without["hr"].notna())
    assert scored["hr_anomaly_score"].notna().equals(without["hr"].notna())
    with pytest.raises(ValueError, match="no column 'hr'"):
        filler.impute(df.drop(columns=["hr", "sbp"]))


def test_a_model_fitted_on_complete_steps_fills_gaps() -> None:
    df = wide().assign(hr=80.0 + np.arange(120) % 7, sbp=120.0 + np.arange(120) % 5)
    columns = {"id": "patient", "time": "when", "value": ["hr", "sbp"]}
    filler = rm.RoMAEInterpolator(columns=columns, layout="steps", random_state=0, **TINY).fit(df)
    gappy = df.assign(hr=df["hr"].where(np.arange(120) % 9 > 0))
    with pytest.warns(UserWarning, match="filled by linear interpolation"):
        filled = filler.impute(gappy)
    assert filled["hr"].notna().all()
    assert filled["hr_std"].notna().equals(gappy["hr"].isna())
