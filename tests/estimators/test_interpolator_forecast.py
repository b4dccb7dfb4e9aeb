"""Forecasts: predictions after the last observation of each sample."""

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
def test_time_stamps_after_the_last_observation_can_be_forecast(backend: Any) -> None:
    df = stamped(light_curves(24))
    given = df if backend is pd else pl.from_pandas(df)
    itp = rm.RoMAEInterpolator(hiding="future", columns=COLUMNS, **quick()).fit(given)
    last = df.groupby("object_id")["mjd"].max()
    at = pd.DataFrame({"object_id": last.index.repeat(2), "mjd": last.repeat(2).to_numpy(), "band": "r"})
    at["mjd"] += np.tile([1, 3], len(last)) * DAY
    at = at.sample(frac=1.0, random_state=0).reset_index(drop=True)
    queries = at if backend is pd else pl.from_pandas(at)
    predicted = itp.forecast(given, at=queries, quantiles=[0.1, 0.9])
    assert isinstance(predicted, backend.DataFrame)
    assert list(predicted.columns) == [*at.columns, "q10", "q90"]
    assert (np.asarray(predicted["mjd"]).astype("datetime64[ns]") == at["mjd"].to_numpy()).all()
    assert (np.asarray(predicted["q10"]) < np.asarray(predicted["q90"])).all()
    with pytest.raises(ValueError, match="48 positions are not after the last observation"):
        itp.forecast(df, at=at.assign(mjd=at["mjd"] - 4 * DAY))


def test_forecasts_of_steps_have_one_value_a_channel() -> None:
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


def test_a_model_not_trained_to_forecast_warns() -> None:
    tokens = rm.from_frame(light_curves(24), **COLUMNS)
    at = [[[59_040.0, 0]]] * 24
    for training in ({"hiding": {"strategy": "future"}}, {"hiding": {"then": {"strategy": "future", "fraction": 0.3}}}):
        trained = rm.RoMAEInterpolator(training=training, **quick(epochs=1)).fit(tokens)
        trained.forecast(tokens, at)
    with pytest.warns(UserWarning, match="not trained to forecast"):
        rm.RoMAEInterpolator(**quick(epochs=1)).fit(tokens).forecast(tokens, at)


def test_forecasts_are_the_predictions_at_later_positions_and_earlier_ones_are_an_error() -> None:
    tokens = rm.simulate_light_curves(6, seed=2)
    itp = rm.RoMAEInterpolator(hiding="future", **quick(epochs=1)).fit(tokens)
    last = np.maximum.reduceat(tokens.positions[:, 0], tokens.starts)
    at = [[[t + 1.0, 0], [t + 5.0, 2]] for t in last]
    np.testing.assert_array_equal(itp.forecast(tokens, at)[3], itp.predict(tokens, at)[3])
    at[2] = [[last[2] - 1.0, 0]]
    with pytest.raises(ValueError, match="1 positions are not after the last observation"):
        itp.forecast(tokens, at)


def test_samples_and_queries_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = rm.simulate_light_curves(6, seed=2)
    itp = rm.RoMAEInterpolator(hiding="future", **quick(epochs=1)).fit(tokens)
    calls: list[str] = []
    for name in ("_source", "predict"):
        method = getattr(rm.RoMAEInterpolator, name)
        monkeypatch.setattr(
            rm.RoMAEInterpolator, name, lambda *a, _of=method, _name=name, **k: (calls.append(_name), _of(*a, **k))[1]
        )
    itp.forecast(tokens, [[[sample.positions[:, 0].max() + 1.0, 0]] for sample in tokens])
    assert calls == ["_source"]


@pytest.mark.slow
def test_linear_trends_are_continued() -> None:
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
    # 24 series were held out and 40 are predicted, each of them covered nearly as a whole or not: a binomial deviation
    # of 0.1, three of which are allowed
    coverage = np.mean((low <= held.values[:, 0]) & (held.values[:, 0] <= high))
    assert coverage == pytest.approx(0.8, abs=0.3)
