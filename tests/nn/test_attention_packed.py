"""Attention over samples laid end to end, as GPUs do it: when it is chosen, and what the kernel is given.

The kernel itself needs a GPU; here one of the same contract stands in for it on the CPU.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rotary_mae.nn import attention
from rotary_mae.nn.attention import attend, uses_varlen_kernel
from rotary_mae.nn.ragged import RaggedPlan

LENGTHS, ASKED = np.array([4, 1, 6, 2]), np.array([2, 0, 3, 1])


@pytest.fixture
def calls(monkeypatch):
    """A kernel of the contract of torch.nn.attention.varlen.varlen_attn; the calls that it gets."""
    made = []

    def kernel(q, k, v, bounds_q, bounds_k, longest_q, longest_k, *, scale):
        assert q.shape[-1] % 8 == 0
        assert bounds_q.dtype == bounds_k.dtype == torch.int32
        assert longest_q == int(bounds_q.diff().max())
        assert longest_k == int(bounds_k.diff().max())
        made.append(q.shape)
        answers = []
        for a, b, c, d in zip(bounds_q, bounds_q[1:], bounds_k, bounds_k[1:], strict=False):
            weights = torch.einsum("qhw,khw->hqk", q[a:b], k[c:d]).mul(scale).softmax(-1)
            answers.append(torch.einsum("hqk,khw->qhw", weights, v[c:d]))
        return torch.cat(answers)

    monkeypatch.setattr(attention, "varlen_attn", kernel)
    monkeypatch.setattr(attention, "uses_varlen_kernel", lambda q, dropout: dropout == 0.0)
    return made


def tensors(n_queries, n_keys, width):
    generator = torch.Generator().manual_seed(0)
    shapes = [(n, 2, width) for n in (n_queries, n_keys, n_keys)]
    return [torch.randn(s, generator=generator, dtype=torch.float64, requires_grad=True) for s in shapes]


@pytest.mark.parametrize("width", [6, 8, 60])
@pytest.mark.parametrize("is_ordered", [True, False])
@pytest.mark.parametrize("is_self", [True, False])
def test_packed_is_what_groups_give_forward_and_backward(calls, monkeypatch, width, is_ordered, is_self):
    rng = np.random.default_rng(0)
    order = None if is_ordered else np.argsort(rng.permutation(np.repeat(np.arange(4), LENGTHS)), kind="stable")
    asked = {} if is_self else {"query_lengths": ASKED}
    inputs = tensors(int((LENGTHS if is_self else ASKED).sum()), int(LENGTHS.sum()), width)
    packed = attend(*inputs, RaggedPlan(LENGTHS, order, **asked))
    assert calls == [(len(inputs[0]), 2, -(-width // 8) * 8)]
    monkeypatch.setattr(attention, "uses_varlen_kernel", lambda q, dropout: False)
    grouped = attend(*inputs, RaggedPlan(LENGTHS, order, **asked))
    assert torch.allclose(packed, grouped, atol=1e-12)
    probe = torch.linspace(-1, 1, packed.numel(), dtype=packed.dtype).view_as(packed)
    both = (torch.autograd.grad((answer * probe).sum(), inputs) for answer in (packed, grouped))
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(*both, strict=True))


def test_no_groups_are_planned_for_a_packed_batch(calls):
    ragged = RaggedPlan(LENGTHS)
    attend(*tensors(13, 13, 8), ragged)
    assert not {"groups", "keys", "queries"} & set(vars(ragged))


def test_dropout_goes_by_groups(calls):
    attend(*tensors(13, 13, 8), RaggedPlan(LENGTHS), dropout=0.5)
    assert not calls


def test_only_on_a_new_gpu_in_16_bits_without_dropout(monkeypatch):
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


def test_the_kernel_of_torch_has_the_contract_that_is_assumed():
    varlen = pytest.importorskip("torch.nn.attention.varlen", reason="torch before 2.10 has none")
    import inspect

    names = list(inspect.signature(varlen.varlen_attn).parameters)
    assert names[:7] == ["query", "key", "value", "cu_seq_q", "cu_seq_k", "max_q", "max_k"]
    assert "scale" in names
