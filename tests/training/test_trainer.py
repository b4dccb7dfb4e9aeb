"""Best weights, patience and time limit of a training run."""

import itertools
import time

import numpy as np
import pytest
import torch

import rotary_mae as rm
from rotary_mae.training.trainer import TrainingResult
from tests.training.runs import LENGTHS, assert_same_weights, autoencoder, classifier, quiet, waves


def test_the_result_is_public():
    result = rm.train(classifier(), waves(), quiet(epochs=2), validation=waves(seed=1))
    assert rm.TrainingResult is TrainingResult
    assert isinstance(result, rm.TrainingResult)
    assert [line["epoch"] for line in result.history] == [1, 2]
    assert result.best == min(line["validation_loss"] for line in result.history)
    assert result.history[result.best_epoch - 1]["validation_loss"] == result.best


def test_patience_ends_the_run_with_the_best_weights(tmp_path):
    model = classifier()
    # the validation classes are swapped, so that what training learns makes the validation loss worse
    config = quiet(epochs=200, learning_rate=0.03, patience=3, evaluate_every=1, clip=0.0)
    validation = waves(LENGTHS[:8], seed=5).with_targets(1 - waves(LENGTHS[:8]).targets)
    result = rm.train(model, waves(), config, validation=validation, out=tmp_path / "run")
    losses = [line["validation_loss"] for line in result.history]
    assert len(losses) == result.best_epoch + 3 < 200
    assert result.best == min(losses) == losses[result.best_epoch - 1]
    assert_same_weights(model, tmp_path / "run" / "best")
    again = rm.train(
        rm.RoMAEForPrediction.from_pretrained(tmp_path / "run"),
        waves(),
        quiet(max_steps=1, learning_rate=1e-12, optimizer="sgd"),
        validation=validation,
    )
    assert again.best == pytest.approx(result.best, abs=1e-5)
    assert not model.training


def test_the_best_accuracy_is_the_highest():
    result = rm.train(classifier(), waves(), quiet(epochs=20, monitor="accuracy"), validation=waves(seed=1))
    assert result.best == max(line["validation_accuracy"] for line in result.history)


def test_an_unknown_monitor_is_an_error_that_lists_the_metrics():
    with pytest.raises(ValueError, match=r"monitor must be one of \['loss'\], got 'acuracy'"):
        rm.train(autoencoder(), waves(), quiet(monitor="acuracy"), validation=waves())


def test_a_metric_that_is_always_nan_chooses_nothing(tmp_path):
    tokens = waves().with_targets(np.linspace(0, 1, 21))
    torch.manual_seed(0)
    model = rm.RoMAEForPrediction(classifier().config, outputs=1)
    result = rm.train(model, tokens, quiet(monitor="r2"), validation=tokens[:1], out=tmp_path / "run")
    assert result.best is None
    assert "NaN" not in (tmp_path / "run" / "metrics.jsonl").read_text()


def test_a_time_limit_stops_after_the_update_in_which_it_is_reached(monkeypatch):
    # a clock that advances by a second at every reading
    seconds = itertools.count()
    monkeypatch.setattr("rotary_mae.training.trainer.time.perf_counter", lambda: float(next(seconds)))
    result = rm.train(autoencoder(), waves(), quiet(max_seconds=0.0))
    assert (result.steps, len(result.history)) == (1, 1)
    monkeypatch.setattr("rotary_mae.training.trainer.time.perf_counter", time.monotonic)
    assert rm.train(autoencoder(), waves(), quiet(max_seconds=1e9)).steps == 20


@pytest.mark.slow
def test_a_compiled_run_trains_as_an_eager_one():
    torch._dynamo.reset()
    models = [classifier(), classifier()]
    results = [rm.train(m, waves(), quiet(compile=c)) for m, c in zip(models, (False, True), strict=True)]
    losses = [[line["loss"] for line in result.history] for result in results]
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)
    torch._dynamo.reset()
