"""Fitted estimators and models loaded from folders and from the Hub."""

import json
from pathlib import Path

import numpy as np
import pytest

import rotary_mae as rm
from tests.estimators.small import MODEL, light_curves, predictions, quick, series

# one folder for each kind, written by commit f6f031d, and what its estimator predicted for ``light_curves(3, seed=5)``
SAVED = Path(__file__).parent / "saved"


@pytest.mark.parametrize("kind", ["embedder", "classifier", "regressor", "interpolator"])
def test_folders_of_earlier_commits_load_and_predict_the_same(kind):
    expected = json.loads((SAVED / "expected.json").read_text())[kind]
    estimator = rm.load(SAVED / kind)
    np.testing.assert_allclose(predictions(estimator, light_curves(3, seed=5)), expected["predictions"], rtol=1e-4)
    assert estimator.summary_.scores == expected["scores"]


def test_a_run_folder_loads_as_the_fitted_estimator(tmp_path):
    X, y = series()
    clf = rm.RoMAEClassifier(out=tmp_path / "run", **quick()).fit(X, y)
    again = rm.load(tmp_path / "run")
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    assert again.out is None


def test_a_folder_without_estimator_or_model_is_a_clear_error(fitted, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        rm.load(tmp_path / "nothing")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ValueError, match=r"neither an estimator nor a model.*notes\.txt"):
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


def test_a_folder_of_another_class_is_a_clear_error(fitted, tmp_path):
    fitted["embedder"].save(tmp_path / "other")
    path = tmp_path / "other" / "estimator.json"
    path.write_text(path.read_text().replace("RoMAEEmbedder", "RoMAEClusterer"))
    with pytest.raises(ValueError, match=r"of the class 'RoMAEClusterer'; there are RoMAEEmbedder"):
        rm.load(tmp_path / "other")


def small_model():
    return rm.RoMAEForPreTraining(rm.RoMAEConfig(n_values=1, n_axes=1, **MODEL))


@pytest.mark.parametrize("outputs", [None, 3])
def test_a_folder_of_a_model_loads_as_the_model_of_its_class(outputs, tmp_path):
    model = small_model()
    if outputs is not None:
        model = rm.RoMAEForPrediction(model.config, outputs=outputs)
    model.save_pretrained(tmp_path / "model")
    again = rm.load(tmp_path / "model")
    assert type(again) is type(model)
    assert not again.training
    for name, weight in model.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name], weight)


def test_the_folder_of_a_training_run_loads_as_the_trained_model(tmp_path):
    model, tokens = small_model(), rm.from_arrays(series(channels=1)[0])
    config = rm.TrainingConfig(epochs=1, progress=False, device="cpu")
    rm.train(model, tokens, config, scaling=rm.Scaling.fit(tokens), out=tmp_path / "run")
    again = rm.load(tmp_path / "run")
    assert isinstance(again, rm.RoMAEForPreTraining)
    assert again.scaling == model.scaling
    for name, weight in model.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name], weight)


def test_a_hub_repository_loads_as_what_it_holds(fitted, tmp_path, monkeypatch):
    fitted["embedder"].save(tmp_path / "someone--estimator")
    small_model().save_pretrained(tmp_path / "someone--model")
    downloaded = []

    def snapshot_download(repository, allow_patterns):
        downloaded.append(repository)
        assert allow_patterns == ["*.json", "*.safetensors"]
        return str(tmp_path / repository.replace("/", "--"))

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert isinstance(rm.load("someone/estimator"), rm.RoMAEEmbedder)
    assert isinstance(rm.load("someone/model"), rm.RoMAEForPreTraining)
    assert downloaded == ["someone/estimator", "someone/model"]
