"""Pre-training: its loss, what it gives when nothing is hidden, and how it starts."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import rotary_mae as rm
from rotary_mae.data.schema import Schema
from tests.builders import RAGGED, loud, small_config, some_measurements, some_tokens

EVERY = [
    small_config(cls=cls, queries=queries, context=context, distribution=distribution)
    for cls in (True, False)
    for queries in ("joint", "independent")
    for context, distribution in ((0, "point"), (2, "gaussian"))
]


def names(config):
    return f"cls{int(config.cls)}-{config.queries}-k{config.context}-{config.distribution}"


@pytest.mark.parametrize("config", EVERY, ids=names)
@pytest.mark.parametrize("lengths", [RAGGED, (1, 1, 1), (5,)])
def test_nothing_hidden_has_loss_0_and_touches_every_parameter(config, lengths):
    model = rm.RoMAEForPreTraining(config)
    batch = rm.TokenBatch.collate(some_tokens(lengths)).hide(0.0)
    out = model(batch)
    assert out.prediction.shape == (0, 2)
    assert out.loss.item() == out.loss_count.item() == 0
    out.loss.backward()
    assert all(p.grad is not None and not p.grad.any() for p in model.parameters())


@pytest.mark.parametrize("config", EVERY, ids=names)
def test_something_hidden_reaches_every_parameter(config):
    model = loud(rm.RoMAEForPreTraining(config))
    model(rm.TokenBatch.collate(some_tokens([7, 1, 12, 3, 9, 1])).hide(0.75, seed=0)).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


def test_the_output_is_in_token_order_and_has_the_shapes_said():
    config, batch = small_config(), rm.TokenBatch.collate(some_tokens()).hide(0.75, seed=0)
    out = rm.RoMAEForPreTraining(config)(batch)
    n_hidden = int(batch.is_hidden.sum())
    assert out.prediction.shape == (n_hidden, 2)
    assert out.encoded.shape == (34 - n_hidden, 24)
    assert out.cls.shape == (6, 24)
    assert out.std is None
    assert rm.RoMAEForPreTraining(replace(config, cls=False))(batch).cls is None


def test_defect_4_the_loss_is_the_mean_over_hidden_values_and_nothing_else():
    model, batch = loud(rm.RoMAEForPreTraining(small_config())), rm.TokenBatch.collate(some_tokens()).hide(0.75, seed=0)
    out = model(batch)
    errors = (out.prediction - batch.values[batch.is_hidden]).square()
    assert torch.isclose(out.loss, errors.mean())
    assert torch.isclose(out.loss_sum, errors.sum())
    assert out.loss_count.item() == errors.numel()


@pytest.mark.parametrize("weight", [3.0, 1e-3])
def test_samples_weigh_in_the_loss_by_their_weights_whatever_their_size(weight):
    model, tokens = loud(rm.RoMAEForPreTraining(small_config())), some_tokens()
    plain = rm.TokenBatch.collate(tokens).hide(0.75, seed=0)
    weighted = replace(plain, weights=torch.full((6,), weight))
    assert torch.isclose(model(plain).loss, model(weighted).loss)
    one = replace(plain, weights=torch.tensor([0.0, 0.0, weight, 0.0, 0.0, 0.0]))
    alone = rm.TokenBatch.collate(tokens[2], keys=[2]).hide(0.75, seed=0)
    assert torch.isclose(model(one).loss, model(alone).loss, rtol=1e-4)


def test_what_was_not_observed_is_not_in_the_loss():
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


def test_a_gaussian_head_has_the_likelihood_with_the_errors_of_the_measurements():
    tokens = some_measurements(has_error=True)
    scaled = rm.Scaling.fit(tokens).apply(tokens)
    config = small_config(n_values=2, n_predicted=1, n_axes=2, distribution="gaussian")
    batch = rm.TokenBatch.collate(scaled).hide(0.75, seed=0)
    out = loud(rm.RoMAEForPreTraining(config))(batch)
    value, error = batch.values[batch.is_hidden].T
    spread = (out.std[:, 0].square() + error.square()).sqrt()
    expected = -torch.distributions.Normal(out.prediction[:, 0], spread).log_prob(value).mean()
    assert torch.isclose(out.loss + 0.5 * np.log(2 * np.pi), expected, rtol=1e-4)
    assert (out.std > 0).all()


def test_defect_6_constant_patches_have_a_finite_normalised_loss():
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
def test_defect_2_the_first_gradient_is_sane_and_spread_over_the_parameters(size, queries, cls):
    config = rm.RoMAEConfig(n_values=1, n_axes=1, size=size, queries=queries, cls=cls)
    # zeros: a black patch, a constant series after centring, a step of which nothing was observed
    for values in (np.random.default_rng(0).normal(size=(40, 1)), np.zeros((40, 1))):
        norms = gradient_norms(config, values)
        total = sum(norm**2 for norm in norms.values()) ** 0.5
        assert 1e-2 < total < 100
        assert max(norms.values()) < 0.8 * total
        assert norms.get("mask_token", 0.0) < 0.2 * total


@pytest.mark.parametrize("make", [rm.RoMAEForPreTraining, lambda config: rm.RoMAEForPrediction(config, outputs=3)])
def test_defect_7_both_models_start_from_the_same_distribution(make):
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
            assert 0.8 * std < float(parameter.detach().std()) < 1.2 * std, name


def test_defect_9_what_is_computed_is_no_parameter():
    model = rm.RoMAEForPreTraining(small_config())
    buffers = dict(model.named_buffers())
    assert set(buffers) == {"encoder.frequencies", "decoder_frequencies"}
    assert not any(b.requires_grad for b in buffers.values())
    assert not set(buffers) & set(model.state_dict())


def test_defect_11_the_base_and_timescales_of_a_model_can_be_set():
    batch = rm.TokenBatch.collate(some_tokens()).hide(0.75, seed=0)
    answers = [
        loud(rm.RoMAEForPreTraining(small_config(**how)))(batch).prediction
        for how in ({}, {"rope_base": 100.0}, {"timescales": ((1.0, 10.0),)})
    ]
    assert not torch.allclose(answers[0], answers[1], atol=1e-3)
    assert not torch.allclose(answers[0], answers[2], atol=1e-3)


def test_defect_12_a_token_at_1_is_not_where_cls_is():
    model = loud(rm.RoMAEForPreTraining(small_config()))
    encoded = model.encoder(rm.TokenBatch.collate(some_tokens([3])))
    assert not encoded.positions[0].any()
    assert (encoded.positions[1:] >= 1).all()


def test_defect_13_absolute_positions_are_those_given_and_may_be_many():
    model = loud(rm.RoMAEForPrediction(small_config(positions="absolute"), outputs=2))
    tokens = some_tokens([1600])
    moved = tokens.replace(positions=tokens.positions + 0.5)
    one, other = (model(rm.TokenBatch.collate(t)).logits for t in (tokens, moved))
    assert torch.isfinite(one).all()
    assert not torch.allclose(one, other, atol=1e-3)


def test_the_batch_must_have_the_models_values_and_axes():
    with pytest.raises(ValueError, match=r"takes 2 values and 1 axes a token, the batch has 3 values and 2 axes"):
        rm.RoMAEForPreTraining(small_config())(rm.TokenBatch.collate(some_tokens(n_values=3, n_axes=2)).hide(0.5))


def test_measurement_errors_and_flags_are_no_targets_of_a_model_that_answers_with_all_its_columns():
    tokens = some_measurements(has_error=True)
    assert tokens.schema.roles == ("value", "error")
    torch.manual_seed(0)
    model = rm.RoMAEForPreTraining(small_config(n_values=2, n_axes=2)).eval()
    batch = rm.TokenBatch.collate(tokens).hide(0.5, seed=0)
    out = model(batch)
    assert out.prediction.shape[1] == 2
    wanted = batch.values[batch.split.hidden_idx][:, :1]
    torch.testing.assert_close(out.loss, (out.prediction[:, :1] - wanted).square().mean())
    gappy = np.where(np.arange(16).reshape(1, 2, 8) % 5 > 0, 1.0, np.nan) * np.ones((4, 1, 1))
    steps = rm.from_arrays(gappy, layout="steps")
    assert steps.schema.roles == ("value", "value", "observed", "observed")
    model = rm.RoMAEForPreTraining(small_config(n_values=4, n_axes=1))
    assert torch.isfinite(model(rm.TokenBatch.collate(steps).hide(0.5, seed=0)).loss)
