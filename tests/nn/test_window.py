"""Windowed attention equals dense attention with the mask of the window, at a cost linear in the length."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rotary_mae.nn import window as window_module
from rotary_mae.nn.attention import attend, attend_with_self
from rotary_mae.nn.window import TokenPositions, WindowedPlan

HEADS, HEAD_WIDTH = 2, 4


def random_tokens(lengths, seed, has_cls, span):
    """(T,) sample of each token in a random order, and the positions, which are multiples of 0.5 with many ties."""
    rng = np.random.default_rng(seed)
    sample = rng.permutation(np.repeat(np.arange(len(lengths)), lengths))
    order = np.argsort(sample, kind="stable")
    positions = rng.integers(-span, span + 1, len(sample)).astype(np.float32) / 2
    is_cls = np.zeros(len(sample), bool)
    if has_cls:
        starts = np.cumsum(lengths) - lengths
        is_cls[order[starts[np.array(lengths) > 0]]] = True
    return sample, TokenPositions(np.array(lengths), order, positions, is_cls)


def dense_attention(q, k, v, is_visible, own=None):
    """Softmax over the visible keys of a query (and its own key), from the dense matrix of scores."""
    scores = torch.einsum("qhw,khw->hqk", q, k) / q.shape[-1] ** 0.5
    scores = scores.masked_fill(~is_visible, float("-inf"))
    if own is None:
        return torch.einsum("hqk,khw->qhw", scores.softmax(-1), v).flatten(1)
    own_score = torch.einsum("qhw,qhw->hq", q, own[0]) / q.shape[-1] ** 0.5
    weights = torch.cat((scores, own_score.unsqueeze(-1)), -1).softmax(-1)
    output = torch.einsum("hqk,khw->qhw", weights[..., :-1], v)
    return (output + weights[..., -1].T.unsqueeze(-1) * own[1]).flatten(1)


def visibility(window, queries, keys):
    """(Tq, Tk) True where a query attends to a key."""
    (query_sample, query), (key_sample, key) = queries, keys
    is_near = np.abs(query.positions[:, None] - key.positions) <= window
    is_visible = is_near | query.is_cls[:, None] | key.is_cls
    return torch.from_numpy(is_visible & (query_sample[:, None] == key_sample))


def random_heads(n_tensors, n_tokens, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (n_tokens, HEADS, HEAD_WIDTH)
    return [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(n_tensors)]


def assert_equal_with_gradients(got, expected, inputs):
    assert torch.allclose(got, expected, atol=1e-10)
    probe = torch.linspace(-1, 1, got.numel(), dtype=got.dtype).view_as(got)
    gradients = (torch.autograd.grad((x * probe).sum(), inputs, allow_unused=True) for x in (got, expected))
    for a, b in zip(*gradients, strict=True):
        zero = torch.zeros((), dtype=torch.float64)
        assert torch.allclose(zero if a is None else a, zero if b is None else b, atol=1e-7)


@pytest.fixture(params=[1, 3, 32], ids=lambda n: f"blocks-of-{n}", autouse=True)
def block_size(request, monkeypatch):
    monkeypatch.setattr(window_module, "MIN_BLOCK", request.param)
    monkeypatch.setattr(window_module, "MAX_BLOCK", request.param)


cases = given(
    pairs=st.lists(st.tuples(st.integers(1, 12), st.integers(0, 12)), min_size=1, max_size=5),
    window=st.sampled_from([0.25, 0.5, 1.0, 3.0, 100.0]),
    has_cls=st.booleans(),
    span=st.sampled_from([0, 3, 20]),
)


@settings(max_examples=25, deadline=None)
@cases
def test_self_attention_equals_dense_attention(pairs, window, has_cls, span):
    keys = random_tokens([n for n, _ in pairs], 0, has_cls, span)
    q, k, v = random_heads(3, len(keys[0]))
    got = attend(q, k, v, WindowedPlan(window, keys[1]))
    expected = dense_attention(q, k, v, visibility(window, keys, keys))
    assert_equal_with_gradients(got, expected, [q, k, v])


@settings(max_examples=25, deadline=None)
@cases
def test_queries_apart_from_the_keys_equal_dense_attention(pairs, window, has_cls, span):
    keys = random_tokens([n for n, _ in pairs], 0, has_cls, span)
    queries = random_tokens([n for _, n in pairs], 1, False, span)
    k, v = random_heads(2, len(keys[0]), 1)
    q, k_self, v_self = random_heads(3, len(queries[0]), 2)
    plan, is_visible = WindowedPlan(window, keys[1], queries[1]), visibility(window, queries, keys)
    # a query may have no visible key but its own
    got = attend_with_self(q, k, v, k_self, v_self, plan)
    expected = dense_attention(q, k, v, is_visible, (k_self, v_self))
    assert_equal_with_gradients(got, expected, [q, k, v, k_self, v_self])
    if has_cls:
        expected = dense_attention(q, k, v, is_visible)
        assert_equal_with_gradients(attend(q, k, v, plan), expected, [q, k, v])


def test_a_key_at_exactly_the_distance_of_the_window_is_visible():
    positions = np.array([0.1, 0.1 + 0.7, 33.3, 0.1 + 0.70001], np.float32)
    window = float(positions[1] - positions[0])
    plan = WindowedPlan(window, TokenPositions(np.array([4]), None, positions, np.zeros(4, bool)))
    q, k, v = random_heads(3, 4)
    is_visible = torch.from_numpy(np.abs(positions[:, None] - positions) <= window)
    assert is_visible[0].tolist() == [True, True, False, False]
    assert torch.allclose(attend(q, k, v, plan), dense_attention(q, k, v, is_visible))


def test_the_number_of_scores_is_linear_in_the_length(monkeypatch):
    monkeypatch.setattr(window_module, "MIN_BLOCK", 32)
    monkeypatch.setattr(window_module, "MAX_BLOCK", 512)

    def n_scores(n_tokens):
        positions = np.random.default_rng(0).uniform(0, n_tokens, n_tokens).astype(np.float32)
        plan = WindowedPlan(20.0, TokenPositions(np.array([n_tokens]), None, positions, np.arange(n_tokens) == 0))
        return sum(g.n_samples * g.n_queries * g.n_keys for g in plan.groups)

    assert n_scores(16_000) < 4.5 * n_scores(4_000)
    assert n_scores(4_000) < 4_000 * 120
