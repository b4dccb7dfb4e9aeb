"""Held-out predictions belong to the values of the data, and are saved and loaded unchanged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import rotary_mae as rm
from rotary_mae.estimators import held_out as module
from rotary_mae.estimators.held_out import predict_held_out
from rotary_mae.evaluation.held_out import HeldOutPredictions
from tests.estimators.small import COLUMNS, light_curves, quick

ABOUT = {"part": "validation"}


def tokens_of(df: pd.DataFrame) -> rm.TokenSet:
    return rm.from_frame(df, **COLUMNS)


def wide(n: int = 24) -> pd.DataFrame:
    """Steps with two channels, of which one in five cells is not observed."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"id": np.repeat(np.arange(n), 8), "time": np.tile(np.arange(8.0), n)})
    rows["hr"], rows["sbp"] = 80 + rng.normal(size=len(rows)), 120 + 10 * rng.normal(size=len(rows))
    return rows.mask((rng.uniform(size=rows.shape) < 0.2) & rows.columns.isin(["sbp"]))


@pytest.fixture(scope="module")
def interpolator() -> rm.RoMAEInterpolator:
    return rm.RoMAEInterpolator(**quick()).fit(tokens_of(light_curves()))


@pytest.fixture(scope="module")
def filled(interpolator: rm.RoMAEInterpolator) -> HeldOutPredictions:
    return predict_held_out(interpolator, tokens_of(light_curves(10, seed=1)), ABOUT)


def test_masked_and_visible_values_are_those_of_the_data(filled: HeldOutPredictions) -> None:
    data = light_curves(10, seed=1)
    ids = np.array(filled.samples["id"].to_pylist())
    assert ids.tolist() == data["object_id"].unique().tolist()
    found = []
    for table, value in ((filled.masked, "truth"), (filled.visible, "value")):
        assert table is not None
        rows = table.select(["sample", "channel", "time", value]).to_pandas()
        found.append(rows.rename(columns={value: "flux"}).assign(object_id=ids[rows["sample"]]))
    masked, visible = found
    keys = ["object_id", "channel", "mjd"]
    data = data.rename(columns={"band": "channel"}).set_index(keys)["flux"].sort_index()
    both = pd.concat([masked[masked["sample"].isin(visible["sample"])], visible]).rename(columns={"time": "mjd"})
    both = both.set_index(keys)["flux"].sort_index()
    drawn = data[data.index.get_level_values(0).isin(ids[visible["sample"].unique()])]
    assert both.index.equals(drawn.index)
    np.testing.assert_allclose(both, drawn, rtol=1e-5, atol=1e-5)
    # half of each sample is masked
    n_masked = masked.groupby("object_id").size()
    assert (n_masked == np.ceil(data.groupby(level=0).size() / 2)).all()


