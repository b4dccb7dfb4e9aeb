"""Temperature scaling of classifiers (Guo et al. 2017, arXiv 1706.04599).

Logits are divided by one positive number, so that the predicted class never changes. Label smoothing alone makes
probabilities underconfident: with smoothing e and K classes the loss is lowest at (1 - e) q + e / K, where q is the
probability that a class is true. A few validation samples cannot determine the temperature, so q, computed from the
predictions, counts as further samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

PRIOR_SAMPLES = 40.0
"""Validation samples that the temperature which undoes label smoothing counts as; it is 1 without label smoothing. Of
20, 40 and 80 the one with the lowest calibration error after 30 samples, on average over two simulated sets."""

UNIFORM_SAMPLES = 1.0
"""Samples with equal probability of all classes, so that no finite number of correct predictions makes them certain; as
in Laplace's rule of succession."""

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.1, 10.0
"""Range of the temperature. Not tuned."""

Array = npt.NDArray[Any]


def fit_temperature(
    logits: Array, class_idx: npt.NDArray[np.int64], weights: Array | None = None, label_smoothing: float = 0.0
) -> float:
    """Return the temperature with the lowest log loss on held-out samples.

    Parameters
    ----------
    logits : array of float, shape (n, K)
        Logits of samples that the classifier was not trained on.
    class_idx : array of int, shape (n,)
        True classes.
    weights : array of float, shape (n,), optional
        Weights of the samples; equal by default. With weights n is the effective number of samples.
    label_smoothing : float, default=0.0
        Label smoothing of the training.

    Returns
    -------
    float
        In [0.1, 10]; 1 without samples.
    """
    if not len(logits) or (weights is not None and not weights.any()):
        return 1.0
    logits = logits.astype(np.float64)
    n_samples, n_classes = logits.shape
    weights = np.ones(n_samples) if weights is None else weights.astype(np.float64)
    n_effective = weights.sum() ** 2 / np.square(weights).sum()
    targets = (
        n_effective * np.eye(n_classes)[class_idx]
        + PRIOR_SAMPLES * without_smoothing(softmax(logits, axis=1), label_smoothing)
        + UNIFORM_SAMPLES / n_classes
    )
    targets *= weights[:, None] / weights.sum()

    def loss(log_temperature: float) -> float:
        return -float((targets * log_softmax(logits / np.exp(log_temperature), axis=1)).sum())

    bounds = (np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    # equal logits have the same loss at every temperature
    return float(np.exp(found.x)) if found.fun < loss(0.0) else 1.0


def without_smoothing(probabilities: Array, label_smoothing: float) -> Array:
    """Return the probabilities (n, K) whose smoothed labels have the predicted probabilities (n, K)."""
    n_classes = probabilities.shape[1]
    if label_smoothing >= 1.0:
        return np.full(probabilities.shape, 1.0 / n_classes)
    true = np.maximum((probabilities - label_smoothing / n_classes) / (1.0 - label_smoothing), 0.0)
    return true / true.sum(axis=1, keepdims=True)
