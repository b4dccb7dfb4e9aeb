"""Measurement: error columns are the noise that was drawn, and links give values of their kind."""

import numpy as np
import pytest
from scipy.stats import kstest, poisson

from rotary_mae.prior.channels import MAX_LATENTS, draw_coregionalisation, draw_signals
from rotary_mae.prior.families import FAMILIES
from rotary_mae.prior.measurement import LINKS, Measurements, measure, poisson_counts
from rotary_mae.prior.random_streams import Floats, Ints, Streams

G, N = 4000, 32
NAMES = list(LINKS)


@pytest.fixture(scope="module")
def streams() -> Streams:
    return Streams.for_series(31, np.arange(G))


@pytest.fixture(scope="module")
def signals(streams: Streams) -> Floats:
    return streams.normal("signals of the test", (N,))


@pytest.fixture(scope="module")
def channel() -> Ints:
    return np.tile(np.arange(N) % 3, (G, 1))


@pytest.fixture(scope="module")
def measured(streams: Streams, signals: Floats, channel: Ints) -> Measurements:
    return measure(streams, signals, channel, np.full(G, 3), np.full(G, N))


def of_link(measured: Measurements, name: str) -> np.ndarray:
    return measured.link == NAMES.index(name)


def test_everything_is_finite_and_errors_are_not_negative(measured: Measurements) -> None:
    for array in (measured.values, measured.errors, measured.noiseless):
        assert np.isfinite(array).all()
    assert (measured.errors >= 0).all()


def test_known_errors_are_the_standard_deviation_of_the_noise(measured: Measurements) -> None:
    chosen = (measured.errors > 0) & ~measured.has_extra_noise[:, None]
    assert chosen.sum() > 10_000
    ratio = ((measured.values - measured.noiseless)[chosen]) / measured.errors[chosen]
    # levels of up to 300 scales cost digits of the difference, far fewer than matter here
    assert kstest(ratio[:5000], "norm").pvalue > 1e-6


def test_noise_exceeds_known_errors_where_that_is_stated(measured: Measurements) -> None:
    chosen = (measured.errors > 0) & measured.has_extra_noise[:, None]
    ratio = ((measured.values - measured.noiseless)[chosen]) / measured.errors[chosen]
    assert np.sqrt(np.square(np.clip(ratio, -100, 100)).mean()) > 1.2


def test_about_forty_percent_of_series_have_known_errors(measured: Measurements) -> None:
    fraction = (measured.errors > 0).any(axis=1).mean()
    # 0.85 * 0.47, times the part of the series with a channel of a link that has errors
    assert 0.25 < fraction < 0.42
    no_errors = ~np.isin(measured.link, [NAMES.index("identity"), NAMES.index("positive")])
    assert (measured.errors[no_errors] == 0).all()


def test_some_series_have_no_noise_at_all(measured: Measurements) -> None:
    chosen = of_link(measured, "identity").all(axis=1)
    exact = (measured.values == measured.noiseless).all(axis=1)
    # 15 % without noise, of which 0.9 without outliers and 0.85 without rounding
    assert abs(exact[chosen].mean() - 0.15 * 0.9 * 0.85) < 6 * np.sqrt(0.115 * 0.885 / chosen.sum())


def test_links_give_values_of_their_kind(measured: Measurements) -> None:
    values, noiseless = measured.values, measured.noiseless
    for name in ("counts", "ordinal", "binary"):
        own = values[of_link(measured, name)]
        assert (own == np.round(own)).all()
        assert own.min() >= 0
    assert set(np.unique(values[of_link(measured, "binary")])) == {0.0, 1.0}
    assert values[of_link(measured, "ordinal")].max() <= 3 + 15
    assert (noiseless[of_link(measured, "positive")] > 0).all()
    assert (values[of_link(measured, "bounded")] >= 0).all()


def test_clipped_channels_repeat_their_limit(measured: Measurements) -> None:
    one_link = (measured.link == NAMES.index("clipped")).all(axis=1)
    repeats = [len(row[::3]) - len(np.unique(row[::3])) for row in measured.noiseless[one_link]]
    assert np.mean(np.array(repeats) > 0) > 0.6


