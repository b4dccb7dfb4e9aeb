"""Products by oneDNN equal those of torch, forward and backward, and are used for large float32 products."""

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from rotary_mae.nn import linear as linear_module
from rotary_mae.nn.linear import linear, silu_linear, uses_onednn

needs_onednn = pytest.mark.skipif(not linear_module.HAS_ONEDNN, reason="torch without oneDNN")

N_ROWS, N_IN, N_OUT = 512, 36, 20


@pytest.fixture(autouse=True)
def low_threshold(monkeypatch):
    """Use oneDNN from N_ROWS rows on."""
    monkeypatch.setattr(linear_module, "MIN_ONEDNN_WORK", N_ROWS * N_IN * N_OUT)


def inputs(n_rows=N_ROWS):
    """Random states (n_rows, N_IN) and a weight (N_OUT, N_IN)."""
    torch.manual_seed(0)
    return (torch.randn(n, N_IN).requires_grad_() for n in (n_rows, N_OUT))


def assert_equal_gradients(got, expected, x, weight):
    weights = torch.randn(expected.shape)
    pairs = zip(*(torch.autograd.grad((y * weights).sum(), (x, weight)) for y in (got, expected)), strict=True)
    for got_gradient, expected_gradient in pairs:
        torch.testing.assert_close(got_gradient, expected_gradient, atol=1e-3, rtol=1e-5)


@pytest.mark.parametrize("n_rows", [0, 1, N_ROWS - 1, N_ROWS, 3 * N_ROWS + 1])
def test_linear_equals_torch_forward_and_backward(n_rows):
    x, weight = inputs(n_rows)
    got, expected = linear(x, weight), F.linear(x, weight)
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-5)
    assert_equal_gradients(got, expected, x, weight)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("n_rows", [0, 1, N_ROWS])
def test_silu_linear_equals_torch_forward_and_backward(n_rows, dtype):
    x, weight = inputs(n_rows)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        got, expected = silu_linear(x, weight), F.linear(F.silu(x), weight)
    assert got.dtype == expected.dtype == dtype
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-5)
    assert_equal_gradients(got, expected, x, weight)


def test_silu_linear_saves_no_activation_for_the_backward_pass():
    x, weight = inputs()
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        silu_linear(x, weight)
    assert {t.data_ptr() for t in saved} == {x.data_ptr(), weight.data_ptr()}


def test_silu_linear_without_gradients_overwrites_its_input():
    x, weight = (t.detach() for t in inputs())
    expected, activation = F.linear(F.silu(x), weight), F.silu(x)
    with torch.inference_mode():
        torch.testing.assert_close(silu_linear(x, weight), expected, atol=1e-4, rtol=1e-5)
    assert torch.equal(x, activation)


@needs_onednn
def test_slices_of_buffers_and_transposed_weights_are_multiplied_correctly():
    x, weight = (t.detach() for t in inputs(2 * N_ROWS))
    for states, matrix in ((x[1::2], weight), (x[:, 3:30], weight[:, 3:30]), (x, weight.t().contiguous().t())):
        assert uses_onednn(states, matrix)
        torch.testing.assert_close(linear(states, matrix), F.linear(states, matrix), atol=1e-4, rtol=1e-5)


@needs_onednn
def test_second_derivatives_equal_those_of_torch():
    x, weight = inputs()
    seconds = []
    for function in (linear, F.linear, silu_linear, lambda x, weight: F.linear(F.silu(x), weight)):
        (first,) = torch.autograd.grad(function(x, weight).square().sum(), x, create_graph=True)
        seconds.append(torch.autograd.grad(first.square().sum(), weight)[0])
    torch.testing.assert_close(*seconds[:2], atol=1.0, rtol=1e-4)
    torch.testing.assert_close(*seconds[2:], atol=1.0, rtol=1e-4)


@needs_onednn
def test_onednn_is_used_for_many_rows_in_float32_on_a_cpu_only():
    x, weight = inputs()
    assert uses_onednn(x, weight)
    assert not uses_onednn(x[1:], weight)
    assert not uses_onednn(x.double(), weight.double())
    assert not uses_onednn(x.bfloat16(), weight.bfloat16())
    assert not uses_onednn(x.to("meta"), weight.to("meta"))
    with torch.autocast("cpu", torch.bfloat16):
        assert not uses_onednn(x, weight)
        assert linear(x, weight).dtype == torch.bfloat16


def test_without_onednn_linear_is_that_of_torch_to_the_bit(monkeypatch):
    monkeypatch.setattr(linear_module, "HAS_ONEDNN", False)
    x, weight = inputs()
    assert torch.equal(linear(x, weight), F.linear(x, weight))


@needs_onednn
def test_one_compiled_graph_serves_all_lengths():
    torch.compiler.reset()
    graphs = []

    def count_graphs(graph, _):
        graphs.append(graph)
        return graph.forward

    function = torch.compile(linear, dynamic=True, backend=count_graphs)
    for n_rows in (600, 700, 1234):
        x, weight = inputs(n_rows)
        torch.testing.assert_close(function(x, weight), F.linear(x, weight), atol=1e-4, rtol=1e-5)
    assert len(graphs) == 1


@needs_onednn
@pytest.mark.slow
def test_compiled_to_machine_code_it_equals_torch_forward_and_backward():
    torch.compiler.reset()
    function = torch.compile(lambda x, weight: linear(F.silu(x), weight).square(), dynamic=True)
    for n_rows in (600, 1234):
        x, weight = inputs(n_rows)
        got, expected = function(x, weight), F.linear(F.silu(x), weight).square()
        torch.testing.assert_close(got, expected, atol=1e-3, rtol=1e-4)
        gradients = (torch.autograd.grad(y.sum(), (x, weight)) for y in (got, expected))
        torch.testing.assert_close(*gradients, atol=1e-2, rtol=1e-4)


def test_importing_it_leaves_the_environment_alone():
    code = "import os; before = dict(os.environ); import rotary_mae.nn.linear; assert os.environ == before"
    subprocess.run([sys.executable, "-c", code], check=True)
