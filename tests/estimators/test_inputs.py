"""Data that estimators take: minimal sources, caches, several values of a channel, and what cannot be fitted."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

import rotary_mae as rm
from rotary_mae.data.sources import Subset, adapt_source
from tests.estimators.small import COLUMNS, light_curves, quick, series


class MinimalSource:
    """The least that a source must have: a length, and samples for an array of indices."""

    def __init__(self, tokens: rm.TokenSet) -> None:
        self.tokens = tokens

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, indices: Any) -> rm.TokenSet:
        assert isinstance(indices, np.ndarray)
        return self.tokens[indices]


def levels(n: int = 48) -> rm.TokenSet:
    """Two classes that differ in their level, sorted by class."""
    rng = np.random.default_rng(0)
    is_high = np.arange(n) >= n // 2
    values = rng.normal(size=(n, 6)) + 4.0 * is_high[:, None]
    names = np.array([f"star {i}" for i in range(n)])
    targets = np.where(is_high, "high", "low")
    return rm.TokenSet(values.ravel(), np.tile(np.arange(6.0), n), [6] * n, ids=names, targets=targets)


def test_a_minimal_source_gives_the_same_predictions_as_its_tokens() -> None:
    tokens = levels()
    whole = rm.RoMAEClassifier(**quick()).fit(tokens)
    bare = rm.RoMAEClassifier(**quick()).fit(MinimalSource(tokens))
    assert np.array_equal(bare.predict_proba(MinimalSource(tokens)), whole.predict_proba(tokens))
    by_id = dict(zip(tokens.ids.tolist(), np.asarray(tokens.targets).tolist(), strict=True))
    keyed = rm.RoMAEClassifier(**quick()).fit(MinimalSource(tokens), by_id)
    assert np.array_equal(keyed.predict_proba(MinimalSource(tokens)), whole.predict_proba(tokens))
    embedder = rm.RoMAEEmbedder(**quick()).fit(MinimalSource(tokens))
    assert np.array_equal(
        embedder.transform(MinimalSource(tokens)), rm.RoMAEEmbedder(**quick()).fit(tokens).transform(tokens)
    )
    at = [[2.5]] * len(tokens)
    interpolator = rm.RoMAEInterpolator(**quick()).fit(MinimalSource(tokens))
    assert np.array_equal(interpolator.predict(MinimalSource(tokens), at=at)[3], interpolator.predict(tokens, at=at)[3])


def test_train_takes_a_minimal_source() -> None:
    tokens = levels().with_targets(None)
    config = rm.RoMAEConfig(n_values=1, n_axes=1, width=16, heads=1, depth=1)
    training = rm.TrainingConfig(epochs=1, progress=False)
    assert np.isfinite(rm.train(rm.RoMAEForPreTraining(config), MinimalSource(tokens), training).history[-1]["loss"])
    for wrong in ([1, 2], "tokens", np.zeros((3, 4)), {"a": 1}):
        with pytest.raises(TypeError, match="from_frame or from_arrays"):
            rm.train(rm.RoMAEForPreTraining(config), wrong, training)


def test_missing_ids_of_a_source_are_read_at_first_use() -> None:
    class Counted(MinimalSource):
        n_read = 0

        def __getitem__(self, indices: Any) -> rm.TokenSet:
            self.n_read += len(indices)
            return super().__getitem__(indices)

    source = Counted(levels(200))
    adapted = adapt_source(source)
    assert adapt_source(adapted) is adapted
    part = Subset(adapted, np.arange(100))
    assert adapt_source(part) is part
    assert source.n_read < 10
    assert len(adapted.ids) == 200


def test_a_classifier_learns_from_a_cache_sorted_by_class(tmp_path: Path) -> None:
    tokens = levels(240)
    cache = rm.write_cache(tokens, tmp_path / "cache")
    fitted = rm.RoMAEClassifier(**{**quick(), "epochs": 6}).fit(cache)
    assert fitted.score(cache) > 0.95


@pytest.mark.parametrize("kind", ["classifier", "regressor", "interpolator", "embedder"])
def test_a_failed_fit_does_not_change_the_estimator(kind: str) -> None:
    tokens = levels()
    numbers = np.arange(len(tokens), dtype=float)
    makers: dict[str, Any] = {
        "classifier": (rm.RoMAEClassifier, tokens.targets, np.where(numbers % 2 > 0, "x", "y")),
        "regressor": (rm.RoMAERegressor, numbers, 1e6 * numbers),
        "interpolator": (rm.RoMAEInterpolator, None, None),
        "embedder": (rm.RoMAEEmbedder, None, None),
    }
    make, y, other = makers[kind]
    fitted = make(**quick()).fit(tokens, y)

    def predicted() -> Any:
        if kind == "interpolator":
            return np.concatenate(fitted.predict(tokens, at=[[2.5]] * len(tokens), return_std=True)[1])
        return fitted.transform(tokens) if kind == "embedder" else fitted.predict(tokens)

    before, parameters = predicted(), set(vars(fitted))
    fitted.set_params(training={"batch_size": -1})
    with pytest.raises(ValueError, match="batch_size"):
        fitted.fit(tokens, other)
    assert np.array_equal(predicted(), before)
    assert set(vars(fitted)) == parameters


def two_columns() -> rm.TokenSet:
    """Channels g and r, each measurement with two values: one near 0, one near a million."""
    rng = np.random.default_rng(0)
    n, length = 30, 8
    time, channel = np.tile(np.arange(float(length)), n), rng.integers(0, 2, n * length)
    values = np.column_stack([np.sin(time) + channel, 1e6 + 1e3 * np.cos(time) * (1 + channel)])
    return rm.TokenSet(
        values, np.column_stack([time, channel]), [length] * n, axes=("time", "channel"), channels=("g", "r")
    )


def test_each_value_of_a_channel_has_its_own_scaling() -> None:
    tokens = two_columns()
    scaling = rm.Scaling.fit(tokens, values="standard")
    scaled = scaling.apply(tokens)
    channel = tokens.positions[:, 1].astype(int)
    for k in (0, 1):
        assert np.allclose(scaled.values[channel == k].mean(0), 0, atol=1e-3)
        assert np.allclose(scaled.values[channel == k].std(0), 1, atol=1e-3)
    back = scaling.undo(scaled.values, channel=channel)
    assert np.allclose(back, tokens.values, rtol=1e-6)
    assert np.allclose(scaling.apply_targets(back, channel=channel), scaled.values, atol=1e-5)
    with pytest.raises(ValueError, match=r"must be \(T, 2\)"):
        scaling.undo(scaled.values[:, 0], channel=channel)
    with pytest.raises(ValueError, match="got a TokenSet"):
        scaling.undo(scaled)


def test_all_values_of_a_channel_are_predicted(tmp_path: Path) -> None:
    tokens = two_columns()
    rm.RoMAEEmbedder(**quick()).fit(tokens).transform(tokens)
    fitted = rm.RoMAEInterpolator(**{**quick(), "epochs": 60, "context": 2}).fit(tokens)
    at = [[[t, c] for t in (2.0, 5.0) for c in (0, 1)]] * len(tokens)
    mean, std = fitted.predict(tokens, at=at, return_std=True)
    found = np.stack(mean)
    assert found.shape == (30, 4, 2)
    assert np.abs(found[..., 0]).max() < 10
    assert np.abs(found[..., 1] - 1e6).max() < 1e4
    assert (np.stack(std)[..., 1] > 10 * np.stack(std)[..., 0]).all()
    scores = fitted.anomaly_score(tokens)
    assert scores[0].shape == (8, 2)
    assert np.isfinite(np.concatenate(scores)).all()
    fitted.save(tmp_path / "saved")
    again = rm.load(tmp_path / "saved").predict(tokens, at=at)
    assert np.array_equal(np.stack(again), found)


def test_time_need_not_be_the_first_axis() -> None:
    rng = np.random.default_rng(0)
    n, length = 12, 10
    time, channel = np.tile(np.arange(float(length)), n), rng.integers(0, 2, n * length)
    values, lengths = np.sin(time) + channel, [length] * n
    for context in (0, 2):
        config = rm.RoMAEConfig(
            n_values=1, n_axes=2, width=16, heads=1, depth=1, context=context, queries="independent", rope_fraction=0.0
        )
        torch.manual_seed(0)
        model = rm.RoMAEForPreTraining(config).eval()
        predicted = []
        for axes, positions in (
            (("time", "channel"), np.column_stack([time, channel])),
            (("channel", "time"), np.column_stack([channel, time])),
        ):
            tokens = rm.TokenSet(values, positions, lengths, axes=axes, channels=("g", "r"))
            predicted.append(model(rm.TokenBatch.collate(tokens).hide(0.5, strategy="future", seed=0)).prediction)
        # without rotation only the local context depends on positions
        assert torch.allclose(*predicted, atol=1e-6)
    swapped = rm.TokenSet(
        values, np.column_stack([channel, time]), lengths, axes=("channel", "time"), channels=("g", "r")
    )
    fitted = rm.RoMAEInterpolator(**quick(hiding="future")).fit(swapped)
    assert len(fitted.forecast(swapped, at=[[[0, 20.0]]] * n)) == n
    with pytest.raises(ValueError, match=r"last at 9\.0"):
        fitted.forecast(swapped, at=[[[0, 8.0]]] * n)


def test_data_and_settings_that_cannot_be_fitted_are_a_clear_error() -> None:
    X, y = series()
    tokens = rm.from_arrays(X)
    for data, given, fit, message in (
        (tokens[[]], {}, {"y": []}, "no samples to fit to"),
        (X, {}, {"y": y, "sample_weight": np.r_[-1.0, np.ones(23)]}, "at least 0, got -1.0 for sample 0"),
        (X, {"unit": "days"}, {"y": y}, "unit must be one of 'auto' or a positive number, .* got 'days'"),
        (
            light_curves(),
            {"columns": {**COLUMNS, "values": "flux"}},
            {},
            "columns has no .values.; it holds .* value",
        ),
        (X, {"init": "no such/folder of mine"}, {"y": y}, "neither a folder here nor a model on the Hub"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            rm.RoMAEClassifier(**quick(**given)).fit(data, **fit)
    with pytest.raises(TypeError, match="init must be a fitted estimator, the folder of a run, a model or None, got 3"):
        rm.RoMAEClassifier(**quick(init=3)).fit(X, y)
    images = rm.from_images(np.zeros((2, 8, 8), np.float32), (4, 4))
    embedder = rm.RoMAEEmbedder(**quick(epochs=1)).fit(images)
    with pytest.raises(ValueError, match=r"patches .* \(1, 4, 4, 1\), got \(1, 2, 2, 1\): cut them alike"):
        embedder.transform(rm.from_images(np.zeros((2, 8, 8), np.float32), (2, 2)))
    with pytest.raises(ValueError, match=r"axes \('row', 'column'\).*: give data of the same kind"):
        embedder.transform(tokens)


def test_a_frame_without_named_columns_is_a_clear_error() -> None:
    df = light_curves()
    with pytest.raises(ValueError, match=r"no column 'id'; .*columns=dict\(id=.*the columns are object_id, mjd"):
        rm.RoMAEClassifier(**quick()).fit(df)
    interpolator = rm.RoMAEInterpolator(**quick(epochs=1)).fit(rm.from_frame(df, **COLUMNS))
    with pytest.raises(ValueError, match=r"no column 'value'; .*columns=dict\(id="):
        interpolator.impute(df)


def test_another_layout_than_that_of_the_tokens_is_an_error() -> None:
    X, y = series()
    tokens = rm.from_arrays(X, targets=y)
    other = "steps" if tokens.schema.layout == "measurements" else "measurements"
    with pytest.raises(ValueError, match=f"the layout of these tokens is '{tokens.schema.layout}'"):
        rm.RoMAEClassifier(layout=other, **quick()).fit(tokens)


@pytest.mark.parametrize("name", ["embedder", "classifier", "regressor", "interpolator"])
def test_no_samples_are_an_error_that_names_them(fitted, name):
    estimator = fitted[name]
    none = estimator._source(light_curves(2))[:0]
    methods = [lambda: rm.evaluate(estimator, none), lambda: estimator.score(none)]
    if name in ("classifier", "regressor"):
        methods += [lambda: estimator.score(none, []), lambda: rm.evaluate(estimator, none, [])]
    for method, arguments in {
        "predict_proba": (),
        "decision_function": (),
        "transform": (),
        "anomaly_score": (),
    }.items():
        if hasattr(estimator, method):
            methods.append(lambda method=method, arguments=arguments: getattr(estimator, method)(none, *arguments))
    if name == "interpolator":
        methods += [lambda: estimator.predict(none, at=[]), lambda: estimator.forecast(none, at=[])]
    elif hasattr(estimator, "predict"):
        methods.append(lambda: estimator.predict(none))
    for method in methods:
        with pytest.raises(ValueError, match="there are no samples to predict for; give at least one"):
            method()


def zoned(zone: str | None, n: int = 20) -> pd.DataFrame:
    when = pd.Timestamp("2024-07-01 08:00", tz=zone) + pd.to_timedelta(np.arange(12), unit="h")
    return pd.concat([pd.DataFrame({"id": i, "time": when, "value": np.arange(12.0) + i}) for i in range(n)])


@pytest.fixture(scope="module")
def hourly():
    return {zone: rm.RoMAEInterpolator(columns={}, **quick()).fit(zoned(zone)) for zone in (None, "America/New_York")}


def test_queries_without_a_zone_are_read_in_the_zone_of_the_samples_with_a_warning(hourly):
    df, itp = zoned("America/New_York"), hourly["America/New_York"]
    aware = pd.DataFrame({"id": [0, 1], "time": df["time"].iloc[[3, 5]] + pd.Timedelta("20min")})
    naive = aware.assign(time=aware["time"].dt.tz_localize(None))
    expected = itp.predict(df, aware)["value"]
    for at in (naive, pl.from_pandas(naive), pa.Table.from_pandas(naive, preserve_index=False)):
        with pytest.warns(UserWarning, match="at have no time zone; they are read in the zone .*, America/New_York"):
            found = itp.predict(df, at)["value"]
        np.testing.assert_array_equal(np.asarray(found), expected)
    later = naive.assign(time=naive["time"] + pd.Timedelta("2D"))
    with pytest.warns(UserWarning, match="at have no time zone"):
        itp.forecast(df, later)


def test_queries_with_a_zone_are_refused_where_the_samples_have_none(hourly):
    df, itp = zoned(None), hourly[None]
    at = pd.DataFrame({"id": [0], "time": [pd.Timestamp("2024-07-01 12:00", tz="America/New_York")]})
    for predict in (itp.predict, itp.forecast):
        with pytest.raises(ValueError, match="times of at are in the zone America/New_York, but those of the samples"):
            predict(df, at)


def test_samples_of_another_kind_of_clock_than_at_fit_are_a_warning(hourly):
    for fitted_zone, given_zone in ((None, "America/New_York"), ("America/New_York", None)):
        df, itp = zoned(given_zone), hourly[fitted_zone]
        at = pd.DataFrame({"id": [0], "time": df["time"].iloc[[3]]})
        with pytest.warns(UserWarning, match="time stamps without a zone are read as UTC"):
            itp.predict(df, at)


def test_ids_of_queries_are_found_by_their_text(hourly):
    df, itp = zoned(None), hourly[None]
    at = pd.DataFrame({"id": [0, 1], "time": df["time"].iloc[[3, 5]]})
    expected = itp.predict(df, at)["value"]
    np.testing.assert_array_equal(itp.predict(df, at.assign(id=["0", "1"]))["value"], expected)
    texts = df.assign(id=df["id"].astype(str))
    np.testing.assert_array_equal(itp.predict(texts, at)["value"], expected)


def test_labelled_series_in_lists_are_refused_and_masked_ones_are_gaps():
    X, y = series()
    with pytest.raises(ValueError, match=r"sample 0 of X is a Series, .* give it to from_frame"):
        rm.RoMAEClassifier(**quick()).fit([pd.Series(x[0], index=np.arange(9.0) * 2) for x in X], y)
    with pytest.raises(ValueError, match="sample 0 of X is a DataFrame"):
        rm.RoMAEClassifier(**quick()).fit([pd.DataFrame(x.T) for x in X], y)
    is_masked = np.random.default_rng(0).random(X[:, 0].shape) < 0.3
    is_masked[:, 0] = False
    masked = np.ma.array(X[:, 0], mask=is_masked)
    expected = rm.RoMAEClassifier(**quick()).fit(np.where(is_masked, np.nan, X[:, 0]), y)
    for given in (masked, list(masked), [list(row) for row in masked]):
        np.testing.assert_array_equal(expected.predict_proba(given), expected.predict_proba(masked.filled(np.nan)))
