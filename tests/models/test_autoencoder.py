"""The masked autoencoder: its loss, its output, and its initial weights and gradients."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import rotary_mae as rm
from rotary_mae.data.schema import Schema
from tests.builders import RAGGED, loud, small_config, some_measurements, some_tokens

CONFIGS = [
    small_config(cls=cls, queries=queries, context=context, distribution=distribution)
    for cls in (True, False)
    for queries in ("joint", "independent")
    for context, distribution in ((0, "point"), (2, "gaussian"))
]


def config_name(config):
    return f"cls{int(config.cls)}-{config.queries}-k{config.context}-{config.distribution}"


@pytest.mark.parametrize("config", CONFIGS, ids=config_name)
@pytest.mark.parametrize("lengths", [RAGGED, (1, 1, 1), (5,)])
def test_without_masked_tokens_the_loss_is_0_and_every_parameter_has_a_gradient(config, lengths):
    model = rm.RoMAEForPreTraining(config)
    batch = rm.TokenBatch.collate(some_tokens(lengths)).hide(0.0)
    out = model(batch)
    assert out.prediction.shape == (0, 2)
    assert out.loss.item() == out.loss_count.item() == 0
    out.loss.backward()
    assert all(p.grad is not None and not p.grad.any() for p in model.parameters())


@pytest.mark.parametrize("config", CONFIGS, ids=config_name)
def test_every_parameter_has_a_gradient_that_is_not_zero(config):
    model = loud(rm.RoMAEForPreTraining(config))
    model(rm.TokenBatch.collate(some_tokens([7, 1, 12, 3, 9, 1])).hide(0.75, seed=0)).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


def test_outputs_have_the_documented_shapes():
    config, batch = small_config(), rm.TokenBatch.collate(some_tokens()).hide(0.75, seed=0)
    out = rm.RoMAEForPreTraining(config)(batch)
    n_hidden = int(batch.is_hidden.sum())
    assert out.prediction.shape == (n_hidden, 2)
    assert out.encoded.shape == (34 - n_hidden, 24)
    assert out.cls.shape == (6, 24)
    assert out.std is None
    assert rm.RoMAEForPreTraining(replace(config, cls=False))(batch).cls is None


def test_the_loss_is_the_mean_over_masked_values_only():
    """In the official code padding counts in the mean."""
    model, batch = loud(rm.RoMAEForPreTraining(small_config())), rm.TokenBatch.collate(some_tokens()).hide(0.75, seed=0)
    out = model(batch)
    errors = (out.prediction - batch.values[batch.is_hidden]).square()
    assert torch.isclose(out.loss, errors.mean())
    assert torch.isclose(out.loss_sum, errors.sum())
    assert out.loss_count.item() == errors.numel()


@pytest.mark.parametrize("weight", [3.0, 1e-3])
def test_the_loss_depends_on_ratios_of_weights_only(weight):
    model, tokens = loud(rm.RoMAEForPreTraining(small_config())), some_tokens()
    plain = rm.TokenBatch.collate(tokens).hide(0.75, seed=0)
    weighted = replace(plain, weights=torch.full((6,), weight))
    assert torch.isclose(model(plain).loss, model(weighted).loss)
    one = replace(plain, weights=torch.tensor([0.0, 0.0, weight, 0.0, 0.0, 0.0]))
    alone = rm.TokenBatch.collate(tokens[2], keys=[2]).hide(0.75, seed=0)
    assert torch.isclose(model(one).loss, model(alone).loss, rtol=1e-4)


def test_values_that_were_not_observed_are_not_in_the_loss():
    rng = np.random.default_rng(0)
    flags = rng.integers(2, size=(34, 2)).astype(np.float32)
    schema = Schema(("time",), ("a", "b"), ("value", "value", "observed", "observed"))
    tokens = rm.TokenSet(np.hstack([rng.normal(size=(34, 2)) * flags, flags]), rng.random(34), RAGGED, schema=schema)
    model = loud(rm.RoMAEForPreTraining(small_config(n_values=4, n_predicted=2)))
    batch = rm.TokenBatch.collate(tokens).hide(0.75, seed=0)
    out, is_hidden = model(batch), batch.is_hidden.numpy()
    errors = (out.prediction - batch.values[batch.is_hidden, :2]).square()
    observed = torch.from_numpy(flags[is_hidden] > 0)
    assert torch.isclose(out.loss, errors[observed].mean())
    assert out.loss_count.item() == observed.sum()


def test_the_likelihood_of_a_gaussian_head_includes_the_errors_of_the_measurements():
    tokens = some_measurements(has_error=True)
    scaled = rm.Scaling.fit(tokens).apply(tokens)
    config = small_config(n_values=2, n_predicted=1, n_axes=2, distribution="gaussian")
    batch = rm.TokenBatch.collate(scaled).hide(0.75, seed=0)
    out = loud(rm.RoMAEForPreTraining(config))(batch)
    value, error = batch.values[batch.is_hidden].T
    std = (out.std[:, 0].square() + error.square()).sqrt()
    expected = -torch.distributions.Normal(out.prediction[:, 0], std).log_prob(value).mean()
    assert torch.isclose(out.loss + 0.5 * np.log(2 * np.pi), expected, rtol=1e-4)
    assert (out.std > 0).all()


def test_constant_patches_have_a_finite_normalised_loss():
    """In the official code normalised targets can be NaN."""
    model = rm.RoMAEForPreTraining(small_config(n_values=4, normalize_targets=True))
    tokens = rm.TokenSet(np.full((9, 4), 0.3), np.arange(9.0), [9])
    out = model(rm.TokenBatch.collate(tokens).hide(0.5, seed=0))
    out.loss.backward()
    assert torch.isfinite(out.loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def gradient_norms(config, values):
    torch.manual_seed(0)
    model = rm.RoMAEForPreTraining(config)
    tokens = rm.TokenSet(values, np.arange(40.0) + 1, [30, 10])
    model(rm.TokenBatch.collate(tokens).hide(0.75, seed=0)).loss.backward()
    return {name: float(p.grad.norm()) for name, p in model.named_parameters()}


@pytest.mark.parametrize("cls", [True, False])
@pytest.mark.parametrize("queries", ["joint", "independent"])
@pytest.mark.parametrize("size", ["tiny-shallow", "tiny"])
def test_the_first_gradient_is_moderate_and_not_of_one_parameter(size, queries, cls):
    """In the official code the mask token is 0 at first, and its gradient is larger than all others together."""
    config = rm.RoMAEConfig(n_values=1, n_axes=1, size=size, queries=queries, cls=cls)
    # zeros: a black patch, a constant series after centring, or a step without observed values
    for values in (np.random.default_rng(0).normal(size=(40, 1)), np.zeros((40, 1))):
        norms = gradient_norms(config, values)
        total = sum(norm**2 for norm in norms.values()) ** 0.5
        assert 1e-2 < total < 100
        assert max(norms.values()) < 0.8 * total
        assert norms.get("mask_token", 0.0) < 0.2 * total


@pytest.mark.parametrize("make", [rm.RoMAEForPreTraining, lambda config: rm.RoMAEForPrediction(config, outputs=3)])
def test_both_models_have_the_same_distribution_of_initial_weights(make):
    """The official code initialises only its classifier."""
    torch.manual_seed(0)
    model = make(rm.RoMAEConfig(n_values=4, n_axes=1, size="tiny-shallow", context=2))
    for name, parameter in model.named_parameters():
        if name.startswith("blend") and "norm" not in name:
            assert not parameter[..., 1:].any() or "bias" in name, name
        elif "norm" in name:
            assert (parameter == 1).all(), name
        elif name.endswith("bias") and name != "encoder.projection.bias":
            assert not parameter.any(), name
        else:
            is_token = name in ("mask_token", "encoder.cls", "encoder.projection.bias")
            std = 0.5 if is_token else 0.5 / parameter.shape[1] ** 0.5
            # five standard errors of the std of normal numbers
            tolerance = std * 5 / (2 * parameter.numel()) ** 0.5 + 0.02 * std
            assert abs(float(parameter.detach().std()) - std) < tolerance, name


def test_frequencies_are_buffers_and_not_saved():
    """In the official code they have gradients."""
    model = rm.RoMAEForPreTraining(small_config())
    buffers = dict(model.named_buffers())
    assert set(buffers) == {"encoder.frequencies", "decoder_frequencies"}
    assert not any(b.requires_grad for b in buffers.values())
    assert not set(buffers) & set(model.state_dict())


def test_predictions_depend_on_the_rope_base_and_on_timescales():
    """The official code has a fixed base."""
    batch = rm.TokenBatch.collate(some_tokens()).hide(0.75, seed=0)
    default, other_base, timescales = (
        loud(rm.RoMAEForPreTraining(small_config(**changes)))(batch).prediction
        for changes in ({}, {"rope_base": 100.0}, {"timescales": ((1.0, 10.0),)})
    )
    assert not torch.allclose(default, other_base, atol=1e-3)
    assert not torch.allclose(default, timescales, atol=1e-3)


def test_cls_is_at_position_0_before_all_tokens():
    """In the official code the first token has the position of CLS."""
    model = loud(rm.RoMAEForPreTraining(small_config()))
    encoded = model.encoder(rm.TokenBatch.collate(some_tokens([3])))
    assert not encoded.positions[0].any()
    assert (encoded.positions[1:] >= 1).all()


def test_absolute_positions_are_those_given_in_any_number():
    """The official code ignores the positions given, and fails with more than 1500 tokens."""
    model = loud(rm.RoMAEForPrediction(small_config(positions="absolute"), outputs=2))
    tokens = some_tokens([1600])
    moved = tokens.replace(positions=tokens.positions + 0.5)
    one, other = (model(rm.TokenBatch.collate(t)).logits for t in (tokens, moved))
    assert torch.isfinite(one).all()
    assert not torch.allclose(one, other, atol=1e-3)


def test_a_batch_with_other_values_and_axes_is_refused():
    with pytest.raises(ValueError, match=r"takes 2 values and 1 axes per token, the batch has 3 values and 2 axes"):
        rm.RoMAEForPreTraining(small_config())(rm.TokenBatch.collate(some_tokens(n_values=3, n_axes=2)).hide(0.5))


def test_errors_and_flags_are_not_targets_of_a_model_that_predicts_all_its_columns():
    tokens = some_measurements(has_error=True)
    assert tokens.schema.roles == ("value", "error")
    torch.manual_seed(0)
    model = rm.RoMAEForPreTraining(small_config(n_values=2, n_axes=2)).eval()
    batch = rm.TokenBatch.collate(tokens).hide(0.5, seed=0)
    out = model(batch)
    assert out.prediction.shape[1] == 2
    target = batch.values[batch.split.hidden_idx][:, :1]
    torch.testing.assert_close(out.loss, (out.prediction[:, :1] - target).square().mean())
    incomplete = np.where(np.arange(16).reshape(1, 2, 8) % 5 > 0, 1.0, np.nan) * np.ones((4, 1, 1))
    steps = rm.from_arrays(incomplete, layout="steps")
    assert steps.schema.roles == ("value", "value", "observed", "observed")
    model = rm.RoMAEForPreTraining(small_config(n_values=4, n_axes=1))
    assert torch.isfinite(model(rm.TokenBatch.collate(steps).hide(0.5, seed=0)).loss)
