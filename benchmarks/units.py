"""Comparison of units of time and of timescales on development data: ``python -m benchmarks.units [--sets ...]``.

Every row of results/units.json is one fit from scratch on samples of a training set, evaluated on other samples of the
same training set. Compared are the mean gap as the unit with the rotations of the paper (the earlier default), the
median gap within a channel with the same rotations, the median gap with timescales that reach the span of the samples,
and the default: the median gap with timescales from the gap between channels to the span divided by pi, where those of
the paper do not reach so far. The smaller the error of masked values or the log loss, the better. Trials that do not
differ on a set are left out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score, log_loss

import rotary_mae as rm
from benchmarks.record import RESULTS, run_metadata, write_result
from rotary_mae.batches.masking import Masking
from rotary_mae.datasets.uea import load_uea
from rotary_mae.estimators.evaluate import reconstruction_metrics

N_TOKENS = 160_000
"""Tokens that each model is trained on in all, so that all fits cost about the same."""

N_STEPS = 200
"""Consecutive observations of a star or of the transformer that form a sample."""

N_ROTATING = 22
"""Pairs of an attention head that rotate, in models of the size "tiny-shallow" with one axis."""

TRIALS = ("mean gap", "median gap", "median gap, timescales to the span", "default")


def bursts(n_samples: int = 240, seed: int = 1) -> rm.TokenSet:
    """Return sines in four bursts of 20 measurements within 20 minutes, a day apart."""
    rng = np.random.default_rng(seed)
    start = 1440.0 * np.repeat(np.arange(4), 20)
    time = np.sort(start + rng.uniform(0, 20, (n_samples, 80)), axis=1)
    phase = np.repeat(rng.uniform(0, 2 * np.pi, (n_samples, 4)), 20, axis=1)
    frequency = rng.uniform(0.05, 0.2, (n_samples, 1))
    values = np.sin(2 * np.pi * frequency * (time - start) + phase) + 0.05 * rng.normal(size=time.shape)
    return rm.from_arrays(list(values[:, None]), times=list(time))


def transformer() -> rm.TokenSet:
    """Return stretches of the first year of ETTh1 (its training part), one channel, with half of the hours dropped."""
    table = pd.read_csv(_data() / "ett" / "ETTh1.csv.gz")["OT"].to_numpy()[: 12 * 30 * 24]
    stretches = table[: len(table) // N_STEPS * N_STEPS].reshape(-1, 1, N_STEPS)
    is_dropped = np.random.default_rng(0).random(stretches.shape) < 0.5
    return rm.from_arrays(np.where(is_dropped, np.nan, stretches), layout="measurements")


def long_stretches() -> rm.TokenSet:
    """Return 60 overlapping stretches of 1500 hours of the same series, all hours."""
    table = pd.read_csv(_data() / "ett" / "ETTh1.csv.gz")["OT"].to_numpy()[: 12 * 30 * 24]
    starts = np.linspace(0, len(table) - 1500, 60).astype(int)
    return rm.from_arrays(np.stack([table[start : start + 1500] for start in starts])[:, None])


def stars(n_stars: int = 480) -> rm.TokenSet:
    """Return stretches of ASAS light curves of five classes, 96 stars of each."""
    table = pd.read_parquet(_data() / "asas" / "asas.parquet")
    classes = ("Mira", "Contact Systems", "Detached", "RR Lyrae, Fundamental Mode", "Delta Scuti")
    rng = np.random.default_rng(0)
    values, times, targets = [], [], []
    for name in classes:
        long_enough = table[(table["class"] == name) & (table["hjd"].map(len) >= N_STEPS)]
        for _, star in long_enough.sample(n_stars // len(classes), random_state=0).iterrows():
            order = np.argsort(star["hjd"], kind="stable")
            start = rng.integers(len(order) - N_STEPS + 1)
            chosen = order[start : start + N_STEPS]
            values.append(star["mag"][chosen][None] / 1000.0)
            times.append(star["hjd"][chosen] / 1e5)
            targets.append(name)
    return rm.from_arrays(values, times=times, targets=np.array(targets), duplicates="mean")


def thinned(name: str) -> rm.TokenSet:
    """Return the training set of a set of the UEA archive, with 30 % of the steps of every series dropped."""
    tokens = load_uea(name, "train")
    return tokens.select_tokens(np.random.default_rng(0).random(tokens.n_tokens) >= 0.3)


ALL, UNITS = TRIALS, TRIALS[:2]

# by name: source, samples to train on, whether samples are classified or interpolated, and trials
SETS: dict[str, tuple[Callable[[], rm.TokenSet], int, bool, tuple[str, ...]]] = {
    "bursts": (bursts, 180, False, ALL),
    "ETTh1, half of the hours": (transformer, 30, False, UNITS),
    "ETTh1, 1500 hours": (long_stretches, 30, False, TRIALS[1:3]),
    "simulated light curves": (lambda: rm.simulate_light_curves(400, seed=100), 240, False, (*UNITS, TRIALS[3])),
    "ASAS": (stars, 240, False, UNITS),
    "LSST, classes": (lambda: thinned("LSST")[:1200], 400, True, UNITS),
    "Epilepsy, classes": (lambda: thinned("Epilepsy"), 90, True, UNITS),
    "ASAS, classes": (stars, 240, True, UNITS),
}


def mean_gap(tokens: rm.TokenSet) -> float:
    """Return the median over the samples of span / (distinct times - 1)."""
    axis = tokens.schema.continuous_axes[0]
    found = []
    for start, length in zip(tokens.starts, tokens.lengths, strict=True):
        distinct = np.unique(tokens.positions[start : start + length, axis])
        if len(distinct) > 1:
            found.append((distinct[-1] - distinct[0]) / (len(distinct) - 1))
    return float(np.median(found))


def rotations(trial: str, tokens: rm.TokenSet) -> dict[str, Any]:
    """Return the settings of the rotations of a trial; timescales are for samples with one axis."""
    if trial == TRIALS[3]:
        return {}
    if trial == TRIALS[2]:
        (span,) = rm.Scaling.fit(tokens).span
        return {"timescales": (tuple(np.geomspace(1.0, span, N_ROTATING).tolist()),)}
    return {"rope_base": 10_000.0}


def one_fit(name: str, trial: str, seed: int) -> dict[str, Any]:
    """Return scores on the held-out samples of one fit."""
    load, n_training, is_classified, _ = SETS[name]
    tokens = load()
    order = np.random.default_rng(seed).permutation(len(tokens))
    training, held_out = tokens[np.sort(order[:n_training])], tokens[np.sort(order[n_training:])]
    length = training.lengths.mean()
    batch_size = int(np.clip(round(1600 / length), 4, 32))
    settings: dict[str, Any] = {
        "size": "tiny-shallow",
        "context": 4,
        "batch_size": batch_size,
        "epochs": max(1, round(N_TOKENS / (n_training * length))),
        "random_state": seed,
        "model": rotations(trial, training),
        "unit": mean_gap(training) if trial == TRIALS[0] else "auto",
    }
    started = time.process_time()
    if is_classified:
        classifier = rm.RoMAEClassifier(**settings, validation_fraction=0.0).fit(training)
        probability = classifier.predict_proba(held_out)
        labels = np.asarray(held_out.targets)
        known = np.isin(labels, classifier.classes_)
        predicted = classifier.classes_[probability.argmax(1)]
        found = {
            "log_loss": log_loss(labels[known], probability[known], labels=classifier.classes_),
            "balanced_accuracy": balanced_accuracy_score(labels[known], predicted[known]),
        }
        unit = classifier.scaling_.unit
    else:
        interpolator = rm.RoMAEInterpolator(**settings).fit(training)
        errors = reconstruction_metrics(interpolator.trained_models, held_out, Masking("uniform", 0.5))
        found = {name: errors[name] for name in ("mse", "mse_linear")}
        unit = interpolator.scaling_.unit
    scores = {name: round(float(value), 4) for name, value in found.items()}
    return {**scores, "unit": round(unit[0], 4), "cpu": round(time.process_time() - started)}


def _data() -> Path:
    return Path(os.environ["ROMAE_DATA"])


def main() -> None:
    """Run the fits of the named sets; each fit adds or replaces a row of results/units.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--trials", nargs="+", choices=TRIALS, default=list(TRIALS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    arguments = parser.parse_args()
    path = RESULTS / "units.json"
    for name, trial, seed in itertools.product(arguments.sets, arguments.trials, arguments.seeds):
        if trial not in SETS[name][3]:
            continue
        row = {"set": name, "trial": trial, "seed": seed, **one_fit(name, trial, seed)}
        print(row, flush=True)
        rows = json.loads(path.read_text())["rows"] if path.exists() else []
        same = [all(r[key] == row[key] for key in ("set", "trial", "seed")) for r in rows]
        kept = [r for r, is_same in zip(rows, same, strict=True) if not is_same]
        write_result("units", {"n_tokens": N_TOKENS, "rows": [*kept, row], **run_metadata()})


if __name__ == "__main__":
    main()
