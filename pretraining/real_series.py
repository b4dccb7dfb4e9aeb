"""Real series for development: training parts of public data sets, in the folder that ROMAE_DATA names.

No test set of the project is among them. Half of the values of the predicted channel are queries; in sets with several
channels, half of the values of each other channel are visible.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from rotary_mae import datasets
from rotary_mae.series_model.views import Floats, Views, make_views

N_SERIES = 100
"""Series of a set."""

UEA_SETS = ("BasicMotions", "CharacterTrajectories", "Epilepsy", "LSST", "Heartbeat")
"""Data sets of the UEA archive of which the training part is used."""

MAX_STEPS, MAX_UEA_CHANNELS = 100, 5
"""Largest number of time steps and of channels of a series of the UEA archive."""

ETT_TRAINING_HOURS = 8640
"""The first year of ETTh1, its training part."""

MIN_QUERIES, MIN_STAR_MEASUREMENTS = 5, 30
"""Smallest number of queries of a series, and of measurements of a star."""


def load_real_series(name: str, generator: np.random.Generator) -> Views:
    """Return views of a set: one of those of ``SETS``.

    Parameters
    ----------
    name : str
        Name of the set.
    generator : numpy.random.Generator
        Source of the choice of series, channels and queries.

    Returns
    -------
    Views
        At most ``N_SERIES`` views with targets.
    """
    views = SETS[name](name, generator)
    return Views.concatenate([view for _, view in zip(range(N_SERIES), views, strict=False)])


def _view(
    values: Floats, times: Floats, query_fraction: float, generator: np.random.Generator, errors: Floats | None = None
) -> Views:
    """View of the first of some channels (C, N) at common times (N,); other channels lose as many values."""
    is_query = generator.random(values.shape) < query_fraction
    channel, step = np.nonzero(~is_query)
    asked = is_query[0]
    error = np.zeros(values.shape) if errors is None else errors
    return make_views(
        values[channel, step],
        error[channel, step],
        times[step],
        channel,
        np.zeros(len(step), np.int64),
        times[asked],
        np.zeros(int(asked.sum()), np.int64),
        1,
        values[0, asked],
        error[0, asked],
    )


def _is_usable(view: Views) -> bool:
    own = view.values[view.channels == 0]
    return len(own) >= 3 and len(view.query_times) >= MIN_QUERIES and float(np.std(own)) > 1e-6


def _ett(name: str, generator: np.random.Generator) -> Iterator[Views]:
    """Windows of ETTh1: "ETTh1, 1 channel, 50 % masked" and the like."""
    with gzip.open(_data() / "ett" / "ETTh1.csv.gz", "rt") as file:
        rows = [line.rstrip().split(",")[1:] for line in file][1:]
    table = np.array(rows, np.float64).T[:, :ETT_TRAINING_HOURS]
    fraction = 0.1 if "10 %" in name else 0.5
    is_single = "1 channel" in name
    length = 96 if is_single else 48
    while True:
        start = generator.integers(table.shape[1] - length)
        order = generator.permutation(len(table))[: 1 if is_single else None]
        view = _view(table[order, start : start + length], np.arange(length) / 24.0, fraction, generator)
        if len(view.query_times) and _has_variance(view):
            yield view


def _has_variance(view: Views) -> bool:
    own = view.values[view.channels == 0]
    return len(own) >= 3 and float(np.std(own)) > 1e-6


def _uea(name: str, generator: np.random.Generator) -> Iterator[Views]:
    """Every second series with all channels, the others with one."""
    tokens = datasets.load_uea(name, "train")
    n_kept = 0
    for i in generator.permutation(len(tokens)):
        sample = tokens[int(i)]
        values = sample.values[:MAX_STEPS, : min(sample.schema.n_predicted, MAX_UEA_CHANNELS)].T.astype(np.float64)
        order = generator.permutation(len(values))[: None if n_kept % 2 else 1]
        view = _view(values[order], sample.positions[:MAX_STEPS, 0], 0.5, generator)
        if _is_usable(view):
            n_kept += 1
            yield view


def _asas(name: str, generator: np.random.Generator) -> Iterator[Views]:
    """Light curves of the first half of the ASAS stars, 20 to 160 measurements each, with known errors."""
    stars = pq.read_table(_data() / "asas" / "asas.parquet")
    for i in generator.permutation(len(stars) // 2):
        days, magnitude, error = (np.array(stars[c][int(i)].as_py(), np.float64) for c in ("hjd", "mag", "mag_err"))
        if len(days) < MIN_STAR_MEASUREMENTS:
            continue
        pick = np.sort(generator.permutation(len(days))[: generator.integers(20, 160)])
        view = _view(magnitude[None, pick] / 1e3, days[pick] * 1e-5, 0.5, generator, error[None, pick] / 1e3)
        if _is_usable(view):
            yield view


def _data() -> Path:
    if not (root := os.environ.get("ROMAE_DATA")):
        raise FileNotFoundError("real series need the folder of the data sets: set ROMAE_DATA, or give --no-real")
    return Path(root)


SETS = {
    "ETTh1, 1 channel, 50 % masked": _ett,
    "ETTh1, 7 channels, 50 % masked": _ett,
    "ETTh1, 7 channels, 10 % masked": _ett,
    **dict.fromkeys(UEA_SETS, _uea),
    "ASAS": _asas,
}
"""Sets and their readers."""
