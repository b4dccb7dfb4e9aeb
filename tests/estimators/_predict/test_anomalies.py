"""Anomaly scores: large for outliers, calibrated for ordinary values, and matched to the cells of frames."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

import rotary_mae as rm
from tests.estimators.small import COLUMNS, light_curves, quick, series

WIDE = {"id": "patient", "time": "when", "value": ["hr", "sbp"]}


@pytest.fixture(scope="module")
def trained() -> rm.RoMAEInterpolator:
    settings = quick(epochs=15, learning_rate=5e-3, model={"width": 24, "heads": 2, "depth": 1})
    return rm.RoMAEInterpolator(**settings).fit(rm.simulate_light_curves(100, seed=6))


@pytest.fixture(scope="module")
def of_frames() -> rm.RoMAEInterpolator:
    return rm.RoMAEInterpolator(columns=COLUMNS, **quick(epochs=1)).fit(light_curves(24))


@pytest.fixture(scope="module")
def itp() -> rm.RoMAEInterpolator:
    return rm.RoMAEInterpolator(**quick(epochs=1)).fit(rm.simulate_light_curves(24, seed=3))


@pytest.mark.slow
def test_planted_outliers_have_the_highest_scores(trained: rm.RoMAEInterpolator) -> None:
    tokens = rm.simulate_light_curves(40, seed=8)
    values, planted = tokens.values.copy(), tokens.starts[::2] + tokens.lengths[::2] // 2
    values[planted, 0] += np.where(np.arange(20) % 3, 6.0, -6.0)
    scores = np.concatenate(trained.anomaly_score(tokens.replace(values=values)))
    # 20 of some 2600 values; the peaks of supernovae have high scores too
    assert np.isin(np.argsort(-scores)[:20], planted).mean() >= 0.5
    assert roc_auc_score(np.isin(np.arange(tokens.n_tokens), planted), scores) > 0.9
    per_series = trained.anomaly_score(tokens.replace(values=values), per="series")
    assert per_series.shape == (40,)
    is_planted = np.arange(40) % 2 == 0
    # one outlier among up to 150 values is enough
    assert roc_auc_score(is_planted, per_series) > 0.7


@pytest.mark.slow
def test_scores_of_ordinary_values_are_distributed_like_normal_ones(trained: rm.RoMAEInterpolator) -> None:
    scores = np.concatenate(trained.anomaly_score(rm.simulate_light_curves(100, seed=9)))
    # 0.68 and 0.95 of a normal distribution; fewer values are masked than for the calibration, so scores are smaller
    assert 0.5 < np.mean(scores < 1.0) < 0.95
    assert 0.85 < np.mean(scores < 2.0) <= 1.0


def test_every_observation_is_masked_once_with_few_others(itp: rm.RoMAEInterpolator, monkeypatch: Any) -> None:
    masked: list[np.ndarray] = []
    fractions: list[float] = []
    hide = rm.TokenBatch.hide

    def watched(batch: rm.TokenBatch, *arguments: Any, is_hidden: Any = None, **how: Any) -> rm.TokenBatch:
        masked.append(batch.values[:, 0].numpy()[is_hidden])
        fractions.append(float(np.mean(is_hidden)))
        return hide(batch, *arguments, is_hidden=is_hidden, **how)

    tokens = rm.simulate_light_curves(5, seed=1)
    monkeypatch.setattr(rm.TokenBatch, "hide", watched)
    itp.anomaly_score(tokens)
    scaled = itp.scaling_.apply(tokens).values[:, 0]
    np.testing.assert_array_equal(np.sort(np.concatenate(masked)), np.sort(scaled))
    assert max(fractions) < 0.15


def test_scores_do_not_depend_on_the_order_of_the_observations(itp: rm.RoMAEInterpolator) -> None:
    tokens = rm.simulate_light_curves(4, seed=2)
    scores = itp.anomaly_score(tokens)
    assert [len(s) for s in scores] == tokens.lengths.tolist()
    assert all((s >= 0).all() for s in scores)
    turned = rm.TokenSet(tokens[2].values[::-1], tokens[2].positions[::-1], [tokens[2].n_tokens], schema=tokens.schema)
    np.testing.assert_allclose(itp.anomaly_score(turned)[0][::-1], scores[2], rtol=1e-3, atol=1e-3)
    rms = [np.sqrt(np.mean(s**2)) for s in scores]
    np.testing.assert_allclose(itp.anomaly_score(tokens, per="series"), rms, rtol=1e-6)


def test_a_large_measurement_error_lowers_the_score(itp: rm.RoMAEInterpolator) -> None:
    tokens = rm.simulate_light_curves(1, seed=2)
    values = tokens.values.copy()
    values[10, 0] += 30.0
    outlier = itp.anomaly_score(tokens.replace(values=values))[0][10]
    values[10, 1] = 30.0
    excused = itp.anomaly_score(tokens.replace(values=values))[0][10]
    assert outlier > 5.0
    assert excused < 2.0


@pytest.mark.parametrize("backend", [pd, pl])
def test_a_long_frame_gets_a_score_column(of_frames: rm.RoMAEInterpolator, backend: Any) -> None:
    df = light_curves(6, seed=8)
    expected = of_frames.anomaly_score(rm.from_frame(df, **COLUMNS))
    shuffled = df.sample(frac=1.0, random_state=1)
    shuffled.loc[shuffled.index[3], "flux"] = np.nan
    scored = of_frames.anomaly_score(shuffled if backend is pd else pl.from_pandas(shuffled))
    assert isinstance(scored, backend.DataFrame)
    found = np.asarray(scored["anomaly_score"])
    assert np.isnan(found).tolist() == shuffled["flux"].isna().tolist()
    untouched = shuffled["object_id"] != shuffled["object_id"].iloc[3]
    by_row = pd.Series(np.concatenate(expected), df.sort_values(["object_id", "mjd", "band"]).index)
    np.testing.assert_allclose(found[untouched], by_row[shuffled.index][untouched], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("layout", ["steps", "measurements"])
def test_a_wide_frame_gets_one_score_a_cell(layout: str) -> None:
    rng = np.random.default_rng(0)
    df = pd.DataFrame(
        {
            "patient": np.repeat([f"p{i}" for i in range(10)], 8),
            "when": pd.Timestamp("2024-05-01") + pd.to_timedelta(np.tile(np.arange(8), 10), unit="h"),
            "hr": 80 + rng.normal(size=80),
            "sbp": np.where(rng.random(80) < 0.2, np.nan, 120 + rng.normal(size=80)),
        }
    ).sample(frac=1.0, random_state=0)
    filler = rm.RoMAEInterpolator(columns=WIDE, layout=layout, **quick(epochs=1)).fit(df)
    df.iloc[7, 2] = 500.0
    scored = filler.anomaly_score(df)
    assert scored.index.equals(df.index)
    assert scored["sbp_anomaly_score"].isna().equals(df["sbp"].isna())
    assert scored["hr_anomaly_score"].notna().all()
    assert scored["hr_anomaly_score"].to_numpy().argmax() == 7
    # the order of the channels has no meaning
    turned = filler.set_params(columns={**WIDE, "value": ["sbp", "hr"]}).anomaly_score(df)
    np.testing.assert_allclose(turned["hr_anomaly_score"], scored["hr_anomaly_score"], rtol=1e-4)


def test_cells_merged_into_one_observation_share_its_score() -> None:
    df = light_curves(24)
    twice = pd.concat([df, df.iloc[[5]].assign(flux=lambda d: d["flux"] + 2.0)], ignore_index=True)
    for duplicates in ("mean", "keep"):
        itp = rm.RoMAEInterpolator(columns={**COLUMNS, "duplicates": duplicates}, **quick(epochs=1)).fit(twice)
        scored = itp.anomaly_score(twice)["anomaly_score"]
        assert scored.notna().all()
        assert (scored[5] == scored[len(df)]) == (duplicates == "mean")


def test_scores_of_arrays_are_those_of_their_tokens_in_the_shape_of_the_array() -> None:
    X, _ = series(24)
    X[0, 1, 4] = X[1, :, 2] = np.nan
    itp = rm.RoMAEInterpolator(**quick(epochs=1)).fit(X)
    by_array, by_token = itp.anomaly_score(X[:2]), itp.anomaly_score(itp.read(X[:2]))
    assert [scores.shape for scores in by_array] == [(9, 2), (8, 2)]
    assert np.argwhere(np.isnan(by_array[0])).tolist() == [[4, 1]]
    for array, token in zip(by_array, by_token, strict=True):
        np.testing.assert_array_equal(array[np.isfinite(array)], token)


def test_steps_have_one_score_a_value_and_single_observations_none() -> None:
    X, _ = series(24)
    for layout in ("auto", "steps"):
        itp = rm.RoMAEInterpolator(layout=layout, **quick(epochs=1)).fit(X)
        assert [s.shape for s in itp.anomaly_score(X[:2])] == [(9, 2)] * 2
    one = rm.RoMAEInterpolator(**quick(epochs=1)).fit(X[:, 0])
    scores = one.anomaly_score([X[0, 0], X[1, 0, :1]])
    assert scores[0].shape == (9,)
    assert np.isfinite(scores[0]).all()
    assert np.isnan(scores[1]).all()
    assert np.isnan(one.anomaly_score([X[1, 0, :1], X[0, 0]], per="series")).tolist() == [True, False]
    with pytest.raises(ValueError, match="'measurement' or 'series'"):
        one.anomaly_score(X[:, 0], per="token")
    with pytest.raises(ValueError, match="n_folds must be at least 2"):
        one.anomaly_score(X[:, 0], n_folds=1)
