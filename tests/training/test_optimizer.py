"""The learning-rate schedule, and which weights decay."""

import itertools
import math

import pytest
import torch

import rotary_mae as rm
from rotary_mae.training.lr_schedule import learning_rate_factor, warmup_steps
from rotary_mae.training.optimizer import make_optimizer
from tests.training.runs import autoencoder, quiet, waves


def factors(n_warmup, n_steps):
    return [learning_rate_factor(step, n_warmup, n_steps) for step in range(n_steps)]


@pytest.mark.parametrize("n_steps", [1, 2, 3, 10, 1000])
@pytest.mark.parametrize("n_warmup", [0, 1, 2])
def test_rises_over_the_warmup_to_exactly_1_and_falls_from_there(n_warmup, n_steps):
    n_warmup = min(n_warmup, n_steps)
    got = factors(n_warmup, n_steps)
    assert got[:n_warmup] == [(i + 1) / n_warmup for i in range(n_warmup)]
    assert max(got) == 1.0
    fall = got[max(n_warmup - 1, 0) :]
    assert all(a >= b for a, b in itertools.pairwise(fall))
    assert all(f > 0 for f in got)


def test_falls_along_half_a_cosine():
    got = factors(2, 102)
    assert got[2] == 1.0
    assert got[52] == pytest.approx(0.5)
    assert got[101] == pytest.approx(0.5 * (1 + math.cos(math.pi * 99 / 100)))


@pytest.mark.parametrize("n_steps", [1, 2, 5, 40])
@pytest.mark.parametrize("given", [0, 1, 2, 100, None])
def test_warmup_fits_any_length(n_steps, given):
    assert 0 <= warmup_steps(quiet(warmup_steps=given), n_steps) <= n_steps


def test_training_uses_the_schedule_at_every_update():
    config = quiet(epochs=6, batch_size=100, warmup_steps=2, learning_rate=1e-3)
    result = rm.train(autoencoder(), waves(), config)
    got = [line["learning_rate"] for line in result.history]
    assert got == pytest.approx([1e-3 * f for f in factors(2, 6)], abs=0)


@pytest.mark.parametrize("n_samples", [1, 2])
def test_one_update_is_enough_to_train(n_samples):
    result = rm.train(autoencoder(), waves((4,) * n_samples), quiet(epochs=1))
    assert result.steps == 1


def test_decay_acts_on_matrices_only():
    model = autoencoder()
    decayed, kept = make_optimizer(model, quiet(weight_decay=0.1)).param_groups
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.1, 0.0)
    names = {p: name for name, p in model.named_parameters()}
    assert {names[p] for p in kept["params"]} == {n for n, p in model.named_parameters() if p.dim() < 2}
    assert {"mask_token", "encoder.cls", "encoder.projection.bias"} <= {names[p] for p in kept["params"]}
    assert any("norm" in names[p] for p in kept["params"])
    assert len(decayed["params"]) + len(kept["params"]) == len(names)


def test_frequencies_are_not_learned():
    assert not any("frequencies" in name for name, _ in autoencoder().named_parameters())


def test_an_unused_gradient_moves_no_vector():
    # a step without any gradient shows what decay alone does
    model = autoencoder()
    optimizer = make_optimizer(model, quiet(weight_decay=0.5, learning_rate=0.1))
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) == (parameter.dim() < 2 or not before[name].any()), name
