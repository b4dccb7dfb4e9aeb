"""Random convolutions as features of series."""

import numpy as np

from rotary_mae.evaluation.rocket import N_BIASES, RandomConvolutions


def test_random_convolutions_are_reproducible_and_separate_shapes():
    rng = np.random.default_rng(0)
    time = np.linspace(0, 6 * np.pi, 60)
    slow = np.sin(time + rng.uniform(0, 6, (20, 1, 1))) + 0.1 * rng.normal(size=(20, 1, 60))
    fast = np.sin(3 * time + rng.uniform(0, 6, (20, 1, 1))) + 0.1 * rng.normal(size=(20, 1, 60))
    convolutions = RandomConvolutions.fit(np.concatenate([slow[:10], fast[:10]]), seed=0)
    one, other = convolutions.transform(slow), convolutions.transform(fast)
    centre = (one[:10].mean(0) + other[:10].mean(0)) / 2
    direction = one[:10].mean(0) - other[:10].mean(0)
    assert ((one[10:] - centre) @ direction > 0).all()
    assert ((other[10:] - centre) @ direction < 0).all()
    again = RandomConvolutions.fit(np.concatenate([slow[:10], fast[:10]]), seed=0)
    np.testing.assert_array_equal(again.transform(slow), one)


def test_features_are_fractions_of_times_above_thresholds():
    series = np.random.default_rng(0).normal(size=(6, 2, 40))
    convolutions = RandomConvolutions.fit(series, seed=0)
    features = convolutions.transform(series).reshape(6, -1, N_BIASES)
    scaled = (series - convolutions.mean) / convolutions.scale
    for k in (0, 100, len(convolutions.kernels) - 1):
        kernel = convolutions.kernels[k]
        weights = np.zeros(8 * kernel.dilation + 1)
        weights[:: kernel.dilation] = -1.0
        weights[np.array(kernel.positions) * kernel.dilation] = 2.0
        for i in range(6):
            padded = np.pad(scaled[i, kernel.channels].sum(0), 4 * kernel.dilation)
            response = np.correlate(padded, weights, mode="valid")
            expected = [(response > bias).mean() for bias in kernel.biases]
            # a response that equals a threshold, from which it was drawn, may round to either side
            np.testing.assert_allclose(features[i, k], expected, atol=1.01 / 40)


def test_dilated_kernels_fit_into_the_series():
    convolutions = RandomConvolutions.fit(np.random.default_rng(0).normal(size=(4, 1, 20)), seed=0)
    assert {kernel.dilation for kernel in convolutions.kernels} == {1, 2}
    assert len(convolutions.kernels) == 2 * 84
