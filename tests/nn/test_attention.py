"""RaggedPlan attention is a softmax a sample, forward and backward, whatever the lengths, order and groups."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rotary_mae.nn import attention as attention_module
from rotary_mae.nn import linear as product_module
from rotary_mae.nn import ragged as ragged_module
from rotary_mae.nn.attention import attend, attend_with_self, pad, unpad
from rotary_mae.nn.ragged import RaggedPlan

HEADS, HEAD_WIDTH = 2, 3


def naive(q, k, v, query_sample, key_sample, own=None):
    """One softmax a query and head, over the keys of its sample (and its own key)."""
    answers = []
    for i in range(len(q)):
        mine = key_sample == query_sample[i]
        keys, values = k[mine], v[mine]
        if own is not None:
            keys, values = torch.cat((keys, own[0][i : i + 1])), torch.cat((values, own[1][i : i + 1]))
        weights = torch.einsum("hw,nhw->nh", q[i], keys).div(q.shape[-1] ** 0.5).softmax(0)
        answers.append(torch.einsum("nh,nhw->hw", weights, values).flatten())
    return torch.stack(answers) if answers else q.new_zeros(0, HEADS * HEAD_WIDTH)


def flat_sample(lengths, seed):
    """(T,) the sample of each token, in a random order, and the order that sorts it."""
    sample = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(lengths)), lengths))
    return sample, np.argsort(sample, kind="stable")


def randoms(n_tensors, n_tokens, seed):
    generator = torch.Generator().manual_seed(seed)
    shape = (n_tokens, HEADS, HEAD_WIDTH)
    return [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(n_tensors)]


def assert_same_with_gradients(got, expected, inputs):
    assert torch.allclose(got, expected, atol=1e-10)
    probe = torch.linspace(-1, 1, got.numel(), dtype=got.dtype).view_as(got)
    for mine, reference in zip(
        torch.autograd.grad((got * probe).sum(), inputs, allow_unused=True),
        torch.autograd.grad((expected * probe).sum(), inputs, allow_unused=True),
        strict=True,
    ):
        zero = torch.zeros(())
        assert torch.allclose(zero if mine is None else mine, zero if reference is None else reference, atol=1e-7)


lengths_lists = st.lists(st.integers(1, 9), min_size=1, max_size=7)
costs = st.sampled_from([(20.0, 6_000.0), (0.0, 0.0), (1.0, 10.0), (0.0, 1e9)])


@settings(max_examples=25, deadline=None)
@given(lengths=lengths_lists, cost=costs, seed=st.integers(0, 99))
def test_self_attention_is_the_loop_over_samples(lengths, cost, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ragged_module, "COST_PER_TOKEN", cost[0])
        patch.setattr(ragged_module, "COST_PER_CALL", cost[1])
        sample, order = flat_sample(lengths, seed)
        ragged = RaggedPlan(np.array(lengths), order)
    q, k, v = randoms(3, sum(lengths), seed)
    assert_same_with_gradients(attend(q, k, v, ragged), naive(q, k, v, sample, sample), [q, k, v])


@settings(max_examples=25, deadline=None)
@given(pairs=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=7), cost=costs)
@pytest.mark.parametrize("has_self", [False, True])
def test_queries_of_their_own_are_the_loop_over_samples(has_self, pairs, cost):
    lengths, asked = np.array(pairs).T
    assume(asked.any())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ragged_module, "COST_PER_TOKEN", cost[0])
        patch.setattr(ragged_module, "COST_PER_CALL", cost[1])
        key_sample, order = flat_sample(lengths, 1)
        query_sample, query_order = flat_sample(asked, 2)
        ragged = RaggedPlan(lengths, order, query_lengths=asked, query_order=query_order)
    k, v = randoms(2, lengths.sum(), 3)
    q, k_self, v_self = randoms(3, asked.sum(), 4)
    if has_self:
        got = attend_with_self(q, k, v, k_self, v_self, ragged)
        expected = naive(q, k, v, query_sample, key_sample, (k_self, v_self))
        assert_same_with_gradients(got, expected, [q, k, v, k_self, v_self])
    else:
        expected = naive(q, k, v, query_sample, key_sample)
        assert_same_with_gradients(attend(q, k, v, ragged), expected, [q, k, v])


@pytest.mark.parametrize("is_with_self", [False, True])
def test_nobody_asks(is_with_self):
    ragged = RaggedPlan(np.array([3, 2]), query_lengths=np.array([0, 0]))
    q, k, v = randoms(1, 0, 0) + randoms(2, 5, 0)
    answers = attend_with_self(q, k, v, q, q, ragged) if is_with_self else attend(q, k, v, ragged)
    assert answers.shape == (0, HEADS * HEAD_WIDTH)
    answers.sum().backward()
    assert k.grad is None or not k.grad.any()


def test_many_lengths_make_many_groups_and_equal_ones_a_single_one_without_mask():
    spread = RaggedPlan(np.array([400, 390, 100, 90, 5, 5]))
    assert len(spread.groups) > 1
    equal = RaggedPlan(np.full(6, 50))
    assert len(equal.groups) == 1
    assert equal.groups[0].bias is None
    assert equal.keys.pad_idx is None


def test_defect_24_no_dense_mask_of_queries_by_keys():
    lengths = np.random.default_rng(0).integers(20, 200, 40)
    biases = [group.bias for group in RaggedPlan(lengths).groups if group.bias is not None]
    assert biases
    assert all(bias.shape[1:3] == (1, 1) for bias in biases)


def test_defect_25_little_padding_even_in_attention():
    lengths = np.random.default_rng(0).lognormal(4, 1, 64).astype(int).clip(8, 390)
    ragged = RaggedPlan(lengths)
    n_scores = sum(g.n_samples * g.n_queries * g.n_keys for g in ragged.groups)
    assert n_scores < 1.5 * (lengths**2).sum()
    assert n_scores < 0.5 * len(lengths) * lengths.max() ** 2


def test_pad_and_unpad_are_inverse():
    lengths = np.array([3, 30, 1, 300, 7])
    _, order = flat_sample(lengths, 0)
    side = RaggedPlan(lengths, order).keys
    x = torch.randn(lengths.sum(), 2, requires_grad=True)
    there_and_back = unpad(pad(x, side), side)
    assert torch.equal(there_and_back, x)
    there_and_back.sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))


def test_dropout_keeps_the_mean():
    torch.manual_seed(0)
    ragged = RaggedPlan(np.array([4, 3]), query_lengths=np.array([2, 2]))
    k, v, q = (t.detach().float() for t in [*randoms(2, 7, 0), *randoms(1, 4, 1)])
    for call in (
        lambda rate: attend(q, k, v, ragged, rate),
        lambda rate: attend_with_self(q, k, v, q, q, ragged, rate),
    ):
        mean = torch.stack([call(0.3) for _ in range(1000)]).mean(0)
        assert torch.allclose(mean, call(0.0), atol=0.15)
        assert not torch.equal(call(0.3), call(0.0))


def bf16_and_exact(lengths):
    """Answers and gradients in bf16, and those of the same rounded inputs in float32."""
    ragged = RaggedPlan(np.array(lengths))
    rounded = [x.detach().bfloat16() for x in randoms(3, sum(lengths), 0)]
    weighting = torch.randn(sum(lengths), HEADS * HEAD_WIDTH)
    found = []
    for dtype in (torch.bfloat16, torch.float32):
        inputs = [x.to(dtype).requires_grad_() for x in rounded]
        with torch.autocast("cpu", torch.bfloat16):
            got = attend(*inputs, ragged) if dtype == torch.bfloat16 else None
        got = attend(*inputs, ragged) if got is None else got
        assert got.dtype == dtype
        found.append([got.detach(), *torch.autograd.grad((got.float() * weighting).sum(), inputs)])
    return found


def test_bf16_is_float32_but_for_rounding(monkeypatch):
    monkeypatch.setattr(attention_module, "MIN_MATMUL_WORK", 0)
    for got, exact in zip(*bf16_and_exact([5, 2, 8, 40, 1, 41]), strict=True):
        assert got.dtype == torch.bfloat16
        # a bf16 number has 8 bits, and errors of a few roundings add up
        assert (got.float() - exact).abs().max() < 0.03 * exact.abs().max()


def test_bf16_in_small_groups_of_ever_new_sizes_is_float32_rounded_once_and_in_one_of_its_own_not():
    got, exact = bf16_and_exact([5, 2, 8, 40, 1, 41])
    assert torch.equal(got[0], exact[0].bfloat16())
    got, exact = bf16_and_exact([40, 40, 40])
    assert not torch.equal(got[0], exact[0].bfloat16())


def test_bf16_with_more_scores_than_shall_be_held_is_float32_rounded_once(monkeypatch):
    monkeypatch.setattr(attention_module, "MAX_BF16_SCORES", 0)
    got, exact = bf16_and_exact([5, 2, 8])
    assert torch.equal(got[0], exact[0].bfloat16())


@pytest.mark.skipif(not product_module.HAS_ONEDNN, reason="torch without oneDNN")
@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize(("n_queries", "n_keys"), [(1, 5), (37, 64), (64, 37), (70, 70)])
def test_products_of_each_head_are_those_of_the_fused_kernel(
    monkeypatch: pytest.MonkeyPatch, n_queries: int, n_keys: int, has_bias: bool
) -> None:
    for name, least in (("MKL_IS_SLOW", True), ("MIN_MATMUL_WORK", 0), ("MIN_MATMUL_WORK_PER_HEAD", 0)):
        monkeypatch.setattr(attention_module, name, least)
    torch.manual_seed(0)
    # heads lie between each other, as those of the model do
    q, k, v = (torch.randn(3, n, 2, 20).transpose(1, 2).requires_grad_() for n in (n_queries, n_keys, n_keys))
    bias = torch.where(torch.rand(3, 1, 1, n_keys) < 0.2, -torch.inf, 0.0) if has_bias else None
    if bias is not None:
        bias[..., 0] = 0.0
    assert attention_module.uses_onednn_matmul(q, k, 1)
    got = attention_module.attend_group(q, k, v, bias, 0.0)
    wanted = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-4)
    weighting = torch.randn(wanted.shape)
    gradients = zip(*(torch.autograd.grad((y * weighting).sum(), (q, k, v)) for y in (got, wanted)), strict=True)
    for mine, theirs in gradients:
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


def test_products_of_each_head_are_not_taken_where_they_do_not_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_module, "MKL_IS_SLOW", True)
    small, large = torch.randn(2, 3, 20, 60), torch.randn(4, 3, 300, 60)
    assert not attention_module.uses_onednn_matmul(small, small, 8)
    assert attention_module.uses_onednn_matmul(large, large, 8)
    assert not attention_module.uses_onednn_matmul(large.bfloat16(), large.bfloat16(), 8)
    monkeypatch.setattr(attention_module, "MKL_IS_SLOW", False)
    assert not attention_module.uses_onednn_matmul(large, large, 8)
