"""Features of series are those of numpy and scipy."""

import numpy as np
from scipy.stats import skew

import rotary_mae as rm
from rotary_mae.data.tokens import TokenSet
from rotary_mae.evaluation.features import distribution_features, series_features, series_on_grid
from tests.estimators.small import COLUMNS, light_curves


def test_distribution_features_are_those_of_numpy_and_scipy() -> None:
    rng = np.random.default_rng(0)
    lengths = np.array([30, 25, 2])
    channel = rng.integers(0, 2, 57)
    channel[55:] = 0
    values = rng.normal(size=57).astype(np.float32)
    tokens = TokenSet(
        values,
        np.column_stack([rng.uniform(0, 9, 57), channel]),
        lengths,
        axes=("time", "channel"),
        channels=("g", "r"),
    )
    features = distribution_features(tokens).reshape(3, 2, 4)
    for i, sample in enumerate(tokens):
        for c in range(2):
            series = sample.values[sample.positions[:, 1] == c, 0].astype(float)
            if not len(series):
                assert np.isnan(features[i, c, 3])
                continue
            expected = [series.std(), np.ptp(np.quantile(series, [0.05, 0.95])), skew(series), np.median(series)]
            np.testing.assert_allclose(features[i, c], expected, rtol=1e-5, atol=1e-6)


def test_features_depend_on_the_order_in_time_and_on_no_other_order():
    df = light_curves()
    tokens = rm.from_frame(df, **COLUMNS)
    features = series_features(tokens)
    assert np.isfinite(features).all()
    shuffled = rm.from_frame(df.sample(frac=1.0, random_state=0), **COLUMNS)
    back = [shuffled.ids.tolist().index(i) for i in tokens.ids.tolist()]
    np.testing.assert_allclose(series_features(shuffled)[back], features)
    reversed_in_time = tokens.replace(positions=np.where([True, False], -tokens.positions, tokens.positions))
    changed = ~np.isclose(series_features(reversed_in_time), features).all(0)
    assert changed.any()
    # the trend changes its sign
    is_trend = np.isclose(series_features(reversed_in_time), -features).all(0) & changed
    assert is_trend.any()


def test_missing_channels_and_static_covariates_have_columns():
    df = light_curves()
    only_g = df[(df["object_id"] != "sn003") | (df["band"] == "g")]
    tokens = rm.from_frame(only_g, **COLUMNS, static=["z"])
    features = series_features(tokens)
    np.testing.assert_allclose(features[:, -1], 0.1 * np.arange(24), rtol=1e-6)
    assert np.isnan(features[3]).any()
    assert not np.isnan(np.delete(features, 3, axis=0)).any()


def test_series_on_a_grid_are_interpolated_linearly():
    tokens = rm.TokenSet(
        [0.0, 4.0, 2.0], [[0.0, 0], [2.0, 0], [1.0, 1]], [2, 1], axes=("time", "channel"), channels="ab"
    )
    grid = series_on_grid(tokens, 5)
    assert grid.shape == (2, 2, 5)
    np.testing.assert_allclose(grid[0, 0], [0, 1, 2, 3, 4])
    np.testing.assert_allclose(grid[1, 1], 2.0)
    np.testing.assert_allclose(grid[1, 0], 2.0)  # no value: the median of the channel
