"""Loading a model without knowing its class."""

import json

import pytest
import torch

import rotary_mae as rm
from rotary_mae.models.registry import load_model
from tests.builders import loud, small_config, some_tokens


@pytest.mark.parametrize(
    "make",
    [rm.RoMAEForPreTraining, lambda config: rm.RoMAEForPrediction(config, outputs=3, per="token")],
    ids=["pre-training", "prediction"],
)
def test_a_model_of_any_class_is_loaded_with_its_weights_and_scaling(make, tmp_path):
    model = loud(make(small_config()))
    model.scaling = rm.Scaling.fit(some_tokens())
    model.save_pretrained(tmp_path / "model")
    loaded = load_model(str(tmp_path / "model"))
    assert type(loaded) is type(model)
    assert loaded.arguments() == model.arguments()
    assert loaded.config == model.config
    assert loaded.scaling == model.scaling
    assert not loaded.training
    assert all(torch.equal(weight, model.state_dict()[name]) for name, weight in loaded.state_dict().items())


@pytest.mark.parametrize("inside", ["best", "last"])
def test_a_model_is_found_inside_a_run_folder(inside, tmp_path):
    rm.RoMAEForPreTraining(small_config()).save_pretrained(tmp_path / "run" / inside)
    assert isinstance(load_model(tmp_path / "run"), rm.RoMAEForPreTraining)


def test_a_model_of_an_unknown_class_is_refused(tmp_path):
    rm.RoMAEForPreTraining(small_config()).save_pretrained(tmp_path)
    description = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**description, "model": "RoMAEForDancing"}))
    with pytest.raises(ValueError, match=r"holds a 'RoMAEForDancing'; this library can load RoMAEForPreTraining, RoM"):
        load_model(tmp_path)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        load_model(tmp_path / "nowhere")
