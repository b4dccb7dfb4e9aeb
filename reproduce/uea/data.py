"""Datasets of the UEA archive with dropped steps, in the published split where it is available."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from sklearn.model_selection import train_test_split

import rotary_mae as rm
from rotary_mae.datasets.uea import load_uea

SETS = ("BasicMotions", "CharacterTrajectories", "Epilepsy", "Heartbeat", "LSST")
HELD_OUT_FRACTION, HELD_OUT_SEED = 1 / 3, 0


@dataclass(frozen=True)
class Problem:
    """Training and test set.

    Attributes
    ----------
    dataset : str
        Name in the table.
    training, test : TokenSet
        Both sets.
    """

    dataset: str
    training: rm.TokenSet
    test: rm.TokenSet


@cache
def problem(name: str) -> Problem:
    """Return the published split with all steps.

    If the archive has no test set, a stratified third of the training set is held out, and the name states it.
    """
    training = load_uea(name, "train")
    try:
        return Problem(name, training, load_uea(name, "test"))
    except ValueError as error:
        if "has no test split" not in str(error):
            raise
    labels = np.asarray(training.targets)
    kept, held_out = train_test_split(
        np.arange(len(training)), test_size=HELD_OUT_FRACTION, random_state=HELD_OUT_SEED, stratify=labels
    )
    return Problem(f"{name}, a third of its training set held out", training[kept], training[held_out])


def evenly_spaced(tokens: rm.TokenSet, n: int | None) -> rm.TokenSet:
    """Return ``n`` evenly spaced samples; all if ``n`` is None or larger than their number."""
    if n is None or n >= len(tokens):
        return tokens
    return tokens[np.linspace(0, len(tokens) - 1, n).round().astype(int)]


def drop_steps(tokens: rm.TokenSet, fraction: float, seed: int) -> rm.TokenSet:
    """Return series without a random fraction of their steps, rounded down; the others keep their times."""
    draw = np.random.default_rng(seed).random(tokens.n_tokens)
    order = np.lexsort((draw, tokens.sample_idx))
    rank = np.empty(tokens.n_tokens, int)
    rank[order] = np.arange(tokens.n_tokens)
    rank -= tokens.starts[tokens.sample_idx]
    n_dropped = np.floor(fraction * tokens.lengths).astype(int)
    return tokens.select_tokens(rank >= n_dropped[tokens.sample_idx])


def with_dropped_steps(name: str, fraction: float, seed: int, n: int | None = None) -> Problem:
    """Return a dataset with dropped steps.

    Parameters
    ----------
    name : str
        Name of the dataset in the archive.
    fraction : float
        Fraction of the steps of each series that is dropped.
    seed : int
        Seed of the dropped steps, which differ between training and test set.
    n : int, optional
        Use ``n`` evenly spaced samples of each set.

    Returns
    -------
    Problem
        Both sets.
    """
    complete = problem(name)
    seeds = (2 * seed, 2 * seed + 1)
    training, test = (
        drop_steps(evenly_spaced(tokens, n), fraction, s)
        for tokens, s in zip((complete.training, complete.test), seeds, strict=True)
    )
    return Problem(complete.dataset, training, test)


def on_regular_grid(tokens: rm.TokenSet, n_times: int) -> np.ndarray:
    """Return (B, C, n_times) by linear interpolation between the steps of each series, over its own time span."""
    series = np.empty((len(tokens), tokens.schema.n_predicted, n_times), np.float32)
    for i, sample in enumerate(tokens):
        times = sample.positions[:, 0]
        grid = np.linspace(times[0], times[-1], n_times)
        for channel in range(series.shape[1]):
            series[i, channel] = np.interp(grid, times, sample.values[:, channel])
    return series
