"""Periodic signals, transients, jump processes, smooth motion and trends: each has the property of its name."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.interpolate import BSpline

from rotary_mae.prior import jump_processes, periodic_signals, smooth_motion, transients, trends
from rotary_mae.prior.families import FAMILIES, draw_family, draw_functions, draw_main_family
from rotary_mae.prior.periodic_signals import draw_periods
from rotary_mae.prior.random_streams import Floats, Streams

N = 300
FAR = 6.0

Draw = Callable[[Streams, Floats], Floats]


@pytest.fixture(scope="module")
def streams() -> Streams:
    return Streams.for_series(11, np.arange(N))


def grid(low: float, high: float, n: int = 401) -> Floats:
    return np.tile(np.linspace(low, high, n), (N, 1))


# -- all families ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_values_are_finite_and_of_standard_size(family: str) -> None:
    many = Streams.for_series(12, np.arange(2000))
    values = draw_family(family, many, many.uniform("t", -0.3, 1.6, (24,)), seed=0)
    assert np.isfinite(values).all()
    assert 0.3 < np.median(np.abs(values).max(axis=1)) < 6
    assert np.abs(values).max() < 100


@pytest.mark.parametrize("family", FAMILIES)
def test_values_do_not_depend_on_the_other_functions_of_a_batch(family: str, streams: Streams) -> None:
    times = streams.uniform("t", -0.3, 1.6, (20,))
    rows = np.array([5, 250, 17])
    together = draw_family(family, streams, times, seed=0)
    np.testing.assert_array_equal(together[rows], draw_family(family, streams.take(rows), times[rows], seed=0))


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "gaussian_process"])
def test_values_follow_their_times_in_any_order(family: str, streams: Streams) -> None:
    times = streams.uniform("t", -0.3, 1.6, (20,))
    values = draw_family(family, streams, times, seed=0)
    backwards = draw_family(family, streams, times[:, ::-1].copy(), seed=0)[:, ::-1]
    np.testing.assert_allclose(values, backwards, atol=1e-9)


def test_main_families_are_drawn_by_weight_and_among_the_allowed() -> None:
    many = Streams.for_series(0, np.arange(20_000))
    frequency = np.bincount(draw_main_family(many, tuple(FAMILIES)), minlength=len(FAMILIES)) / len(many)
    weights = np.array([family.weight for family in FAMILIES.values()])
    assert np.abs(frequency - weights / weights.sum()).max() < FAR * 0.5 / np.sqrt(len(many))
    assert set(draw_main_family(many, ("ode", "trend"))) == {3, 6}
    assert sum(family.weight for family in FAMILIES.values()) == pytest.approx(1.0)


def test_one_allowed_family_gives_its_functions_alone(streams: Streams) -> None:
    times, names = grid(0, 1, 9), ("trend",)
    values = draw_functions(streams, times, draw_main_family(streams, names), names, seed=0)
    np.testing.assert_array_equal(values, draw_family("trend", streams, times, seed=0))


# -- periodic signals -------------------------------------------------------------------------------------------

PERIODIC = ("draw_fourier", "draw_sawtooth", "draw_eclipses", "draw_pulses", "draw_square")


@pytest.mark.parametrize("name", PERIODIC)
def test_signals_repeat_after_their_period(name: str, streams: Streams) -> None:
    draw: Draw = getattr(periodic_signals, name)
    period = draw_periods(streams)[:, None]
    # places within a period away from edges, where rounding of the phase would be multiplied
    times = period * streams.uniform("places", shape=(40,))
    off = np.abs(draw(streams, times) - draw(streams, times + 3 * period))
    assert np.quantile(off, 0.99) < 1e-9
    assert np.median(np.ptp(draw(streams, times), axis=1)) > 0.3


def test_periods_reach_from_far_below_the_gap_to_beyond_the_window() -> None:
    period = draw_periods(Streams.for_series(0, np.arange(5000)))
    assert 0.002 < period.min() < 0.0021
    assert 1.4 < period.max() < 1.5


@pytest.mark.parametrize("name", ["draw_fourier", "draw_sawtooth"])
def test_signals_have_mean_0_and_variance_1_over_a_period(name: str, streams: Streams) -> None:
    draw: Draw = getattr(periodic_signals, name)
    values = draw(streams, draw_periods(streams)[:, None] * np.linspace(0, 1, 4000, endpoint=False))
    np.testing.assert_allclose(values.mean(axis=1), 0, atol=5e-3)
    np.testing.assert_allclose(values.std(axis=1), 1, atol=5e-3)


# -- transients -------------------------------------------------------------------------------------------------


def test_gamma_pulses_are_quiet_before_the_start_and_fade_afterwards(streams: Streams) -> None:
    start = streams.shared.uniform("start of the transient", transients.FIRST_START, transients.LAST_START)
    before = transients.draw_gamma_pulse(streams, start[:, None] - np.array([1.0, 0.1, 1e-6]))
    assert (before == 0).all()
    late = transients.draw_gamma_pulse(streams, grid(100.0, 101.0, 5))
    assert np.abs(late).max() < 1e-6
    peak = np.abs(transients.draw_gamma_pulse(streams, start[:, None] + np.linspace(0, 2, 20_000))).max(axis=1)
    assert peak.min() > 1.99
    assert peak.max() < 5 * 1.6


def test_broken_power_laws_rise_and_decay_with_their_exponents(streams: Streams) -> None:
    start = streams.shared.uniform("start of the transient", transients.FIRST_START, transients.LAST_START)[:, None]
    ages = np.tile([1e6, 2e6], (N, 1))
    early, late = np.abs(transients.draw_broken_power_law(streams, start + ages)).T
    slope = -np.log(late / early) / np.log(2)
    np.testing.assert_allclose(slope, streams.uniform("exponent of the decay", 0.5, 3.0), atol=1e-3)


def test_lenses_are_symmetric_about_the_closest_approach(streams: Streams) -> None:
    centre = streams.shared.uniform("time of the closest approach", -0.1, 1.1)[:, None]
    lag = np.array([0.0, 0.05, 0.3])
    after, before = (transients.draw_lensing(streams, centre + sign * lag) for sign in (1, -1))
    np.testing.assert_allclose(after, before, rtol=1e-8)
    assert (np.abs(after[:, 0]) > np.abs(after[:, 1])).all()


@pytest.mark.parametrize("name", ["draw_plateau_decay", "draw_flares", "draw_broken_power_law"])
def test_transients_have_no_jumps(name: str, streams: Streams) -> None:
    """Halving the step of a fine grid halves the largest difference, but for rises that are still finer."""
    draw: Draw = getattr(transients, name)
    coarse, fine = (np.abs(np.diff(draw(streams, grid(0, 1, n)), axis=1)).max(axis=1) for n in (4001, 64_001))
    assert (fine < 0.35 * np.maximum(coarse, 1e-3)).mean() > 0.7


# -- jump processes ---------------------------------------------------------------------------------------------


def test_the_ornstein_uhlenbeck_process_has_an_exponential_covariance() -> None:
    n = 6000
    many = Streams.for_series(3, np.arange(n))
    times = np.array([0.9, 0.0, 0.1, 0.3])
    values = jump_processes.draw_ornstein_uhlenbeck(many, np.tile(times, (n, 1)), np.full(n, 0.25))
    expected = np.exp(-np.abs(times[:, None] - times) / 0.25)
    error = np.sqrt((1 + expected**2) / n)
    assert (np.abs(values.T @ values / n - expected) < FAR * error).all()


def test_random_walks_grow_as_the_square_root_of_time() -> None:
    n = 6000
    many = Streams.for_series(4, np.arange(n))
    without = many.take(np.flatnonzero(~many.chance("has steps", 0.3)))
    values = jump_processes.draw_random_walk(without, np.tile([0.0, 0.25, 1.0], (len(without), 1)))
    assert (values[:, 0] == 0).all()
    variance = np.square(values[:, 1:]).mean(axis=0)
    assert (np.abs(variance / [1.0, 4.0] - 1) < FAR * np.sqrt(2 / len(without))).all()


def test_switches_take_two_values_and_change_at_most_8_times(streams: Streams) -> None:
    values = jump_processes.draw_switches(streams, grid(-0.3, 1.6, 2000))
    assert set(np.unique(values)) == {-1.0, 1.0}
    changes = (np.diff(values, axis=1) != 0).sum(axis=1)
    assert 1 <= changes.max() <= 8


def test_doses_only_fall_between_jumps(streams: Streams) -> None:
    values = np.abs(jump_processes.draw_doses(streams, grid(-0.3, 1.6, 2000)))
    assert ((np.diff(values, axis=1) > 1e-12).sum(axis=1) <= 8).all()


def test_set_points_are_constant_apart_from_steps_and_relaxation(streams: Streams) -> None:
    relaxes = streams.chance("relaxes", 0.5)
    changes = np.diff(jump_processes.draw_set_points(streams, grid(-0.3, 1.6, 2000)), axis=1) != 0
    assert changes[~relaxes].sum(axis=1).max() <= 8
    assert changes[relaxes].sum(axis=1).max() > 8


# -- smooth motion and trends -------------------------------------------------------------------------------------


def test_splines_equal_those_of_scipy(streams: Streams) -> None:
    times = streams.uniform("t", -0.3, 1.6, (50,))
    values = smooth_motion.draw_spline(streams, times)
    density = streams.shared.log_uniform("knots a window", 3.0, 30.0)
    coefficients = 1.5 * streams.normal("coefficients", (smooth_motion.MAX_KNOTS,))
    knots = np.arange(-3.0, smooth_motion.MAX_KNOTS + 1)
    for i in range(0, N, 50):
        spline = BSpline(knots, coefficients[i], 3)
        np.testing.assert_allclose(values[i], spline((times[i] + 0.3) * density[i]), atol=1e-9)


def test_accelerations_are_second_derivatives_of_reaches() -> None:
    x, step = np.linspace(0.01, 0.99, 50), 1e-4
    numeric = (smooth_motion._reach(x + step) - 2 * smooth_motion._reach(x) + smooth_motion._reach(x - step)) / step**2
    np.testing.assert_allclose(smooth_motion._reach_acceleration(x) * 10 / np.sqrt(3), numeric, atol=1e-5)
    assert np.abs(smooth_motion._reach_acceleration(np.linspace(0, 1, 10_001))).max() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", ["draw_spline", "draw_reaches", "draw_gestures", "draw_rotation"])
def test_motion_is_smooth(name: str, streams: Streams) -> None:
    """The velocity has no jumps: second differences shrink with the square of the step."""
    draw: Draw = getattr(smooth_motion, name)
    coarse, fine = (np.abs(np.diff(draw(streams, grid(0, 1, n)), 2, axis=1)).max(axis=1) for n in (2001, 8001))
    assert (fine < 0.15 * coarse + 1e-12).all()


def test_rotations_are_bounded_by_the_length_of_the_vector(streams: Streams) -> None:
    assert np.abs(smooth_motion.draw_rotation(streams, grid(-0.3, 1.6))).max() <= 1.4


def test_seasons_repeat_after_the_longer_cycle_of_a_whole_ratio(streams: Streams) -> None:
    shared = streams.shared
    ratio = np.array(trends.CYCLE_RATIOS)[shared.choice("ratio of the cycles", (3, 3, 2, 1, 1, 1))]
    whole = np.flatnonzero(ratio == np.round(ratio))
    cycle = (shared.log_uniform("period of the short cycle", 0.01, 1.0) * ratio)[whole, None]
    chosen, times = streams.take(whole), grid(0, 1, 50)[whole]
    values = trends.draw_seasons(chosen, times)
    np.testing.assert_allclose(values, trends.draw_seasons(chosen, times + cycle), atol=1e-9)


def test_broken_lines_have_at_most_five_changes_of_slope(streams: Streams) -> None:
    kind = streams.shared.choice("kind of trend", (0.5, 0.2, 0.3))
    lines = streams.take(np.flatnonzero(kind == 0))
    bends = np.abs(np.diff(trends.draw_trend(lines, grid(-0.3, 1.6, 4000)[: len(lines)]), 2, axis=1)) > 1e-9
    assert bends.sum(axis=1).max() <= 2 * trends.MAX_CHANGES
