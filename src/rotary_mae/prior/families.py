"""All families of latent functions with their weights, and the draw of a random function from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rotary_mae.prior import jump_processes, periodic_signals, smooth_motion, transients, trends
from rotary_mae.prior.gaussian_processes import draw_gaussian_process
from rotary_mae.prior.ode_bank import draw_solution, solution_bank
from rotary_mae.prior.random_streams import Floats, Ints, Streams

Draw = Callable[[Streams, Floats], Floats]


@dataclass(frozen=True)
class Family:
    """A family of latent functions.

    Attributes
    ----------
    weight : float
        Part of the series whose main family it is.
    kinds : dict of str to (callable, float)
        Kinds of functions by name: the function ``draw(streams, times)`` and its weight within the family. Empty for
        solutions of differential equations, which come from a bank (``ode_bank.py``).
    """

    weight: float
    kinds: dict[str, tuple[Draw, float]]


FAMILIES: dict[str, Family] = {
    "gaussian_process": Family(0.42, {"gaussian_process": (draw_gaussian_process, 1)}),
    "periodic": Family(
        0.14,
        {
            "fourier": (periodic_signals.draw_fourier, 3),
            "sawtooth": (periodic_signals.draw_sawtooth, 3),
            "eclipses": (periodic_signals.draw_eclipses, 2),
            "pulses": (periodic_signals.draw_pulses, 1),
            "square": (periodic_signals.draw_square, 1),
            "modulated": (periodic_signals.draw_modulated, 3),
        },
    ),
    "transient": Family(
        0.10,
        {
            "gamma_pulse": (transients.draw_gamma_pulse, 4),
            "plateau_decay": (transients.draw_plateau_decay, 2),
            "broken_power_law": (transients.draw_broken_power_law, 3),
            "flares": (transients.draw_flares, 1),
            "lensing": (transients.draw_lensing, 1),
        },
    ),
    "ode": Family(0.09, {}),
    "jump_process": Family(
        0.09,
        {
            "ou_with_steps": (jump_processes.draw_ou_with_steps, 4),
            "doses": (jump_processes.draw_doses, 2),
            "set_points": (jump_processes.draw_set_points, 2),
            "switches": (jump_processes.draw_switches, 1),
            "random_walk": (jump_processes.draw_random_walk, 3),
        },
    ),
    "smooth_motion": Family(
        0.09,
        {
            "spline": (smooth_motion.draw_spline, 3),
            "reaches": (smooth_motion.draw_reaches, 1),
            "accelerations": (smooth_motion.draw_accelerations, 2),
            "gestures": (smooth_motion.draw_gestures, 2),
            "rotation": (smooth_motion.draw_rotation, 2),
        },
    ),
    "trend": Family(
        0.07,
        {
            "trend": (trends.draw_trend, 2),
            "seasons": (trends.draw_seasons, 1),
            "trend_with_seasons": (trends.draw_trend_with_seasons, 4),
        },
    ),
}
"""Families by name. Weights are not tuned."""

MAIN_FAMILY_CHANCE = 0.75
"""Part of the latent functions that come from the main family of their series; the others are drawn anew."""


def draw_main_family(streams: Streams, names: tuple[str, ...]) -> Ints:
    """Return the main family of each series.

    Parameters
    ----------
    streams : Streams
        G streams.
    names : tuple of str
        Families that may be drawn.

    Returns
    -------
    ndarray of int, shape (G,)
        Indices into the keys of ``FAMILIES``.
    """
    allowed = np.array([list(FAMILIES).index(name) for name in names])
    return allowed[streams.choice("main family", [FAMILIES[name].weight for name in names])]


def draw_functions(streams: Streams, times: Floats, main_family: Ints, names: tuple[str, ...], seed: int) -> Floats:
    """Draw a random latent function for each stream, evaluated at its times.

    Parameters
    ----------
    streams : Streams
        J streams, one for each function.
    times : ndarray, shape (J, N)
        Times in windows, in any order.
    main_family : ndarray of int, shape (J,)
        Main family of the series the function belongs to.
    names : tuple of str
        Families that may be drawn.
    seed : int
        Seed of the stored solutions of differential equations.

    Returns
    -------
    ndarray, shape (J, N)
        Values of a standard deviation of about 1, with a mean that need not be 0.
    """
    other = draw_main_family(streams.child("other family"), names)
    family = np.where(streams.chance("is of the main family", MAIN_FAMILY_CHANCE), main_family, other)
    values = np.empty_like(times)
    for index, name in enumerate(FAMILIES):
        rows = np.flatnonzero(family == index)
        if len(rows):
            values[rows] = draw_family(name, streams.take(rows), times[rows], seed)
    return values


def draw_family(name: str, streams: Streams, times: Floats, seed: int) -> Floats:
    """Draw functions of one family; see ``draw_functions``. The kind within the family is a shared draw."""
    if name == "ode":
        return draw_solution(streams, times, solution_bank(seed))
    kinds = FAMILIES[name].kinds
    kind = streams.shared.choice("kind within the family", [weight for _, weight in kinds.values()])
    values = np.empty_like(times)
    for index, (draw, _) in enumerate(kinds.values()):
        rows = np.flatnonzero(kind == index)
        if len(rows):
            values[rows] = draw(streams.take(rows), times[rows])
    return values
