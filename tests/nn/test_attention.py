"""Attention over samples of different lengths equals one softmax for each query, forward and backward."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rotary_mae.nn import attention, linear, ragged
from rotary_mae.nn.attention import attend, attend_group, attend_with_self, pad, unpad, uses_onednn_matmul
from rotary_mae.nn.ragged import RaggedPlan

HEADS, HEAD_WIDTH = 2, 3


def reference_attention(q, k, v, query_sample, key_sample, own=None):
    """Attention in a loop over queries, each with the keys of its sample (and its own key)."""
    outputs = []
    for i in range(len(q)):
        in_sample = key_sample == query_sample[i]
        keys, values = k[in_sample], v[in_sample]
        if own is not None:
            keys, values = torch.cat((keys, own[0][i : i + 1])), torch.cat((values, own[1][i : i + 1]))
        weights = torch.einsum("hw,nhw->nh", q[i], keys).div(q.shape[-1] ** 0.5).softmax(0)
        outputs.append(torch.einsum("nh,nhw->hw", weights, values).flatten())
    return torch.stack(outputs) if outputs else q.new_zeros(0, HEADS * HEAD_WIDTH)


def random_samples(lengths, seed):
    """(T,) sample of each token in a random order, and (T,) the order that sorts the tokens by sample."""
    sample = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(lengths)), lengths))
    return sample, np.argsort(sample, kind="stable")


def random_heads(n_tensors, n_tokens, seed):
    """Random tensors (T, heads, head width) in float64."""
    generator = torch.Generator().manual_seed(seed)
    shape = (n_tokens, HEADS, HEAD_WIDTH)
    return [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(n_tensors)]


def assert_equal_with_gradients(got, expected, inputs):
    assert torch.allclose(got, expected, atol=1e-10)
    probe = torch.linspace(-1, 1, got.numel(), dtype=got.dtype).view_as(got)
    zero = torch.zeros(())
    for got_gradient, expected_gradient in zip(
        torch.autograd.grad((got * probe).sum(), inputs, allow_unused=True),
        torch.autograd.grad((expected * probe).sum(), inputs, allow_unused=True),
        strict=True,
    ):
        a = zero if got_gradient is None else got_gradient
        b = zero if expected_gradient is None else expected_gradient
        assert torch.allclose(a, b, atol=1e-7)


def plan_with_costs(costs, *arguments, **named):
    """A plan whose groups are cut with other costs of a token and of a call."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ragged, "COST_PER_TOKEN", costs[0])
        patch.setattr(ragged, "COST_PER_CALL", costs[1])
        plan = RaggedPlan(*arguments, **named)
        assert plan.groups is not None  # computed on first access
    return plan


lengths_lists = st.lists(st.integers(1, 9), min_size=1, max_size=7)
costs_of_calls = st.sampled_from([(20.0, 6_000.0), (0.0, 0.0), (1.0, 10.0), (0.0, 1e9)])


@settings(max_examples=25, deadline=None)
@given(lengths=lengths_lists, costs=costs_of_calls, seed=st.integers(0, 99))
def test_self_attention_equals_the_loop_over_queries(lengths, costs, seed):
    sample, order = random_samples(lengths, seed)
    plan = plan_with_costs(costs, np.array(lengths), order)
    q, k, v = random_heads(3, sum(lengths), seed)
    expected = reference_attention(q, k, v, sample, sample)
    assert_equal_with_gradients(attend(q, k, v, plan), expected, [q, k, v])


@settings(max_examples=25, deadline=None)
@given(pairs=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=7), costs=costs_of_calls)
@pytest.mark.parametrize("has_self", [False, True])
def test_queries_apart_from_the_keys_equal_the_loop_over_queries(has_self, pairs, costs):
    lengths, query_lengths = np.array(pairs).T
    assume(query_lengths.any())
    key_sample, order = random_samples(lengths, 1)
    query_sample, query_order = random_samples(query_lengths, 2)
    plan = plan_with_costs(costs, lengths, order, query_lengths=query_lengths, query_order=query_order)
    k, v = random_heads(2, lengths.sum(), 3)
    q, k_self, v_self = random_heads(3, query_lengths.sum(), 4)
    if has_self:
        got = attend_with_self(q, k, v, k_self, v_self, plan)
        expected = reference_attention(q, k, v, query_sample, key_sample, (k_self, v_self))
        assert_equal_with_gradients(got, expected, [q, k, v, k_self, v_self])
    else:
        expected = reference_attention(q, k, v, query_sample, key_sample)
        assert_equal_with_gradients(attend(q, k, v, plan), expected, [q, k, v])


@pytest.mark.parametrize("has_self", [False, True])
def test_a_batch_without_queries_has_an_empty_output(has_self):
    plan = RaggedPlan(np.array([3, 2]), query_lengths=np.array([0, 0]))
    q, k, v = random_heads(1, 0, 0) + random_heads(2, 5, 0)
    outputs = attend_with_self(q, k, v, q, q, plan) if has_self else attend(q, k, v, plan)
    assert outputs.shape == (0, HEADS * HEAD_WIDTH)
    outputs.sum().backward()
    assert k.grad is None or not k.grad.any()


