"""Settings of training: checked on construction, from objects or from dictionaries."""

import json

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.batches.augmentation import Augmentation
from rotary_mae.batches.masking import Masking
from tests.training.runs import quiet


@pytest.mark.parametrize("name", ["epochs", "batch_size", "accumulate", "max_steps", "max_tokens"])
@pytest.mark.parametrize("given", [0, -1, 1.5, True])
def test_numbers_of_things_are_whole_and_at_least_1(name, given):
    with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1"):
        rm.TrainingConfig(**{name: given})


@pytest.mark.parametrize(
    "name",
    [
        "learning_rate",
        "clip",
        "weight_decay",
        "momentum",
        "patience",
        "evaluate_every",
        "save_seconds",
        "warmup_steps",
        "max_seconds",
    ],
)
def test_settings_below_zero_are_errors(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 0"):
        rm.TrainingConfig(**{name: -1})


@pytest.mark.parametrize("name", ["warmup_fraction", "label_smoothing", "average"])
@pytest.mark.parametrize("given", [-0.1, 1.1, float("nan")])
def test_fractions_are_between_0_and_1(name, given):
    with pytest.raises(ValueError, match=rf"{name} must be in \[0, 1\]"):
        rm.TrainingConfig(**{name: given})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"precision": "fp16"}, r"precision must be 'fp32' or 'bf16' \(fp16 overflows here\), got 'fp16'"),
        ({"keep": "first"}, "keep must be 'best' or 'last', got 'first'"),
        ({"optimizer": "adam"}, "optimizer must be 'adamw' or 'sgd', got 'adam'"),
        ({"betas": (0.9,)}, r"betas must be two numbers of at least 0 and below 1, got \(0.9,\)"),
        ({"betas": (0.9, 1.0)}, "betas must be two numbers"),
        ({"hiding": "uniform"}, "hiding must be a Masking or a dictionary of its settings, got 'uniform'"),
        ({"hiding": {"fractoin": 0.5}}, "Masking has no setting 'fractoin'; did you mean 'fraction'"),
    ],
)
def test_other_values_are_errors_that_say_what_is_expected(given, message):
    with pytest.raises(ValueError, match=message):
        rm.TrainingConfig(**given)


def test_masking_and_augmentation_are_objects_or_dictionaries():
    objects = quiet(hiding=Masking("block", 0.5), augmentation=Augmentation(noise=0.1))
    dictionaries = quiet(hiding={"strategy": "block", "fraction": 0.5}, augmentation={"noise": 0.1})
    assert objects == dictionaries
    assert isinstance(dictionaries.hiding, Masking)
    assert isinstance(dictionaries.augmentation, Augmentation)


def test_json_restores_the_settings():
    config = quiet(betas=np.array([0.8, 0.9]), trackers="tensorboard", hiding=Masking("times", 0.3, 0.1))
    assert config.betas == (0.8, 0.9)
    assert config.trackers == ("tensorboard",)
    assert rm.TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_an_unknown_setting_is_an_error_with_a_suggestion():
    with pytest.raises(ValueError, match="TrainingConfig has no setting 'epoch'; did you mean 'epochs'"):
        rm.TrainingConfig.from_dict({"epoch": 3})
