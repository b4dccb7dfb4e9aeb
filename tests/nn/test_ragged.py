"""Length groups: cuts have the least cost, and index maps contain every token."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotary_mae.nn import ragged
from rotary_mae.nn.ragged import COST_PER_CALL, COST_PER_TOKEN, MAX_PLANNED_SAMPLES, RaggedPlan, cut_into_groups


def cost_of(cuts, queries, keys):
    total = 0.0
    for a, b in pairwise(cuts):
        q, k = queries[a:b].max(), keys[a:b].max()
        total += (b - a) * (q * k + COST_PER_TOKEN * (q + k)) + COST_PER_CALL
    return total


@settings(max_examples=60, deadline=None)
@given(pairs=st.lists(st.tuples(st.integers(1, 400), st.integers(1, 400)), min_size=1, max_size=8))
def test_cuts_have_the_least_cost_of_all_cuts(pairs):
    queries, keys = np.array(sorted(pairs, key=lambda p: -p[1])).T
    n = len(keys)
    all_cuts = [[0, *inner, n] for r in range(n) for inner in combinations(range(1, n), r)]
    least = min(cost_of(cuts, queries, keys) for cuts in all_cuts)
    cuts = cut_into_groups(queries, keys)
    assert cuts[0] == 0
    assert cuts[-1] == n
    assert np.isclose(cost_of(cuts, queries, keys), least)


def many_lengths(n_samples):
    lengths = np.random.default_rng(0).lognormal(4, 1, n_samples).astype(int).clip(1, 400)
    return np.sort(lengths)[::-1]


def test_optimal_cuts_are_computed_for_a_bounded_number_of_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    n_planned: list[int] = []
    cut = ragged.cut_into_groups

    def counting(query_lengths, key_lengths):
        n_planned.append(len(key_lengths))
        return cut(query_lengths, key_lengths)

    monkeypatch.setattr(ragged, "cut_into_groups", counting)
    for n_samples in (MAX_PLANNED_SAMPLES, 3_000, 100_000):
        n_planned.clear()
        ragged.cut_into_groups(many_lengths(n_samples), many_lengths(n_samples))
        # the second call plans runs of samples; its time grows with the square of their number
        assert n_planned[0] == n_samples
        assert len(n_planned) == (1 if n_samples == MAX_PLANNED_SAMPLES else 2)
        assert n_planned[-1] <= MAX_PLANNED_SAMPLES


def test_cuts_between_runs_of_samples_cost_at_most_2_percent_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lengths = many_lengths(3_000)
    cuts = cut_into_groups(lengths, lengths)
    assert cuts[0] == 0
    assert cuts[-1] == 3_000
    assert all(a < b for a, b in pairwise(cuts))
    monkeypatch.setattr(ragged, "MAX_PLANNED_SAMPLES", 3_000)
    assert cost_of(cuts, lengths, lengths) < 1.02 * cost_of(cut_into_groups(lengths, lengths), lengths, lengths)


def test_a_batch_without_samples_has_no_groups():
    assert cut_into_groups(np.zeros(0, int), np.zeros(0, int)) == [0]


def test_different_lengths_have_several_groups_and_equal_ones_a_single_group_without_mask():
    assert len(RaggedPlan(np.array([400, 390, 100, 90, 5, 5])).groups) > 1
    equal = RaggedPlan(np.full(6, 50))
    assert len(equal.groups) == 1
    assert equal.groups[0].bias is None
    assert equal.keys.pad_idx is None


def test_attention_masks_have_one_entry_per_key_and_not_per_pair_of_tokens():
    """The official code builds a dense mask (B, N, N), even without padding."""
    lengths = np.random.default_rng(0).integers(20, 200, 40)
    biases = [group.bias for group in RaggedPlan(lengths).groups if group.bias is not None]
    assert biases
    assert all(bias.shape[1:3] == (1, 1) for bias in biases)


def test_attention_has_little_padding():
    """The official code pads all samples of a batch to the longest."""
    lengths = np.random.default_rng(0).lognormal(4, 1, 64).astype(int).clip(8, 390)
    plan = RaggedPlan(lengths)
    n_scores = sum(g.n_samples * g.n_queries * g.n_keys for g in plan.groups)
    assert n_scores < 1.5 * (lengths**2).sum()
    assert n_scores < 0.5 * len(lengths) * lengths.max() ** 2


@settings(max_examples=25, deadline=None)
@given(pairs=st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60)), min_size=1, max_size=12))
def test_every_token_of_a_sample_with_queries_has_one_place_in_the_buffer(pairs):
    lengths, query_lengths = np.array(pairs).T
    plan = RaggedPlan(lengths, query_lengths=query_lengths)
    has_queries = np.repeat(query_lengths > 0, lengths)
    for padding, is_present in ((plan.keys, has_queries), (plan.queries, np.ones(query_lengths.sum(), bool))):
        if padding.unpad_idx is None:
            continue
        places, pad_idx = padding.unpad_idx.numpy(), padding.pad_idx.numpy()
        assert len(places) == len(is_present)
        assert (pad_idx[places[is_present]] == np.flatnonzero(is_present)).all()
        assert ((places == len(pad_idx)) == ~is_present).all()
        assert padding.has_absent == (~is_present).any()
    assert sum(group.n_samples for group in plan.groups) == (query_lengths > 0).sum()
