"""Values with heavy tails are detected and compressed; predictions are in the user's units."""

import json
from dataclasses import asdict

import numpy as np
import pytest

import rotary_mae as rm
from tests.estimators.small import COLUMNS, grid, light_curves, quick


def heavy(n=40, seed=0):
    """Fluxes of objects whose brightness spans five orders of magnitude."""
    frame = light_curves(n, seed=seed)
    power = np.random.default_rng(seed).uniform(0.0, 5.0, n)
    which = frame["object_id"].astype("category").cat.codes.to_numpy()
    return frame.assign(flux=frame["flux"] * 10.0 ** power[which])


def test_the_fraction_of_outliers_is_fitted_and_saved(tmp_path):
    light = rm.Scaling.fit(rm.from_frame(light_curves(), **COLUMNS))
    tailed = rm.Scaling.fit(rm.from_frame(heavy(), **COLUMNS))
    assert light.tails == 0.0
    assert 0.1 < tailed.tails < 0.5
    tailed.save(tmp_path / "scaling.json")
    assert rm.Scaling.load(tmp_path / "scaling.json") == tailed
    before = {key: value for key, value in asdict(tailed).items() if key != "tails"}
    assert rm.Scaling.from_dict(json.loads(json.dumps(before))).tails == 0.0


def test_cells_that_were_not_observed_are_no_outliers():
    X = np.random.default_rng(0).normal(size=(20, 2, 30))
    X[:, 0, ::2] = np.nan
    assert rm.Scaling.fit(rm.from_arrays(X, layout="steps")).tails == 0.0


@pytest.mark.parametrize("kind", [rm.RoMAEEmbedder, rm.RoMAEClassifier, rm.RoMAEInterpolator])
def test_values_are_compressed_by_default_only_if_they_have_heavy_tails(kind):
    for frame, expected in ((light_curves(), False), (heavy(), True)):
        assert kind(columns=COLUMNS, **quick(epochs=1)).fit(frame).model_.config.compress is expected
    settings = quick(epochs=1)
    settings["model"] = {**settings["model"], "compress": False}
    assert kind(columns=COLUMNS, **settings).fit(heavy()).model_.config.compress is False


def test_predictions_of_compressed_values_are_in_the_users_units_also_after_loading(tmp_path):
    frame = heavy(60)
    embedder = rm.RoMAEEmbedder(columns=COLUMNS, **quick(epochs=20)).fit(frame)
    filler = rm.RoMAEInterpolator(init=embedder, columns=COLUMNS, **quick(epochs=60)).fit(frame)
    queries = grid(frame)
    predicted = filler.predict(frame, at=queries, return_std=True)
    assert np.isfinite(predicted[["value", "std"]].to_numpy()).all()
    assert (predicted["std"] > 0).all()
    # objects differ by factors of up to 100 000, so their own brightness explains nearly all of the variance
    level = frame.groupby("object_id")["flux"].mean()
    predicted_level = predicted.groupby("object_id")["value"].mean()
    assert np.corrcoef(np.arcsinh(level), np.arcsinh(predicted_level.loc[level.index]))[0, 1] > 0.7
    filler.save(tmp_path / "filler")
    again = rm.load(tmp_path / "filler").predict(frame, at=queries, return_std=True)
    np.testing.assert_array_equal(again["value"], predicted["value"])
