"""RRc against RRab: the 483 RR Lyrae of Stripe 82, by the estimators as they come, beside forest and boosted trees."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

import rotary_mae as rm
from reproduce.classify import TREES, boosted_trees
from reproduce.experiment import StageResult, Measure
from reproduce.features import features
from reproduce.light_curves.data import Array
from reproduce.run import Run
from rotary_mae.datasets.stripe82 import load_stripe82

STRIPE_82 = "Stripe 82, RRc against RRab"
FOREST = "random forest on simple features"


def stars(run: Run) -> StageResult:
    """Every method's answers for a stratified fifth of the stars, another with every seed; the others are learned."""
    tokens = load_stripe82()
    if run.settings["n_samples"] is not None:
        tokens = tokens[np.linspace(0, len(tokens) - 1, run.settings["n_samples"]).astype(int)]
    labels = np.asarray(tokens.targets)
    training, test = train_test_split(np.arange(len(tokens)), test_size=0.2, random_state=run.seed, stratify=labels)
    return StageResult(
        [
            measure
            for method, probabilities, seconds in answers(tokens, training, test, run.seed, run.is_trial)
            for measure in _scores(method, labels[test] == "RRc", probabilities, seconds)
        ]
    )


def answers(
    tokens: rm.TokenSet, training: Array, test: Array, seed: int, is_trial: bool
) -> Iterator[tuple[str, Array, float]]:
    """Method, (n,) probabilities of RRc and seconds of training. Classes weigh the same, as they do in the forest."""
    labels, made = np.asarray(tokens.targets), features(tokens)
    least = {"epochs": 1} if is_trial else {}
    started = time.perf_counter()

    def seconds() -> float:
        nonlocal started
        before, started = started, time.perf_counter()
        return started - before

    forest = make_pipeline(
        SimpleImputer(), RandomForestClassifier(n_estimators=500, class_weight="balanced", random_state=seed)
    )
    forest.fit(made[training], labels[training])
    yield FOREST, forest.predict_proba(made[test])[:, 1], seconds()
    is_rrc = (labels[training] == "RRc").astype(int)
    yield TREES, boosted_trees(made[training], is_rrc, made[test], 2, seed)[:, 1], seconds()
    scratch = rm.RoMAEClassifier(class_weight="balanced", random_state=seed, **least).fit(tokens[training])
    yield "RoMAE, from scratch", scratch.predict_proba(tokens[test])[:, 1], seconds()
    embedder = rm.RoMAEEmbedder(random_state=seed, **least).fit(tokens[training])
    tuned = rm.RoMAEClassifier(init=embedder, class_weight="balanced", random_state=seed, **least).fit(tokens[training])
    yield "RoMAE, pre-trained", tuned.predict_proba(tokens[test])[:, 1], seconds()


def _scores(method: str, is_rrc: Array, probabilities: Array, seconds: float) -> list[Measure]:
    found = {
        "balanced accuracy": balanced_accuracy_score(is_rrc, probabilities > 0.5),
        "macro F": f1_score(is_rrc, probabilities > 0.5, average="macro"),
        "AUC": roc_auc_score(is_rrc, probabilities),
    }
    return [Measure(STRIPE_82, name, "test", float(value), method, None, seconds) for name, value in found.items()]
