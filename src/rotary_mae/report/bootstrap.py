"""Metrics of held-out samples with intervals: the samples are drawn again and again, and the metric with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.metrics import roc_auc_score

Array = npt.NDArray[Any]

N_DRAWS, N_SLOW_DRAWS = 1_000, 200

METHODS = {"answer": "the model", "line": "straight lines between neighbours", "mean": "mean of the channel"}
"""Answers for hidden values, by their column in ``Evidence.values``."""


@dataclass(frozen=True)
class Estimate:
    """A metric, and the ends of its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    @property
    def between(self) -> str:
        """The interval, written out."""
        return f"{number(self.low)} to {number(self.high)}"


def number(value: float) -> str:
    """As people read it: three decimals, or three digits of large and small numbers."""
    if not np.isfinite(value):
        return "unknown"
    return f"{value:.3f}" if 0.01 <= abs(value) < 100 or value == 0 else f"{value:,.3g}"


def bootstrap(statistic: Callable[[Array], Array], n_samples: int, n_draws: int = N_DRAWS) -> Estimate:
    """``statistic`` takes weights (R, n), how often each sample was drawn, and gives (R,); the draws are seeded."""
    drawn = np.random.default_rng(0).multinomial(n_samples, np.full(n_samples, 1.0 / n_samples), size=n_draws)
    value = float(statistic(np.ones((1, n_samples)))[0])
    with np.errstate(invalid="ignore", divide="ignore"):
        repeated = statistic(drawn.astype(np.float64))
    repeated = repeated[np.isfinite(repeated)]
    low, high = np.quantile(repeated, (0.025, 0.975)) if repeated.size else (np.nan, np.nan)
    return Estimate(value, float(low), float(high))


def class_estimates(truth: Array, chances: Array) -> dict[str, Estimate]:
    """truth: (n,) number of the class; chances: (n, K) probabilities."""
    n, n_classes = chances.shape
    guess = chances.argmax(1)
    is_right = (guess == truth).astype(np.float64)
    is_class = np.eye(n_classes)[truth]
    is_guess = np.eye(n_classes)[guess]
    hits = is_class * is_guess
    there = np.unique(truth)
    surprise = -np.log(np.clip(chances[np.arange(n), truth], 1e-12, None))

    def recall(weights: Array) -> Array:
        # of the classes that were drawn
        return np.nanmean((weights @ hits[:, there]) / (weights @ is_class[:, there]), axis=1)

    def f1(weights: Array) -> Array:
        both = weights @ is_class + weights @ is_guess
        known = np.divide(2 * (weights @ hits), both, out=np.zeros_like(both), where=both > 0)
        return known[:, np.union1d(there, guess)].mean(1)

    found = {
        "accuracy": bootstrap(lambda w: w @ is_right / w.sum(1), n),
        "balanced accuracy": bootstrap(recall, n),
        "macro F1": bootstrap(f1, n),
    }
    if len(there) == n_classes:
        found["AUC"] = bootstrap(lambda w: _auc(truth, chances, w), n, N_SLOW_DRAWS)
    return found | {"log loss": bootstrap(lambda w: w @ surprise / w.sum(1), n)}


def _auc(truth: Array, chances: Array, weights: Array) -> Array:
    """(R,) area under the ROC curve, the mean of each class against the rest; NaN where a class was not drawn."""
    columns = [1] if chances.shape[1] == 2 else range(chances.shape[1])
    areas = np.full((len(weights), len(columns)), np.nan)
    for r, drawn in enumerate(weights):
        for k, column in enumerate(columns):
            is_class = truth == column
            if 0 < drawn[is_class].sum() < drawn.sum():
                areas[r, k] = roc_auc_score(is_class, chances[:, column], sample_weight=drawn)
    means: Array = areas.mean(1)
    return means


def number_estimates(truth: Array, answer: Array) -> dict[str, Estimate]:
    """truth, answer: (n,) numbers, in the user's units."""
    error = answer - truth

    def r2(weights: Array) -> Array:
        total = weights.sum(1)
        mean = weights @ truth / total
        spread = weights @ truth**2 / total - mean**2
        left: Array = 1.0 - weights @ error**2 / total / np.where(spread > 0, spread, np.nan)
        return left

    return {
        "root mean squared error": bootstrap(lambda w: np.sqrt(w @ error**2 / w.sum(1)), len(truth)),
        "mean absolute error": bootstrap(lambda w: w @ np.abs(error) / w.sum(1), len(truth)),
        "R²": bootstrap(r2, len(truth)),
    }


def hidden_estimates(values: pa.Table) -> dict[str, Estimate]:
    """Root mean squared errors of answers for hidden values, in standard deviations of their channel, by method.

    Whole samples are drawn: values of one sample go together. See ``Evidence.values``.
    """
    columns = {name: values[name].to_numpy() for name in values.column_names if name != "channel"}
    found = {}
    for column, name in METHODS.items():
        if column in columns:
            squares = np.square((columns[column] - columns["truth"]) / columns["scale"])
            found[name] = _by_sample(squares, columns["sample"], np.sqrt)
    return found


def channel_errors(values: pa.Table, n_channels: int) -> dict[str, dict[str, float]]:
    """The same by channel, of those with most hidden values, without intervals."""
    names, place, counts = np.unique(values["channel"].to_pylist(), return_inverse=True, return_counts=True)
    most = np.sort(np.argsort(-counts, kind="stable")[:n_channels])
    found = {}
    for column, name in METHODS.items():
        if column in values.column_names:
            error = (values[column].to_numpy() - values["truth"].to_numpy()) / values["scale"].to_numpy()
            means = np.sqrt(np.bincount(place, weights=np.square(error)) / counts)
            found[name] = {str(names[k]): float(means[k]) for k in most}
    return found


def coverage(values: pa.Table, quantiles: list[float]) -> Mapping[float, Estimate]:
    """The share of hidden values inside each central interval, by its nominal share, 0.5, 0.8 ..."""
    truth, sample = values["truth"].to_numpy(), values["sample"].to_numpy()
    found = {}
    for k in reversed(range(len(quantiles) // 2)):
        mirror = len(quantiles) - 1 - k
        low, high = values[f"q{k}"].to_numpy(), values[f"q{mirror}"].to_numpy()
        is_inside = ((low <= truth) & (truth <= high)).astype(np.float64)
        found[round(quantiles[mirror] - quantiles[k], 9)] = _by_sample(is_inside, sample)
    return found


def _by_sample(values: Array, sample: Array, of: Callable[[Array], Array] = np.asarray) -> Estimate:
    """``of`` the mean of values (N,), whole samples drawn together."""
    place = np.unique(sample, return_inverse=True)[1]
    sums, counts = np.bincount(place, weights=values), np.bincount(place)
    return bootstrap(lambda w: of((w @ sums) / (w @ counts)), len(counts))
