"""What a fit does when it is told nothing: enough updates on little, passes on much, and no more than time allows."""

import json
from dataclasses import replace

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.estimators._fit.defaults import CLASSIFY, REGRESS, mean_length, plan_training
from rotary_mae.training.config import TrainingConfig
from tests.estimators.small import MODEL, quick, series

SETS = [(20, 30), (40, 100), (137, 206), (500, 150), (100, 5000), (5000, 100), (50_000, 100), (1_000_000, 100)]


def planned(n, length, *, n_validation=0, width=180, is_tuning=False, is_fast=False, plan=CLASSIFY):
    return plan_training(plan, n, n_validation, length, width=width, is_tuning=is_tuning, is_fast=is_fast)


def n_updates(n, length):
    settings = planned(n, length)
    return settings["epochs"] * -(-n // settings["batch_size"])


@pytest.mark.parametrize(("n", "length"), SETS)
def test_plans_are_settings_of_training_with_updates_enough(n, length):
    config = TrainingConfig.from_dict(planned(n, length))
    assert config.augmentation
    assert 4 <= config.batch_size <= 64
    assert n_updates(n, length) >= 150


def test_more_data_means_more_work_but_fewer_passes():
    work = [planned(n, 100)["epochs"] * n for n in (100, 500, 5000, 50_000)]
    passes = [planned(n, 100)["epochs"] for n in (100, 500, 5000, 50_000)]
    assert work == sorted(work)
    assert passes == sorted(passes, reverse=True)
    assert work[-1] < 50 * work[1]


@pytest.mark.parametrize(("n", "length"), [(30, 150), (90, 200), (130, 430)])
def test_few_samples_are_seen_ten_thousand_times_unless_they_are_long_or_the_model_was_trained(n, length):
    once = replace(CLASSIFY, least_seen=0)
    before = planned(n, length, plan=once)
    assert before["epochs"] * n < 6000
    assert planned(n, length) == {**before, "epochs": round(10_000 / n)}
    assert planned(n, length, is_tuning=True) == planned(n, length, is_tuning=True, plan=once)
    assert planned(n, 100 * length) == planned(n, 100 * length, plan=once)
    assert planned(10 * n, length) == planned(10 * n, length, plan=once)


def test_long_samples_are_read_less_often_in_smaller_batches():
    short, long = planned(200, 50), planned(200, 2000)
    assert long["epochs"] < short["epochs"] / 4
    assert long["batch_size"] <= short["batch_size"]


def test_batches_of_long_samples_fit_into_memory():
    for length in (100, 2000, 20_000, 200_000):
        assert planned(20_000, length)["batch_size"] * length <= max(33_000, length)


def test_few_validation_samples_choose_nothing():
    few, many = planned(300, 50, n_validation=30), planned(3000, 50, n_validation=300)
    assert (few["keep"], few["patience"]) == ("last", 0)
    assert many["keep"] == "best"
    assert many["patience"] > 0


def test_wide_models_and_trained_ones_take_smaller_steps():
    rate = planned(500, 100)["learning_rate"]
    assert planned(500, 100, width=720)["learning_rate"] == pytest.approx(rate / 4)
    assert planned(500, 100, width=32)["learning_rate"] == rate
    assert planned(500, 100, is_tuning=True)["learning_rate"] < rate


def test_a_number_is_not_learned_from_samples_of_another_strength_or_duration():
    augmentation = planned(500, 100, plan=REGRESS)["augmentation"]
    assert set(augmentation) == {"thinning"}


def test_the_length_of_samples_that_a_source_does_not_tell():
    X, _ = series(12, times=9)
    tokens = rm.from_arrays(X)

    class Untold:
        schema = tokens.schema

        def __len__(self):
            return len(tokens)

        def __getitem__(self, index):
            return tokens[index]

    assert mean_length(Untold()) == mean_length(tokens) == np.mean(tokens.lengths)


def test_what_a_user_says_is_done(tmp_path):
    X, y = series(24)
    out = tmp_path / "run"
    given = {"epochs": 2, "batch_size": 5, "learning_rate": 3e-3, "training": {"average": 0.0, "augmentation": {}}}
    fitted = rm.RoMAEClassifier(model={**MODEL, "pooling": "cls"}, device="cpu", out=out, **given).fit(X, y)
    settings = json.loads((out / "run.json").read_text())["training"]
    assert (settings["epochs"], settings["batch_size"], settings["learning_rate"]) == (2, 5, 3e-3)
    assert settings["average"] == 0.0
    assert not any(settings["augmentation"].values())
    assert fitted.model_.config.pooling == "cls"


def test_samples_are_pooled_by_their_mean_and_images_are_not_varied_as_series(tmp_path):
    X, y = series(24)
    kept = {"model": MODEL, "epochs": 1, "device": "cpu"}
    fitted = rm.RoMAEClassifier(**kept).fit(X, y)
    assert fitted.model_.config.pooling == "mean"
    images = rm.from_images(np.random.default_rng(0).random((24, 8, 8, 1)), patch=(4, 4), targets=y)
    out = tmp_path / "run"
    fitted = rm.RoMAEClassifier(**kept, out=out).fit(images)
    assert fitted.model_.config.pooling == "mean"
    assert fitted.model_.config.context == 0
    settings = json.loads((out / "run.json").read_text())["training"]
    assert not any(settings["augmentation"].values())


@pytest.mark.parametrize(("length", "channels", "context"), [(40, 1, 4), (130, 1, 8), (130, 2, 4)])
def test_long_lines_are_looked_at_from_farther(length: int, channels: int, context: int) -> None:
    rng = np.random.default_rng(0)
    channel = rng.integers(0, channels, 4 * length)
    positions = np.column_stack([np.tile(np.arange(float(length)), 4), channel])
    tokens = rm.TokenSet(
        rng.normal(size=4 * length), positions, [length] * 4, axes=("time", "channel"), channels="gr"[:channels]
    )
    fitted = rm.RoMAEEmbedder(**quick(epochs=1)).fit(tokens)
    assert fitted.model_.config.context == context
    assert rm.RoMAEClassifier(init=fitted, **quick(epochs=1)).fit(tokens, [0, 1, 0, 1]).model_.config.context == context
