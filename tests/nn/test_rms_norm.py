"""RMSNorm equals that of torch, up to second derivatives, and saves little for the backward pass."""

import pytest
import torch
import torch.nn.functional as F

from rotary_mae.nn.rms_norm import rms_norm

EPS = 1e-6


def inputs(n_rows=7, dtype=torch.float32):
    """Random states (n_rows, 12) of very different sizes, and a weight (12,)."""
    torch.manual_seed(0)
    x = torch.randn(n_rows, 12, dtype=dtype) * torch.logspace(-4, 3, n_rows, dtype=dtype).unsqueeze(-1)
    return x.requires_grad_(), (1 + 0.3 * torch.randn(12)).requires_grad_()


def both(x, weight):
    return rms_norm(x, weight, EPS), F.rms_norm(x, x.shape[-1:], weight.to(x.dtype), EPS)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("n_rows", [0, 1, 7])
def test_it_equals_that_of_torch_forward_and_backward(n_rows, dtype):
    x, weight = inputs(n_rows, dtype)
    got, expected = both(x, weight)
    assert got.dtype == dtype
    torch.testing.assert_close(got, expected)
    weights = torch.randn_like(expected)
    pairs = zip(*(torch.autograd.grad((y * weights).sum(), (x, weight)) for y in (got, expected)), strict=True)
    for got_gradient, expected_gradient in pairs:
        torch.testing.assert_close(got_gradient, expected_gradient, atol=1e-5, rtol=1e-4)


def test_zeros_remain_zeros_and_have_a_finite_gradient():
    x, weight = inputs()
    x = torch.zeros_like(x).requires_grad_()
    normed = rms_norm(x, weight, EPS)
    assert not normed.any()
    (gradient,) = torch.autograd.grad(normed.sum(), x)
    torch.testing.assert_close(gradient, weight.expand_as(x) / EPS**0.5)


def test_second_derivatives_equal_those_of_torch():
    x, weight = inputs()
    seconds = []
    for normed in both(x, weight):
        (first,) = torch.autograd.grad(normed.pow(3).sum(), x, create_graph=True)
        seconds.append(torch.autograd.grad(first.pow(2).sum(), (x, weight)))
    for got, expected in zip(*seconds, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("frozen", ["x", "weight"])
def test_states_or_weight_may_be_frozen(frozen):
    x, weight = inputs()
    expected = torch.autograd.grad(rms_norm(x, weight, EPS).sum(), weight if frozen == "x" else x)
    (x if frozen == "x" else weight).requires_grad_(False)
    trained = weight if frozen == "x" else x
    for create_graph in (False, True):
        got = torch.autograd.grad(rms_norm(x, weight, EPS).sum(), trained, create_graph=create_graph)
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_only_the_states_are_saved_for_the_backward_pass():
    x, weight = inputs()
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        rms_norm(x, weight, EPS)
    assert [t.data_ptr() for t in saved if t.shape == x.shape] == [x.data_ptr()]
