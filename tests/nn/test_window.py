"""WindowedPlan attention is dense attention under the mask of the window, forward and backward, at a linear cost."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rotary_mae.nn import window as window_module
from rotary_mae.nn.attention import attend, attend_with_self
from rotary_mae.nn.window import TokenPositions, WindowedPlan

HEADS, HEAD_WIDTH = 2, 4


def places(lengths, seed, has_cls, span):
    """Tokens of all samples in a random flat order; positions are whole numbers, so that many are tied."""
    rng = np.random.default_rng(seed)
    sample = rng.permutation(np.repeat(np.arange(len(lengths)), lengths))
    order = np.argsort(sample, kind="stable")
    positions = rng.integers(-span, span + 1, len(sample)).astype(np.float32) / 2
    is_cls = np.zeros(len(sample), bool)
    if has_cls:
        starts = np.cumsum(lengths) - lengths
        is_cls[order[starts[np.array(lengths) > 0]]] = True
    return sample, TokenPositions(np.array(lengths), order, positions, is_cls)


def dense(q, k, v, is_seen, own=None):
    """Softmax over the keys that a query sees (and its own), from the whole matrix of scores."""
    scores = torch.einsum("qhw,khw->hqk", q, k) / q.shape[-1] ** 0.5
    scores = scores.masked_fill(~is_seen, float("-inf"))
    if own is None:
        return torch.einsum("hqk,khw->qhw", scores.softmax(-1), v).flatten(1)
    own_score = torch.einsum("qhw,qhw->hq", q, own[0]) / q.shape[-1] ** 0.5
    weights = torch.cat((scores, own_score.unsqueeze(-1)), -1).softmax(-1)
    seen = torch.einsum("hqk,khw->qhw", weights[..., :-1], v)
    return (seen + weights[..., -1].T.unsqueeze(-1) * own[1]).flatten(1)


def seen(window, queries, keys):
    (query_sample, asked), (key_sample, held) = queries, keys
    is_near = np.abs(asked.positions[:, None] - held.positions) <= window
    is_seen = is_near | asked.is_cls[:, None] | held.is_cls
    return torch.from_numpy(is_seen & (query_sample[:, None] == key_sample))


def randoms(n_tensors, n_tokens, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (n_tokens, HEADS, HEAD_WIDTH)
    return [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(n_tensors)]


def assert_same_with_gradients(got, expected, inputs):
    assert torch.allclose(got, expected, atol=1e-10)
    probe = torch.linspace(-1, 1, got.numel(), dtype=got.dtype).view_as(got)
    mine, reference = (torch.autograd.grad((x * probe).sum(), inputs, allow_unused=True) for x in (got, expected))
    for a, b in zip(mine, reference, strict=True):
        zero = torch.zeros((), dtype=torch.float64)
        assert torch.allclose(zero if a is None else a, zero if b is None else b, atol=1e-7)


@pytest.fixture(params=[1, 3, 32], ids=lambda n: f"blocks-of-{n}", autouse=True)
def blocks(request, monkeypatch):
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
def test_tokens_among_themselves_are_the_dense_computation(pairs, window, has_cls, span):
    keys = places([n for n, _ in pairs], 0, has_cls, span)
    q, k, v = randoms(3, len(keys[0]))
    got = attend(q, k, v, WindowedPlan(window, keys[1]))
    assert_same_with_gradients(got, dense(q, k, v, seen(window, keys, keys)), [q, k, v])


@settings(max_examples=25, deadline=None)
@cases
def test_queries_of_their_own_are_the_dense_computation(pairs, window, has_cls, span):
    keys = places([n for n, _ in pairs], 0, has_cls, span)
    queries = places([n for _, n in pairs], 1, False, span)
    k, v = randoms(2, len(keys[0]), 1)
    q, k_self, v_self = randoms(3, len(queries[0]), 2)
    layout, is_seen = WindowedPlan(window, keys[1], queries[1]), seen(window, queries, keys)
    got = attend_with_self(q, k, v, k_self, v_self, layout)
    # a query may see nothing but itself
    assert_same_with_gradients(got, dense(q, k, v, is_seen, (k_self, v_self)), [q, k, v, k_self, v_self])
    if has_cls:
        assert_same_with_gradients(attend(q, k, v, layout), dense(q, k, v, is_seen), [q, k, v])


def test_a_distance_of_exactly_the_window_is_seen():
    positions = np.array([0.1, 0.1 + 0.7, 33.3, 0.1 + 0.70001], np.float32)
    window = float(positions[1] - positions[0])
    layout = WindowedPlan(window, TokenPositions(np.array([4]), None, positions, np.zeros(4, bool)))
    q, k, v = randoms(3, 4)
    is_seen = torch.from_numpy(np.abs(positions[:, None] - positions) <= window)
    assert is_seen[0].tolist() == [True, True, False, False]
    assert torch.allclose(attend(q, k, v, layout), dense(q, k, v, is_seen))


def test_the_cost_is_linear_in_the_length(monkeypatch):
    monkeypatch.setattr(window_module, "MIN_BLOCK", 32)
    monkeypatch.setattr(window_module, "MAX_BLOCK", 512)

    def n_scores(n_tokens):
        positions = np.random.default_rng(0).uniform(0, n_tokens, n_tokens).astype(np.float32)
        layout = WindowedPlan(20.0, TokenPositions(np.array([n_tokens]), None, positions, np.arange(n_tokens) == 0))
        return sum(g.n_samples * g.n_queries * g.n_keys for g in layout.groups)

    assert n_scores(16_000) < 4.5 * n_scores(4_000)
    assert n_scores(4_000) < 4_000 * 120