def test_pad_and_unpad_are_inverse():
    torch.manual_seed(0)
    lengths = np.array([3, 30, 1, 300, 7])
    _, order = random_samples(lengths, 0)
    padding = RaggedPlan(lengths, order).keys
    x = torch.randn(lengths.sum(), 2, requires_grad=True)
    restored = unpad(pad(x, padding), padding)
    assert torch.equal(restored, x)
    restored.sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))


def test_dropout_does_not_change_the_mean():
    torch.manual_seed(0)
    plan = RaggedPlan(np.array([4, 3]), query_lengths=np.array([2, 2]))
    k, v, q = (t.detach().float() for t in [*random_heads(2, 7, 0), *random_heads(1, 4, 1)])
    for call in (
        lambda rate: attend(q, k, v, plan, rate),
        lambda rate: attend_with_self(q, k, v, q, q, plan, rate),
    ):
        mean = torch.stack([call(0.3) for _ in range(1000)]).mean(0)
        assert torch.allclose(mean, call(0.0), atol=0.15)
        assert not torch.equal(call(0.3), call(0.0))


def bf16_and_float32(lengths):
    """Outputs and gradients in bf16, and those of the same rounded inputs in float32."""
    torch.manual_seed(0)
    plan = RaggedPlan(np.array(lengths))
    rounded = [x.detach().bfloat16() for x in random_heads(3, sum(lengths), 0)]
    weights = torch.randn(sum(lengths), HEADS * HEAD_WIDTH)
    results = []
    for dtype in (torch.bfloat16, torch.float32):
        inputs = [x.to(dtype).requires_grad_() for x in rounded]
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            output = attend(*inputs, plan)
        assert output.dtype == dtype
        results.append([output.detach(), *torch.autograd.grad((output.float() * weights).sum(), inputs)])
    return results


def test_bf16_equals_float32_except_for_rounding(monkeypatch):
    monkeypatch.setattr(attention, "MIN_MATMUL_WORK", 0)
    for got, exact in zip(*bf16_and_float32([5, 2, 8, 40, 1, 41]), strict=True):
        assert got.dtype == torch.bfloat16
        # a bf16 number has 8 bits, and the errors of a few roundings add up
        assert (got.float() - exact).abs().max() < 0.03 * exact.abs().max()


def test_bf16_products_are_used_for_equal_lengths_but_not_for_small_groups():
    got, exact = bf16_and_float32([5, 2, 8, 40, 1, 41])
    assert torch.equal(got[0], exact[0].bfloat16())
    got, exact = bf16_and_float32([40, 40, 40])
    assert not torch.equal(got[0], exact[0].bfloat16())


def test_bf16_with_too_many_scores_is_computed_in_float32(monkeypatch):
    monkeypatch.setattr(attention, "MAX_BF16_SCORES", 0)
    got, exact = bf16_and_float32([5, 2, 8])
    assert torch.equal(got[0], exact[0].bfloat16())


@pytest.mark.skipif(not linear.HAS_ONEDNN, reason="torch without oneDNN")
@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize(("n_queries", "n_keys"), [(1, 5), (37, 64), (64, 37), (70, 70)])
def test_attention_by_onednn_products_equals_the_fused_kernel(
    monkeypatch: pytest.MonkeyPatch, n_queries: int, n_keys: int, has_bias: bool
) -> None:
    for name, value in (("MKL_IS_SLOW", True), ("MIN_MATMUL_WORK", 0), ("MIN_MATMUL_WORK_PER_HEAD", 0)):
        monkeypatch.setattr(attention, name, value)
    torch.manual_seed(0)
    # heads are interleaved, as in the model
    q, k, v = (torch.randn(3, n, 2, 20).transpose(1, 2).requires_grad_() for n in (n_queries, n_keys, n_keys))
    bias = torch.where(torch.rand(3, 1, 1, n_keys) < 0.2, -torch.inf, 0.0) if has_bias else None
    if bias is not None:
        bias[..., 0] = 0.0
    assert uses_onednn_matmul(q, k, 1)
    got = attend_group(q, k, v, bias, 0.0)
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)
    weights = torch.randn(expected.shape)
    gradients = zip(*(torch.autograd.grad((y * weights).sum(), (q, k, v)) for y in (got, expected)), strict=True)
    for got_gradient, expected_gradient in gradients:
        torch.testing.assert_close(got_gradient, expected_gradient, atol=1e-5, rtol=1e-4)


def test_onednn_products_are_used_for_large_float32_groups_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "MKL_IS_SLOW", True)
    small, large = torch.zeros(2, 3, 20, 60), torch.zeros(4, 3, 300, 60)
    assert not uses_onednn_matmul(small, small, 8)
    assert uses_onednn_matmul(large, large, 8)
    assert not uses_onednn_matmul(large.bfloat16(), large.bfloat16(), 8)
    monkeypatch.setattr(attention, "MKL_IS_SLOW", False)
    assert not uses_onednn_matmul(large, large, 8)
