"""Prediction for samples and for tokens."""

import pytest
import torch

import rotary_mae as rm
from tests.builders import loud, small_config, some_tokens


@pytest.mark.parametrize(("per", "n"), [("sample", 6), ("token", 34)])
@pytest.mark.parametrize("cls", [True, False])
@pytest.mark.parametrize("distribution", ["point", "gaussian"])
def test_outputs_have_the_documented_shapes_and_every_parameter_a_gradient(per, n, cls, distribution):
    model = loud(rm.RoMAEForPrediction(small_config(cls=cls, distribution=distribution), outputs=3, per=per))
    out = model(rm.TokenBatch.collate(some_tokens()))
    assert out.logits.shape == (n, 3)
    assert out.pooled.shape == (n, 24)
    if distribution == "gaussian":
        assert out.std.shape == (n, 3)
        assert (out.std > 0).all()
    else:
        assert out.std is None
    (out.logits.square().sum() + (0 if out.std is None else out.std.sum())).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() and p.grad.any() for p in model.parameters())


def test_a_last_layer_for_cls_only_gives_the_cls_of_the_whole_layer():
    model = loud(rm.RoMAEForPrediction(small_config(), outputs=3))
    batch = rm.TokenBatch.collate(some_tokens())
    assert torch.allclose(model(batch).pooled, model.encoder(batch).cls, atol=1e-4)


@pytest.mark.parametrize("cls", [True, False])
def test_pooling_by_the_mean_uses_the_visible_tokens_of_each_sample_only(cls):
    model, tokens = loud(rm.RoMAEForPrediction(small_config(cls=cls, pooling="mean"), outputs=3)), some_tokens()
    batch = rm.TokenBatch.collate(tokens).hide(0.5, seed=0)
    states, lengths = model.encoder(batch).tokens, batch.split.visible_lengths.tolist()
    means = torch.stack([of_sample.mean(0) for of_sample in states.split(lengths)])
    assert torch.allclose(model(batch).pooled, means, atol=1e-5)


def test_an_unknown_pooling_is_refused():
    with pytest.raises(ValueError, match=r"pooling must be one of \('cls', 'mean'\), got 'max'"):
        small_config(pooling="max")


def test_masked_tokens_are_ignored():
    model, tokens = loud(rm.RoMAEForPrediction(small_config(), outputs=3)), some_tokens()
    batch = rm.TokenBatch.collate(tokens).hide(0.5, seed=0)
    fewer = tokens.select_tokens(~batch.is_hidden.numpy())
    assert torch.allclose(model(batch).logits, model(rm.TokenBatch.collate(fewer)).logits, atol=1e-4)


def test_invalid_arguments_and_batches_are_refused():
    config = small_config()
    with pytest.raises(ValueError, match="per must be 'sample' or 'token', got 'step'"):
        rm.RoMAEForPrediction(config, outputs=2, per="step")
    with pytest.raises(ValueError, match="outputs must be at least 1, got 0"):
        rm.RoMAEForPrediction(config, outputs=0)
    with pytest.raises(TypeError, match="must be a RoMAEConfig, got dict"):
        rm.RoMAEForPrediction({}, outputs=2)
    with pytest.raises(ValueError, match="give a batch in which nothing is hidden"):
        rm.RoMAEForPrediction(config, outputs=2, per="token")(rm.TokenBatch.collate(some_tokens()).hide(0.5))
