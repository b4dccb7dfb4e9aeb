"""Versions of a worn sensor's series: turned in space, nothing else changed."""

import numpy as np
import pytest

import rotary_mae as rm
from reproduce.uea.augmentation import Turned


@pytest.fixture
def series() -> rm.TokenSet:
    values = np.random.default_rng(0).normal(size=(12, 7))
    return rm.TokenSet(values, np.arange(12.0), [5, 3, 4], targets=[0, 1, 1])


def test_lengths_of_vectors_stay_and_directions_turn_by_at_most_the_angle(series: rm.TokenSet) -> None:
    turned = Turned(series, sensors=[[0, 1, 2], [3, 4, 5]], n_views=40, angle=25.0)
    assert len(turned) == 120
    assert turned.lengths.tolist() == [5, 3, 4] * 40
    assert np.array_equal(turned[:3].values, series.values), "the first version is the series as it is"
    of_all = turned[np.arange(120)]
    before, after = np.tile(series.values, (40, 1)), of_all.values
    assert np.array_equal(of_all.positions, np.tile(series.positions, (40, 1)))
    assert np.array_equal(np.asarray(of_all.targets), np.tile([0, 1, 1], 40))
    assert np.array_equal(before[:, 6], after[:, 6]), "what is no direction stays"
    for at in (0, 3):
        one, other = (np.asarray(v[:, at : at + 3], float) for v in (before, after))
        lengths = np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1)
        np.testing.assert_allclose(*lengths, rtol=1e-5)
        angles = np.rad2deg(np.arccos(np.clip((one * other).sum(1) / lengths[0] / lengths[1], -1, 1)))
        assert angles.max() < 25.1
        assert angles.max() > 15.0
    # one body: what both sensors of a sample see stands as before, and all its steps turn alike
    mixed = [np.einsum("ti,si->ts", part[:5, :3], part[:5, 3:6]) for part in (before[12:], after[12:])]
    np.testing.assert_allclose(*mixed, rtol=1e-4, atol=1e-5)


def test_a_version_is_ever_the_same(series: rm.TokenSet) -> None:
    one = Turned(series, [[0, 1, 2]], 4, 30.0, seed=1)
    assert np.array_equal(one[[7]].values, Turned(series, [[0, 1, 2]], 4, 30.0, seed=1)[6:9][1].values)
    assert not np.allclose(one[[7]].values, Turned(series, [[0, 1, 2]], 4, 30.0, seed=2)[[7]].values)
