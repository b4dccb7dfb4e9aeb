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
    "log_loss": False,
    "ece": False,
}
"""Direction of every metric that a model is chosen by or compared by."""


N_BINS = 10
"""Number of bins of the expected calibration error, as is usual."""

MIN_PROBABILITY = 1e-12
"""Smallest probability in the log loss, so that it is finite. Not tuned."""


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
        together. r2 is NaN where all targets are equal. All are NaN if a prediction is not finite.
    """
    if targets.dtype.kind in "iu":
        if not np.isfinite(predictions).all():
            # the largest of several NaN would be the first class
            return dict.fromkeys(("accuracy", "balanced_accuracy", "macro_f1"), float("nan"))
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


def probability_metrics(probabilities: Array, class_idx: npt.NDArray[np.int64]) -> dict[str, float]:
    """Return the metrics of predicted probabilities of classes.

    Parameters
    ----------
    probabilities : array of float, shape (N, K)
        Probabilities that add up to 1.
    class_idx : array of int, shape (N,)
        True classes.

    Returns
    -------
    dict of str to float
        log_loss, the mean negative logarithm of the probability of the true class; and ece, the expected calibration
        error.
    """
    of_truth = probabilities[np.arange(len(class_idx)), class_idx]
    gaps = calibration_gaps(probabilities, class_idx)
    return {
        "log_loss": float(-np.log(np.maximum(of_truth, MIN_PROBABILITY)).mean()),
        "ece": float(np.abs(gaps.mean(axis=0)).sum()),
    }


def calibration_gaps(probabilities: Array, class_idx: npt.NDArray[np.int64]) -> Array:
    """Return how much each sample adds to the calibration error of its bin.

    The expected calibration error is the sum over the bins of the absolute mean of these (Naeini et al. 2015): the mean
    difference between the probability of the predicted class and the accuracy, with weights by number of samples. Few
    samples make it larger, because the accuracy of a bin is then partly chance.

    Parameters
    ----------
    probabilities : array of float, shape (N, K)
        Predicted probabilities.
    class_idx : array of int, shape (N,)
        True classes.

    Returns
    -------
    array of float, shape (N, 10)
        Probability of the predicted class, less 1 if it is the true class, in the bin of that probability; 0 in the
        other bins, which have equal width.
    """
    confidence, is_correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == class_idx
    bins = np.minimum((confidence * N_BINS).astype(np.int64), N_BINS - 1)
    return np.eye(N_BINS)[bins] * (confidence - is_correct)[:, None]


def _mean_recall(targets: Array, predicted_class: Array) -> float:
    # scikit-learn's balanced accuracy warns of a class that is predicted but is not among the targets
    return float(np.mean([(predicted_class[targets == c] == c).mean() for c in np.unique(targets)]))
