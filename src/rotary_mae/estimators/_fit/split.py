"""Which samples a fit learns from, and which choose the best of what it learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class TrainValidationSplit:
    """Indices of the training and validation samples; validation may be empty."""

    training: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]


def any_weight(sample_weight: npt.NDArray[Any] | None, chosen: npt.NDArray[np.int64]) -> npt.NDArray[Any] | None:
    """The weights of some samples; None where all are zero, as their mean would be of nothing."""
    if sample_weight is None or not sample_weight[chosen].any():
        return None
    weights: npt.NDArray[Any] = sample_weight[chosen]
    return weights


def split_validation(
    n_samples: int, fraction: float, seed: int, strata: npt.NDArray[Any] | None = None, groups: Any = None
) -> TrainValidationSplit:
    """Training and validation parts; by group if given, else stratified where every class has samples enough, and
    never without a sample of each class to train on.

    Of groups as many are held out, in random order, as bring the number of samples closest to the ``fraction``; if all
    are far too large, the smallest. Below 20 samples, or with one group, there is no validation part: it would measure
    nothing.
    """
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    if not 0.0 <= fraction < 1.0:
        raise ValueError(f"validation_fraction must be in [0, 1), got {fraction}")
    everything = np.arange(n_samples)
    n_held = round(fraction * n_samples)
    groups = None if groups is None else np.asarray(groups)
    if groups is not None and groups.shape != (n_samples,):
        raise ValueError(f"groups must be ({n_samples},), one a sample, got {groups.shape}")
    if n_held < 2 or n_samples < 20 or (groups is not None and len(np.unique(groups)) < 2):
        return TrainValidationSplit(everything, everything[:0])
    if groups is not None:
        is_held = _whole_groups(groups, n_held, seed)
        training, held = everything[~is_held], everything[is_held]
    else:
        counts = None if strata is None else np.unique(strata, return_counts=True)[1]
        is_stratified = counts is not None and counts.min() >= 2 and n_held >= len(counts)
        splitter: Any = (StratifiedShuffleSplit if is_stratified else ShuffleSplit)(
            1, test_size=n_held, random_state=seed
        )
        training, held = next(splitter.split(everything, strata if is_stratified else None))
        if strata is not None:
            training, held = _with_every_class(training, held, strata)
    return TrainValidationSplit(np.sort(training), np.sort(held))


def _with_every_class(
    training: npt.NDArray[np.int64], held: npt.NDArray[np.int64], strata: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The two parts, with samples of classes that were held out whole exchanged for others of the largest class."""
    training, held = training.copy(), held.copy()
    for label in np.setdiff1d(strata[held], strata[training]):
        place = int(np.flatnonzero(strata[held] == label)[0])
        classes, counts = np.unique(strata[training], return_counts=True)
        other = int(np.flatnonzero(strata[training] == classes[counts.argmax()])[0])
        training[other], held[place] = held[place], training[other]
    return training, held


def _whole_groups(groups: npt.NDArray[Any], n_held: int, seed: int) -> npt.NDArray[np.bool_]:
    """(n,) True for the samples of some groups, about ``n_held`` of them."""
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    is_held, n = np.zeros(len(sizes), bool), 0
    for which in np.random.default_rng(seed).permutation(len(sizes)):
        if sizes[which] < 2 * (n_held - n):
            is_held[which] = True
            n += int(sizes[which])
    if not is_held.any():
        is_held[sizes.argmin()] = True
    held: npt.NDArray[np.bool_] = is_held[group]
    return held
