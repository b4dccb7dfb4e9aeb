"""What the estimators' defaults were chosen on: settings tried from scratch on development parts of training data.

``python -m benchmarks.defaults TRIAL ... [--sets ...] [--seeds 2]``. Every row of results/defaults.json is one fit:
a stratified part of a training set is learned from, another part of the same training set is scored. The UEA test
splits are not read; of Stripe 82 a fixed third of the stars is the development set, and the rest is not looked at.
Of every UEA series 30 % of the steps are dropped, as in the paper, but none of the outlines and gestures of the UCR
archive (ArrowHead, GunPoint, OSULeaf: one channel, long and smooth). All trials see about ``N_TOKENS`` tokens in about
``N_UPDATES`` updates, so that they cost the same unless the model is another.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split

import rotary_mae as rm
from benchmarks.record import RESULTS, run_metadata, write_result
from rotary_mae.batches.masking import Masking
from rotary_mae.datasets.stripe82 import load_stripe82
from rotary_mae.datasets.uea import load_uea
from rotary_mae.estimators._fit.defaults import CLASSIFY, plan_training
from rotary_mae.estimators.evaluate import reconstruction_metrics

Ints = npt.NDArray[np.int64]

N_TOKENS, N_UPDATES, AVERAGE = 700_000, 600, 0.1
THINNED = {"thinning": 0.5}
MILD = {**THINNED, "noise": 0.1, "stretch": 0.1}
SCALED = {**MILD, "scale": 0.1}
ALL = {"validation_fraction": 0.0, "learning_rate": 1e-3}
MEAN = {**ALL, "model": {"pooling": "mean"}}


def _with(augmentation: dict[str, float], **training: Any) -> dict[str, Any]:
    return {"training": {"augmentation": augmentation, **training}}


DEFAULT, INTERPOLATOR = "as it comes", "interpolator as it comes"
NEAREST = "as it came, the nearest four neighbours"
FEWER = "as it came, few samples passed over no more often than many"

# Trials named "augmented" were run when noise was in units of all samples' spread, not of the sample's own.
TRIALS: dict[str, dict[str, Any]] = {
    "a tenth chooses the epoch": {"learning_rate": 1e-3},
    "all, last": ALL,
    "all, augmented": {**ALL, **_with({**SCALED, "noise": 0.05, "shift": 1.0})},
    "all, augmented, mean": {**ALL, "model": {"cls": False}, **_with({**SCALED, "noise": 0.05, "shift": 1.0})},
    "scaled": {**ALL, **_with(SCALED)},
    "thinned, mean": {**MEAN, **_with(THINNED)},
    "mild, mean": {**MEAN, **_with(MILD)},
    "scaled, mean": {**MEAN, **_with(SCALED)},
    "a tenth chooses the epoch, scaled, mean": {**MEAN, **_with(SCALED), "validation_fraction": 0.1},
    "scaled, mean, skewness": {**MEAN, **_with(SCALED)},  # from here on a part of local context
    "scaled, mean, longer": {**MEAN, **_with(SCALED), "passes": 3},
    "scaled, mean, k = 8": {**MEAN, **_with(SCALED), "context": 8},
    "scaled, mean, depth 4": {**MEAN, **_with(SCALED), "model": {"pooling": "mean", "depth": 4}},
    "scaled, mean, dropout": {**MEAN, **_with(SCALED), "dropout": 0.1},
    "scaled, mean, drop path": {**MEAN, **_with(SCALED), "model": {"pooling": "mean", "drop_path": 0.1}},
    "scaled, mean, smoothed": {**MEAN, **_with(SCALED, label_smoothing=0.1)},
}


def _uea(name: str) -> rm.TokenSet:
    """The training part with 30 % of the steps of every series dropped."""
    tokens = load_uea(name, "train")
    rng = np.random.default_rng(0)
    order = np.lexsort((rng.random(tokens.n_tokens), tokens.sample_idx))
    rank = np.empty(tokens.n_tokens, np.int64)
    rank[order] = np.arange(tokens.n_tokens) - tokens.starts[tokens.sample_idx[order]]
    return tokens.select_tokens(rank >= np.floor(0.3 * tokens.lengths)[tokens.sample_idx])


def stripe82_development() -> rm.TokenSet:
    """A fixed stratified third of the stars."""
    tokens = load_stripe82()
    _, third = train_test_split(np.arange(len(tokens)), test_size=1 / 3, random_state=2026, stratify=tokens.targets)
    return tokens[np.sort(third)]


# name: what it is drawn from, samples to learn from and to score
SETS: dict[str, tuple[Callable[[], rm.TokenSet], int, int]] = {
    "lsst": (lambda: _uea("LSST"), 400, 800),
    "simulated": (lambda: rm.simulate_light_curves(1200, seed=100), 300, 900),
    "epilepsy": (lambda: _uea("Epilepsy"), 96, 41),
    "stripe82": (stripe82_development, 107, 54),
    "characters": (lambda: _uea("CharacterTrajectories"), 200, 400),
    "motions": (lambda: _uea("BasicMotions"), 28, 12),
    "arrowheads": (lambda: load_uea("ArrowHead"), 24, 12),
    "guns": (lambda: load_uea("GunPoint"), 33, 17),
    "leaves": (lambda: load_uea("OSULeaf"), 133, 67),
    "large": (lambda: rm.simulate_light_curves(22_000, seed=200), 20_000, 2_000),
}


def split(name: str, seed: int) -> tuple[rm.TokenSet, Ints, Ints]:
    """The tokens of a set, and which to learn from and to score; classes of fewer than four samples are left out."""
    load, n_training, n_held = SETS[name]
    tokens = load()
    labels = np.asarray(tokens.targets)
    counts = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    kept = np.flatnonzero([counts[label] >= 4 for label in labels])
    training, held = train_test_split(
        kept, train_size=n_training, test_size=n_held, random_state=seed, stratify=labels[kept]
    )
    return tokens, training, held


def one_fit(name: str, settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """Scores of one fit on the part held out, with the averaged weights and with those of the last update."""
    tokens, training, held = split(name, seed)
    n_training = len(training)
    mean_length = tokens.lengths[training].mean()
    settings = dict(settings)
    n_tokens = N_TOKENS * settings.pop("passes", 1)
    batch_size = int(np.clip(round(N_TOKENS / (N_UPDATES * mean_length)), 4, 32))
    n_epochs = min(n_tokens / (n_training * mean_length), n_tokens / N_TOKENS * N_UPDATES / (n_training / batch_size))
    epochs = round(n_epochs)
    shared = {"size": "tiny-shallow", "context": 4, "batch_size": batch_size, "epochs": epochs, "random_state": seed}
    settings = {**shared, **settings, "training": {"average": AVERAGE, **settings.get("training", {})}}
    started, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        classifier = rm.RoMAEClassifier(**settings, out=folder).fit(tokens[training])
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        found = scores(classifier, tokens[held])
        # the same run, with the weights of its last update
        classifier.model_ = rm.RoMAEForPrediction.from_pretrained(Path(folder) / "last")
        found |= {f"last_{name}": value for name, value in scores(classifier, tokens[held]).items()}
    steps = {"updates": classifier.training_.steps, "epochs": epochs, "batch_size": batch_size}
    return {**found, **steps, "seconds": round(seconds), "cpu": round(cpu)}


def scores(classifier: rm.RoMAEClassifier, held: rm.TokenSet) -> dict[str, float]:
    """What is measured on the part held out."""
    labels, probability = np.asarray(held.targets), classifier.predict_proba(held)
    found = {
        "accuracy": float((classifier.classes_[probability.argmax(1)] == labels).mean()),
        "balanced_accuracy": float(balanced_accuracy_score(labels, classifier.classes_[probability.argmax(1)])),
        "log_loss": float(log_loss(labels, probability, labels=classifier.classes_)),
    }
    if len(classifier.classes_) == 2:
        found["auc"] = float(roc_auc_score(labels == classifier.classes_[1], probability[:, 1]))
    return {name: round(value, 4) for name, value in found.items()}


def filling(name: str, seed: int) -> dict[str, Any]:
    """Errors of hidden values of the part held out, by the interpolator as it comes and by straight lines."""
    tokens, training, held = split(name, seed)
    started, cpu = time.perf_counter(), time.process_time()
    interpolator = rm.RoMAEInterpolator(random_state=seed).fit(tokens[training])
    found = reconstruction_metrics(interpolator.trained_models, tokens[held], Masking("uniform", 0.5))
    clocks = {"seconds": round(time.perf_counter() - started), "cpu": round(time.process_time() - cpu)}
    return {**{key: round(found[key], 4) for key in ("mse", "mse_linear", "mse_mean")}, **clocks}


def as_it_comes(name: str, seed: int, **settings: Any) -> dict[str, Any]:
    """Scores of a classifier that is told nothing but its seed (and ``settings``)."""
    tokens, training, held = split(name, seed)
    started, cpu = time.perf_counter(), time.process_time()
    classifier = rm.RoMAEClassifier(random_state=seed, **settings).fit(tokens[training])
    clocks = {"seconds": round(time.perf_counter() - started), "cpu": round(time.process_time() - cpu)}
    return {**scores(classifier, tokens[held]), "updates": classifier.training_.steps, **clocks}


def fewer_epochs(name: str, seed: int) -> int:
    """Those of a plan that does not care for how few samples there are."""
    tokens, training, _ = split(name, seed)
    length = float(tokens.lengths[training].mean())
    plan = replace(CLASSIFY, least_seen=0)
    planned = plan_training(plan, len(training), 0, length, width=180, is_tuning=False, is_fast=False)
    return int(planned["epochs"])


def main() -> None:
    """Run the trials named, adding to (or replacing in) results/defaults.json after each fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trials", nargs="+", choices=[*TRIALS, DEFAULT, NEAREST, FEWER, INTERPOLATOR])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    arguments = parser.parse_args()
    for seed, trial, name in itertools.product(arguments.seeds, arguments.trials, arguments.sets):
        if trial == INTERPOLATOR:
            found = filling(name, seed)
        elif trial == NEAREST:
            found = as_it_comes(name, seed, context=4, epochs=fewer_epochs(name, seed))
        elif trial == FEWER:
            found = as_it_comes(name, seed, epochs=fewer_epochs(name, seed))
        elif trial == DEFAULT:
            found = as_it_comes(name, seed)
        else:
            found = one_fit(name, TRIALS[trial], seed)
        row = {"trial": trial, "set": name, "seed": seed, **found, "settings": TRIALS.get(trial)}
        print(row, flush=True)
        _add(row)


def _add(row: dict[str, Any]) -> None:
    path = RESULTS / "defaults.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    key = ("trial", "set", "seed")
    rows = [r for r in rows if [r[k] for k in key] != [row[k] for k in key]] + [row]
    write_result("defaults", {"n_tokens": N_TOKENS, "n_updates": N_UPDATES, "rows": rows, **run_metadata()})


if __name__ == "__main__":
    main()
