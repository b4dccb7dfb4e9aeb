"""Flags shared by commands: names of columns, and the parameters of estimators."""

import inspect
from dataclasses import fields

import pytest

from rotary_mae.batches.augmentation import Augmentation
from rotary_mae.cli.flags import ColumnFlags, TrainingFlags, flag_for_column, split_names
from rotary_mae.estimators.classifier import RoMAEClassifier
from rotary_mae.models.config import RoMAEConfig
from rotary_mae.training.config import TrainingConfig


def test_flags_replace_trained_columns_and_these_replace_defaults() -> None:
    assert ColumnFlags().resolve() == {"id": "id", "time": "time", "value": ["value"]}
    resolved = ColumnFlags(id="stay", value="hr, sbp", duplicates="mean").resolve({"id": "patient", "time": "minute"})
    assert resolved == {"id": "stay", "time": "minute", "value": ["hr", "sbp"], "duplicates": "mean"}


def test_names_are_split_at_commas() -> None:
    assert split_names("hr, sbp,") == ["hr", "sbp"]
    assert split_names(["hr"]) == ["hr"]
    assert split_names(None) is None
    assert split_names("a\nb,c") == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("flux, mag", ["flux, mag"]),
        (" value", [" value"]),
        (" value, time", [" value", "time"]),
        ('"flux, mag",time', ["flux, mag", "time"]),
        ('time, "flux, mag"', ["time", "flux, mag"]),
        ("time\n value\nflux, mag", ["time", " value", "flux, mag"]),
        ('"say ""so"""', ['say "so"']),
        (" other", ["other"]),
    ],
)
def test_names_with_spaces_and_commas_can_be_given(typed: str, expected: list[str]) -> None:
    assert split_names(typed, ("flux, mag", " value", "time")) == expected


def test_the_flag_of_a_column_is_found() -> None:
    columns = {"id": "stay", "value": ["hr", "sbp"], "target": ["days"]}
    assert [flag_for_column(name, columns) for name in ("stay", "sbp", "days", "other")] == [
        "--id",
        "--value",
        "--label (or --target)",
        "--value",
    ]


def test_training_flags_are_parameters_of_estimators() -> None:
    parameters = TrainingFlags(seed=3, epochs=2).estimator_parameters(is_shown=False)
    assert parameters["random_state"] == 3
    assert parameters["epochs"] == 2
    assert parameters["verbose"] == 0
    assert TrainingFlags().estimator_parameters(is_shown=True)["verbose"] == 1
    assert set(parameters) <= set(inspect.signature(RoMAEClassifier).parameters)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (TrainingFlags(model={"widht": 24}), "did you mean 'width'"),
        (TrainingFlags(model={"decoder": {"hight": 2}}), "DecoderConfig has no setting 'hight'"),
        (TrainingFlags(training={"patince": 3}), "did you mean 'patience'"),
    ],
)
def test_unknown_settings_are_found_before_training(flags: TrainingFlags, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        flags.check()


def test_help_names_every_setting() -> None:
    text = str(TrainingFlags.__doc__)
    own = {field.name for field in fields(TrainingFlags)}
    set_by_data = {"n_values", "n_axes", "size", "decoder", "progress", "seed", "hiding", "augmentation"}
    for config in (RoMAEConfig, TrainingConfig, Augmentation):
        for name in {field.name for field in fields(config)} - own - set_by_data:
            assert name in text, f"{config.__name__}.{name} is not in the help of --model or --training"