def test_predictions_are_those_of_predict(interpolator: rm.RoMAEInterpolator, filled: HeldOutPredictions) -> None:
    tokens = tokens_of(light_curves(10, seed=1))
    values, seen = filled.masked.to_pandas(), filled.visible.to_pandas()
    sample = int(seen["sample"].iloc[0])
    own, known = values[values["sample"] == sample], seen[seen["sample"] == sample]
    index = {name: i for i, name in enumerate(tokens.channels)}
    visible = rm.TokenSet(
        known["value"],
        np.column_stack([known["time"], known["channel"].map(index)]),
        [len(known)],
        axes=tokens.axes,
        channels=tokens.channels,
    )
    at = [np.column_stack([own["time"], own["channel"].map(index)])]
    (prediction,) = interpolator.predict(visible, at=at)
    np.testing.assert_allclose(own["answer"], prediction[:, 0], rtol=1e-4, atol=1e-4)
    (low,), (high,) = interpolator.predict(visible, at=at, quantiles=[0.05, 0.95])
    np.testing.assert_allclose(own["q1"], low[:, 0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(own["q6"], high[:, 0], rtol=1e-4, atol=1e-4)


def test_intervals_contain_the_median(filled: HeldOutPredictions) -> None:
    curves = filled.curves.to_pandas()
    names = ["low_90", "low_50", "answer", "high_50", "high_90"]
    assert (np.diff(curves[names], axis=1) > 0).all()
    assert (curves.groupby(["sample", "channel"]).size() == module.N_TIMES).all()


def test_tables_are_loaded_as_they_were_saved(filled: HeldOutPredictions, tmp_path) -> None:
    filled.save(tmp_path)
    again = HeldOutPredictions.load(tmp_path)
    assert again is not None
    assert again.about == filled.about
    for name in ("samples", "masked", "visible", "curves"):
        assert getattr(again, name).equals(getattr(filled, name))
    filled.save(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["held_out"]
    assert HeldOutPredictions.load(tmp_path / "held_out") is None


@pytest.mark.parametrize("kind", [rm.RoMAEEmbedder, rm.RoMAEInterpolator])
def test_masked_values_of_steps_are_observed_ones_in_their_units(kind: type) -> None:
    df = wide()
    columns = {"id": "id", "time": "time", "value": ["hr", "sbp"]}
    tokens = rm.from_frame(df, **columns, layout="steps")
    held_out = predict_held_out(kind(**quick()).fit(tokens), tokens, ABOUT)
    values = held_out.masked.to_pandas()
    cells = df.melt(["id", "time"], ["hr", "sbp"], "channel", "truth").dropna()
    cells["sample"] = cells["id"].astype(int)
    both = values.merge(cells, on=["sample", "channel", "time"], suffixes=("", "_there"))
    assert len(both) == len(values)
    np.testing.assert_allclose(both["truth"], both["truth_there"], rtol=1e-5)
    assert ("q0" in values) == (held_out.curves is not None) == (kind is rm.RoMAEInterpolator)
    # predictions, interpolations and means are in the units of the channel
    assert values.groupby("channel")["answer"].mean()["sbp"] == pytest.approx(120, abs=15)
    assert values.groupby("channel")["mean"].mean()["hr"] == pytest.approx(80, abs=1)


def test_samples_have_their_labels_and_predictions() -> None:
    df = light_curves()
    classifier = rm.RoMAEClassifier(**quick()).fit(tokens_of(df))
    held_out = predict_held_out(classifier, tokens_of(light_curves(9, seed=1)), ABOUT)
    assert held_out.about["classes"] == ["falls", "rises"]
    probabilities = np.column_stack([held_out.samples[f"p_{k}"].to_numpy() for k in range(2)])
    np.testing.assert_allclose(probabilities, classifier.predict_proba(tokens_of(light_curves(9, seed=1))))
    with pytest.raises(ValueError, match="labels"):
        predict_held_out(classifier, tokens_of(df).with_targets(None), ABOUT)
    with pytest.raises(ValueError, match="never seen"):
        predict_held_out(classifier, tokens_of(df).with_targets(np.full(24, "new")), ABOUT)
    numbers = tokens_of(df).with_targets(np.column_stack([np.arange(24.0), -np.arange(24.0)]))
    regressor = rm.RoMAERegressor(**quick()).fit(numbers)
    held_out = predict_held_out(regressor, numbers, ABOUT)
    np.testing.assert_allclose(held_out.samples["prediction_1"].to_numpy(), regressor.predict(numbers)[:, 1])
    np.testing.assert_allclose(held_out.samples["truth_1"].to_numpy(), -np.arange(24.0))


def test_the_same_part_of_many_samples_is_drawn_every_time(
    interpolator: rm.RoMAEInterpolator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SAMPLES", 6)
    tokens = tokens_of(light_curves(20, seed=1))
    monkeypatch.setattr(module, "MAX_TOKENS", int(tokens.lengths.sum() * 0.1))
    first, second = (predict_held_out(interpolator, tokens, ABOUT) for _ in range(2))
    assert len(first.samples) == first.about["n_judged"] == 6
    assert first.about["n_samples"] == 20
    assert first.masked.equals(second.masked)
    assert 1 <= len(first.masked["sample"].unique()) < 6


def test_images_have_metrics_but_no_series() -> None:
    images = np.random.default_rng(0).uniform(size=(24, 8, 8, 1)).astype(np.float32)
    tokens = rm.from_images(images, patch=(4, 4))
    held_out = predict_held_out(rm.RoMAEEmbedder(**quick()).fit(tokens), tokens, ABOUT)
    assert held_out.masked is held_out.visible is held_out.curves is None
    assert held_out.about["metrics"]["n_hidden"] > 0


def test_samples_of_one_observation_have_no_masked_values(interpolator: rm.RoMAEInterpolator) -> None:
    df = light_curves(5, seed=1).groupby("object_id").head(1)
    held_out = predict_held_out(interpolator, tokens_of(df), ABOUT)
    assert held_out.masked is None
    assert len(held_out.samples) == 5
