"""Problems of the UEA archive with steps left out, split as they are published where that can be had."""

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
    """dataset: how a number on it is to be called. Both parts are whole; see ``thinned``."""

    dataset: str
    training: rm.TokenSet
    test: rm.TokenSet


@cache
def problem(name: str) -> Problem:
    """The published split; where the archive lacks the test part, a stratified third of the other, named so."""
    training = load_uea(name, "train")
    try:
        return Problem(name, training, load_uea(name, "test"))
    except ValueError as error:
        if "has no test split" not in str(error):
            raise
    labels = np.asarray(training.targets)
    kept, held = train_test_split(
        np.arange(len(training)), test_size=HELD_OUT_FRACTION, random_state=HELD_OUT_SEED, stratify=labels
    )
    return Problem(f"{name}, a third of its training part held out", training[kept], training[held])


def spread(tokens: rm.TokenSet, n: int | None) -> rm.TokenSet:
    """``n`` samples, evenly spread; all, if None or fewer."""
    if n is None or n >= len(tokens):
        return tokens
    return tokens[np.linspace(0, len(tokens) - 1, n).round().astype(int)]


def thinned(tokens: rm.TokenSet, fraction: float, seed: int) -> rm.TokenSet:
    """Each series without a random share of its steps, rounded down; the rest keep their times."""
    draw = np.random.default_rng(seed).random(tokens.n_tokens)
    order = np.lexsort((draw, tokens.sample_idx))
    rank = np.empty(tokens.n_tokens, int)
    rank[order] = np.arange(tokens.n_tokens)
    rank -= tokens.starts[tokens.sample_idx]
    n_dropped = np.floor(fraction * tokens.lengths).astype(int)
    return tokens.select_tokens(rank >= n_dropped[tokens.sample_idx])


def parts(name: str, fraction: float, seed: int, n: int | None = None) -> Problem:
    """Both parts of a problem with steps left out, others with every seed and in each part."""
    whole = problem(name)
    draws = (2 * seed, 2 * seed + 1)
    training, test = (
        thinned(spread(p, n), fraction, s) for p, s in zip((whole.training, whole.test), draws, strict=True)
    )
    return Problem(whole.dataset, training, test)


def on_grid(tokens: rm.TokenSet, n_times: int) -> np.ndarray:
    """(B, C, n_times) straight lines between the steps of each series, over its own span."""
    series = np.empty((len(tokens), tokens.schema.n_predicted, n_times), np.float32)
    for i, one in enumerate(tokens):
        times = one.positions[:, 0]
        asked = np.linspace(times[0], times[-1], n_times)
        for channel in range(series.shape[1]):
            series[i, channel] = np.interp(asked, times, one.values[:, channel])
    return series
