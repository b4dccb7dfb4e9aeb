"""Groups of samples: the cheapest cuts there are, and index maps that lose no token."""

import time
from itertools import combinations, pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rotary_mae.nn import ragged as ragged_module
from rotary_mae.nn.ragged import COST_PER_CALL, COST_PER_TOKEN, RaggedPlan, cut_into_groups


def cost_of(cuts, queries, keys):
    total = 0.0
    for a, b in pairwise(cuts):
        q, k = queries[a:b].max(), keys[a:b].max()
        total += (b - a) * (q * k + COST_PER_TOKEN * (q + k)) + COST_PER_CALL
    return total


@settings(max_examples=60, deadline=None)
@given(pairs=st.lists(st.tuples(st.integers(1, 400), st.integers(1, 400)), min_size=1, max_size=8))
def test_cuts_are_the_cheapest_of_all(pairs):
    queries, keys = np.array(sorted(pairs, key=lambda p: -p[1])).T
    n = len(keys)
    every = [[0, *inner, n] for r in range(n) for inner in combinations(range(1, n), r)]
    best = min(cost_of(cuts, queries, keys) for cuts in every)
    cuts = cut_into_groups(queries, keys)
    assert cuts[0] == 0
    assert cuts[-1] == n
    assert np.isclose(cost_of(cuts, queries, keys), best)


def test_thousands_of_samples_are_planned_in_no_time_and_nearly_as_well(monkeypatch):
    lengths = np.sort(np.random.default_rng(0).lognormal(4, 1, 3000).astype(int).clip(1, 400))[::-1]
    started = time.process_time()
    cuts = cut_into_groups(lengths, lengths)
    assert time.process_time() - started < 1.0
    assert cuts[0] == 0
    assert cuts[-1] == 3000
    assert all(a < b for a, b in pairwise(cuts))
    monkeypatch.setattr(ragged_module, "MAX_PLANNED_SAMPLES", 3000)
    assert cost_of(cuts, lengths, lengths) < 1.02 * cost_of(cut_into_groups(lengths, lengths), lengths, lengths)


def test_no_samples_no_cuts():
    assert cut_into_groups(np.zeros(0, int), np.zeros(0, int)) == [0]


@settings(max_examples=25, deadline=None)
@given(pairs=st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60)), min_size=1, max_size=12))
def test_every_token_that_is_needed_has_a_place_of_its_own(pairs):
    lengths, asked = np.array(pairs).T
    ragged = RaggedPlan(lengths, query_lengths=asked)
    needed = np.repeat(asked > 0, lengths)
    for side, n_tokens, is_in in ((ragged.keys, lengths.sum(), needed), (ragged.queries, asked.sum(), slice(None))):
        if side.unpad_idx is None:
            continue
        places = side.unpad_idx.numpy()
        pad_idx = side.pad_idx.numpy()
        assert len(places) == n_tokens
        assert (pad_idx[places[is_in]] == np.arange(n_tokens)[is_in]).all()
        absent = places == len(pad_idx)
        assert side.has_absent == absent.any()
        assert (absent == ~np.ones(n_tokens, bool) if isinstance(is_in, slice) else absent == ~is_in).all()
    assert sum(group.n_samples for group in ragged.groups) == (asked > 0).sum()
