"""Default settings of training: enough updates on small sets, enough epochs on large ones, in limited time."""

import json
from dataclasses import replace

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.data.sources import adapt_source
from rotary_mae.estimators._fit.defaults import (
    CLASSIFY,
    REGRESS,
    TrainingConditions,
    default_training,
    mean_length,
    model_config,
)
from rotary_mae.training.config import TrainingConfig
from tests.builders import small_config
from tests.estimators.small import MODEL, quick, series

SETS = [(20, 30), (40, 100), (137, 206), (500, 150), (100, 5000), (5000, 100), (50_000, 100), (1_000_000, 100)]


def settings_for(n, length, *, n_validation=0, defaults=CLASSIFY, **conditions):
    return default_training(defaults, TrainingConditions(n, n_validation, length, **conditions))


def n_updates(n, length):
    settings = settings_for(n, length)
    return settings["epochs"] * -(-n // settings["batch_size"])


@pytest.mark.parametrize(("n", "length"), SETS)
def test_defaults_are_training_settings_with_enough_updates(n, length):
    config = TrainingConfig.from_dict(settings_for(n, length))
    assert config.augmentation
    assert 4 <= config.batch_size <= 64
    assert n_updates(n, length) >= 150


def test_more_samples_mean_more_work_but_fewer_epochs():
    work = [settings_for(n, 100)["epochs"] * n for n in (100, 500, 5000, 50_000)]
    epochs = [settings_for(n, 100)["epochs"] for n in (100, 500, 5000, 50_000)]
    assert work == sorted(work)
    assert epochs == sorted(epochs, reverse=True)
    assert work[-1] < 50 * work[1]


@pytest.mark.parametrize(("n", "length"), [(30, 150), (90, 200), (130, 430)])
def test_small_sets_have_ten_thousand_samples_in_all_epochs(n, length):
    once = replace(CLASSIFY, min_samples_seen=0)
    before = settings_for(n, length, defaults=once)
    assert before["epochs"] * n < 6000
    assert settings_for(n, length) == {**before, "epochs": round(10_000 / n)}
    assert settings_for(n, length, is_pretrained=True) == settings_for(n, length, is_pretrained=True, defaults=once)
    assert settings_for(n, 100 * length) == settings_for(n, 100 * length, defaults=once)
    assert settings_for(10 * n, length) == settings_for(10 * n, length, defaults=once)


def test_long_samples_have_fewer_epochs_and_smaller_batches():
    short, long = settings_for(200, 50), settings_for(200, 2000)
    assert long["epochs"] < short["epochs"] / 4
    assert long["batch_size"] <= short["batch_size"]


def test_batches_of_long_samples_fit_into_memory():
    for length in (100, 2000, 20_000, 200_000):
        assert settings_for(20_000, length)["batch_size"] * length <= max(33_000, length)


def test_few_validation_samples_select_no_epoch():
    few, many = settings_for(300, 50, n_validation=30), settings_for(3000, 50, n_validation=300)
    assert (few["keep"], few["patience"]) == ("last", 0)
    assert many["keep"] == "best"
    assert many["patience"] > 0


def test_wide_and_pretrained_models_have_smaller_learning_rates():
    rate = settings_for(500, 100)["learning_rate"]
    assert settings_for(500, 100, width=720)["learning_rate"] == pytest.approx(rate / 4)
    assert settings_for(500, 100, width=32)["learning_rate"] == rate
    assert settings_for(500, 100, is_pretrained=True)["learning_rate"] < rate


def test_regressors_do_not_augment_amplitude_or_duration():
    augmentation = settings_for(500, 100, defaults=REGRESS)["augmentation"]
    assert set(augmentation) == {"thinning"}


def test_the_mean_length_of_a_source_without_lengths_is_read():
    X, _ = series(12, times=9)
    tokens = rm.from_arrays(X)

    class Unmeasured:
        def __len__(self):
            return len(tokens)

        def __getitem__(self, index):
            return tokens[index]

    source = adapt_source(Unmeasured())
    assert source.lengths is None
    assert mean_length(source) == mean_length(tokens) == np.mean(tokens.lengths)


def test_given_settings_replace_the_defaults(tmp_path):
    X, y = series(24)
    out = tmp_path / "run"
    given = {"epochs": 2, "batch_size": 5, "learning_rate": 3e-3, "training": {"average": 0.0, "augmentation": {}}}
    fitted = rm.RoMAEClassifier(model={**MODEL, "pooling": "cls"}, device="cpu", out=out, **given).fit(X, y)
    settings = json.loads((out / "run.json").read_text())["training"]
    assert (settings["epochs"], settings["batch_size"], settings["learning_rate"]) == (2, 5, 3e-3)
    assert settings["average"] == 0.0
    assert not any(settings["augmentation"].values())
    assert fitted.model_.config.pooling == "cls"


def test_tokens_are_pooled_by_their_mean_and_images_are_not_augmented(tmp_path):
    X, y = series(24)
    given = {"model": MODEL, "epochs": 1, "device": "cpu"}
    fitted = rm.RoMAEClassifier(**given).fit(X, y)
    assert fitted.model_.config.pooling == "mean"
    images = rm.from_images(np.random.default_rng(0).random((24, 8, 8, 1)), patch=(4, 4), targets=y)
    out = tmp_path / "run"
    fitted = rm.RoMAEClassifier(**given, out=out).fit(images)
    assert fitted.model_.config.pooling == "mean"
    assert fitted.model_.config.context == 0
    settings = json.loads((out / "run.json").read_text())["training"]
    assert not any(settings["augmentation"].values())


@pytest.mark.parametrize(("length", "channels", "context"), [(40, 1, 4), (130, 1, 8), (130, 2, 4)])
def test_long_channel_series_have_a_wider_context(length: int, channels: int, context: int) -> None:
    rng = np.random.default_rng(0)
    channel = rng.integers(0, channels, 4 * length)
    positions = np.column_stack([np.tile(np.arange(float(length)), 4), channel])
    tokens = rm.TokenSet(
        rng.normal(size=4 * length), positions, [length] * 4, axes=("time", "channel"), channels="gr"[:channels]
    )
    fitted = rm.RoMAEEmbedder(**quick(epochs=1)).fit(tokens)
    assert fitted.model_.config.context == context
    assert rm.RoMAEClassifier(init=fitted, **quick(epochs=1)).fit(tokens, [0, 1, 0, 1]).model_.config.context == context


def config_for(span: float, **given: object) -> rm.RoMAEConfig:
    """The configuration of a new model for regular samples that end ``span`` after their start."""
    times = np.r_[np.arange(6.0), span]
    tokens = rm.TokenSet(np.zeros(7), times, [7])
    return model_config(rm.Scaling.fit(tokens), None, size="tiny-shallow", is_gpu=False, given=given)


def test_the_slowest_rotation_makes_half_a_turn_over_a_long_sample():
    for span in (3e3, 1e5, 1e8):
        (timescales,) = config_for(span).timescales
        assert timescales[0] == 1.0
        assert timescales[-1] == pytest.approx(span / np.pi)
        ratios = np.divide(timescales[1:], timescales[:-1])
        assert ratios == pytest.approx([ratios[0]] * len(ratios))
        model = rm.RoMAEForPreTraining(config_for(span))
        # as many pairs rotate as without timescales
        usual = rm.RoMAEForPreTraining(config_for(10.0))
        assert (model.encoder.frequencies > 0).sum() == (usual.encoder.frequencies > 0).sum()


def test_samples_that_the_usual_rotations_reach_keep_them():
    for span in (10.0, 500.0, 1900.0):
        assert config_for(span).timescales is None
    images = rm.from_images(np.zeros((3, 8, 8, 1), np.uint8), patch=(4, 4))
    assert model_config(rm.Scaling.fit(images), None, size=None, is_gpu=False, given={}).timescales is None


def test_index_axes_keep_their_rotations_beside_timescales_of_time():
    positions = np.column_stack([np.r_[np.arange(6.0), 1e5], np.arange(7) % 2])
    tokens = rm.TokenSet(np.zeros(7), positions, [7], axes=("time", "channel"), channels=("g", "r"))
    config = model_config(rm.Scaling.fit(tokens), None, size="tiny-shallow", is_gpu=False, given={})
    time, channel = config.timescales
    assert time[-1] == pytest.approx(1e5 / 2.0 / np.pi)  # the unit is 2
    usual = rm.RoMAEForPreTraining(replace(config, timescales=None)).encoder.frequencies[1]
    assert rm.RoMAEForPreTraining(config).encoder.frequencies[1].tolist() == pytest.approx(usual.tolist())
    assert len(channel) == len(time)


def test_the_fastest_rotation_resolves_the_gaps_between_channels():
    times = np.repeat(np.arange(20) * 8.0, 2) + np.tile([0.0, 4.0], 20)
    positions = np.column_stack([times, np.tile([0, 1], 20)])
    tokens = rm.TokenSet(np.zeros(40), positions, [40], axes=("time", "channel"), channels=("g", "r"))
    config = model_config(rm.Scaling.fit(tokens), None, size="tiny-shallow", is_gpu=False, given={})
    time, channel = config.timescales
    assert time[0] == pytest.approx(0.5)
    assert time[-1] == pytest.approx(channel[-1])
    assert channel[0] == 1.0
    # channels that are measured together need no faster rotation than one channel
    together = tokens.replace(positions=np.column_stack([np.repeat(np.arange(20) * 8.0, 2), np.tile([0, 1], 20)]))
    assert model_config(rm.Scaling.fit(together), None, size=None, is_gpu=False, given={}).timescales is None


def test_rotations_that_the_user_sets_or_init_has_stay():
    assert config_for(1e6, rope_base=500.0).timescales is None
    assert config_for(1e6, timescales=((1.0, 7.0),)).timescales == ((1.0, 7.0),)
    assert config_for(1e6, positions="absolute").timescales is None
    tokens = rm.TokenSet(np.zeros(14), np.r_[np.arange(6.0), 1e6, np.arange(6.0), 1e6], [7, 7])
    for timescales in (None, ((1.0, 3.0),)):
        initial = rm.RoMAEForPreTraining(small_config(n_values=1, timescales=timescales))
        config = model_config(rm.Scaling.fit(tokens), initial, size=None, is_gpu=False, given={})
        assert config.timescales == timescales
