"""RRab against RRc on the 483 RR Lyrae of Stripe 82: with and without pre-training, beside a random forest.

``python -m benchmarks.stripe82 [--seeds 5] [--quick]``. For every seed a stratified fifth of the stars is held out;
pre-training and fine-tuning see the others only. The estimators are used as they come, but for ``class_weight``, which
the forest has too. A fixed third of all stars took part in choosing the defaults of the library
(``benchmarks.defaults``), so that the choice is not wholly blind to the stars held out here.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

import rotary_mae as rm
from benchmarks.record import circumstances, write_result
from rotary_mae.datasets.stripe82 import load_stripe82
from rotary_mae.estimators.baselines import simple_features

SETTINGS: dict[str, Any] = {
    "classifier": {"class_weight": "balanced"},
    "forest": {"n_estimators": 500, "class_weight": "balanced"},
}


def held_out(tokens: rm.TokenSet, seed: int) -> tuple[Any, Any]:
    """Which stars are trained on and which are held out."""
    labels = np.asarray(tokens.targets)
    training, test = train_test_split(np.arange(len(tokens)), test_size=0.2, random_state=seed, stratify=labels)
    return training, test


def one_seed(tokens: rm.TokenSet, seed: int, is_quick: bool) -> list[dict[str, Any]]:
    """Scores of the three methods on the stars held out by this seed."""
    labels = np.asarray(tokens.targets)
    training, test = held_out(tokens, seed)
    epochs = {"epochs": 1} if is_quick else {}
    fine = {**SETTINGS["classifier"], **epochs, "random_state": seed}
    rows = []

    def score(method: str, probability: Any, seconds: float) -> None:
        rows.append(
            {
                "method": method,
                "seed": seed,
                "balanced_accuracy": balanced_accuracy_score(labels[test] == "RRc", probability > 0.5),
                "macro_f": f1_score(labels[test] == "RRc", probability > 0.5, average="macro"),
                "auc": roc_auc_score(labels[test] == "RRc", probability),
                "seconds": round(seconds, 1),
            }
        )
        print(rows[-1], flush=True)

    started = time.perf_counter()
    features = simple_features(tokens)
    forest = make_pipeline(SimpleImputer(), RandomForestClassifier(random_state=seed, **SETTINGS["forest"]))
    forest.fit(features[training], labels[training])
    score("random forest", forest.predict_proba(features[test])[:, 1], time.perf_counter() - started)
    started = time.perf_counter()
    scratch = rm.RoMAEClassifier(**fine).fit(tokens[training])
    score("RoMAE, from scratch", scratch.predict_proba(tokens[test])[:, 1], time.perf_counter() - started)
    started = time.perf_counter()
    embedder = rm.RoMAEEmbedder(**epochs, random_state=seed).fit(tokens[training])
    tuned = rm.RoMAEClassifier(init=embedder, **fine).fit(tokens[training])
    score("RoMAE, pre-trained", tuned.predict_proba(tokens[test])[:, 1], time.perf_counter() - started)
    return rows


def main() -> None:
    """Run all seeds and write results/stripe82.json after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one epoch, to see that it runs; nothing is written")
    arguments = parser.parse_args()
    tokens, rows = load_stripe82(), []
    for seed in range(1 if arguments.quick else arguments.seeds):
        rows += one_seed(tokens, seed, arguments.quick)
        if not arguments.quick:
            write_result("stripe82", {"settings": SETTINGS, "rows": rows, **circumstances()})


if __name__ == "__main__":
    main()
