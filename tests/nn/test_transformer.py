"""Blocks: reading a part is part of reading all, and stochastic depth drops whole samples."""

import numpy as np
import torch

from rotary_mae.nn.ragged import RaggedPlan
from rotary_mae.nn.rope import rope_angles, rope_frequencies
from rotary_mae.nn.transformer import Angles, Block, Stack

LENGTHS = np.array([4, 1, 6])
WIDTH, HEADS = 12, 2


def setup(seed=0, **settings):
    torch.manual_seed(seed)
    block = Block(WIDTH, HEADS, 20, **settings)
    for weight in (block.qkv, block.out, block.up, block.down):
        torch.nn.init.normal_(weight, std=0.3)
    n = int(LENGTHS.sum())
    angles = Angles(*rope_angles(torch.rand(n, 1) * 5, rope_frequencies(WIDTH // HEADS).unsqueeze(0)))
    return block, torch.randn(n, WIDTH), angles, torch.from_numpy(np.repeat(np.arange(3), LENGTHS))


def test_reading_some_tokens_gives_what_reading_all_gives():
    block, x, angles, sample_idx = setup()
    everything = block(x, angles, RaggedPlan(LENGTHS), sample_idx)
    asked = RaggedPlan(LENGTHS, query_lengths=np.array([0, 0, 6]))
    assert torch.allclose(block.forward_subset(x, slice(5, None), angles, asked, sample_idx), everything[5:], atol=1e-5)


def test_a_lone_query_is_a_token_that_the_others_do_not_see():
    block, x, angles, sample_idx = setup()
    # the last token of the last sample asks the five before it
    memory, asking = slice(0, 10), slice(10, 11)
    ragged = RaggedPlan(np.array([4, 1, 5]), query_lengths=np.array([0, 0, 1]))
    got = block.forward_queries(x[memory], x[asking], angles[memory], angles[asking], ragged, sample_idx[asking])
    assert torch.allclose(got, block(x, angles, RaggedPlan(LENGTHS), sample_idx)[asking], atol=1e-5)


def test_stochastic_depth_drops_whole_samples_and_keeps_the_mean():
    block, x, _, sample_idx = setup(drop_path=0.5)
    block.train()
    keeps = torch.stack([block.drop_path_scale(x, sample_idx).squeeze(1) for _ in range(2000)])
    assert set(keeps.unique().tolist()) == {0.0, 2.0}
    for sample in range(3):
        mine = keeps[:, sample_idx == sample]
        assert (mine == mine[:, :1]).all()
    assert torch.allclose(keeps.mean(0), torch.ones(len(x)), atol=0.1)
    assert np.corrcoef(keeps[:, 0], keeps[:, -1])[0, 1] < 0.1


def test_evaluation_drops_nothing():
    block, x, angles, sample_idx = setup(dropout=0.5, drop_path=0.5)
    plain, *_ = setup()
    ragged = RaggedPlan(LENGTHS)
    block.eval()
    assert torch.equal(block(x, angles, ragged, sample_idx), plain(x, angles, ragged, sample_idx))


def test_stochastic_depth_grows_with_depth():
    assert [block.drop_path for block in Stack(12, 2, 20, 3, drop_path=0.4).blocks] == [0.0, 0.2, 0.4]