def largest_step(values: Floats) -> float:
    """The largest of 1, 2 and 5 times powers of ten of which all values are multiples; 0 if none fits."""
    steps = np.sort([digit * 10.0**power for power in range(-9, 7) for digit in (1, 2, 5)])[::-1]
    off = [np.abs(values / step - np.round(values / step)).max() for step in steps]
    fits = np.array(off) < 1e-6
    return float(steps[np.argmax(fits)]) if fits.any() else 0.0


def test_rounded_values_are_multiples_of_1_2_or_5_times_a_power_of_ten(
    streams: Streams, measured: Measurements
) -> None:
    identity = of_link(measured, "identity").all(axis=1)
    is_rounded = streams.chance("is rounded", 0.15)
    relative = np.array(
        [
            largest_step(measured.values[i, ::3]) / measured.noiseless[i, ::3].std()
            for i in np.flatnonzero(identity & is_rounded)
        ]
    )
    # sizes are 0.02 to 1 contrasts, and steps a tenth to 5 times the size; the std of 11 signals varies
    assert len(relative) > 100
    assert relative.min() > 0.001
    others = [largest_step(measured.values[i, ::3]) for i in np.flatnonzero(identity & ~is_rounded)[:100]]
    assert np.median(others) == 0


def test_scales_and_levels_span_orders_of_magnitude(measured: Measurements) -> None:
    chosen = of_link(measured, "identity").all(axis=1)
    std = measured.noiseless[chosen, ::3].std(axis=1)
    assert np.quantile(std, 0.05) < 0.01
    assert np.quantile(std, 0.95) > 1000


def test_poisson_counts_are_those_of_scipy() -> None:
    unit = Streams.for_series(0, np.arange(3000)).uniform("u")
    for rate in (0.01, 0.7, 5.0, 80.0, 999.0):
        np.testing.assert_array_equal(poisson_counts(unit, np.full(3000, rate)), poisson.ppf(unit, rate))
    large = poisson_counts(unit, np.full(3000, 5000.0))
    assert np.abs(large - poisson.ppf(unit, 5000.0)).max() <= 3


# -- channels -----------------------------------------------------------------------------------------------------


def test_channels_are_combinations_of_unit_norm(streams: Streams) -> None:
    n_channels = streams.integers("channels of the test", 1, 8)
    mixing = draw_coregionalisation(streams, n_channels)
    norm = np.sqrt(np.square(mixing.weights).sum(axis=2))
    assert set(np.round(np.unique(norm), 9)) == {0.0, 1.0}
    assert abs((norm == 0).mean() - 0.02) < 6 * 0.14 / np.sqrt(norm.size)
    assert (mixing.weights[np.arange(MAX_LATENTS) >= mixing.n_latents[:, None, None] + np.zeros((1, 7, 1))] == 0).all()
    assert np.abs(mixing.lag).max() <= 0.2
    single = n_channels == 1
    assert (mixing.lag[single] == 0).all()
    assert (mixing.own_weight[single] == 0).all()


def test_signals_are_lagged_combinations_of_the_same_functions() -> None:
    """With one latent function, channels without own process are the same signal up to factor and lag."""
    many = Streams.for_series(2, np.arange(1500))
    n_channels = np.full(len(many), 2)
    mixing = draw_coregionalisation(many, n_channels)
    chosen = np.flatnonzero(
        (mixing.n_latents == 1)
        & (mixing.own_weight == 0).all(axis=1)
        & (np.abs(mixing.weights[:, :, 0]) > 0).all(axis=1)
    )
    grid = np.linspace(0.1, 0.9, 12)
    times = np.concatenate([grid + mixing.lag[chosen, :1], grid + mixing.lag[chosen, 1:]], axis=1)
    channel = np.tile(np.repeat([0, 1], 12), (len(chosen), 1))
    family = np.full(len(chosen), list(FAMILIES).index("smooth_motion"))
    signals = draw_signals(many.take(chosen), times, channel, n_channels[chosen], family, ("smooth_motion",), seed=0)
    first, second = signals[:, :12], signals[:, 12:]
    ratio = mixing.weights[chosen, 1, 0] / mixing.weights[chosen, 0, 0]
    assert len(chosen) > 50
    np.testing.assert_allclose(second, ratio[:, None] * first, atol=1e-9)
