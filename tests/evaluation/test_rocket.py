"""Random convolutions as features of series."""

import numpy as np

from rotary_mae.evaluation.rocket import RandomConvolutions


def test_random_convolutions_are_reproducible_and_separate_shapes():
    rng = np.random.default_rng(0)
    time = np.linspace(0, 6 * np.pi, 60)
    slow = np.sin(time + rng.uniform(0, 6, (20, 1, 1))) + 0.1 * rng.normal(size=(20, 1, 60))
    fast = np.sin(3 * time + rng.uniform(0, 6, (20, 1, 1))) + 0.1 * rng.normal(size=(20, 1, 60))
    convolutions = RandomConvolutions.fit(np.concatenate([slow[:10], fast[:10]]), seed=0)
    one, other = convolutions.transform(slow), convolutions.transform(fast)
    assert ((one >= 0) & (one <= 1)).all()
    centre = (one[:10].mean(0) + other[:10].mean(0)) / 2
    direction = one[:10].mean(0) - other[:10].mean(0)
    assert ((one[10:] - centre) @ direction > 0).all()
    assert ((other[10:] - centre) @ direction < 0).all()
    again = RandomConvolutions.fit(np.concatenate([slow[:10], fast[:10]]), seed=0)
    np.testing.assert_array_equal(again.transform(slow), one)
