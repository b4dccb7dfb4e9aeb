"""Forecasts: the future asked of models that learned to fill it in."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import rotary_mae as rm
from tests.estimators.small import COLUMNS, light_curves, quick

DAY = pd.Timedelta(days=1)


def stamped(df: pd.DataFrame) -> pd.DataFrame:
    return df.assign(mjd=pd.Timestamp("2020-01-01") + pd.to_timedelta(df["mjd"] - 59_000.0, unit="D"))


@pytest.mark.parametrize("backend", [pd, pl])
def test_days_after_the_last_in_a_frame_of_time_stamps(backend: Any) -> None:
    df = stamped(light_curves(24))
    given = df if backend is pd else pl.from_pandas(df)
    itp = rm.RoMAEInterpolator(hiding="future", columns=COLUMNS, **quick()).fit(given)
    last = df.groupby("object_id")["mjd"].max()
    at = pd.DataFrame({"object_id": last.index.repeat(2), "mjd": last.repeat(2).to_numpy(), "band": "r"})
    at["mjd"] += np.tile([1, 3], len(last)) * DAY
    at = at.sample(frac=1.0, random_state=0).reset_index(drop=True)
    asked = at if backend is pd else pl.from_pandas(at)
    answered = itp.forecast(given, at=asked, quantiles=[0.1, 0.9])
    assert isinstance(answered, backend.DataFrame)
    assert list(answered.columns) == [*at.columns, "q10", "q90"]
    assert (np.asarray(answered["mjd"]).astype("datetime64[ns]") == at["mjd"].to_numpy()).all()
    assert (np.asarray(answered["q10"]) < np.asarray(answered["q90"])).all()
    with pytest.raises(ValueError, match="48 positions are not after the last observation"):
        itp.forecast(df, at=at.assign(mjd=at["mjd"] - 4 * DAY))


def test_the_future_of_steps_has_a_value_a_channel() -> None:
    rng = np.random.default_rng(0)
    X = np.cumsum(rng.normal(size=(24, 2, 12)), axis=2)
    X[::2, 0, 4:6] = np.nan
    itp = rm.RoMAEInterpolator(hiding="future", layout="steps", **quick()).fit(X)
    mean, std = itp.forecast(X[:3], at=[[12.0, 13.5, 20.0]] * 3, return_std=True)
    assert [m.shape for m in mean] == [(3, 2)] * 3
    assert all((s > 0).all() for s in std)
    alone = itp.forecast(X[:3], at=[[13.5]] * 3)
    np.testing.assert_allclose([a[0] for a in alone], [m[1] for m in mean], atol=1e-5)
    with pytest.raises(ValueError, match="not after the last"):
        itp.forecast(X[:3], at=[[11.0]] * 3)


def test_a_model_that_fills_gaps_says_that_it_was_not_made_to_forecast() -> None:
    tokens = rm.from_frame(light_curves(24), **COLUMNS)
    at = [[[59_040.0, 0]]] * 24
    for training in ({"hiding": {"strategy": "future"}}, {"hiding": {"then": {"strategy": "future", "fraction": 0.3}}}):
        trained = rm.RoMAEInterpolator(training=training, **quick(epochs=1)).fit(tokens)
        trained.forecast(tokens, at)
    with pytest.warns(UserWarning, match="not trained to forecast"):
        rm.RoMAEInterpolator(**quick(epochs=1)).fit(tokens).forecast(tokens, at)


@pytest.mark.slow
def test_lines_that_rise_or_fall_are_carried_on() -> None:
    settings = quick(epochs=20, learning_rate=5e-3, model={"width": 24, "heads": 2, "depth": 2})
    itp = rm.RoMAEInterpolator(hiding="future", hiding_fraction=0.3, **settings)
    itp.fit(rm.from_frame(light_curves(240), **COLUMNS))
    tokens = rm.from_frame(light_curves(40, seed=7), **COLUMNS)
    batch = rm.TokenBatch.collate(tokens.with_targets(None)).hide(0.3, strategy="future")
    is_hidden = np.isin(np.arange(tokens.n_tokens), batch.split.hidden_idx.numpy())
    held = tokens.select_tokens(is_hidden)
    seen, at = tokens.select_tokens(~is_hidden), np.split(held.positions, np.cumsum(held.lengths)[:-1])
    mean = np.concatenate(itp.predict(seen, at))[:, 0]
    last = np.repeat(seen.values[np.cumsum(seen.lengths) - 1, 0], held.lengths)
    assert np.square(mean - held.values[:, 0]).mean() < 0.7 * np.square(last - held.values[:, 0]).mean()
    low, high = (np.concatenate(q)[:, 0] for q in itp.predict(seen, at, quantiles=[0.1, 0.9]))
    # 30 series were held out, of which each is right or wrong nearly as a whole
    assert 0.7 < np.mean((low <= held.values[:, 0]) & (held.values[:, 0] <= high)) < 0.93
