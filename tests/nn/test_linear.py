"""Products by oneDNN are those of torch, forward and backward, and are taken where they pay."""

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from rotary_mae.nn import linear as product
from rotary_mae.nn.linear import linear, silu_linear, uses_onednn

needs_onednn = pytest.mark.skipif(not product.HAS_ONEDNN, reason="torch without oneDNN")


N_ROWS = 512


@pytest.fixture(autouse=True)
def small_is_enough(monkeypatch):
    monkeypatch.setattr(product, "MIN_ONEDNN_WORK", N_ROWS * 36 * 20)


def given(n_rows=N_ROWS, n_in=36, n_out=20, dtype=torch.float32):
    torch.manual_seed(0)
    return (torch.randn(n, n_in, dtype=dtype).requires_grad_() for n in (n_rows, n_out))


@pytest.mark.parametrize("n_rows", [0, 1, N_ROWS - 1, N_ROWS, 3 * N_ROWS + 1])
def test_it_is_the_product_of_torch_forward_and_backward(n_rows):
    x, weight = given(n_rows)
    got, wanted = linear(x, weight), F.linear(x, weight)
    torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-5)
    weighting = torch.randn(wanted.shape)
    pairs = zip(*(torch.autograd.grad((y * weighting).sum(), (x, weight)) for y in (got, wanted)), strict=True)
    for mine, theirs in pairs:
        torch.testing.assert_close(mine, theirs, atol=1e-3, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("n_rows", [0, 1, N_ROWS])
def test_the_product_of_an_activation_forward_and_backward(n_rows, dtype):
    x, weight = given(n_rows)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        got, wanted = silu_linear(x, weight), F.linear(F.silu(x), weight)
    assert got.dtype == wanted.dtype == dtype
    torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-5)
    weighting = torch.randn(wanted.shape)
    pairs = zip(*(torch.autograd.grad((y * weighting).sum(), (x, weight)) for y in (got, wanted)), strict=True)
    for mine, theirs in pairs:
        torch.testing.assert_close(mine, theirs, atol=1e-3, rtol=1e-5)


def test_an_activation_is_not_kept_for_the_backward_pass():
    x, weight = given()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        silu_linear(x, weight)
    assert {t.data_ptr() for t in kept} == {x.data_ptr(), weight.data_ptr()}


def test_without_gradients_the_activation_takes_no_memory_of_its_own():
    x, weight = (t.detach() for t in given())
    wanted, activation = F.linear(F.silu(x), weight), F.silu(x)
    with torch.inference_mode():
        torch.testing.assert_close(silu_linear(x, weight), wanted, atol=1e-4, rtol=1e-5)
    assert torch.equal(x, activation)


@needs_onednn
def test_parts_of_larger_buffers_and_transposed_weights():
    x, weight = (t.detach() for t in given(2 * N_ROWS))
    for rows, columns in ((x[1::2], weight), (x[:, 3:30], weight[:, 3:30]), (x, weight.t().contiguous().t())):
        assert uses_onednn(rows, columns)
        torch.testing.assert_close(linear(rows, columns), F.linear(rows, columns), atol=1e-4, rtol=1e-5)


@needs_onednn
def test_gradients_of_gradients():
    x, weight = given()
    seconds = []
    for product_ in (linear, F.linear, silu_linear, lambda x, weight: F.linear(F.silu(x), weight)):
        (first,) = torch.autograd.grad(product_(x, weight).square().sum(), x, create_graph=True)
        seconds.append(torch.autograd.grad(first.square().sum(), weight)[0])
    torch.testing.assert_close(*seconds[:2], atol=1.0, rtol=1e-4)
    torch.testing.assert_close(*seconds[2:], atol=1.0, rtol=1e-4)


@needs_onednn
def test_it_is_taken_in_float32_and_for_many_rows_alone():
    x, weight = given()
    assert uses_onednn(x, weight)
    assert not uses_onednn(x[1:], weight)
    assert not uses_onednn(x.double(), weight.double())
    assert not uses_onednn(x.bfloat16(), weight.bfloat16())
    assert not uses_onednn(x.to("meta"), weight.to("meta"))
    with torch.autocast("cpu", torch.bfloat16):
        assert not uses_onednn(x, weight)
        assert linear(x, weight).dtype == torch.bfloat16


def test_without_onednn_torch_makes_it(monkeypatch):
    monkeypatch.setattr(product, "HAS_ONEDNN", False)
    x, weight = given()
    assert torch.equal(linear(x, weight), F.linear(x, weight))


@needs_onednn
def test_compiled_it_is_the_same_and_one_graph_serves_all_lengths():
    torch.compiler.reset()
    graphs = []

    def counting(graph, inputs):
        graphs.append(graph)
        return graph.forward

    function = torch.compile(linear, dynamic=True, backend=counting)
    for n_rows in (600, 700, 1234):
        x, weight = given(n_rows)
        torch.testing.assert_close(function(x, weight), F.linear(x, weight), atol=1e-4, rtol=1e-5)
    assert len(graphs) == 1


@needs_onednn
@pytest.mark.slow
def test_compiled_to_machine_code_it_is_the_same_forward_and_backward():
    torch.compiler.reset()
    function = torch.compile(lambda x, weight: linear(F.silu(x), weight).square(), dynamic=True)
    for n_rows in (600, 1234):
        x, weight = given(n_rows)
        got, wanted = function(x, weight), F.linear(F.silu(x), weight).square()
        torch.testing.assert_close(got, wanted, atol=1e-3, rtol=1e-4)
        mine, theirs = (torch.autograd.grad(y.sum(), (x, weight)) for y in (got, wanted))
        torch.testing.assert_close(mine, theirs, atol=1e-2, rtol=1e-4)


@needs_onednn
@pytest.mark.slow
def test_products_of_ever_new_sizes_do_not_fill_the_memory():
    code = (
        "import torch, resource\n"
        "from rotary_mae.nn import linear as product\n"
        "product.MIN_ONEDNN_WORK = 0\n"
        "weight = torch.randn(540, 180)\n"
        "def peak(sizes):\n"
        "    for n in sizes:\n"
        "        product.linear(torch.randn(n, 180), weight)\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before = peak([900] * 3)\n"
        "print(peak(range(100, 900)) - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 150
