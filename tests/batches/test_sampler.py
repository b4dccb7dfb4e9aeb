"""Batches of an epoch: every sample once, a pure function of (seed, epoch), divided among processes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotary_mae.batches.sampler import MIXED_BLOCKS, epoch_batches, rank_share, shuffled


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=40),
    max_tokens=st.none() | st.integers(1, 200),
    batch_size=st.none() | st.integers(1, 9),
    block=st.integers(1, 7),
    seed=st.integers(-5, 2**64 - 1),
    epoch=st.integers(0, 1000),
)
def test_every_sample_is_in_one_batch_and_batches_keep_the_budget(lengths, max_tokens, batch_size, block, seed, epoch):
    if max_tokens is None and batch_size is None:
        batch_size = 4
    arguments = {"max_tokens": max_tokens, "batch_size": batch_size, "lengths": np.array(lengths), "block": block}
    batches = epoch_batches(len(lengths), seed=seed, epoch=epoch, **arguments)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    again = epoch_batches(len(lengths), seed=seed, epoch=epoch, **arguments)
    assert [b.tolist() for b in batches] == [b.tolist() for b in again]
    for batch in batches:
        assert len(batch) <= (batch_size or len(lengths))
        if max_tokens is not None:
            assert len(batch) == 1 or np.array(lengths)[batch].sum() <= max_tokens
    for batch, following in pairwise(batches):
        # a batch ends only when it is full
        n_tokens_with_one_more = np.array(lengths)[[*batch, following[0]]].sum()
        assert len(batch) == batch_size or (max_tokens is not None and n_tokens_with_one_more > max_tokens)


def test_orders_differ_between_seeds_and_epochs():
    orders = [
        shuffled(50, seed, epoch) for seed, epoch in [(0, 0), (0, 1), (1, 0), (-1, 0), (2**63, 0), (2**63 + 5, 0)]
    ]
    assert len({order.tobytes() for order in orders}) == len(orders)


@pytest.mark.parametrize("block", [4, 7])
def test_neighbours_in_the_order_come_from_few_blocks(block):
    n = 10_001
    order = shuffled(n, 0, 0, block=block)
    assert sorted(order) == list(range(n))
    windows = [order[i : i + MIXED_BLOCKS * block] for i in range(0, n, MIXED_BLOCKS * block)]
    # the last block is shorter than the others, which shifts those that come after it in the order
    assert max(len(np.unique(window // block)) for window in windows) <= MIXED_BLOCKS + 1
    assert all((np.diff(window) == 1).mean() < 0.1 for window in windows), "blocks are mixed"
    assert np.array_equal(order, shuffled(n, 0, 0, block=block))


def test_batches_mix_classes_that_lie_one_after_the_other_on_disk():
    is_second = np.arange(20_000) >= 10_000
    for batch in epoch_batches(len(is_second), seed=0, epoch=0, batch_size=64, block=64):
        assert 0.1 < is_second[batch].mean() < 0.9
    small = [is_second[9_880:10_120][batch] for batch in epoch_batches(240, seed=0, epoch=0, batch_size=16, block=64)]
    assert all(0 < batch.mean() < 1 for batch in small)


@given(n=st.integers(1, 30), world=st.integers(1, 8))
def test_the_processes_divide_the_batch_among_themselves(n, world):
    batch = np.random.default_rng(0).permutation(100)[:n]
    by_rank = [rank_share(batch, rank, world) for rank in range(world)]
    counted = np.concatenate([samples for samples, counts in by_rank if counts])
    assert sorted(counted) == sorted(batch)
    assert max(len(samples) for samples, _ in by_rank) - min(len(samples) for samples, _ in by_rank) <= 1
    # a process without samples of its own has one that does not count
    assert all(len(samples) == 1 and samples[0] == batch[0] for samples, counts in by_rank if not counts)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "needs batch_size= or max_tokens="),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"batch_size": 0, "max_tokens": 10, "lengths": np.ones(5, int)}, "batch_size must be at least 1, got 0"),
        ({"max_tokens": 0, "lengths": np.ones(5, int)}, "max_tokens must be at least 1, got 0"),
        ({"max_tokens": 10}, "need the lengths of the samples"),
        ({"max_tokens": 10, "lengths": np.ones(6, int)}, r"lengths must have one entry per sample \(5\), got 6"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        epoch_batches(5, seed=0, epoch=0, **arguments)
