"""Averaged weights: the mean that is promised, kept apart from those that training goes on from."""

from typing import ClassVar

import pytest
import torch

import rotary_mae as rm
from rotary_mae.training.weight_averaging import WeightAverage
from tests.training.runs import LENGTHS, assert_same_weights, autoencoder, classifier, quiet, waves, weights_of


class Recorded(WeightAverage):
    """An average that writes down what it averages."""

    trail: ClassVar[list] = []

    def update(self, n_updates):
        super().update(n_updates)
        self.trail.append({name: p.detach().clone() for name, p in self.learned.items()})


@pytest.fixture
def trail(monkeypatch):
    monkeypatch.setattr("rotary_mae.training.trainer.WeightAverage", Recorded)
    monkeypatch.setattr(Recorded, "trail", [])
    return Recorded.trail


def test_over_the_whole_run_it_is_the_plain_mean(trail):
    model = autoencoder()
    result = rm.train(model, waves(), quiet(average=1.0))
    assert len(trail) == result.steps == 20
    for name, weight in weights_of(model).items():
        mean = torch.stack([weights[name] for weights in trail]).mean(0)
        torch.testing.assert_close(weight, mean, atol=1e-6, rtol=1e-5)


def test_a_short_one_is_near_the_last_weights_and_far_from_the_first(trail):
    model = autoencoder()
    rm.train(model, waves(), quiet(average=0.2, epochs=10))
    kept = weights_of(model)

    def distance(other):
        return sum((kept[name] - weight).square().sum() for name, weight in other.items()).sqrt()

    assert distance(trail[-1]) < 0.2 * distance(trail[0])


def test_training_goes_on_as_without_it(trail):
    plain = autoencoder()
    rm.train(plain, waves(), quiet(evaluate_every=1))
    rm.train(autoencoder(), waves(), quiet(evaluate_every=1, average=0.5), validation=waves(LENGTHS[:6], seed=1))
    for name, weight in weights_of(plain).items():
        assert torch.equal(weight, trail[-1][name])


def test_what_is_evaluated_is_what_is_kept(tmp_path):
    model, held = classifier(), waves(LENGTHS[:6], seed=1)
    config = quiet(average=0.5, evaluate_every=1)
    result = rm.train(model, waves(), config, validation=held, out=tmp_path / "run")
    again = rm.train(model, held, quiet(epochs=1, learning_rate=0.0, weight_decay=0.0), validation=held)
    assert again.best == pytest.approx(result.best, rel=1e-5)
    assert_same_weights(model, tmp_path / "run" / "best")


def test_without_validation_the_averaged_weights_are_the_result_and_on_disk(tmp_path):
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


def test_the_last_weights_are_kept_where_validation_shall_not_choose(tmp_path):
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
