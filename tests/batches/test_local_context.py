"""Local context is what a loop over tokens finds."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rotary_mae.batches.local_context import MIN_STD, local_context_width, local_context
from tests.builders import some_measurements


def naive(values, positions, sample, k):
    """For the nearest four and farther places the neighbour after, then the one before; then the line's shape."""
    rows = []
    for i in range(len(values)):
        line = [
            j for j in range(len(values)) if sample[j] == sample[i] and (positions[j, 1:] == positions[i, 1:]).all()
        ]
        line.sort(key=lambda j: positions[j, 0])
        place, row = line.index(i), []
        for step in [1, 2, 3, 4, 8, 16, 32, 64][:k]:
            for j in (place + step, place - step):
                if 0 <= j < len(line):
                    gap = abs(positions[line[j], 0] - positions[i, 0])
                    row += [*(values[line[j]] - values[i]), 1 / (1 + gap)]
                else:
                    row += [0.0] * (values.shape[1] + 1)
        centred, spread = values[i] - values[line].mean(0), np.sqrt(values[line].var(0) + MIN_STD**2)
        skewness = (((values[line] - values[line].mean(0)) / spread) ** 3).mean(0)
        skewness = np.sign(skewness) * np.log(1 + np.abs(skewness))
        rows.append([*row, *centred, *(centred / spread), *np.log(spread), *skewness])
    return np.array(rows).reshape(len(values), -1)


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    k=st.integers(1, 8),
    n_channels=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_neighbours_are_those_of_a_loop(lengths, k, n_channels, seed):
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    values = rng.normal(size=(n, 2))
    positions = np.column_stack([rng.permutation(n) * 0.5 + 1, rng.integers(n_channels, size=n)])
    sample = np.repeat(np.arange(len(lengths)), lengths)
    got = local_context(*map(torch.from_numpy, (values, positions, sample)), k)
    assert got.shape == (n, local_context_width(k, 2))
    assert np.allclose(got.numpy(), naive(values, positions, sample, k))


def test_samples_a_distance_of_minus_1_apart_are_not_divided_by_0():
    # the first ends at 2, the second begins at 1: 1 / (1 + gap) would be 1 / 0
    positions = torch.tensor([[1.0], [2.0], [1.0], [2.0]])
    near = local_context(torch.ones(4, 1, requires_grad=True), positions, torch.tensor([0, 0, 1, 1]), 1)
    assert torch.isfinite(near).all()
    near.sum().backward()


def test_a_common_shift_changes_nothing():
    tokens = some_measurements()
    values, sample = torch.from_numpy(tokens.values), torch.from_numpy(tokens.sample_idx)
    positions = torch.from_numpy(tokens.positions)
    shift = torch.tensor([17.0, 0.0], dtype=positions.dtype)
    assert torch.allclose(
        local_context(values, positions, sample, 3), local_context(values, positions + shift, sample, 3)
    )
