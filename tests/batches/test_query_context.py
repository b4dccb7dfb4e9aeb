"""What a query is told of its surroundings, against a plain loop."""

import numpy as np
import torch

from rotary_mae.batches.local_context import query_context


def test_surroundings_are_those_of_a_plain_loop_over_visible_tokens_of_the_same_line() -> None:
    rng = np.random.default_rng(0)
    n_visible, n_queries = 60, 25
    sample, query_sample = np.sort(rng.integers(0, 4, n_visible)), np.sort(rng.integers(0, 5, n_queries))
    position = np.stack([rng.uniform(0, 9, n_visible), rng.integers(0, 3, n_visible)], 1).astype(np.float32)
    asked = np.stack([rng.uniform(-1, 10, n_queries), rng.integers(0, 4, n_queries)], 1).astype(np.float32)
    values = rng.normal(size=(n_visible, 2)).astype(np.float32)
    around = query_context(*(torch.from_numpy(a) for a in (values, position, sample, asked, query_sample)))
    for i in range(n_queries):
        line = (sample == query_sample[i]) & (position[:, 1] == asked[i, 1])
        time, seen = position[line, 0], values[line]
        mean = seen.mean(0) if len(seen) else np.zeros(2)
        before, after = time <= asked[i, 0], time >= asked[i, 0]
        previous = seen[before][time[before].argmax()] if before.any() else mean
        following = seen[after][time[after].argmin()] if after.any() else mean
        np.testing.assert_allclose(around.candidates[i], np.stack([mean, previous, following]), rtol=1e-4, atol=1e-5)
        gaps = [1 / (1 + asked[i, 0] - time[before].max()) if before.any() else 0.0]
        gaps.append(1 / (1 + time[after].min() - asked[i, 0]) if after.any() else 0.0)
        np.testing.assert_allclose(around.features[i, -3:], [*gaps, float(len(seen) > 0)], rtol=1e-4, atol=1e-5)


def test_no_query_sees_another() -> None:
    torch.manual_seed(0)
    values, position, sample = torch.randn(20, 1), torch.rand(20, 1) * 10, torch.arange(20) // 10
    asked, of = torch.rand(8, 1) * 10, torch.arange(8) // 4
    everything = query_context(values, position, sample, asked, of)
    alone = query_context(values, position, sample, asked[3:4], of[3:4])
    assert torch.equal(everything.features[3:4], alone.features)
