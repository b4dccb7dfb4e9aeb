"""Selection of the estimators' defaults on development sets drawn from training data.

``python -m benchmarks.defaults TRIAL ... [--sets ...] [--seeds 0 1]``. Every row of results/defaults.json is one fit
from scratch: a model is trained on a stratified sample of a training set and evaluated on another sample of the same
training set. The UEA test splits are not read. The development set of Stripe 82 is a fixed third of the stars; the
other stars are not used. 30 % of the steps of every UEA series are dropped, as in the paper. No steps of the long,
smooth univariate series of the UCR archive (ArrowHead, GunPoint, OSULeaf) are dropped. All trials use about
``N_TOKENS`` tokens in about ``N_UPDATES`` updates, so that their costs are equal unless the model differs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split

import rotary_mae as rm
from benchmarks.record import RESULTS, run_metadata, write_result
from benchmarks.terms import current_term
from rotary_mae.batches.masking import Masking
from rotary_mae.datasets.stripe82 import load_stripe82
from rotary_mae.datasets.uea import load_uea
from rotary_mae.estimators.evaluate import reconstruction_metrics

Ints = npt.NDArray[np.int64]

# Size of every trial, so that their costs are comparable. Not tuned.
N_TOKENS, N_UPDATES = 700_000, 600

# Fraction of the updates over which the weights are averaged, in every trial.
AVERAGE = 0.1

# Augmentations and settings that several trials share.
THINNED = {"thinning": 0.5}
MILD = {**THINNED, "noise": 0.1, "stretch": 0.1}
SCALED = {**MILD, "scale": 0.1}
ALL = {"validation_fraction": 0.0, "learning_rate": 1e-3}
MEAN = {**ALL, "model": {"pooling": "mean"}}


def _with(augmentation: dict[str, float], **training: Any) -> dict[str, Any]:
    return {"training": {"augmentation": augmentation, **training}}


DEFAULT, INTERPOLATOR = "default", "default interpolator"
NEAREST = "earlier default, four nearest neighbours"
NO_MINIMUM = "earlier default, no minimum of samples seen"

# Trials named "augmented" were run when noise was in units of the standard deviation of all samples.
TRIALS: dict[str, dict[str, Any]] = {
    "early stopping on a tenth": {"learning_rate": 1e-3},
    "all data, last weights": ALL,
    "all data, augmented": {**ALL, **_with(SCALED | {"noise": 0.05, "shift": 1.0})},
    "all data, augmented, mean": {
        **ALL,
        "model": {"cls": False},
        **_with(SCALED | {"noise": 0.05, "shift": 1.0}),
    },
    "scaled": {**ALL, **_with(SCALED)},
    "thinned, mean": {**MEAN, **_with(THINNED)},
    "mild, mean": {**MEAN, **_with(MILD)},
    "scaled, mean": {**MEAN, **_with(SCALED)},
    "early stopping on a tenth, scaled, mean": {**MEAN, **_with(SCALED), "validation_fraction": 0.1},
    "scaled, mean, skewness": {**MEAN, **_with(SCALED)},  # local context has included skewness since then
    "scaled, mean, three times the epochs": {**MEAN, **_with(SCALED), "epochs_factor": 3},
    "scaled, mean, k = 8": {**MEAN, **_with(SCALED), "context": 8},
    "scaled, mean, depth 4": {**MEAN, **_with(SCALED), "model": {"pooling": "mean", "depth": 4}},
    "scaled, mean, dropout": {**MEAN, **_with(SCALED), "dropout": 0.1},
    "scaled, mean, drop path": {**MEAN, **_with(SCALED), "model": {"pooling": "mean", "drop_path": 0.1}},
    "scaled, mean, label smoothing": {**MEAN, **_with(SCALED, label_smoothing=0.1)},
}


def _uea(name: str) -> rm.TokenSet:
    """Return the training set with 30 % of the steps of every series dropped."""
    tokens = load_uea(name, "train")
    rng = np.random.default_rng(0)
    order = np.lexsort((rng.random(tokens.n_tokens), tokens.sample_idx))
    rank = np.empty(tokens.n_tokens, np.int64)
    rank[order] = np.arange(tokens.n_tokens) - tokens.starts[tokens.sample_idx[order]]
    return tokens.select_tokens(rank >= np.floor(0.3 * tokens.lengths)[tokens.sample_idx])


def stripe82_development() -> rm.TokenSet:
    """Return a fixed stratified third of the stars."""
    tokens = load_stripe82()
    _, third = train_test_split(np.arange(len(tokens)), test_size=1 / 3, random_state=2026, stratify=tokens.targets)
    return tokens[np.sort(third)]


# by name: function that reads the samples, number of training samples, number of held-out samples
SETS: dict[str, tuple[Callable[[], rm.TokenSet], int, int]] = {
    "lsst": (lambda: _uea("LSST"), 400, 800),
    "simulated": (lambda: rm.simulate_light_curves(1200, seed=100), 300, 900),
    "epilepsy": (lambda: _uea("Epilepsy"), 96, 41),
    "stripe82": (stripe82_development, 107, 54),
    "charactertrajectories": (lambda: _uea("CharacterTrajectories"), 200, 400),
    "basicmotions": (lambda: _uea("BasicMotions"), 28, 12),
    "arrowhead": (lambda: load_uea("ArrowHead"), 24, 12),
    "gunpoint": (lambda: load_uea("GunPoint"), 33, 17),
    "osuleaf": (lambda: load_uea("OSULeaf"), 133, 67),
    "large": (lambda: rm.simulate_light_curves(22_000, seed=200), 20_000, 2_000),
}


def split(name: str, seed: int) -> tuple[rm.TokenSet, Ints, Ints]:
    """Return tokens, training indices and held-out indices of a development set.

    Classes of fewer than four samples are left out.
    """
    load, n_training, n_held_out = SETS[name]
    tokens = load()
    labels = np.asarray(tokens.targets)
    counts = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    kept = np.flatnonzero([counts[label] >= 4 for label in labels])
    training, held_out = train_test_split(
        kept, train_size=n_training, test_size=n_held_out, random_state=seed, stratify=labels[kept]
    )
    return tokens, training, held_out


def one_fit(name: str, settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """Return the held-out scores of one fit, with the averaged weights and with those of the last update."""
    tokens, training, held_out = split(name, seed)
    n_training = len(training)
    mean_length = tokens.lengths[training].mean()
    settings = dict(settings)
    n_tokens = N_TOKENS * settings.pop("epochs_factor", 1)
    batch_size = int(np.clip(round(N_TOKENS / (N_UPDATES * mean_length)), 4, 32))
    n_epochs = min(n_tokens / (n_training * mean_length), n_tokens / N_TOKENS * N_UPDATES / (n_training / batch_size))
    epochs = round(n_epochs)
    shared = {"size": "tiny-shallow", "context": 4, "batch_size": batch_size, "epochs": epochs, "random_state": seed}
    settings = {**shared, **settings, "training": {"average": AVERAGE, **settings.get("training", {})}}
    started, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        classifier = rm.RoMAEClassifier(**settings, out=folder).fit(tokens[training])
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        found = scores(classifier, tokens[held_out])
        # the same run with the weights of the last update
        classifier.model_ = rm.RoMAEForPrediction.from_pretrained(Path(folder) / "last")
        found |= {f"last_{name}": value for name, value in scores(classifier, tokens[held_out]).items()}
    steps = {"updates": classifier.training_.steps, "epochs": epochs, "batch_size": batch_size}
    return {**found, **steps, "seconds": round(seconds), "cpu": round(cpu)}


def scores(classifier: rm.RoMAEClassifier, held_out: rm.TokenSet) -> dict[str, float]:
    """Return accuracy, balanced accuracy and log loss, and AUC if there are two classes."""
    labels, probability = np.asarray(held_out.targets), classifier.predict_proba(held_out)
    found = {
        "accuracy": float((classifier.classes_[probability.argmax(1)] == labels).mean()),
        "balanced_accuracy": float(balanced_accuracy_score(labels, classifier.classes_[probability.argmax(1)])),
        "log_loss": float(log_loss(labels, probability, labels=classifier.classes_)),
    }
    if len(classifier.classes_) == 2:
        found["auc"] = float(roc_auc_score(labels == classifier.classes_[1], probability[:, 1]))
    return {name: round(value, 4) for name, value in found.items()}


def interpolation_errors(name: str, seed: int) -> dict[str, Any]:
    """Return held-out errors of masked values by the default interpolator and by its baselines."""
    tokens, training, held_out = split(name, seed)
    started, cpu = time.perf_counter(), time.process_time()
    interpolator = rm.RoMAEInterpolator(random_state=seed).fit(tokens[training])
    found = reconstruction_metrics(interpolator.trained_models, tokens[held_out], Masking("uniform", 0.5))
    clocks = {"seconds": round(time.perf_counter() - started), "cpu": round(time.process_time() - cpu)}
    return {**{key: round(found[key], 4) for key in ("mse", "mse_linear", "mse_mean")}, **clocks}


def fit_default_classifier(name: str, seed: int, **settings: Any) -> dict[str, Any]:
    """Return held-out scores of a classifier with default settings, except for its seed and ``settings``."""
    tokens, training, held_out = split(name, seed)
    started, cpu = time.perf_counter(), time.process_time()
    classifier = rm.RoMAEClassifier(random_state=seed, **settings).fit(tokens[training])
    clocks = {"seconds": round(time.perf_counter() - started), "cpu": round(time.process_time() - cpu)}
    return {**scores(classifier, tokens[held_out]), "updates": classifier.training_.steps, **clocks}


def epochs_without_minimum(name: str, seed: int) -> int:
    """Return the default number of epochs without the minimum of samples seen: 2800 / cost^0.4, from 3 to 400."""
    tokens, training, _ = split(name, seed)
    length = float(tokens.lengths[training].mean())
    cost = length * (1.0 + length / 1000.0)
    return int(min(max(round(2800.0 / (len(training) * cost) ** 0.4), 3), 400))


def main() -> None:
    """Run the named trials; each fit adds or replaces a row of results/defaults.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trials", nargs="+", choices=[*TRIALS, DEFAULT, NEAREST, NO_MINIMUM, INTERPOLATOR])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    arguments = parser.parse_args()
    for seed, trial, name in itertools.product(arguments.seeds, arguments.trials, arguments.sets):
        if trial == INTERPOLATOR:
            found = interpolation_errors(name, seed)
        elif trial == NEAREST:
            found = fit_default_classifier(name, seed, context=4, epochs=epochs_without_minimum(name, seed))
        elif trial == NO_MINIMUM:
            found = fit_default_classifier(name, seed, epochs=epochs_without_minimum(name, seed))
        elif trial == DEFAULT:
            found = fit_default_classifier(name, seed)
        else:
            found = one_fit(name, TRIALS[trial], seed)
        row = {"trial": trial, "set": name, "seed": seed, **found, "settings": TRIALS.get(trial)}
        print(row, flush=True)
        _add(row)


def _key(row: dict[str, Any]) -> tuple[str, str, int]:
    return current_term(row["trial"]), current_term(row["set"]), row["seed"]


def _add(row: dict[str, Any]) -> None:
    path = RESULTS / "defaults.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    rows = [r for r in rows if _key(r) != _key(row)] + [row]
    write_result("defaults", {"n_tokens": N_TOKENS, "n_updates": N_UPDATES, "rows": rows, **run_metadata()})


if __name__ == "__main__":
    main()
