"""Estimators as folders."""

import json

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.batches.masking import Masking
from rotary_mae.estimators.saving import from_json, to_json
from tests.estimators.small import COLUMNS, answers, light_curves, quick, series

FRESH = light_curves(7, seed=5)


def test_a_loaded_estimator_gives_the_same_answers(estimator, tmp_path):
    folder = tmp_path / "models" / "mine"
    estimator.save(folder)
    again = rm.load(folder)
    assert type(again) is type(estimator)
    np.testing.assert_array_equal(answers(again, FRESH), answers(estimator, FRESH))
    kept = {k: v for k, v in estimator.get_params().items() if k != "init"}
    assert {k: v for k, v in again.get_params().items() if k != "init"} == kept
    # and saved again it is the same still
    again.save(folder)
    np.testing.assert_array_equal(answers(rm.load(str(folder)), FRESH), answers(estimator, FRESH))


def test_there_is_no_pickle_in_the_folder(estimator, tmp_path):
    estimator.save(tmp_path / "mine")
    files = [p for p in (tmp_path / "mine").rglob("*") if p.is_file()]
    assert {p.suffix for p in files} == {".json", ".safetensors"}
    for path in files:
        content = path.read_bytes()
        assert not content.startswith((b"\x80", b"PK"))
        if path.suffix == ".json":
            json.loads(content)


def test_a_run_folder_is_an_estimator(tmp_path):
    X, y = series()
    clf = rm.RoMAEClassifier(out=tmp_path / "run", **quick()).fit(X, y)
    again = rm.load(tmp_path / "run")
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    assert again.out is None


def test_an_estimator_saved_to_the_folder_of_its_run_leaves_the_metrics(tmp_path):
    X, y = series()
    clf = rm.RoMAEClassifier(out=tmp_path / "run", **quick()).fit(X, y)
    before = {path.name for path in (tmp_path / "run").iterdir()}
    clf.save(tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == before
    np.testing.assert_array_equal(rm.load(tmp_path / "run").predict_proba(X), clf.predict_proba(X))


def test_a_fit_that_was_stopped_goes_on(tmp_path):
    from tests.training.runs import Watched, stop_softly

    X, y = series()
    tokens = rm.from_arrays(X, targets=(y == "rises").astype(int))
    settings = quick(epochs=4, batch_size=5, dropout=0.2)
    whole = rm.RoMAEClassifier(**settings).fit(tokens)
    out = tmp_path / "run"
    # the first reading is that of the scaling
    with pytest.raises(KeyboardInterrupt):
        rm.RoMAEClassifier(out=out, **settings).fit(Watched(tokens, 8, stop_softly))
    gone_on = rm.RoMAEClassifier(out=out, resume=True, **settings).fit(tokens)
    np.testing.assert_array_equal(gone_on.predict_proba(X), whole.predict_proba(X))
    with pytest.raises(FileExistsError, match="not empty"):
        rm.RoMAEClassifier(out=out, **settings).fit(tokens)


def test_parameters_of_any_kind_survive(tmp_path):
    X, y = series()
    given = {
        "class_weight": {0: 1.0, 1: 2.5},
        "epochs": np.int64(2),
        "training": {"hiding": Masking("block", 0.3), "betas": (0.9, 0.99)},
        "columns": {"value": ("a", "b")},
    }
    clf = rm.RoMAEClassifier(**{**quick(), **given}).fit(X, (y == "rises").astype(int))
    clf.save(tmp_path / "clf")
    again = rm.load(tmp_path / "clf")
    assert again.class_weight == given["class_weight"]
    assert again.epochs == 2
    assert Masking(**again.training["hiding"]) == Masking("block", 0.3)
    # what was loaded can be fitted
    again.fit(X, (y == "rises").astype(int))
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_json_round_trip():
    for value in ({"a": [1, {"b": None}]}, {1: "x", 2: {"y": 3}}, {}, [True, 0.5], {"a": {(0): [1]}}):
        assert from_json(json.loads(json.dumps(to_json(value)))) == value


def test_a_saved_estimator_replaces_the_one_that_was_there(fitted, tmp_path):
    fitted["embedder"].save(tmp_path / "mine")
    fitted["regressor"].save(tmp_path / "mine")
    assert isinstance(rm.load(tmp_path / "mine"), rm.RoMAERegressor)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_what_is_no_estimator_is_a_clear_error(fitted, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        rm.load(tmp_path / "nothing")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ValueError, match=r"not the folder of an estimator.*notes\.txt"):
        rm.load(tmp_path)
    fitted["embedder"].save(tmp_path / "cut")
    (tmp_path / "cut" / "estimator.json").write_text("{")
    with pytest.raises(ValueError, match="cannot be read"):
        rm.load(tmp_path / "cut")
    fitted["embedder"].save(tmp_path / "cut")
    weights = tmp_path / "cut" / "best" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ValueError, match="cannot be read"):
        rm.load(tmp_path / "cut")


def test_columns_named_at_fit_are_those_of_the_loaded_one(fitted, tmp_path):
    fitted["classifier"].save(tmp_path / "clf")
    assert rm.load(tmp_path / "clf").columns == COLUMNS


@pytest.mark.parametrize("kind", [rm.RoMAEEmbedder, rm.RoMAERegressor])
def test_a_run_is_not_gone_on_with_on_other_data_of_the_same_size(kind, tmp_path):
    X, _ = series()
    y = None if kind is rm.RoMAEEmbedder else np.arange(24.0)
    settings = quick(out=str(tmp_path / "run"))
    kind(**settings).fit(X, y)
    again = kind(**settings, resume=True)
    again.fit(X, y)
    with pytest.raises(ValueError, match="other settings of data: fingerprint"):
        again.fit(1000 * X, y)
    if y is not None:
        with pytest.raises(ValueError, match="other settings of data: fingerprint"):
            again.fit(X, y[::-1])
