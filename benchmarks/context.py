"""Effect of local context on validation data: ``python -m benchmarks.context [--sets ...] [--seeds 2]``.

Models are trained without and with local context: classifiers from scratch on simulated light curves, Stripe 82 RR
Lyrae and UEA Epilepsy, and interpolators on simulated light curves, Stripe 82 and PhysioNet 2012 stays. A quarter of
the training set is held out. No test data are used, because the results selected the default of the estimators. Rows of
sets that are not named are left unchanged.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split

import rotary_mae as rm
from benchmarks.record import RESULTS, run_metadata, write_result
from rotary_mae.batches.masking import Masking
from rotary_mae.datasets.physionet2012 import load_physionet2012
from rotary_mae.datasets.stripe82 import load_stripe82
from rotary_mae.datasets.uea import load_uea
from rotary_mae.estimators.evaluate import reconstruction_metrics

INTERPOLATION_SETS = ("interpolation", "interpolation, stripe82", "interpolation, physionet")

SETTINGS: dict[str, Any] = {
    "shared": {"size": "tiny-shallow", "learning_rate": 1e-3},
    "epochs": {"simulated": 25, "stripe82": 15, "epilepsy": 40, **dict.fromkeys(INTERPOLATION_SETS, 10)},
    "thinning": {"simulated": 0.5, "stripe82": 0.8, "epilepsy": 0.5, **dict.fromkeys(INTERPOLATION_SETS, 0.0)},
}


def stripe82_training() -> rm.TokenSet:
    """Return the training stars of seed 0 of ``reproduce run light_curves``."""
    tokens = load_stripe82()
    training, _ = train_test_split(np.arange(len(tokens)), test_size=0.2, random_state=0, stratify=tokens.targets)
    return tokens[training]


def physionet_training() -> rm.TokenSet:
    """Return 500 stays outside of a fifth that is held out."""
    tokens = load_physionet2012()
    rest, _ = train_test_split(np.arange(len(tokens)), test_size=0.2, random_state=0)
    return tokens[np.sort(rest[:500])]


SETS: dict[str, Callable[[], rm.TokenSet]] = {
    "simulated": lambda: rm.simulate_light_curves(400, seed=100),
    "stripe82": stripe82_training,
    "epilepsy": lambda: load_uea("Epilepsy", "train"),
    "interpolation": lambda: rm.simulate_light_curves(500, seed=101),
    "interpolation, stripe82": stripe82_training,
    "interpolation, physionet": physionet_training,
}


def score(name: str, tokens: rm.TokenSet, context: int, seed: int) -> dict[str, float]:
    """Return the balanced accuracy, or the errors of masked values, on a held-out quarter."""
    labels = np.asarray(tokens.targets)
    training, held_out = train_test_split(
        np.arange(len(tokens)),
        test_size=0.25,
        random_state=seed,
        stratify=None if name in INTERPOLATION_SETS else labels,
    )
    settings = {
        **SETTINGS["shared"],
        "epochs": SETTINGS["epochs"][name],
        "training": {"augmentation": {"thinning": SETTINGS["thinning"][name]}},
        "context": context,
        "random_state": seed,
        "validation_fraction": 0.0,
    }
    if name in INTERPOLATION_SETS:
        found = reconstruction_metrics(
            rm.RoMAEInterpolator(**settings).fit(tokens[training]).trained_models,
            tokens[held_out],
            Masking("uniform", 0.5),
        )
        return {key: found[key] for key in ("mse", "log_likelihood")}
    classifier = rm.RoMAEClassifier(class_weight="balanced", **settings).fit(tokens[training])
    return {"balanced_accuracy": float(balanced_accuracy_score(labels[held_out], classifier.predict(tokens[held_out])))}


def main() -> None:
    """Run all and write results/context.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    path = RESULTS / "context.json"
    rows = [r for r in json.loads(path.read_text())["rows"] if r["set"] not in arguments.sets] if path.exists() else []
    metadata = run_metadata()
    for name in arguments.sets:
        tokens = SETS[name]()
        for seed in range(arguments.seeds):
            for context in (0, 4):
                started = time.perf_counter()
                found = score(name, tokens, context, seed)
                row = {"set": name, "seed": seed, "context": context, **found}
                rows.append({**row, "seconds": round(time.perf_counter() - started, 1), "commit": metadata["commit"]})
                print(rows[-1], flush=True)
        write_result("context", {"settings": SETTINGS, "rows": rows, **metadata})


if __name__ == "__main__":
    main()
