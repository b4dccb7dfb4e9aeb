"""Picture of the prior: draws of every kind of latent function, sampling patterns and whole series."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rotary_mae._atomic import user_path
from rotary_mae.data.tokens import TokenSet
from rotary_mae.prior.families import FAMILIES
from rotary_mae.prior.gaussian_processes import KERNELS, PRODUCT, SINGLE, SUM, GaussianProcesses, Kernels, draw_values
from rotary_mae.prior.ode_bank import draw_solution, solution_bank
from rotary_mae.prior.ode_systems import SYSTEMS
from rotary_mae.prior.periodic_signals import draw_periods
from rotary_mae.prior.random_streams import Bools, Floats, Streams
from rotary_mae.prior.sampling import PATTERNS
from rotary_mae.prior.series import PRIOR_VERSION, SyntheticSeries

N_COLUMNS = 8
N_DRAWS = 3
N_SERIES = 23
N_POINTS = 500

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9")
_SHADES = {
    "gaussian_process": "#eef3fa",
    "periodic": "#fdf3e7",
    "transient": "#eef8f0",
    "ode": "#f8eef4",
    "jump_process": "#f2f2f2",
    "smooth_motion": "#f1effa",
    "trend": "#fbf7df",
}


def draw_gallery(path: str | Path, seed: int = 0) -> None:
    """Draw the prior into one picture.

    Parameters
    ----------
    path : str or Path
        File to write, of a format of matplotlib.
    seed : int
        Seed of everything that is drawn.
    """
    kinds = list(_functions(seed))
    n_rows = -(-len(kinds) // N_COLUMNS) + -(-(N_SERIES + 1) // N_COLUMNS)
    figure = Figure(figsize=(2.1 * N_COLUMNS, 1.55 * n_rows + 0.6), layout="constrained")
    axes = figure.subplots(n_rows, N_COLUMNS).ravel()
    for panel in axes:
        panel.set_axis_off()
    for panel, (family, name, values) in zip(axes, kinds, strict=False):
        _plot_functions(panel, family, name, values)
    rest = axes[-(-len(kinds) // N_COLUMNS) * N_COLUMNS :]
    _plot_patterns(rest[0], seed)
    for panel, (title, tokens, is_query) in zip(rest[1:], _whole_series(seed), strict=False):
        _plot_series(panel, title, tokens, is_query)
    figure.suptitle(
        f"Synthetic prior, version {PRIOR_VERSION}. Above: three draws of each kind of function over a window; the "
        "background shows the family.\nBelow: sampling patterns, then whole series. Filled: visible tokens; open: "
        "queries; bars: known errors; colours: channels, shifted apart.",
        fontsize=10,
    )
    figure.savefig(user_path(path), dpi=100)


def _functions(seed: int) -> Iterator[tuple[str, str, Floats]]:
    """Family, kind and (N_DRAWS, N_POINTS) values of every kind of function."""
    times = np.tile(np.linspace(0, 1, N_POINTS), (N_DRAWS, 1))
    streams = Streams.for_series(seed, np.arange(N_DRAWS))
    for name, processes in _processes():
        yield "gaussian_process", name, draw_values(processes, streams.child(name), times)
    for family in FAMILIES:
        for name, (draw, _) in FAMILIES[family].kinds.items():
            if family != "gaussian_process":
                own = _with_visible_periods(seed, name) if family == "periodic" else streams.child(name)
                yield family, name, draw(own, times)
        if family == "ode":
            for index, system in enumerate(SYSTEMS):
                own = streams.child(system.name)
                yield family, system.name, draw_solution(own, times, solution_bank(seed), index)


def _processes() -> Iterator[tuple[str, GaussianProcesses]]:
    """Every kernel with three lengths, then a sum and a product."""
    names = list(KERNELS)

    def kernels(name: str, factor: float = 1.0) -> Kernels:
        length = factor * np.array([0.05, 0.15, 0.5])
        quality = np.array([1.0, 4.0, 20.0])
        shape = quality if name == "harmonic_oscillator" else np.array([0.5, 1.0, 1.5])
        is_quasi = name == "quasi_periodic"
        return Kernels(np.full(3, names.index(name)), length * (3 if is_quasi else 1), length, shape)

    for name in names:
        yield name, GaussianProcesses(kernels(name), kernels(name), np.full(3, SINGLE), np.ones(3))
    wave, rough = kernels("periodic", 0.6), kernels("matern32", 2.0)
    yield "periodic + matern32", GaussianProcesses(wave, rough, np.full(3, SUM), np.full(3, 0.4))
    yield "periodic x matern32", GaussianProcesses(wave, rough, np.full(3, PRODUCT), np.ones(3))


def _with_visible_periods(seed: int, name: str) -> Streams:
    """Streams whose period can be seen in a small panel."""
    candidates = Streams.for_series(seed, np.arange(200)).child(name)
    period = draw_periods(candidates)
    return candidates.take(np.flatnonzero((period > 0.1) & (period < 0.6))[:N_DRAWS])


def _plot_functions(panel: Axes, family: str, name: str, values: Floats) -> None:
    _open(panel, name, _SHADES[family])
    for k, row in enumerate(values):
        height = np.ptp(row) or 1.0
        panel.plot(np.linspace(0, 1, len(row)), (row - row.min()) / height - 1.2 * k, color=_COLOURS[k], lw=0.8)


def _plot_patterns(panel: Axes, seed: int) -> None:
    _open(panel, "sampling patterns", "#ffffff")
    streams = Streams.for_series(seed, np.arange(1))
    for k, (name, (pattern, _)) in enumerate(PATTERNS.items()):
        times = pattern(streams.child(name), np.array([60]), 60)[0]
        panel.plot(times, np.full(60, -k), "|", color=_COLOURS[k % len(_COLOURS)], ms=5, mew=0.6)
        panel.text(1.03, -k, name, fontsize=5, va="center")
    panel.set_xlim(-0.02, 1.45)
    panel.set_ylim(-len(PATTERNS) + 0.4, 0.6)


def _whole_series(seed: int) -> Iterator[tuple[str, TokenSet, Bools]]:
    """Title, tokens and queries of N_SERIES series of at most 4 channels and 10 to 200 tokens."""
    draw = SyntheticSeries(200, seed, max_channels=4).draw(slice(None))
    names = list(FAMILIES)
    shown = np.flatnonzero((draw.tokens.lengths >= 10) & (draw.tokens.lengths <= 200))[:N_SERIES]
    for i in shown:
        tokens = slice(draw.tokens.starts[i], draw.tokens.starts[i] + draw.tokens.lengths[i])
        title = f"{names[draw.family[i]]}, {draw.tokens.lengths[i]} tokens"
        yield title, draw.tokens[int(i)], draw.is_query[tokens]


def _plot_series(panel: Axes, title: str, tokens: TokenSet, is_query: Bools) -> None:
    _open(panel, title, "#ffffff")
    times, channel = tokens.positions.T
    values, errors = tokens.values.astype(np.float64).T
    for k, c in enumerate(np.unique(channel)):
        own = channel == c
        height = np.ptp(values[own]) or 1.0
        y = (values - values[own].min()) / height - 1.3 * k
        for chosen, fill in ((own & is_query, "none"), (own & ~is_query, _COLOURS[k % len(_COLOURS)])):
            colour = _COLOURS[k % len(_COLOURS)]
            panel.errorbar(
                times[chosen], y[chosen], errors[chosen] / height, fmt="o", ms=2.6, mfc=fill, mec=colour, mew=0.5,
                ecolor=colour, elinewidth=0.4,
            )  # fmt: skip


def _open(panel: Axes, title: str, ground: str) -> None:
    panel.set_axis_on()
    panel.set_facecolor(ground)
    panel.set_title(title, fontsize=7.5, pad=2)
    panel.set_xticks([])
    panel.set_yticks([])
    for spine in panel.spines.values():
        spine.set_linewidth(0.4)
