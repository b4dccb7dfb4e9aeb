"""Forecasts: predictions after the last observation of each sample."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import rotary_mae as rm
from rotary_mae.estimators._predict.forecast_window import limit_history
from rotary_mae.evaluation.query_groups import AFTER
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


# -- histories and horizons ---------------------------------------------------------------------------------


def regular(n: int = 40, length: int = 24, start: float = 0.0, seed: int = 0) -> rm.TokenSet:
    rng = np.random.default_rng(seed)
    time = start + np.arange(length, dtype=float)
    values = np.sin(0.5 * time + rng.uniform(0, 6, (n, 1))) + 0.05 * rng.normal(size=(n, length))
    return rm.TokenSet(values.reshape(-1), np.tile(time, n), np.full(n, length), channels=("x",))


@pytest.fixture(scope="module")
def forecaster() -> rm.RoMAEInterpolator:
    return rm.RoMAEInterpolator(hiding="future", **quick(epochs=1)).fit(regular())


def test_forecasts_are_trained_and_calibrated_from_random_cuts(forecaster: rm.RoMAEInterpolator) -> None:
    drawn = rm.Masking("future", 0.5, least_fraction=0.0)
    assert forecaster.masking_ == rm.Masking("future", 0.5, alternatives=(drawn,))
    calibration = forecaster.calibration_
    # 24 steps, of which at most 12 are masked
    assert (calibration.reach, calibration.horizon, calibration.farthest[AFTER]) == (23.0, 12.0, 12.0)
    assert [len(knots) > 0 for knots in calibration.knots] == [kind == AFTER for kind in range(5)]
    assert calibration.knots[AFTER][0] == 1.0


def test_a_masking_that_is_given_keeps_its_draws() -> None:
    fixed = rm.RoMAEInterpolator(hiding=rm.Masking("future", 0.25), **quick(epochs=1)).fit(regular())
    assert fixed.masking_ == rm.Masking("future", 0.25)
    assert fixed.calibration_.horizon == 6.0


def test_the_history_of_a_forecast_leaves_room_for_its_horizon(forecaster: rm.RoMAEInterpolator) -> None:
    samples = forecaster.scaling_.apply(regular(2))
    last = samples.positions[:, 0].max()
    # horizons of 1, 3, 6 and 12 steps share histories of 23 less 1.5, 3, 6 and 12 steps
    times, sample = last + np.array([1.0, 3.0, 12.0, 40.0, -2.5]), np.array([0, 0, 0, 1, 1])
    windowed, index = limit_history(samples, times, sample, forecaster.calibration_)
    spans = [np.ptp(windowed[int(i)].positions[:, 0]) for i in index]
    assert spans == [21.0, 20.0, 11.0, 11.0, 23.0]
    assert windowed.ids[index].tolist() == sample.tolist()


def test_a_forecast_depends_neither_on_other_horizons_nor_on_what_is_left_out(
    forecaster: rm.RoMAEInterpolator,
) -> None:
    whole = regular(5, seed=3)
    at = [np.array([[24.0], [26.0], [35.0]])] * 5
    together = np.stack(forecaster.forecast(whole, at))
    for k in range(3):
        alone = np.stack(forecaster.forecast(whole, [a[[k]] for a in at]))
        np.testing.assert_allclose(alone[:, 0], together[:, k], atol=1e-5)
    # at the longest horizon, a whole series is forecast like its second half
    cut = whole.select_tokens(whole.positions[:, 0] >= 12)
    np.testing.assert_allclose(np.stack(forecaster.forecast(cut, at))[:, 2], together[:, 2], atol=1e-5)


def test_forecasts_beyond_the_trained_horizon_warn(forecaster: rm.RoMAEInterpolator) -> None:
    tokens = regular(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        forecaster.forecast(tokens, [[[30.0], [35.0]]] * 3, return_std=True)
    with pytest.warns(UserWarning, match="3 of 6 predictions are up to 17 after the last measurement .* at most 12"):
        forecaster.forecast(tokens, [[[30.0], [40.0]]] * 3)
    with pytest.warns(UserWarning, match="from the nearest measurement .* none there"):
        forecaster.predict(tokens, [[[10.5]]] * 3)
