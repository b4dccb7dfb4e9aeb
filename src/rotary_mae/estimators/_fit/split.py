"""The split of the samples of a fit into a training set and a validation set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.data.sources import Source, Subset

# A score on one or two samples measures nothing, so smaller sets are not split. Not tuned.
MIN_SAMPLES_TO_SPLIT = 20


@dataclass(frozen=True)
class TrainValidationSplit:
    """Indices of the samples in the two sets.

    Attributes
    ----------
    training, validation : array of int, shapes (n_training,) and (n_validation,)
        In ascending order; ``validation`` may be empty.
    """

    training: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]


def weights_of(sample_weight: npt.NDArray[Any] | None, chosen: npt.NDArray[np.int64]) -> npt.NDArray[Any] | None:
    """Return the weights of the chosen samples, or None if all are zero: a weighted mean of them is undefined."""
    if sample_weight is None or not sample_weight[chosen].any():
        return None
    weights: npt.NDArray[Any] = sample_weight[chosen]
    return weights


def loss_weights(
    class_weight: Any,
    classes: npt.NDArray[Any],
    class_idx: npt.NDArray[np.int64],
    training: npt.NDArray[np.int64],
    sample_weight: npt.NDArray[Any] | None,
) -> npt.NDArray[np.float32] | None:
    """Return the products of the weights of samples and of their classes, or None without any.

    Parameters
    ----------
    class_weight : mapping, "balanced", or None
        Weights of the classes. "balanced" gives the classes of the training set the same total weight in it. A class
        that is in the validation set alone, because groups are not divided, then has the weight 1.
    classes : array, shape (n_classes,)
        Classes in ascending order.
    class_idx : array of int, shape (n,)
        Class of each sample.
    training : array of int, shape (n_training,)
        Samples of the training set.
    sample_weight : array, shape (n,), or None
        Weights of the samples.

    Returns
    -------
    array of float32, shape (n,), or None
        Weights in the loss.
    """
    from sklearn.utils import compute_class_weight

    if class_weight is None:
        return None if sample_weight is None else sample_weight.astype(np.float32)
    known = np.unique(class_idx[training]) if isinstance(class_weight, str) else np.arange(len(classes))
    by_class = np.ones(len(classes))
    by_class[known] = compute_class_weight(class_weight, classes=classes[known], y=classes[class_idx[training]])
    return ((1.0 if sample_weight is None else sample_weight) * by_class[class_idx]).astype(np.float32)


def split_validation(
    n_samples: int, fraction: float, seed: int, strata: npt.NDArray[Any] | None = None, groups: Any = None
) -> TrainValidationSplit:
    """Split samples at random into a training set and a validation set.

    The validation set is empty below 20 samples, below two validation samples, and with a single group.

    Parameters
    ----------
    n_samples : int
        Number of samples.
    fraction : float
        Fraction of the samples in the validation set, in [0, 1).
    seed : int
        Seed of the split.
    strata : array, shape (n_samples,), optional
        Classes. Each keeps its fraction if it has two samples or more and the validation set has a sample for each
        class. The training set has a sample of every class in any case.
    groups : array, shape (n_samples,), optional
        Groups that are not divided. Groups are added to the validation set in random order while they bring its size
        closer to ``fraction``. If every group is too large, the smallest one is taken.

    Returns
    -------
    TrainValidationSplit
        Indices of the two sets.

    Raises
    ------
    ValueError
        If ``fraction`` is outside of [0, 1) or ``groups`` has another shape.
    """
    # imported here, because it takes a tenth of a second and predictions do not need it
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    if not 0.0 <= fraction < 1.0:
        raise ValueError(f"validation_fraction must be in [0, 1), got {fraction}")
    every_index = np.arange(n_samples)
    n_validation = round(fraction * n_samples)
    groups = None if groups is None else np.asarray(groups)
    if groups is not None and groups.shape != (n_samples,):
        raise ValueError(f"groups must be ({n_samples},), one a sample, got {groups.shape}")
    is_too_small = n_validation < 2 or n_samples < MIN_SAMPLES_TO_SPLIT
    if is_too_small or (groups is not None and len(np.unique(groups)) < 2):
        return TrainValidationSplit(every_index, every_index[:0])
    if groups is not None:
        is_validation = _whole_groups(groups, n_validation, seed)
        training, validation = every_index[~is_validation], every_index[is_validation]
    else:
        counts = None if strata is None else np.unique(strata, return_counts=True)[1]
        is_stratified = counts is not None and counts.min() >= 2 and n_validation >= len(counts)
        splitter: Any = (StratifiedShuffleSplit if is_stratified else ShuffleSplit)(
            1, test_size=n_validation, random_state=seed
        )
        training, validation = next(splitter.split(every_index, strata if is_stratified else None))
        if strata is not None:
            training, validation = _with_every_class(training, validation, strata)
    return TrainValidationSplit(np.sort(training), np.sort(validation))


def without_validation(
    source: Source, validation_idx: npt.NDArray[np.int64], groups: npt.NDArray[Any] | None
) -> tuple[Source, npt.NDArray[Any] | None]:
    """Return all samples but those of the validation set, and their groups.

    Parameters
    ----------
    source : Source
        B samples.
    validation_idx : array of int, shape (n_validation,)
        Samples of the validation set.
    groups : array, shape (B,), or None
        Groups; the other samples of the groups of the validation set are left out too.

    Returns
    -------
    source : Source
        The n other samples.
    groups : array, shape (n,), or None
        Their groups.
    """
    is_validation = np.zeros(len(source), bool)
    is_validation[validation_idx] = True
    if groups is not None:
        is_validation = np.isin(groups, groups[is_validation])
    others = np.flatnonzero(~is_validation)
    groups = None if groups is None else groups[others]
    return (source if len(others) == len(source) else Subset(source, others)), groups


def _with_every_class(
    training: npt.NDArray[np.int64], validation: npt.NDArray[np.int64], strata: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Exchange samples of classes that only the validation set has for samples of the largest training class."""
    training, validation = training.copy(), validation.copy()
    for label in np.setdiff1d(strata[validation], strata[training]):
        place = int(np.flatnonzero(strata[validation] == label)[0])
        classes, counts = np.unique(strata[training], return_counts=True)
        other = int(np.flatnonzero(strata[training] == classes[counts.argmax()])[0])
        training[other], validation[place] = validation[place], training[other]
    return training, validation


def _whole_groups(groups: npt.NDArray[Any], n_validation: int, seed: int) -> npt.NDArray[np.bool_]:
    """Return (n,) True for the samples of some groups, about ``n_validation`` of them."""
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    is_chosen, n = np.zeros(len(sizes), bool), 0
    for i in np.random.default_rng(seed).permutation(len(sizes)):
        if sizes[i] < 2 * (n_validation - n):
            is_chosen[i] = True
            n += int(sizes[i])
    if not is_chosen.any():
        is_chosen[sizes.argmin()] = True
    is_validation: npt.NDArray[np.bool_] = is_chosen[group]
    return is_validation
