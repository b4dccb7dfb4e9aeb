"""Classification of the 483 RR Lyrae of Stripe 82: default estimators, random forest and boosted trees."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

import rotary_mae as rm
from reproduce.classify import TREES, boosted_trees
from reproduce.experiment import Measure, StageResult
from reproduce.features import features
from reproduce.light_curves.data import Array
from reproduce.run import Run
from rotary_mae.datasets.stripe82 import load_stripe82

STRIPE_82 = "Stripe 82, RRc against RRab"
FOREST = "random forest on summary features"


def stripe82(run: Run) -> StageResult:
    """Scores of every method on a stratified fifth of the stars, drawn anew with every seed."""
    tokens = load_stripe82()
    if run.settings["n_samples"] is not None:
        tokens = tokens[np.linspace(0, len(tokens) - 1, run.settings["n_samples"]).astype(int)]
    labels = np.asarray(tokens.targets)
    training, test = train_test_split(np.arange(len(tokens)), test_size=0.2, random_state=run.seed, stratify=labels)
    return StageResult(
        [
            measure
            for method, probability, seconds in predictions(tokens, training, test, run.seed, run.is_trial)
            for measure in _scores(method, labels[test] == "RRc", probability, seconds)
        ]
    )


def predictions(
    tokens: rm.TokenSet, training: Array, test: Array, seed: int, is_trial: bool
) -> Iterator[tuple[str, Array, float]]:
    """Give method, (n,) probability of RRc, and seconds of training. Both classes have the same total weight."""
    labels, of_stars = np.asarray(tokens.targets), features(tokens)
    shortest: dict[str, Any] = {"epochs": 1} if is_trial else {}
    started = time.perf_counter()

    def seconds() -> float:
        nonlocal started
        before, started = started, time.perf_counter()
        return started - before

    forest = make_pipeline(
        SimpleImputer(), RandomForestClassifier(n_estimators=500, class_weight="balanced", random_state=seed)
    )
    forest.fit(of_stars[training], labels[training])
    yield FOREST, forest.predict_proba(of_stars[test])[:, 1], seconds()
    is_rrc = (labels[training] == "RRc").astype(int)
    yield TREES, boosted_trees(of_stars[training], is_rrc, of_stars[test], 2, seed)[:, 1], seconds()
    balanced: dict[str, Any] = {"class_weight": "balanced", "random_state": seed, **shortest}
    scratch = rm.RoMAEClassifier(**balanced).fit(tokens[training])
    yield "RoMAE, from scratch", scratch.predict_proba(tokens[test])[:, 1], seconds()
    embedder = rm.RoMAEEmbedder(random_state=seed, **shortest).fit(tokens[training])
    tuned = rm.RoMAEClassifier(init=embedder, **balanced).fit(tokens[training])
    yield "RoMAE, pre-trained", tuned.predict_proba(tokens[test])[:, 1], seconds()


def _scores(method: str, is_rrc: Array, probability: Array, seconds: float) -> list[Measure]:
    found = {
        "balanced accuracy": balanced_accuracy_score(is_rrc, probability > 0.5),
        "macro F1": f1_score(is_rrc, probability > 0.5, average="macro"),
        "AUC": roc_auc_score(is_rrc, probability),
    }
    return [Measure(STRIPE_82, name, "test", float(value), method, None, seconds) for name, value in found.items()]
