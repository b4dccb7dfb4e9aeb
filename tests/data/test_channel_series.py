"""Observed values grouped by sample and channel."""

import numpy as np

import rotary_mae as rm
from rotary_mae.data.channel_series import channel_series, quantile_by_series
from tests.builders import some_measurements


def test_values_of_a_sample_and_channel_are_a_series_sorted_by_time() -> None:
    tokens = rm.TokenSet(
        [5.0, 1.0, 2.0, 7.0],
        [[3.0, 1], [1.0, 0], [0.0, 1], [9.0, 0]],
        [3, 1],
        axes=("time", "channel"),
        channels=("g", "r"),
    )
    series = channel_series(tokens).sorted_by_time()
    assert series.n_channels == 2
    # sample * 2 + channel
    assert series.series.tolist() == [0, 1, 1, 2]
    assert series.times.tolist() == [1.0, 0.0, 3.0, 9.0]
    assert series.values.tolist() == [1.0, 2.0, 5.0, 7.0]


def test_static_covariates_and_unobserved_values_are_left_out() -> None:
    measurements = some_measurements((3, 2), statics=("z",))
    assert len(channel_series(measurements).values) == 5
    steps = rm.from_arrays(np.array([[[1.0, 2.0], [3.0, np.nan]]]), layout="steps")
    assert channel_series(steps).values.tolist() == [1.0, 3.0, 2.0]
    assert channel_series(steps).series.tolist() == [0, 1, 0]


def test_quantiles_are_those_of_numpy_for_each_series() -> None:
    rng = np.random.default_rng(0)
    parts = [np.sort(rng.normal(size=n)) for n in (5, 0, 1, 12)]
    for probability in (0.0, 0.05, 0.5, 0.9, 1.0):
        found = quantile_by_series(np.concatenate(parts), np.array([5, 0, 1, 12]), probability)
        expected = [np.quantile(part, probability) if len(part) else np.nan for part in parts]
        np.testing.assert_allclose(found, expected)
