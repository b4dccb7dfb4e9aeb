"""Rotated series of worn sensors: only directions change."""

import numpy as np
import pytest

import rotary_mae as rm
from reproduce.uea.augmentation import RotatedSensors


@pytest.fixture
def series() -> rm.TokenSet:
    values = np.random.default_rng(0).normal(size=(12, 7))
    return rm.TokenSet(values, np.arange(12.0), [5, 3, 4], targets=[0, 1, 1])


def test_rotation_keeps_norms_and_changes_directions_by_at_most_the_angle(series: rm.TokenSet) -> None:
    rotated = RotatedSensors(series, sensors=[[0, 1, 2], [3, 4, 5]], n_views=40, angle=25.0)
    assert len(rotated) == 120
    assert rotated.lengths.tolist() == [5, 3, 4] * 40
    assert np.array_equal(rotated[:3].values, series.values), "the first version is not rotated"
    of_all = rotated[np.arange(120)]
    before, after = np.tile(series.values, (40, 1)), of_all.values
    assert np.array_equal(of_all.positions, np.tile(series.positions, (40, 1)))
    assert np.array_equal(np.asarray(of_all.targets), np.tile([0, 1, 1], 40))
    assert np.array_equal(before[:, 6], after[:, 6]), "other columns are unchanged"
    for at in (0, 3):
        one, other = (np.asarray(v[:, at : at + 3], float) for v in (before, after))
        lengths = np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1)
        np.testing.assert_allclose(*lengths, rtol=1e-5)
        angles = np.rad2deg(np.arccos(np.clip((one * other).sum(1) / lengths[0] / lengths[1], -1, 1)))
        assert angles.max() < 25.1
        assert angles.max() > 15.0
    # sensors on one body: the angles between them are unchanged, and all steps of a sample rotate alike
    mixed = [np.einsum("ti,si->ts", part[:5, :3], part[:5, 3:6]) for part in (before[12:], after[12:])]
    np.testing.assert_allclose(*mixed, rtol=1e-4, atol=1e-5)


def test_versions_depend_on_the_seed_alone(series: rm.TokenSet) -> None:
    one = RotatedSensors(series, [[0, 1, 2]], 4, 30.0, seed=1)
    assert np.array_equal(one[[7]].values, RotatedSensors(series, [[0, 1, 2]], 4, 30.0, seed=1)[6:9][1].values)
    assert not np.allclose(one[[7]].values, RotatedSensors(series, [[0, 1, 2]], 4, 30.0, seed=2)[[7]].values)
