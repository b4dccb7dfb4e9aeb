"""The packed model equals the padded reference in outputs, loss, and gradients of inputs and parameters."""

import numpy as np
import pytest
import torch

import rotary_mae as rm
from benchmarks.padded_reference import PaddedBatch, PaddedReference

LENGTHS = {"ragged": [9, 1, 30, 2, 17, 17, 5], "equal": [11, 11, 11]}


def a_config(n_axes: int, has_cls: bool) -> rm.RoMAEConfig:
    decoder = {"width": 24, "heads": 2, "depth": 2}
    return rm.RoMAEConfig(n_values=2, n_axes=n_axes, width=36, heads=3, depth=3, cls=has_cls, decoder=decoder)


def a_batch(n_axes: int, lengths: list[int]) -> rm.TokenBatch:
    rng = np.random.default_rng(len(lengths))
    n_tokens = sum(lengths)
    axes = tuple(f"axis{i}" for i in range(n_axes))
    tokens = rm.TokenSet(rng.normal(size=(n_tokens, 2)), rng.uniform(0, 50, (n_tokens, n_axes)), lengths, axes=axes)
    return rm.TokenBatch.collate(tokens)


def randomise(model: torch.nn.Module) -> None:
    """Add noise to the weights, so that every token and every parameter has an effect."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)


def differentiate(outputs: torch.Tensor, inputs: torch.Tensor, parameters: list[torch.Tensor]) -> list[torch.Tensor]:
    weights = torch.linspace(-1, 1, outputs.numel()).view_as(outputs)
    return list(torch.autograd.grad((outputs * weights).sum() / len(outputs), [inputs, *parameters]))


def check_gradients(
    model: torch.nn.Module,
    reference: PaddedReference,
    batch: rm.TokenBatch,
    padded: PaddedBatch,
    packed_outputs: torch.Tensor,
    padded_outputs: torch.Tensor,
) -> None:
    names, parameters = zip(*model.named_parameters(), strict=True)
    counterparts = [reference.counterparts()[name] for name in names]
    input_grad, *expected = differentiate(packed_outputs, batch.values, list(parameters))
    flat = [parameter for own in counterparts for parameter in own]
    padded_grad, *flat_grads = differentiate(padded_outputs, padded.values, flat)
    assert_close(padded_grad[~padded.is_padding], input_grad)
    remaining = iter(flat_grads)
    for name, wanted, own in zip(names, expected, counterparts, strict=True):
        assert_close(torch.cat([next(remaining) for _ in own]), wanted, name)


def assert_close(got: torch.Tensor, wanted: torch.Tensor, name: str = "values") -> None:
    scale = max(1.0, float(wanted.detach().abs().max()))
    assert float((got - wanted).detach().abs().max()) < 1e-5 * scale, name


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("n_axes", [1, 2, 3])
@pytest.mark.parametrize("has_cls", [True, False])
def test_packed_pretraining_equals_padded_reference(has_cls: bool, n_axes: int, lengths: str) -> None:
    torch.manual_seed(0)
    model = rm.RoMAEForPreTraining(a_config(n_axes, has_cls))
    randomise(model)
    batch = a_batch(n_axes, LENGTHS[lengths]).hide(0.6, seed=1)
    batch.values.requires_grad_()
    padded = PaddedBatch.from_packed(batch)
    reference = PaddedReference.from_model(model)

    out = model(batch)
    outputs = reference(padded)[~padded.is_padding[padded.is_hidden].view(len(batch), -1)]
    assert_close(outputs, out.prediction)
    assert_close(reference.loss(padded), out.loss)
    check_gradients(model, reference, batch, padded, out.prediction, outputs)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("fraction", [None, 0.5])
@pytest.mark.parametrize("has_cls", [True, False])
def test_packed_prediction_equals_padded_reference(has_cls: bool, fraction: float | None, lengths: str) -> None:
    torch.manual_seed(0)
    model = rm.RoMAEForPrediction(a_config(2, has_cls), outputs=4)
    randomise(model)
    batch = a_batch(2, LENGTHS[lengths])
    if fraction is not None:
        batch = batch.hide(fraction, seed=1)
    batch.values.requires_grad_()
    padded = PaddedBatch.from_packed(batch)
    reference = PaddedReference.from_model(model)

    logits, outputs = model(batch).logits, reference(padded)
    assert_close(outputs, logits)
    check_gradients(model, reference, batch, padded, logits, outputs)


def test_padded_masking_has_the_counts_of_packed_masking() -> None:
    tokens = rm.TokenSet(np.zeros((40, 1)), np.arange(40.0), [1, 4, 10, 25])
    padded = PaddedBatch.collate(tokens).hide(0.75)
    hidden = padded.is_hidden
    assert (hidden.sum(1) == 19).all()
    packed = rm.TokenBatch.collate(tokens).hide(0.75, seed=0).split.hidden_lengths
    assert (hidden & ~padded.is_padding).sum(1).tolist() == packed.tolist()
