"""Metrics of held-out samples with bootstrap intervals: samples are drawn with replacement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.metrics import roc_auc_score

from rotary_mae.evaluation.metrics import calibration_gaps

Array = npt.NDArray[Any]

N_DRAWS = 1_000
"""Enough for the two digits of an interval that are shown; not tuned."""

N_AUC_DRAWS = 200
"""Fewer, because the area under the curve is computed once per draw and class; not tuned."""

N_DISTANCE_GROUPS = 5
"""Groups of distances whose coverage is shown; not tuned."""

METHOD_NAMES = {"answer": "the model", "line": "linear interpolation", "mean": "mean of the channel"}
"""Predictions of masked values, by their column in ``HeldOutPredictions.masked``."""


@dataclass(frozen=True)
class Estimate:
    """A metric with its 95 % bootstrap interval.

    Attributes
    ----------
    value : float
        The metric of all samples.
    low, high : float
        Ends of the interval; NaN if the metric is undefined in every draw.
    """

    value: float
    low: float
    high: float

    @property
    def interval(self) -> str:
        """The interval as text, such as "0.812 to 0.874"."""
        return f"{format_number(self.low)} to {format_number(self.high)}"


@dataclass(frozen=True)
class DistanceGroup:
    """Masked values at similar distances from the nearest visible value of their channel.

    Attributes
    ----------
    nearest, median, farthest : float
        Distances, in the unit of the times.
    n_values : int
        Number of masked values.
    coverage : Estimate
        Fraction of them inside of the 90 % interval.
    """

    nearest: float
    median: float
    farthest: float
    n_values: int
    coverage: Estimate


def format_number(value: float) -> str:
    """Return a number as text: three decimals, or three significant digits if it is large or small."""
    if not np.isfinite(value):
        return "unknown"
    return f"{value:.3f}" if 0.01 <= abs(value) < 100 or value == 0 else f"{value:,.3g}"


def bootstrap(statistic: Callable[[Array], Array], n_samples: int, n_draws: int = N_DRAWS) -> Estimate:
    """Estimate a statistic and its 95 % interval.

    Parameters
    ----------
    statistic : callable
        Takes weights (R, B), the number of times that each sample was drawn in each of R draws, and returns (R,).
    n_samples : int
        Number of samples B.
    n_draws : int
        Number of draws; they are seeded, so that the result is reproducible.

    Returns
    -------
    Estimate
        Draws in which the statistic is not finite are left out of the interval.
    """
    weights = np.random.default_rng(0).multinomial(n_samples, np.full(n_samples, 1.0 / n_samples), size=n_draws)
    value = float(statistic(np.ones((1, n_samples)))[0])
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = statistic(weights.astype(np.float64))
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.quantile(drawn, (0.025, 0.975)) if drawn.size else (np.nan, np.nan)
    return Estimate(value, float(low), float(high))


def classification_estimates(truth: Array, probabilities: Array) -> dict[str, Estimate]:
    """Estimate the metrics of a classifier.

    Parameters
    ----------
    truth : array of shape (B,)
        Index of the true class.
    probabilities : array of shape (B, K)
        Predicted probabilities of the classes.

    Returns
    -------
    dict
        Accuracy, balanced accuracy, macro F1, AUC (only if every class occurs), log loss and expected calibration
        error. As in scikit-learn, the means over classes take the classes that occur.
    """
    n, n_classes = probabilities.shape
    predicted = probabilities.argmax(1)
    is_correct = (predicted == truth).astype(np.float64)
    is_class, is_predicted = np.eye(n_classes)[truth], np.eye(n_classes)[predicted]
    is_hit = is_class * is_predicted
    present = np.unique(truth)
    log_loss = -np.log(np.clip(probabilities[np.arange(n), truth], 1e-12, None))

    def balanced_accuracy(weights: Array) -> Array:
        # classes that were not drawn are NaN
        return np.nanmean((weights @ is_hit[:, present]) / (weights @ is_class[:, present]), axis=1)

    def macro_f1(weights: Array) -> Array:
        total = weights @ is_class + weights @ is_predicted
        f1 = np.divide(2 * (weights @ is_hit), total, out=np.zeros_like(total), where=total > 0)
        return f1[:, np.union1d(present, predicted)].mean(1)

    estimates = {
        "accuracy": bootstrap(lambda w: w @ is_correct / w.sum(1), n),
        "balanced accuracy": bootstrap(balanced_accuracy, n),
        "macro F1": bootstrap(macro_f1, n),
    }
    if len(present) == n_classes:
        estimates["AUC"] = bootstrap(lambda w: _auc(truth, probabilities, w), n, N_AUC_DRAWS)
    gaps = calibration_gaps(probabilities, truth)
    return estimates | {
        "log loss": bootstrap(lambda w: w @ log_loss / w.sum(1), n),
        "calibration error": bootstrap(lambda w: np.abs(w @ gaps).sum(1) / w.sum(1), n),
    }


def _auc(truth: Array, probabilities: Array, weights: Array) -> Array:
    """Return the area under the ROC curve (R,), the mean of each class against the rest; NaN if a class is missing."""
    columns = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    areas = np.full((len(weights), len(columns)), np.nan)
    for r, drawn in enumerate(weights):
        for k, column in enumerate(columns):
            is_class = truth == column
            if 0 < drawn[is_class].sum() < drawn.sum():
                areas[r, k] = roc_auc_score(is_class, probabilities[:, column], sample_weight=drawn)
    means: Array = areas.mean(1)
    return means


def regression_estimates(truth: Array, prediction: Array) -> dict[str, Estimate]:
    """Estimate the root mean squared error, mean absolute error and R² of a regressor.

    Parameters
    ----------
    truth, prediction : array of shape (B,)
        True and predicted numbers, in the user's unit.
    """
    error = prediction - truth

    def r2(weights: Array) -> Array:
        total = weights.sum(1)
        mean = weights @ truth / total
        variance = weights @ truth**2 / total - mean**2
        explained: Array = 1.0 - weights @ error**2 / total / np.where(variance > 0, variance, np.nan)
        return explained

    return {
        "root mean squared error": bootstrap(lambda w: np.sqrt(w @ error**2 / w.sum(1)), len(truth)),
        "mean absolute error": bootstrap(lambda w: w @ np.abs(error) / w.sum(1), len(truth)),
        "R²": bootstrap(r2, len(truth)),
    }


def reconstruction_estimates(values: pa.Table) -> dict[str, Estimate]:
    """Estimate the root mean squared error on masked values by method, in standard deviations of each channel.

    Parameters
    ----------
    values : pyarrow.Table
        ``HeldOutPredictions.masked``. Whole samples are drawn, because the values of one sample are correlated.
    """
    columns = {name: values[name].to_numpy() for name in values.column_names if name != "channel"}
    estimates = {}
    for column, name in METHOD_NAMES.items():
        if column in columns:
            squares = np.square((columns[column] - columns["truth"]) / columns["scale"])
            estimates[name] = _by_sample(squares, columns["sample"], np.sqrt)
    return estimates


def channel_errors(values: pa.Table, n_channels: int) -> dict[str, dict[str, float]]:
    """Return the same errors by method and channel, for the channels with most masked values."""
    names, channel, counts = np.unique(values["channel"].to_pylist(), return_inverse=True, return_counts=True)
    frequent = np.sort(np.argsort(-counts, kind="stable")[:n_channels])
    errors = {}
    for column, name in METHOD_NAMES.items():
        if column in values.column_names:
            error = (values[column].to_numpy() - values["truth"].to_numpy()) / values["scale"].to_numpy()
            rms = np.sqrt(np.bincount(channel, weights=np.square(error)) / counts)
            errors[name] = {str(names[k]): float(rms[k]) for k in frequent}
    return errors


def coverage(values: pa.Table, quantiles: Sequence[float]) -> dict[float, Estimate]:
    """Return the fraction of masked values inside each central interval, by its nominal coverage.

    Parameters
    ----------
    values : pyarrow.Table
        ``HeldOutPredictions.masked``, with a column q0, q1, ... per quantile.
    quantiles : sequence of float
        Levels of the quantiles, ascending and symmetric about 0.5.

    Returns
    -------
    dict
        Estimates by nominal coverage: 0.5, 0.8, ...
    """
    truth, sample = values["truth"].to_numpy(), values["sample"].to_numpy()
    found = {}
    for k in reversed(range(len(quantiles) // 2)):
        mirror = len(quantiles) - 1 - k
        low, high = values[f"q{k}"].to_numpy(), values[f"q{mirror}"].to_numpy()
        is_inside = ((low <= truth) & (truth <= high)).astype(np.float64)
        # the difference of two levels carries rounding errors
        found[round(quantiles[mirror] - quantiles[k], 9)] = _by_sample(is_inside, sample)
    return found


def coverage_by_distance(
    values: pa.Table, quantiles: Sequence[float], n_groups: int = N_DISTANCE_GROUPS
) -> list[DistanceGroup]:
    """Return the fraction of masked values inside the 90 % interval, by distance to the nearest visible value.

    Parameters
    ----------
    values : pyarrow.Table
        ``HeldOutPredictions.masked``, with a column q0, q1, ... per quantile.
    quantiles : sequence of float
        Levels of the quantiles, with 0.05 and 0.95.
    n_groups : int
        Groups of about equally many values. There are fewer if many values have the same distance.

    Returns
    -------
    list of DistanceGroup
        From near to far; empty if the table has no distances or no such interval.
    """
    if "distance" not in values.column_names or not {0.05, 0.95} <= set(quantiles):
        return []
    distance, truth, sample = (values[name].to_numpy() for name in ("distance", "truth", "sample"))
    low, high = (values[f"q{list(quantiles).index(level)}"].to_numpy() for level in (0.05, 0.95))
    is_inside = ((low <= truth) & (truth <= high)).astype(np.float64)
    finite = distance[np.isfinite(distance)]
    if not len(finite):
        return []
    edges = np.unique(np.quantile(finite, np.arange(1, n_groups) / n_groups, method="inverted_cdf"))
    # a value at an edge belongs to the nearer group; those without any visible value to none
    group = np.where(np.isfinite(distance), np.searchsorted(edges, distance), -1)
    found = []
    for g in np.unique(group[group >= 0]):
        is_own = group == g
        estimate = _by_sample(is_inside[is_own], sample[is_own])
        own = distance[is_own]
        found.append(DistanceGroup(float(own.min()), float(np.median(own)), float(own.max()), len(own), estimate))
    return found


def _by_sample(values: Array, sample: Array, transform: Callable[[Array], Array] = np.asarray) -> Estimate:
    """Estimate ``transform`` of the mean of values (N,); all values of a sample are drawn together."""
    row = np.unique(sample, return_inverse=True)[1]
    sums, counts = np.bincount(row, weights=values), np.bincount(row)
    return bootstrap(lambda w: transform((w @ sums) / (w @ counts)), len(counts))
