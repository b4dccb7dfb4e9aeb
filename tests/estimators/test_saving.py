"""Fitted estimators written to folders."""

import json

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.batches.masking import Masking
from rotary_mae.estimators.saving import FittedEstimator, decode_value, encode_value
from rotary_mae.evaluation.baselines import BaselineComparison
from tests.estimators.small import COLUMNS, MODEL, light_curves, predictions, quick, series

FRESH = light_curves(7, seed=5)


def test_a_loaded_estimator_predicts_the_same(estimator, tmp_path):
    folder = tmp_path / "models" / "mine"
    estimator.save(folder)
    again = rm.load(folder)
    assert type(again) is type(estimator)
    np.testing.assert_array_equal(predictions(again, FRESH), predictions(estimator, FRESH))
    kept = {k: v for k, v in estimator.get_params().items() if k != "init"}
    assert {k: v for k, v in again.get_params().items() if k != "init"} == kept
    # saving and loading again changes nothing
    again.save(folder)
    np.testing.assert_array_equal(predictions(rm.load(str(folder)), FRESH), predictions(estimator, FRESH))


def test_there_is_no_pickle_in_the_folder(estimator, tmp_path):
    estimator.save(tmp_path / "mine")
    files = [p for p in (tmp_path / "mine").rglob("*") if p.is_file()]
    assert {p.suffix for p in files} == {".json", ".safetensors"}
    for path in files:
        content = path.read_bytes()
        assert not content.startswith((b"\x80", b"PK"))
        if path.suffix == ".json":
            json.loads(content)


def test_an_estimator_saved_to_the_folder_of_its_run_leaves_the_metrics(tmp_path):
    X, y = series()
    clf = rm.RoMAEClassifier(out=tmp_path / "run", **quick()).fit(X, y)
    before = {path.name for path in (tmp_path / "run").iterdir()}
    clf.save(tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == before
    np.testing.assert_array_equal(rm.load(tmp_path / "run").predict_proba(X), clf.predict_proba(X))


def test_parameters_of_any_type_are_restored(tmp_path):
    X, y = series()
    given = {
        "class_weight": {0: 1.0, 1: 2.5},
        "epochs": np.int64(2),
        "training": {"hiding": Masking("block", 0.3), "betas": (0.9, 0.99), "augmentation": rm.Augmentation(noise=0.1)},
        "model": {**MODEL, "decoder": rm.DecoderConfig(width=8, heads=2, depth=1)},
        "columns": {"value": ("a", "b")},
    }
    clf = rm.RoMAEClassifier(**{**quick(), **given}).fit(X, (y == "rises").astype(int))
    clf.save(tmp_path / "clf")
    again = rm.load(tmp_path / "clf")
    assert again.class_weight == given["class_weight"]
    assert again.epochs == 2
    assert Masking(**again.training["hiding"]) == Masking("block", 0.3)
    assert again.model["decoder"]["width"] == 8
    # a loaded estimator can be fitted
    again.fit(X, (y == "rises").astype(int))
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_values_are_decoded_as_they_were_encoded():
    for value in ({"a": [1, {"b": None}]}, {1: "x", 2: {"y": 3}}, {}, [True, 0.5], {"a": {(0): [1]}}):
        assert decode_value(json.loads(json.dumps(encode_value(value)))) == value


def test_a_saved_estimator_replaces_the_one_in_the_folder(fitted, tmp_path):
    fitted["embedder"].save(tmp_path / "mine")
    fitted["regressor"].save(tmp_path / "mine")
    assert isinstance(rm.load(tmp_path / "mine"), rm.RoMAERegressor)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_columns_of_the_fit_are_restored(fitted, tmp_path):
    fitted["classifier"].save(tmp_path / "clf")
    assert rm.load(tmp_path / "clf").columns == COLUMNS


def test_the_state_is_the_same_after_json(estimator):
    state = FittedEstimator.of(estimator)
    again = FittedEstimator.from_json(json.loads(json.dumps(state.to_json())))
    assert again.to_json() == state.to_json()
    assert again.attributes().keys() == state.attributes().keys()
    assert again.profile == state.profile
    assert again.summary == state.summary


def test_saving_trains_no_baselines(tmp_path, monkeypatch):
    X, y = series(40)
    clf = rm.RoMAEClassifier(**quick()).fit(X, y)
    monkeypatch.setattr(BaselineComparison, "evaluate", lambda self: pytest.fail("save trained baselines"))
    clf.save(tmp_path / "clf")
    assert rm.load(tmp_path / "clf").summary_ == clf.summary_
