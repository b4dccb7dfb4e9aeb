"""Local context of tokens and of queries equals a plain loop over the tokens of a channel series."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rotary_mae.batches.local_context import (
    MIN_STD,
    local_context,
    local_context_width,
    query_context,
    query_context_width,
)
from tests.builders import some_measurements


def reference_features(values, positions, sample, k):
    """For each distance, the features of the neighbour after and of the one before; then those of the series."""
    rows = []
    for i in range(len(values)):
        series = [
            j for j in range(len(values)) if sample[j] == sample[i] and (positions[j, 1:] == positions[i, 1:]).all()
        ]
        series.sort(key=lambda j: positions[j, 0])
        place, row = series.index(i), []
        for step in [1, 2, 3, 4, 8, 16, 32, 64][:k]:
            for j in (place + step, place - step):
                if 0 <= j < len(series):
                    gap = abs(positions[series[j], 0] - positions[i, 0])
                    row += [*(values[series[j]] - values[i]), 1 / (1 + gap)]
                else:
                    row += [0.0] * (values.shape[1] + 1)
        centred, std = values[i] - values[series].mean(0), np.sqrt(values[series].var(0) + MIN_STD**2)
        skewness = (((values[series] - values[series].mean(0)) / std) ** 3).mean(0)
        skewness = np.sign(skewness) * np.log(1 + np.abs(skewness))
        rows.append([*row, *centred, *(centred / std), *np.log(std), *skewness])
    return np.array(rows).reshape(len(values), -1)


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    k=st.integers(1, 8),
    n_channels=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_features_of_tokens_equal_those_of_a_loop(lengths, k, n_channels, seed):
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    values = rng.normal(size=(n, 2))
    positions = np.column_stack([rng.permutation(n) * 0.5 + 1, rng.integers(n_channels, size=n)])
    sample = np.repeat(np.arange(len(lengths)), lengths)
    got = local_context(*map(torch.from_numpy, (values, positions, sample)), k)
    assert got.shape == (n, local_context_width(k, 2))
    assert np.allclose(got.numpy(), reference_features(values, positions, sample, k))


def test_a_gap_of_minus_1_between_samples_does_not_divide_by_0():
    # the first sample ends at 2 and the second begins at 1, where 1 / (1 + gap) is 1 / 0
    positions = torch.tensor([[1.0], [2.0], [1.0], [2.0]])
    features = local_context(torch.ones(4, 1, requires_grad=True), positions, torch.tensor([0, 0, 1, 1]), 1)
    assert torch.isfinite(features).all()
    features.sum().backward()


def test_a_common_shift_of_times_changes_no_feature():
    tokens = some_measurements()
    values, sample = torch.from_numpy(tokens.values), torch.from_numpy(tokens.sample_idx)
    positions = torch.from_numpy(tokens.positions)
    shift = torch.tensor([17.0, 0.0], dtype=positions.dtype)
    assert torch.allclose(
        local_context(values, positions, sample, 3), local_context(values, positions + shift, sample, 3)
    )


def test_context_of_queries_equals_that_of_a_loop_over_visible_tokens() -> None:
    rng = np.random.default_rng(0)
    n_visible, n_queries = 60, 25
    sample, query_sample = np.sort(rng.integers(0, 4, n_visible)), np.sort(rng.integers(0, 5, n_queries))
    position = np.stack([rng.uniform(0, 9, n_visible), rng.integers(0, 3, n_visible)], 1).astype(np.float32)
    query = np.stack([rng.uniform(-1, 10, n_queries), rng.integers(0, 4, n_queries)], 1).astype(np.float32)
    values = rng.normal(size=(n_visible, 2)).astype(np.float32)
    context = query_context(*(torch.from_numpy(a) for a in (values, position, sample, query, query_sample)))
    assert context.features.shape == (n_queries, query_context_width(2))
    for i in range(n_queries):
        in_series = (sample == query_sample[i]) & (position[:, 1] == query[i, 1])
        time, visible = position[in_series, 0], values[in_series]
        mean = visible.mean(0) if len(visible) else np.zeros(2)
        before, after = time <= query[i, 0], time >= query[i, 0]
        previous = visible[before][time[before].argmax()] if before.any() else mean
        following = visible[after][time[after].argmin()] if after.any() else mean
        np.testing.assert_allclose(context.candidates[i], np.stack([mean, previous, following]), rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(context.features[i, :6], context.candidates[i].flatten())
        closeness = [1 / (1 + query[i, 0] - time[before].max()) if before.any() else 0.0]
        closeness.append(1 / (1 + time[after].min() - query[i, 0]) if after.any() else 0.0)
        expected = [*closeness, float(len(visible) > 0)]
        np.testing.assert_allclose(context.features[i, -3:], expected, rtol=1e-4, atol=1e-5)


def test_context_of_a_query_does_not_depend_on_other_queries() -> None:
    torch.manual_seed(0)
    values, position, sample = torch.randn(20, 1), torch.rand(20, 1) * 10, torch.arange(20) // 10
    query, query_sample = torch.rand(8, 1) * 10, torch.arange(8) // 4
    together = query_context(values, position, sample, query, query_sample)
    alone = query_context(values, position, sample, query[3:4], query_sample[3:4])
    assert torch.equal(together.features[3:4], alone.features)
