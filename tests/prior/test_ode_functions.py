"""Differential equations: stored solutions satisfy them, and functions are parts of stored solutions."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from rotary_mae.prior.ode_bank import (
    SOLUTIONS_PER_SYSTEM,
    SolutionBank,
    draw_solution,
    interpolate,
    solution_bank,
)
from rotary_mae.prior.ode_systems import GRID_INTERVALS, SYSTEMS, System, draw_conditions, solve
from rotary_mae.prior.random_streams import Streams


@pytest.fixture(scope="module")
def bank() -> SolutionBank:
    return solution_bank(0)


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_solutions_satisfy_their_equation(system: System) -> None:
    """Against an adaptive solver over an eighth of the duration, before chaos multiplies errors."""
    streams = Streams.for_series(1, np.arange(3))
    parameters, initial = draw_conditions(system, streams)
    states, derivatives = solve(system, parameters, initial)
    n = GRID_INTERVALS // 8
    for k in range(len(streams)):
        own = parameters[:, k : k + 1]
        reference = solve_ivp(
            lambda _, state, own=own: system.derivative(state[:, None], own)[:, 0],
            (0, n * system.grid_step * (1 + 1e-9)),
            initial[:, k],
            rtol=1e-10,
            atol=1e-12,
            t_eval=np.arange(n + 1) * system.grid_step,
        ).y
        std = states[:, k].std(axis=-1, keepdims=True)
        np.testing.assert_allclose(states[:, k, : n + 1] / std, reference / std, atol=1e-3)
    np.testing.assert_array_equal(derivatives[:, :, 500], system.derivative(states[:, :, 500], parameters))


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_solutions_stay_bounded(system: System) -> None:
    states, _ = solve(system, *draw_conditions(system, Streams.for_series(2, np.arange(64))))
    assert np.abs(states[: system.n_observed]).max() < 100


def test_a_lotka_volterra_solution_keeps_its_invariant() -> None:
    system = SYSTEMS[0]
    parameters, initial = draw_conditions(system, Streams.for_series(3, np.arange(8)))
    (prey, predator), _ = solve(system, parameters, initial)
    birth, catch, growth, death = parameters[..., None]
    invariant = growth * prey - death * np.log(prey) + catch * predator - birth * np.log(predator)
    np.testing.assert_allclose(invariant, np.broadcast_to(invariant[:, :1], invariant.shape), rtol=1e-3)


def test_stored_rows_are_standardised_and_slopes_are_their_derivatives(bank: SolutionBank) -> None:
    assert len(bank.values) == SOLUTIONS_PER_SYSTEM * sum(system.n_observed for system in SYSTEMS)
    np.testing.assert_allclose(bank.values.mean(axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(bank.values.std(axis=1), 1, atol=1e-3)
    numeric = (bank.values[:, 2:] - bank.values[:, :-2]) / 2
    # the central difference has an error of a sixth of the third derivative, which fast spikes make large
    assert np.quantile(np.abs(numeric - bank.slopes[:, 1:-1]), 0.99) < 0.02


def test_interpolation_meets_stored_points_and_the_solution_between_them(bank: SolutionBank) -> None:
    rows = np.array([0, 700, 3000])
    points = np.tile(np.arange(0.0, GRID_INTERVALS + 1, 64), (3, 1))
    np.testing.assert_allclose(interpolate(bank, rows, points), bank.values[rows, ::64], atol=1e-6)
    # every other point of a solution, from its neighbours two apart, with an error of the fourth power of the step
    thin = SolutionBank(
        np.ascontiguousarray(bank.values[:, ::2]), 2 * bank.slopes[:, ::2], bank.first_rows, bank.n_observed
    )
    every = np.arange(len(bank.values))
    between = interpolate(thin, every, np.tile(np.arange(256) + 0.5, (len(every), 1)))
    assert np.quantile(np.abs(between - bank.values[:, 1:513:2]), 0.99) < 0.01


def test_states_of_one_solution_are_drawn_where_draws_are_shared(bank: SolutionBank) -> None:
    parents = Streams.for_series(5, np.zeros(40, int))
    children = parents.child("latent", np.arange(40)).sharing(parents, np.ones(40, bool))
    values = draw_solution(children, np.tile(np.linspace(0, 1, 20), (40, 1)), bank, system=6)
    assert len(np.unique(values[:, 0])) == SYSTEMS[6].n_observed


def test_banks_of_different_seeds_differ(bank: SolutionBank) -> None:
    assert solution_bank(0) is bank
    assert not np.array_equal(solution_bank(1).values, bank.values)
