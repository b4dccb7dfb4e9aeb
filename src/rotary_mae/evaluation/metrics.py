"""Metrics of predictions against targets, and which of them are better when larger."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, f1_score

Array = npt.NDArray[Any]

HIGHER_IS_BETTER = {
    "accuracy": True,
    "balanced_accuracy": True,
    "macro_f1": True,
    "r2": True,
    "mse": False,
    "loss": False,
}
"""Direction of every metric that a model is chosen by or compared by."""


def is_better(metric: str, value: float, than: float | None) -> bool:
    """Return True if one value of a metric is better than another.

    Parameters
    ----------
    metric : str
        A key of ``HIGHER_IS_BETTER``.
    value : float
        The new value. NaN, as the R^2 of a single sample is, is never better.
    than : float or None
        The value to beat; None if there is none yet.

    Raises
    ------
    KeyError
        If the direction of the metric is not in the table.
    """
    is_higher_better = HIGHER_IS_BETTER[metric]
    if math.isnan(value):
        return False
    if than is None:
        return True
    return value > than if is_higher_better else value < than


def prediction_metrics(predictions: Array, targets: Array) -> dict[str, float]:
    """Return the metrics of a classifier or a regressor.

    Parameters
    ----------
    predictions : array of float, shape (N, outputs)
        Logits or probabilities of classes, or predicted numbers.
    targets : array, shape (N,) or (N, outputs)
        Classes as integers, or numbers as floats.

    Returns
    -------
    dict of str to float
        For integer targets accuracy, balanced_accuracy and macro_f1; for others mse and r2, over all outputs
        together. r2 is NaN where all targets are equal.
    """
    if targets.dtype.kind in "iu":
        predicted_class = predictions.argmax(1)
        return {
            "accuracy": float(accuracy_score(targets, predicted_class)),
            "balanced_accuracy": _mean_recall(targets, predicted_class),
            "macro_f1": float(f1_score(targets, predicted_class, average="macro", zero_division=0)),
        }
    targets = targets.reshape(len(targets), -1)
    errors = np.square(predictions - targets)
    variance = np.square(targets - targets.mean(0)).mean()
    return {
        "mse": float(errors.mean()),
        "r2": float(1.0 - errors.mean() / variance) if variance > 0 else float("nan"),
    }


def _mean_recall(targets: Array, predicted_class: Array) -> float:
    # scikit-learn's balanced accuracy warns of a class that is predicted but is not among the targets
    return float(np.mean([(predicted_class[targets == c] == c).mean() for c in np.unique(targets)]))
