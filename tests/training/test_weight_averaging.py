"""Averaged weights: a plain mean at first, and separate from the weights that are updated."""

from typing import ClassVar

import pytest
import torch

import rotary_mae as rm
from rotary_mae.training.weight_averaging import WeightAverage
from tests.training.runs import LENGTHS, assert_same_weights, autoencoder, classifier, quiet, waves, weights_of


class Recorded(WeightAverage):
    """An average that records the weights it averages."""

    trail: ClassVar[list] = []

    def update(self, n_updates):
        super().update(n_updates)
        self.trail.append({name: p.detach().clone() for name, p in self.parameters.items()})


@pytest.fixture
def trail(monkeypatch):
    monkeypatch.setattr("rotary_mae.training.trainer.WeightAverage", Recorded)
    monkeypatch.setattr(Recorded, "trail", [])
    return Recorded.trail


def test_the_average_over_the_whole_run_is_the_plain_mean(trail):
    model = autoencoder()
    result = rm.train(model, waves(), quiet(average=1.0))
    assert len(trail) == result.steps == 20
    for name, weight in weights_of(model).items():
        mean = torch.stack([weights[name] for weights in trail]).mean(0)
        torch.testing.assert_close(weight, mean, atol=1e-6, rtol=1e-5)


def test_a_short_average_is_the_exponential_one(trail):
    model = autoencoder()
    result = rm.train(model, waves(), quiet(average=0.2, epochs=10))
    horizon = 0.2 * result.steps
    for name, weight in weights_of(model).items():
        expected = torch.zeros_like(weight)
        for step, weights in enumerate(trail, start=1):
            expected = torch.lerp(expected, weights[name], 1.0 / min(step, horizon))
        torch.testing.assert_close(weight, expected, atol=1e-6, rtol=1e-5)


def test_the_updates_do_not_depend_on_the_average(trail):
    plain = autoencoder()
    rm.train(plain, waves(), quiet(evaluate_every=1))
    rm.train(autoencoder(), waves(), quiet(evaluate_every=1, average=0.5), validation=waves(LENGTHS[:6], seed=1))
    for name, weight in weights_of(plain).items():
        assert torch.equal(weight, trail[-1][name])


def test_the_averaged_weights_are_evaluated_and_saved(tmp_path):
    model, held = classifier(), waves(LENGTHS[:6], seed=1)
    config = quiet(average=0.5, evaluate_every=1)
    result = rm.train(model, waves(), config, validation=held, out=tmp_path / "run")
    again = rm.train(model, held, quiet(epochs=1, learning_rate=0.0, weight_decay=0.0), validation=held)
    assert again.best == pytest.approx(result.best, rel=1e-5)
    assert_same_weights(model, tmp_path / "run" / "best")


def test_without_validation_the_averaged_weights_are_the_result_and_saved(tmp_path):
    out, plain = tmp_path / "run", classifier()
    rm.train(plain, waves(), quiet())
    model = classifier()
    rm.train(model, waves(), quiet(average=0.5), out=out)
    assert any(not torch.equal(weight, weights_of(plain)[name]) for name, weight in weights_of(model).items())
    assert_same_weights(plain, out / "last")
    assert_same_weights(model, rm.RoMAEForPrediction.from_pretrained(out))
    resumed = classifier(seed=1)
    rm.train(resumed, waves(), quiet(average=0.5), out=out, resume=True)
    assert_same_weights(model, resumed)


def test_with_keep_last_validation_does_not_choose_the_weights(tmp_path):
    held, out = waves(LENGTHS[:6], seed=1), tmp_path / "run"
    last, plain = classifier(), classifier()
    rm.train(plain, waves(), quiet(average=0.5))
    result = rm.train(last, waves(), quiet(average=0.5, evaluate_every=1, keep="last"), validation=held, out=out)
    assert_same_weights(last, plain)
    assert_same_weights(last, rm.RoMAEForPrediction.from_pretrained(out))
    assert all("validation_loss" in line for line in result.history)
    resumed = classifier(seed=1)
    config = quiet(average=0.5, evaluate_every=1, keep="last")
    rm.train(resumed, waves(), config, validation=held, out=out, resume=True)
    assert_same_weights(last, resumed)
