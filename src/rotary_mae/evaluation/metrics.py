"""What is measured on a validation part."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, f1_score

HIGHER_IS_BETTER = frozenset({"accuracy", "balanced_accuracy", "macro_f1", "r2"})

Array = npt.NDArray[Any]


def prediction_metrics(logits: Array, targets: Array) -> dict[str, float]:
    """Metrics of logits (N, outputs) against whole-number classes (N,), or numbers against numbers (N, k)."""
    if targets.dtype.kind in "iu":
        guess = logits.argmax(1)
        return {
            "accuracy": float(accuracy_score(targets, guess)),
            "balanced_accuracy": _mean_recall(targets, guess),
            "macro_f1": float(f1_score(targets, guess, average="macro", zero_division=0)),
        }
    targets = targets.reshape(len(targets), -1)
    errors = np.square(logits - targets)
    spread = np.square(targets - targets.mean(0)).mean()
    return {
        "mse": float(errors.mean()),
        "r2": float(1.0 - errors.mean() / spread) if spread > 0 else float("nan"),
    }


def _mean_recall(targets: Array, guess: Array) -> float:
    # scikit-learn's balanced accuracy warns of a class that was guessed but is not there
    return float(np.mean([(guess[targets == c] == c).mean() for c in np.unique(targets)]))
