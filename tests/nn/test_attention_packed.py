"""Attention over samples end to end, as on a GPU: when it is used, and the arguments of the kernel.

The kernel of torch needs a GPU. Here a function with the same contract replaces it on the CPU.
"""

import inspect
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rotary_mae.nn import attention
from rotary_mae.nn.attention import attend, uses_varlen_kernel
from rotary_mae.nn.ragged import RaggedPlan

LENGTHS, QUERY_LENGTHS = np.array([4, 1, 6, 2]), np.array([2, 0, 3, 1])


@pytest.fixture
def calls(monkeypatch):
    """Shapes of the queries in the calls of a kernel with the contract of torch.nn.attention.varlen.varlen_attn."""
    shapes = []

    def kernel(q, k, v, bounds_q, bounds_k, max_q, max_k, *, scale):
        assert q.shape[-1] % 8 == 0
        assert bounds_q.dtype == bounds_k.dtype == torch.int32
        assert max_q == int(bounds_q.diff().max())
        assert max_k == int(bounds_k.diff().max())
        shapes.append(q.shape)
        outputs = []
        for a, b, c, d in zip(bounds_q, bounds_q[1:], bounds_k, bounds_k[1:], strict=False):
            weights = torch.einsum("qhw,khw->hqk", q[a:b], k[c:d]).mul(scale).softmax(-1)
            outputs.append(torch.einsum("hqk,khw->qhw", weights, v[c:d]))
        return torch.cat(outputs)

    monkeypatch.setattr(attention, "varlen_attn", kernel)
    monkeypatch.setattr(attention, "uses_varlen_kernel", lambda q, dropout: dropout == 0.0)
    return shapes


def tensors(n_queries, n_keys, width):
    generator = torch.Generator().manual_seed(0)
    shapes = [(n, 2, width) for n in (n_queries, n_keys, n_keys)]
    return [torch.randn(s, generator=generator, dtype=torch.float64, requires_grad=True) for s in shapes]


@pytest.mark.parametrize("width", [6, 8, 60])
@pytest.mark.parametrize("is_ordered", [True, False])
@pytest.mark.parametrize("is_self", [True, False])
def test_packed_attention_equals_grouped_attention_forward_and_backward(calls, monkeypatch, width, is_ordered, is_self):
    rng = np.random.default_rng(0)
    order = None if is_ordered else np.argsort(rng.permutation(np.repeat(np.arange(4), LENGTHS)), kind="stable")
    queries = {} if is_self else {"query_lengths": QUERY_LENGTHS}
    inputs = tensors(int((LENGTHS if is_self else QUERY_LENGTHS).sum()), int(LENGTHS.sum()), width)
    packed = attend(*inputs, RaggedPlan(LENGTHS, order, **queries))
    assert calls == [(len(inputs[0]), 2, -(-width // 8) * 8)]
    monkeypatch.setattr(attention, "uses_varlen_kernel", lambda q, dropout: False)
    grouped = attend(*inputs, RaggedPlan(LENGTHS, order, **queries))
    assert torch.allclose(packed, grouped, atol=1e-12)
    probe = torch.linspace(-1, 1, packed.numel(), dtype=packed.dtype).view_as(packed)
    gradients = (torch.autograd.grad((output * probe).sum(), inputs) for output in (packed, grouped))
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(*gradients, strict=True))


def test_no_groups_are_planned_for_a_packed_batch(calls):
    plan = RaggedPlan(LENGTHS)
    attend(*tensors(13, 13, 8), plan)
    assert len(calls) == 1
    assert not {"groups", "keys", "queries"} & set(vars(plan))


def test_attention_with_dropout_is_grouped(calls):
    attend(*tensors(13, 13, 8), RaggedPlan(LENGTHS), dropout=0.5)
    assert not calls


def test_packed_attention_needs_a_recent_gpu_16_bits_and_no_dropout(monkeypatch):
    monkeypatch.setattr(attention, "varlen_attn", lambda *_: None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))

    def q(device="cuda", dtype=torch.bfloat16, width=60):
        return SimpleNamespace(device=torch.device(device), dtype=dtype, shape=(5, 2, width))

    assert uses_varlen_kernel(q(), 0.0)
    assert uses_varlen_kernel(q(dtype=torch.float16), 0.0)
    assert not uses_varlen_kernel(q(), 0.1)
    assert not uses_varlen_kernel(q(dtype=torch.float32), 0.0)
    assert not uses_varlen_kernel(q(device="cpu"), 0.0)
    assert not uses_varlen_kernel(q(width=264), 0.0)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert not uses_varlen_kernel(q(), 0.0)
    monkeypatch.setattr(attention, "varlen_attn", None)
    assert not uses_varlen_kernel(q(), 0.0)


def test_the_kernel_of_torch_has_the_assumed_contract():
    varlen = pytest.importorskip("torch.nn.attention.varlen", reason="torch before 2.10 has none")
    names = list(inspect.signature(varlen.varlen_attn).parameters)
    assert names[:7] == ["query", "key", "value", "cu_seq_q", "cu_seq_k", "max_q", "max_k"]
    assert "scale" in names
