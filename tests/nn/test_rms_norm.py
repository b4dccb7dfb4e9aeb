"""RMSNorm is torch's, forward, backward and twice backward, and keeps little."""

import pytest
import torch
import torch.nn.functional as F

from rotary_mae.nn.rms_norm import rms_norm

EPS = 1e-6


def given(n_rows=7, dtype=torch.float32):
    torch.manual_seed(0)
    x = torch.randn(n_rows, 12, dtype=dtype) * torch.logspace(-4, 3, n_rows, dtype=dtype).unsqueeze(-1)
    return x.requires_grad_(), (1 + 0.3 * torch.randn(12)).requires_grad_()


def both(x, weight):
    return rms_norm(x, weight, EPS), F.rms_norm(x, x.shape[-1:], weight.to(x.dtype), EPS)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("n_rows", [0, 1, 7])
def test_it_is_that_of_torch_forward_and_backward(n_rows, dtype):
    x, weight = given(n_rows, dtype)
    got, wanted = both(x, weight)
    assert got.dtype == dtype
    torch.testing.assert_close(got, wanted)
    weighting = torch.randn_like(wanted)
    pairs = zip(*(torch.autograd.grad((y * weighting).sum(), (x, weight)) for y in (got, wanted)), strict=True)
    for mine, theirs in pairs:
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


def test_zeros_stay_zeros_and_have_a_gradient():
    x, weight = given()
    x = torch.zeros_like(x).requires_grad_()
    normed = rms_norm(x, weight, EPS)
    assert not normed.any()
    (of_x,) = torch.autograd.grad(normed.sum(), x)
    torch.testing.assert_close(of_x, weight.expand_as(x) / EPS**0.5)


def test_gradients_of_gradients():
    x, weight = given()
    seconds = []
    for normed in both(x, weight):
        (first,) = torch.autograd.grad(normed.pow(3).sum(), x, create_graph=True)
        seconds.append(torch.autograd.grad(first.pow(2).sum(), (x, weight)))
    for mine, theirs in zip(*seconds, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("frozen", ["x", "weight"])
def test_one_of_the_two_may_be_frozen(frozen):
    x, weight = given()
    wanted = torch.autograd.grad(rms_norm(x, weight, EPS).sum(), weight if frozen == "x" else x)
    (x if frozen == "x" else weight).requires_grad_(False)
    free = weight if frozen == "x" else x
    for create_graph in (False, True):
        got = torch.autograd.grad(rms_norm(x, weight, EPS).sum(), free, create_graph=create_graph)
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


def test_nothing_as_wide_as_the_states_is_kept_but_these():
    x, weight = given()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        rms_norm(x, weight, EPS)
    assert [t.data_ptr() for t in kept if t.shape == x.shape] == [x.data_ptr()]
