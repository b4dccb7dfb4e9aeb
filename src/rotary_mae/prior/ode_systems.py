"""Systems of ordinary differential equations: their right-hand sides, ranges of parameters, and a solver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rotary_mae.prior.random_streams import Floats, Streams

GRID_INTERVALS = 1024
"""Intervals of a stored solution. Between its points a cubic is used, from values and derivatives at both ends."""

Derivative = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True)
class System:
    """An autonomous system of differential equations of the first order.

    Attributes
    ----------
    name : str
        Name of the system.
    derivative : callable
        ``derivative(state, parameters)``: derivative of the state (S, K) for parameters (P, K); shape (S, K).
    parameters : tuple of (float, float)
        Bounds of the P parameters, each drawn log-uniformly.
    initial : tuple of (float, float)
        Bounds of the S initial values, each drawn uniformly.
    duration : float
        Length of a stored solution in the system's unit of time.
    substeps : int
        Steps of the solver within each of the ``GRID_INTERVALS``.
    n_observed : int
        States from which functions are drawn, the first ones.
    """

    name: str
    derivative: Derivative
    parameters: tuple[tuple[float, float], ...]
    initial: tuple[tuple[float, float], ...]
    duration: float
    substeps: int
    n_observed: int

    @property
    def grid_step(self) -> float:
        """Time between two stored points of a solution."""
        return self.duration / GRID_INTERVALS


# -- right-hand sides: state (S, K), parameters (P, K) -> derivative (S, K) -----------------------------------


def _lotka_volterra(state: Floats, parameters: Floats) -> Floats:
    prey, predator = state
    birth, catch, growth, death = parameters
    return np.stack([birth * prey - catch * prey * predator, growth * prey * predator - death * predator])


def _predator_prey(state: Floats, parameters: Floats) -> Floats:
    """Predators whose catch saturates (Rosenzweig and MacArthur 1963)."""
    prey, predator = state
    capacity, gain, death = parameters
    caught = prey * predator / (1 + prey)
    return np.stack([prey * (1 - prey / capacity) - caught, gain * caught - death * predator])


def _van_der_pol(state: Floats, parameters: Floats) -> Floats:
    x, velocity = state
    return np.stack([velocity, parameters[0] * (1 - x * x) * velocity - x])


def _pendulum(state: Floats, parameters: Floats) -> Floats:
    angle, velocity = state
    stiffness, damping = parameters
    return np.stack([velocity, -stiffness * np.sin(angle) - damping * velocity])


def _two_springs(state: Floats, parameters: Floats) -> Floats:
    x, y, x_velocity, y_velocity = state
    stiffness, coupling, damping = parameters
    force = coupling * (y - x)
    x_acceleration = -stiffness * x + force - damping * x_velocity
    y_acceleration = -stiffness * y - force - damping * y_velocity
    return np.stack([x_velocity, y_velocity, x_acceleration, y_acceleration])


def _duffing(state: Floats, parameters: Floats) -> Floats:
    x, velocity, phase = state
    damping, strength, frequency = parameters
    acceleration = x - x**3 - damping * velocity + strength * np.cos(phase)
    return np.stack([velocity, acceleration, frequency])


def _lorenz(state: Floats, parameters: Floats) -> Floats:
    x, y, z = state
    sigma, rho, beta = parameters
    return np.stack([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])


def _rossler(state: Floats, parameters: Floats) -> Floats:
    x, y, z = state
    a, b, c = parameters
    return np.stack([-y - z, x + a * y, b + z * (x - c)])


def _fitzhugh_nagumo(state: Floats, parameters: Floats) -> Floats:
    voltage, recovery = state
    current, slowness = parameters
    return np.stack([voltage - voltage**3 / 3 - recovery + current, (voltage + 0.7 - 0.8 * recovery) / slowness])


def _brusselator(state: Floats, parameters: Floats) -> Floats:
    x, y = state
    a, b = parameters
    reaction = x * x * y
    return np.stack([a + reaction - (b + 1) * x, b * x - reaction])


def _epidemic(state: Floats, parameters: Floats) -> Floats:
    susceptible, infected = state
    contact, recovery, waning = parameters
    new = contact * susceptible * infected
    return np.stack([waning * (1 - susceptible - infected) - new, new - recovery * infected])


def _growth(state: Floats, parameters: Floats) -> Floats:
    rate, exponent = parameters
    return rate * state * (1 - state**exponent)


def _two_compartments(state: Floats, parameters: Floats) -> Floats:
    blood, tissue, gut = state
    absorption, elimination, outward, inward = parameters
    exchange = outward * blood - inward * tissue
    return np.stack([absorption * gut - elimination * blood - exchange, exchange, -absorption * gut])


_SMALL = (-1.0, 1.0)

SYSTEMS = (
    System("lotka_volterra", _lotka_volterra, ((0.5, 1.5),) * 4, ((0.3, 3), (0.3, 3)), 60, 2, 2),
    System("predator_prey", _predator_prey, ((1.5, 5), (0.7, 1.5), (0.2, 0.5)), ((0.3, 2), (0.3, 2)), 120, 2, 2),
    System("van_der_pol", _van_der_pol, ((0.1, 5),), ((-2, 2), (-2, 2)), 50, 4, 2),
    System("pendulum", _pendulum, ((0.5, 4), (0.02, 0.5)), ((-2.8, 2.8), (-2, 2)), 50, 1, 2),
    System("two_springs", _two_springs, ((0.5, 4), (0.05, 1), (0.005, 0.2)), (_SMALL,) * 4, 60, 1, 2),
    System("duffing", _duffing, ((0.1, 0.4), (0.2, 0.6), (0.8, 1.4)), (_SMALL, _SMALL, (0, 6.28)), 60, 1, 2),
    System("lorenz", _lorenz, ((8, 12), (20, 40), (2, 3)), ((-10, 10), (-10, 10), (15, 30)), 12, 3, 3),
    System("rossler", _rossler, ((0.1, 0.25), (0.1, 0.3), (4, 9)), ((-5, 5), (-5, 5), (0, 1)), 70, 3, 3),
    System("fitzhugh_nagumo", _fitzhugh_nagumo, ((0.2, 1.2), (8, 20)), ((-2, 2), (-0.5, 1.5)), 150, 2, 2),
    System("brusselator", _brusselator, ((0.7, 1.3), (1.5, 3.5)), ((0.5, 2), (0.5, 3)), 40, 2, 2),
    System("epidemic", _epidemic, ((0.4, 2), (0.1, 0.3), (0.001, 0.05)), ((0.8, 0.95), (0.001, 0.05)), 90, 1, 2),
    System("growth", _growth, ((0.5, 2), (0.2, 2)), ((0.01, 0.3),), 10, 1, 1),
    System(
        "two_compartments",
        _two_compartments,
        ((0.5, 3), (0.05, 0.5), (0.1, 1), (0.05, 0.5)),
        ((0, 0.5), (0, 0.3), (0.5, 1)),
        15,
        1,
        2,
    ),
)
"""Systems of the prior. Ranges keep solutions bounded; chaotic, damped and periodic ones occur."""


def draw_conditions(system: System, streams: Streams) -> tuple[Floats, Floats]:
    """Return random parameters and initial values of a system.

    Parameters
    ----------
    system : System
        System of S states and P parameters.
    streams : Streams
        K streams.

    Returns
    -------
    parameters : ndarray, shape (P, K)
    initial : ndarray, shape (S, K)
    """
    parameters = [streams.log_uniform(f"parameter {i}", *bounds) for i, bounds in enumerate(system.parameters)]
    initial = [streams.uniform(f"initial value {i}", *bounds) for i, bounds in enumerate(system.initial)]
    return np.stack(parameters), np.stack(initial)


def solve(system: System, parameters: Floats, initial: Floats) -> tuple[Floats, Floats]:
    """Solve a system with the classical Runge-Kutta method of fourth order at fixed steps.

    Parameters
    ----------
    system : System
        System of S states and P parameters.
    parameters : ndarray, shape (P, K)
        Parameters of K solutions.
    initial : ndarray, shape (S, K)
        Initial values.

    Returns
    -------
    states, derivatives : ndarray, shape (S, K, GRID_INTERVALS + 1)
        States and their derivatives in the system's unit of time, every ``system.grid_step``.
    """
    h = system.grid_step / system.substeps
    states = np.empty((GRID_INTERVALS + 1, *initial.shape))
    derivatives = np.empty_like(states)
    state = initial
    for i in range(GRID_INTERVALS + 1):
        states[i] = state
        derivatives[i] = system.derivative(state, parameters)
        for step in range(system.substeps):
            first = derivatives[i] if step == 0 else system.derivative(state, parameters)
            second = system.derivative(state + h / 2 * first, parameters)
            third = system.derivative(state + h / 2 * second, parameters)
            fourth = system.derivative(state + h * third, parameters)
            state = state + h / 6 * (first + 2 * second + 2 * third + fourth)
    return np.moveaxis(states, 0, -1), np.moveaxis(derivatives, 0, -1)
