"""Labels and weights of the samples of a fit, and the samples that have a label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils import column_or_1d

from rotary_mae.data.labels import is_missing
from rotary_mae.data.sample_values import per_sample
from rotary_mae.data.sources import Source, Subset
from rotary_mae.estimators.inputs import has_ids, is_frame

Array = npt.NDArray[Any]


def labels_for(source: Source, y: Any, is_keyed: bool = True) -> Array | None:
    """Return labels in the order of the samples.

    Parameters
    ----------
    source : Source
        B samples.
    y : array, mapping, Series, or None
        None takes the targets of the source. A mapping is keyed by id. A Series is keyed by id too, except if its index
        counts its rows and the ids are not these numbers. An array is in the order of the samples.
    is_keyed : bool, default=True
        False takes every Series in the order of the samples.

    Returns
    -------
    array, shape (B,) or (B, k), or None
        The labels; None if ``y`` is None and the source has no targets.

    Raises
    ------
    ValueError
        If labels do not fit the samples, or if the keys of a Series may be ids as well as row numbers.
    """
    if y is None:
        return None if source.targets is None else np.asarray(source.targets)
    return per_sample(y, len(source), "y", (lambda: source.ids) if is_keyed else None, max_ndim=2)


def values_for(source: Source, X: Any, given: Any, name: str) -> Array | None:
    """Return weights, groups or labels in the order of the samples, or None for None.

    Parameters
    ----------
    source : Source
        B samples.
    X : object
        The samples as the user gave them. A Series or a frame is read by id if they have ids, as labels are.
    given : array, shape (B,), mapping, Series, or None
        One value a sample.
    name : str
        Name of the values in error messages.

    Raises
    ------
    ValueError
        If the values do not fit the samples, or their keys may be ids as well as row numbers.
    """
    if given is None:
        return None
    _check_not_by_row(source, X, given, name)
    ids = (lambda: source.ids) if has_ids(X) else None
    return per_sample(given, len(source), name, ids, max_ndim=2 if name == "y" else 1)


def groups_for(source: Source, X: Any, groups: Any) -> Array | None:
    """Return groups in the order of the samples, see ``values_for``; raise ValueError if a sample has none."""
    array = values_for(source, X, groups, "groups")
    if array is not None and (missing := is_missing(array)).any():
        raise ValueError(
            f"groups are missing for {int(missing.sum())} samples, the first of them sample {int(np.argmax(missing))}; "
            "give each sample a group, of its own if it belongs to none"
        )
    # objects of one kind are sorted and compared as text or numbers
    return np.array(array.tolist()) if array is not None and array.dtype.kind == "O" else array


def required_labels(source: Source, X: Any, y: Any, kind: str) -> Array:
    """Return labels in the order of the samples, or raise ValueError if there are none.

    Parameters
    ----------
    source : Source
        B samples.
    X : object
        The samples as the user gave them.
    y : array, mapping, Series, or None
        Labels, see ``labels_for``.
    kind : str
        Name of the estimator or metric in error messages.

    Returns
    -------
    array, shape (B,) or (B, k)
        The labels; one column is returned as (B,), with a warning.
    """
    labels = labels_for(source, y) if y is None else values_for(source, X, y, "y")
    if labels is None:
        # "requires y to be passed, but the target y is None" is the text that scikit-learn checks
        raise ValueError(
            f"fitting a {kind} requires y to be passed, but the target y is None, and the samples have no targets"
        )
    return column_or_1d(labels, warn=True) if labels.ndim == 2 and labels.shape[1] == 1 else labels


def _check_not_by_row(source: Source, X: Any, given: Any, name: str) -> None:
    """Raise ValueError for values of the rows of a frame, whose numbers could be taken for ids."""
    if _is_indexed_by_row(X, given) and len(X) != len(source):
        what = "label" if name == "y" else "value"
        raise ValueError(
            f"{name} has a {what} for each of the {len(X)} rows, but there are {len(source)} samples; give one a "
            f"sample, say df.groupby(id)[{what}].first()"
            + (", or name the column: columns=dict(target=...)" if name == "y" else "")
        )


def _is_indexed_by_row(X: Any, y: Any) -> bool:
    """Return True if ``y`` is a Series with the row numbers of the frame ``X``, which could be taken for ids."""
    rows, keys = getattr(X, "index", None), getattr(y, "index", None)
    if rows is None or keys is None or callable(keys) or not is_frame(X):
        return False
    return getattr(rows, "name", None) is None and np.array_equal(np.asarray(rows), np.asarray(keys))


def checked_weights(sample_weight: Any, n_samples: int) -> Array | None:
    """Return the weights of samples as an array (B,), or None; raise ValueError if one is negative or not finite."""
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight, np.float64)
    if weights.shape != (n_samples,):
        raise ValueError(f"sample_weight must be ({n_samples},), one a sample, got {weights.shape}")
    if (is_bad := ~((weights >= 0) & np.isfinite(weights))).any():
        first = int(np.argmax(is_bad))
        raise ValueError(f"sample_weight must be finite and at least 0, got {weights[first]} for sample {first}")
    return weights


@dataclass(frozen=True)
class LabelledSubset:
    """The samples that have a label and a weight above 0.

    Attributes
    ----------
    source : Source
        n samples.
    labels : array, shape (n,) or (n, k)
        Their labels. A sample with several numbers has all of them.
    weights : array of float, shape (n,), or None
        Their weights.
    groups : array, shape (n,), or None
        Their groups.
    indices : array of int, shape (n,)
        Their indices among all samples.
    n_missing : int
        Number of samples without a label.
    """

    source: Source
    labels: Array
    weights: Array | None
    groups: Array | None
    indices: npt.NDArray[np.int64]
    n_missing: int

    @classmethod
    def of(cls, source: Source, labels: Array, sample_weight: Any, groups: Any) -> Self:
        """Select the samples that have a label and a weight above 0.

        Parameters
        ----------
        source : Source
            B samples.
        labels : array, shape (B,) or (B, k)
            Labels, with None, NaN, NaT or NA for samples without one.
        sample_weight, groups : array, shape (B,), or None
            Weights and groups of the samples.

        Raises
        ------
        ValueError
            If there is no such sample, if a sample has some of its numbers and lacks others, or if a shape is wrong.
        """
        weights = checked_weights(sample_weight, len(source))
        groups = None if groups is None else np.asarray(groups)
        if groups is not None and groups.shape != (len(source),):
            raise ValueError(f"groups must be ({len(source)},), one a sample, got {groups.shape}")
        missing = is_missing(labels).reshape(len(labels), -1)
        is_known: npt.NDArray[np.bool_] = ~np.all(missing, axis=1)
        if n_partly := int(np.count_nonzero(np.any(missing, axis=1) & is_known)):
            raise ValueError(f"{n_partly} samples have some of their numbers and lack others; give all, or none")
        if not is_known.any():
            raise ValueError(f"all {len(labels)} labels are missing; label some samples, or use RoMAEEmbedder")
        # a sample of weight 0 must not count anywhere: scale of targets, validation, classes
        is_used = is_known if weights is None else is_known & (weights > 0)
        if not is_used.any():
            raise ValueError(
                f"the weights of all {np.count_nonzero(is_known)} samples with a label are zero; give some a weight"
            )
        if is_used.all():
            return cls(source, _with_own_type(labels), weights, groups, np.arange(len(source)), 0)
        chosen = np.flatnonzero(is_used)
        return cls(
            Subset(source, chosen),
            _with_own_type(labels[chosen], had_missing=not is_known.all()),
            None if weights is None else weights[chosen],
            None if groups is None else groups[chosen],
            chosen,
            int(np.count_nonzero(~is_known)),
        )


def _with_own_type(labels: Array, had_missing: bool = False) -> Array:
    """Return labels in the type that they have where none is missing: a NaN turns whole numbers into floats."""
    if labels.dtype.kind in "OT":
        return np.array(labels.tolist())
    is_whole = had_missing and labels.dtype.kind == "f" and bool((labels == np.round(labels)).all())
    return labels.astype(np.int64) if is_whole else labels


def numeric_targets(labels: Array) -> npt.NDArray[np.float64]:
    """Return the targets of a regressor; raise ValueError for text, times, and numbers that are not finite."""
    if labels.dtype.kind in "mM":
        raise ValueError(f"targets must be numbers, got {labels.dtype}; convert times to numbers, days since some date")
    try:
        targets = np.asarray(labels, np.float64)
    except ValueError as error:
        raise ValueError(f"targets must be numbers: {error}; for names of classes train a classifier") from error
    if not np.isfinite(targets).all():
        raise ValueError(
            f"targets must be finite, {int((~np.isfinite(targets)).sum())} of them are not; leave those samples out"
        )
    return targets
