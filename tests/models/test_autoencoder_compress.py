"""``compress``: computing with inverse hyperbolic sines, while inputs and predictions keep the unit of the values."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import rotary_mae as rm
from rotary_mae.models.heads import MAX_ARCSINH, undo_arcsinh
from tests.builders import loud, small_config, some_tokens


def pair(**changes):
    """A model with ``compress``, and one without it that has the same weights."""
    config = small_config(**changes)
    model = loud(rm.RoMAEForPreTraining(replace(config, compress=True)))
    plain = rm.RoMAEForPreTraining(config)
    plain.load_state_dict(model.state_dict())
    return model.eval(), plain.eval()


def mapped(tokens, function):
    return tokens.replace(values=function(tokens.values))


@pytest.mark.parametrize("context", [0, 2])
@pytest.mark.parametrize("queries", ["joint", "independent"])
def test_predictions_equal_those_of_a_plain_model_of_inverse_hyperbolic_sines(context, queries):
    model, plain = pair(context=context, queries=queries)
    tokens = mapped(some_tokens(), lambda x: 30.0 * x)
    batch = rm.TokenBatch.collate(tokens).hide(0.5, seed=0)
    inner = rm.TokenBatch.collate(mapped(tokens, np.arcsinh)).hide(0.5, seed=0)
    got, expected = model(batch), plain(inner)
    torch.testing.assert_close(got.prediction.asinh(), expected.prediction, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(got.loss, expected.loss, atol=1e-4, rtol=1e-4)


def test_the_gaussian_likelihood_is_in_the_unit_of_the_values():
    model, plain = pair(distribution="gaussian")
    tokens = some_tokens()
    batch = rm.TokenBatch.collate(tokens).hide(0.5, seed=0)
    got, inner = model(batch), plain(rm.TokenBatch.collate(mapped(tokens, np.arcsinh)).hide(0.5, seed=0))
    torch.testing.assert_close(got.prediction, inner.prediction.sinh(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(got.std, inner.std * inner.prediction.cosh(), atol=1e-4, rtol=1e-4)
    target = batch.values[batch.split.hidden_idx]
    expected = 0.5 * (2 * got.std.log() + ((got.prediction - target) / got.std).square())
    torch.testing.assert_close(got.loss, expected.mean())


def test_predictions_and_gradients_are_finite_for_any_output():
    mean = torch.tensor([0.0, 1.0, -3.0, 1e9, -1e9], requires_grad=True)
    prediction, std = undo_arcsinh(mean, torch.ones(5))
    torch.testing.assert_close(prediction[:3].asinh(), mean[:3])
    assert torch.isfinite(prediction).all()
    assert torch.isfinite(std).all()
    assert prediction.abs().max() <= np.sinh(MAX_ARCSINH) * 1.01
    (prediction.sum() + std.sum()).backward()
    assert torch.isfinite(mean.grad).all()


def test_gradients_of_values_over_many_orders_of_magnitude_are_finite():
    tokens = mapped(some_tokens(), lambda x: np.sign(x) * 10.0 ** (4 * np.abs(x)))
    for distribution in ("point", "gaussian"):
        model, _ = pair(distribution=distribution, context=2)
        loss = model(rm.TokenBatch.collate(tokens).hide(0.5, seed=0)).loss
        loss.backward()
        assert torch.isfinite(loss)
        assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_predictors_compute_with_inverse_hyperbolic_sines_too():
    config = small_config(context=2)
    model = loud(rm.RoMAEForPrediction(replace(config, compress=True), outputs=3)).eval()
    plain = rm.RoMAEForPrediction(config, outputs=3).eval()
    plain.load_state_dict(model.state_dict())
    tokens = mapped(some_tokens(), lambda x: 30.0 * x)
    got, expected = (m(rm.TokenBatch.collate(t)) for m, t in ((model, tokens), (plain, mapped(tokens, np.arcsinh))))
    torch.testing.assert_close(got.logits, expected.logits, atol=1e-4, rtol=1e-4)


def test_it_is_refused_for_patches_and_in_transfers_to_models_without_it():
    with pytest.raises(ValueError, match="compress is for series and cannot be combined"):
        small_config(compress=True, normalize_targets=True)
    model, plain = pair()
    with pytest.raises(ValueError, match="cannot transfer weights: compress is True in the source and False"):
        rm.transfer(model, plain)
