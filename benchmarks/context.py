"""Does local context help? Trained with and without it, judged on validation parts of training data.

``python -m benchmarks.context [--seeds 2]``. Classification from scratch of simulated light curves, of Stripe 82
RR Lyrae and of UEA Epilepsy (a quarter of the official training part held out), and interpolation of simulated light
curves. No test data are touched: this chose the default of the estimators.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split

import rotary_mae as rm
from benchmarks.record import circumstances, write_result
from rotary_mae.batches.hiding import Hiding
from rotary_mae.datasets.stripe82 import load_stripe82
from rotary_mae.datasets.uea import load_uea
from rotary_mae.estimators.evaluation import reconstruction_metrics

SETTINGS: dict[str, Any] = {
    "shared": {"size": "tiny-shallow", "learning_rate": 1e-3},
    "epochs": {"simulated": 25, "stripe82": 15, "epilepsy": 40, "interpolation": 10},
    "thinning": {"simulated": 0.5, "stripe82": 0.8, "epilepsy": 0.5, "interpolation": 0.0},
}


def stripe82_training() -> rm.TokenSet:
    """The training stars of seed 0 of ``benchmarks.stripe82``."""
    tokens = load_stripe82()
    training, _ = train_test_split(np.arange(len(tokens)), test_size=0.2, random_state=0, stratify=tokens.targets)
    return tokens[training]


SETS: dict[str, Callable[[], rm.TokenSet]] = {
    "simulated": lambda: rm.simulate_light_curves(400, seed=100),
    "stripe82": stripe82_training,
    "epilepsy": lambda: load_uea("Epilepsy", "train"),
    "interpolation": lambda: rm.simulate_light_curves(500, seed=101),
}


def score(name: str, tokens: rm.TokenSet, context: int, seed: int) -> dict[str, float]:
    """Balanced accuracy, or errors of hidden values, on a held-out quarter."""
    labels = np.asarray(tokens.targets)
    training, held = train_test_split(np.arange(len(tokens)), test_size=0.25, random_state=seed, stratify=labels)
    settings = {
        **SETTINGS["shared"],
        "epochs": SETTINGS["epochs"][name],
        "training": {"augmentation": {"thinning": SETTINGS["thinning"][name]}},
        "context": context,
        "random_state": seed,
        "validation_fraction": 0.0,
    }
    if name == "interpolation":
        found = reconstruction_metrics(
            rm.RoMAEInterpolator(**settings).fit(tokens[training]), tokens[held], Hiding("uniform", 0.5)
        )
        return {key: found[key] for key in ("mse", "log_likelihood")}
    classifier = rm.RoMAEClassifier(class_weight="balanced", **settings).fit(tokens[training])
    return {"balanced_accuracy": float(balanced_accuracy_score(labels[held], classifier.predict(tokens[held])))}


def main() -> None:
    """Run all, write results/context.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    rows = []
    for name, load in SETS.items():
        tokens = load()
        for seed in range(arguments.seeds):
            for context in (0, 4):
                started = time.perf_counter()
                found = score(name, tokens, context, seed)
                row = {"set": name, "seed": seed, "context": context, **found}
                rows.append({**row, "seconds": round(time.perf_counter() - started, 1)})
                print(rows[-1], flush=True)
        write_result("context", {"settings": SETTINGS, "rows": rows, **circumstances()})


if __name__ == "__main__":
    main()
