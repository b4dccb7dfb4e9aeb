"""Blocks: equivalent ways to compute states, and stochastic depth."""

import numpy as np
import torch

from rotary_mae.nn.ragged import RaggedPlan
from rotary_mae.nn.rope import rope_angles, rope_frequencies
from rotary_mae.nn.transformer import Angles, Block, Stack

LENGTHS = np.array([4, 1, 6])
WIDTH, HEADS = 12, 2


def make_block(seed=0, **settings):
    """A block with large weights, states (T, WIDTH), angles, and the sample of each token."""
    torch.manual_seed(seed)
    block = Block(WIDTH, HEADS, 20, **settings)
    for weight in (block.qkv, block.out, block.up, block.down):
        torch.nn.init.normal_(weight, std=0.3)
    n = int(LENGTHS.sum())
    angles = Angles(*rope_angles(torch.rand(n, 1) * 5, rope_frequencies(WIDTH // HEADS).unsqueeze(0)))
    return block, torch.randn(n, WIDTH), angles, torch.from_numpy(np.repeat(np.arange(3), LENGTHS))


def test_a_subset_of_the_tokens_has_the_states_it_has_among_all():
    block, x, angles, sample_idx = make_block()
    expected = block(x, angles, RaggedPlan(LENGTHS), sample_idx)
    plan = RaggedPlan(LENGTHS, query_lengths=np.array([0, 0, 6]))
    got = block.forward_subset(x, slice(5, None), angles, plan, sample_idx)
    assert torch.allclose(got, expected[5:], atol=1e-5)


def test_equal_tokens_projected_once_have_the_states_of_tokens_projected_one_by_one():
    block, x, angles, sample_idx = make_block()
    x[5:] = x[5]
    expected = block(x, angles, RaggedPlan(LENGTHS), sample_idx)
    assert torch.allclose(block(x, angles, RaggedPlan(LENGTHS), sample_idx, 5), expected, atol=1e-5)


def test_a_query_has_the_state_of_a_token_that_no_other_token_attends_to():
    block, x, angles, sample_idx = make_block()
    # the last token of the last sample attends to the five before it
    memory, query = slice(0, 10), slice(10, 11)
    plan = RaggedPlan(np.array([4, 1, 5]), query_lengths=np.array([0, 0, 1]))
    got = block.forward_queries(x[memory], x[query], angles[memory], angles[query], plan, sample_idx[query])
    assert torch.allclose(got, block(x, angles, RaggedPlan(LENGTHS), sample_idx)[query], atol=1e-5)


def test_stochastic_depth_drops_whole_samples_independently_and_does_not_change_the_mean():
    block, x, _, sample_idx = make_block(drop_path=0.5)
    block.train()
    scales = torch.stack([block.drop_path_scale(x, sample_idx).squeeze(1) for _ in range(2000)])
    assert set(scales.unique().tolist()) == {0.0, 2.0}
    for sample in range(3):
        of_sample = scales[:, sample_idx == sample]
        assert (of_sample == of_sample[:, :1]).all()
    # five standard errors of a mean of 2000 draws, and of a correlation
    assert torch.allclose(scales.mean(0), torch.ones(len(x)), atol=0.11)
    assert np.corrcoef(scales[:, 0], scales[:, -1])[0, 1] < 0.11


def test_in_evaluation_nothing_is_dropped():
    block, x, angles, sample_idx = make_block(dropout=0.5, drop_path=0.5)
    plain, *_ = make_block()
    plan = RaggedPlan(LENGTHS)
    block.eval()
    assert torch.equal(block(x, angles, plan, sample_idx), plain(x, angles, plan, sample_idx))


def test_stochastic_depth_grows_linearly_with_depth():
    assert [block.drop_path for block in Stack(12, 2, 20, 3, drop_path=0.4).blocks] == [0.0, 0.2, 0.4]
