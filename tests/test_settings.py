"""Settings of a wrong type: an error that names the setting, before any work."""

import json
from typing import Any

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae._settings import check_types
from rotary_mae.batches.augmentation import Augmentation
from rotary_mae.batches.masking import Masking


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"learning_rate": "1e-3"}, "learning_rate must be a number, got '1e-3'"),
        ({"epochs": "3"}, "epochs must be a whole number of at least 1, got '3'"),
        ({"epochs": 3.0}, "epochs must be a whole number of at least 1, got 3.0"),
        ({"epochs": True}, "epochs must be a whole number of at least 1, got True"),
        ({"max_steps": "9"}, "max_steps must be a whole number of at least 1 or None, got '9'"),
        ({"compile": "no"}, "compile must be True or False, got 'no'"),
        ({"device": 0}, "device must be a text, got 0"),
        ({"betas": 0.9}, "betas must be two numbers of at least 0 and below 1, got 0.9"),
        ({"betas": (0.9, "0.95")}, "betas must be two numbers"),
        ({"betas": (0.9, 1.0)}, "betas must be two numbers"),
        ({"hiding": "block"}, "hiding must be a Masking or a dictionary of its settings, got 'block'"),
        ({"hiding": {"fraction": "0.5"}}, "fraction must be a number, got '0.5'"),
        ({"hiding": {"then": {"fractoin": 0.5}}}, "Masking has no setting 'fractoin'; did you mean 'fraction'"),
        ({"augmentation": {"scale": None}}, "scale must be a number, got None"),
    ],
)
def test_training_settings_of_a_wrong_type_are_errors(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rm.TrainingConfig(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 5}, "size must be a text, got 5"),
        ({"width": "64"}, "width must be a whole number, got '64'"),
        ({"cls": 0}, "cls must be True or False, got 0"),
        ({"dropout": "0.1"}, "dropout must be a number, got '0.1'"),
        ({"window": [3]}, "window must be a number or None, got \\[3\\]"),
        ({"decoder": 2}, "decoder must be a DecoderConfig or a dictionary of its settings, got 2"),
        ({"decoder": {"depth": "2"}}, "depth must be a whole number, got '2'"),
        ({"timescales": "ab"}, "timescales must be a tuple of numbers for each axis"),
        ({"timescales": (1.0,)}, "timescales must be a tuple of numbers for each axis"),
        ({"timescales": (("a",),)}, "timescales must be numbers, got 'a'"),
    ],
)
def test_model_settings_of_a_wrong_type_are_errors(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rm.RoMAEConfig(n_values=1, n_axes=1, **given)


def test_numpy_numbers_are_accepted() -> None:
    training = rm.TrainingConfig(epochs=np.int64(3), learning_rate=np.float32(0.5), compile=np.bool_(False))
    assert (training.epochs, training.learning_rate) == (3, 0.5)
    assert rm.TrainingConfig(betas=np.array([0.5, 0.75])).betas == (0.5, 0.75)  # type: ignore[arg-type]
    scales = rm.RoMAEConfig(n_values=1, n_axes=1, timescales=(np.geomspace(1, 4, 3),)).timescales  # type: ignore[arg-type]
    np.testing.assert_allclose(scales, ((1.0, 2.0, 4.0),))
    assert rm.RoMAEConfig(n_values=np.int32(2), n_axes=1, dropout=np.float64(0.1), window=3).n_predicted == 2


def test_settings_are_the_same_after_json() -> None:
    training = rm.TrainingConfig(hiding=Masking(then=Masking("block", 0.5)), augmentation=Augmentation(thinning=0.5))
    assert rm.TrainingConfig.from_dict(json.loads(json.dumps(training.to_dict()))) == training
    model = rm.RoMAEConfig(n_values=1, n_axes=2, timescales=((1.0,), (2.0, 3)), window=2.5)
    assert rm.RoMAEConfig.from_dict(json.loads(json.dumps(model.to_dict()))) == model
    check_types(model)


def test_a_single_tracker_may_be_a_text() -> None:
    assert rm.TrainingConfig(trackers="tensorboard").trackers == ("tensorboard",)  # type: ignore[arg-type]
