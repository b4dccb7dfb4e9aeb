"""Functions from solutions of differential equations, taken from a bank that is solved once for a seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rotary_mae.prior.ode_systems import GRID_INTERVALS, SYSTEMS, draw_conditions, solve
from rotary_mae.prior.random_streams import Floats, Ints, Streams
from rotary_mae.prior.sampling import FIRST_TIME, LAST_TIME

SOLUTIONS_PER_SYSTEM = 128
"""Solutions of each system in a bank. Each draw takes another part of a solution at another speed. Not tuned."""

Singles = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SolutionBank:
    """Stored solutions, K of each system.

    Attributes
    ----------
    values : ndarray of float32, shape (R, GRID_INTERVALS + 1)
        One row a solution and observed state, of mean 0 and standard deviation 1.
    slopes : ndarray of float32, shape (R, GRID_INTERVALS + 1)
        Derivatives of ``values``, a grid interval.
    first_rows : ndarray of int, shape (number of systems,)
        First row of each system. Rows are ordered by system, solution, state.
    n_observed : ndarray of int, shape (number of systems,)
        Observed states of each system.
    """

    values: Singles
    slopes: Singles
    first_rows: Ints
    n_observed: Ints


@lru_cache(maxsize=4)
def solution_bank(seed: int) -> SolutionBank:
    """Return the solutions of a seed: all systems, ``SOLUTIONS_PER_SYSTEM`` each, solved at the first call.

    Parameters
    ----------
    seed : int
        Seed of parameters and initial values.

    Returns
    -------
    SolutionBank
        Takes about 30 MB; the last four seeds are held.
    """
    values: list[Singles] = []
    slopes: list[Singles] = []
    for number, system in enumerate(SYSTEMS):
        streams = Streams.for_series(seed, np.arange(SOLUTIONS_PER_SYSTEM)).child("solutions", number)
        states, derivatives = solve(system, *draw_conditions(system, streams))
        states, derivatives = states[: system.n_observed], derivatives[: system.n_observed]
        std = np.maximum(states.std(axis=-1, keepdims=True), 1e-6)
        level = states.mean(axis=-1, keepdims=True)
        for array, rows in (((states - level) / std, values), (derivatives * system.grid_step / std, slopes)):
            rows.append(np.moveaxis(array, 0, 1).reshape(-1, GRID_INTERVALS + 1).astype(np.float32))
    n_observed = np.array([system.n_observed for system in SYSTEMS])
    n_rows = n_observed * SOLUTIONS_PER_SYSTEM
    return SolutionBank(np.concatenate(values), np.concatenate(slopes), np.cumsum(n_rows) - n_rows, n_observed)


def draw_solution(streams: Streams, times: Floats, bank: SolutionBank, system: int | None = None) -> Floats:
    """Draw one state of a solution for each stream, over a random part of it.

    Parameters
    ----------
    streams : Streams
        J streams. System, solution and part are shared draws; the state is not, so that channels can be the states
        of one solution.
    times : ndarray, shape (J, N)
        Times in windows, from ``FIRST_TIME`` to ``LAST_TIME``; clipped to them.
    bank : SolutionBank
        Solutions to draw from.
    system : int, optional
        Index into ``SYSTEMS``. All systems are equally frequent if None.

    Returns
    -------
    ndarray, shape (J, N)
        Values with standard deviation 1 over the whole solution. 30 to 100 % of it lie between ``FIRST_TIME`` and
        ``LAST_TIME``.
    """
    shared = streams.shared
    which = shared.integers("system", 0, len(SYSTEMS))
    if system is not None:
        which = np.full_like(which, system)
    n_observed = bank.n_observed[which]
    solution = shared.integers("solution", 0, SOLUTIONS_PER_SYSTEM)
    row = bank.first_rows[which] + solution * n_observed + streams.integers("state", 0, n_observed)
    part = shared.log_uniform("part of the solution", 0.3, 1.0)
    start = shared.uniform("start in the solution", 0.0, 1.0 - part)
    progress = (np.clip(times, FIRST_TIME, LAST_TIME) - FIRST_TIME) / (LAST_TIME - FIRST_TIME)
    return interpolate(bank, row, GRID_INTERVALS * (start[:, None] + part[:, None] * progress))


def interpolate(bank: SolutionBank, rows: Ints, places: Floats) -> Floats:
    """Return cubic Hermite interpolations of stored solutions.

    Parameters
    ----------
    bank : SolutionBank
        Stored solutions.
    rows : ndarray of int, shape (J,)
        Rows of the bank.
    places : ndarray, shape (J, N)
        Places on the grid, from 0 to ``GRID_INTERVALS``.

    Returns
    -------
    ndarray, shape (J, N)
    """
    left = np.clip(places.astype(np.int64), 0, GRID_INTERVALS - 1)
    x = places - left
    row = rows[:, None]
    y0, y1 = bank.values[row, left].astype(np.float64), bank.values[row, left + 1].astype(np.float64)
    d0, d1 = bank.slopes[row, left].astype(np.float64), bank.slopes[row, left + 1].astype(np.float64)
    rest = 1 - x
    return rest**2 * ((1 + 2 * x) * y0 + x * d0) + x**2 * ((1 + 2 * rest) * y1 - rest * d1)
