"""Weight decay acts on matrices only."""

import torch

from rotary_mae.training.optimizer import make_optimizer
from tests.training.runs import autoencoder, quiet


def test_vectors_do_not_decay():
    model = autoencoder()
    decayed, undecayed = make_optimizer(model, quiet(weight_decay=0.1)).param_groups
    assert (decayed["weight_decay"], undecayed["weight_decay"]) == (0.1, 0.0)
    names = {p: name for name, p in model.named_parameters()}
    assert {names[p] for p in undecayed["params"]} == {n for n, p in model.named_parameters() if p.dim() < 2}
    assert {"mask_token", "encoder.cls", "encoder.projection.bias"} <= {names[p] for p in undecayed["params"]}
    assert any("norm" in names[p] for p in undecayed["params"])
    assert len(decayed["params"]) + len(undecayed["params"]) == len(names)


def test_frequencies_are_not_trained():
    assert not any("frequencies" in name for name, _ in autoencoder().named_parameters())


def test_without_a_gradient_only_matrices_change():
    # a step without any gradient shows the effect of decay alone
    model = autoencoder()
    optimizer = make_optimizer(model, quiet(weight_decay=0.5, learning_rate=0.1))
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) == (parameter.dim() < 2 or not before[name].any()), name


def test_frozen_parameters_are_left_out():
    model = autoencoder()
    model.encoder.projection.weight.requires_grad_(False)
    for name in ("adamw", "sgd"):
        optimized = [p for group in make_optimizer(model, quiet(optimizer=name)).param_groups for p in group["params"]]
        assert len(optimized) == len(list(model.parameters())) - 1
        assert all(p is not model.encoder.projection.weight for p in optimized)
