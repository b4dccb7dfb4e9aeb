"""Labels and weights of the samples of a fit, and the samples that have a label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils import column_or_1d

from rotary_mae.data.labels import as_labels, is_missing
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
    ids = np.asarray(source.ids)
    if isinstance(y, Mapping):
        return _by_id(y, ids)
    index = getattr(y, "index", None)
    if is_keyed and index is not None and hasattr(y, "to_numpy") and not callable(index):
        keys = np.asarray(index)
        if not _counts_rows(index, ids):
            return _by_id(_as_mapping(keys, y.to_numpy()), ids)
    if hasattr(y, "to_pylist"):
        y = y.to_pylist()  # pyarrow converts only numbers to numpy arrays
    labels = y.to_numpy() if hasattr(y, "to_numpy") else as_labels(y)
    if labels.ndim == 0 or len(labels) != len(source):
        raise ValueError(f"y has {labels.size} labels for {len(source)} samples; give one a sample")
    if labels.ndim > 2:
        raise ValueError(f"y must be ({len(source)},) or ({len(source)}, k), got shape {labels.shape}")
    return labels


def _counts_rows(index: Any, ids: Array) -> bool:
    """Return True if the index of a Series counts its rows and does not hold ids.

    Raises ValueError if it may be both: the ids are the same numbers in another order.
    """
    rows = np.arange(len(ids))
    if len(index) != len(ids) or not np.array_equal(np.asarray(index), rows):
        return False
    if set(ids.tolist()) != set(rows.tolist()):
        return True
    is_default = type(index).__name__ == "RangeIndex" and index.name is None
    if is_default and not np.array_equal(ids, rows):
        raise ValueError(
            "y is a Series whose index counts its rows, and the ids are the same numbers in another order, first "
            f"{ids[:3].tolist()}: give y.to_dict() if the index holds ids, or y.to_numpy() if y is in the order of the "
            "samples"
        )
    return False


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
    if _is_indexed_by_row(X, y) and len(X) != len(source):
        raise ValueError(
            f"y has a label for each of the {len(X)} rows, but there are {len(source)} samples; give one a sample, say "
            "df.groupby(id)[label].first(), or name the column: columns=dict(target=...)"
        )
    labels = labels_for(source, y, has_ids(X))
    if labels is None:
        # "requires y to be passed, but the target y is None" is the text that scikit-learn checks
        raise ValueError(
            f"fitting a {kind} requires y to be passed, but the target y is None, and the samples have no targets"
        )
    return column_or_1d(labels, warn=True) if labels.ndim == 2 and labels.shape[1] == 1 else labels


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


def _as_mapping(keys: Array, labels: Array) -> Mapping[Any, Any]:
    """Return labels by key; raise ValueError if a key has several labels."""
    by_key: dict[Any, Any] = {}
    missing = np.all(is_missing(labels).reshape(len(labels), -1), axis=1)
    for key, label, has_none in zip(keys.tolist(), labels, missing, strict=True):
        before = by_key.setdefault(key, None if has_none else label)
        if has_none != (before is None) or (not has_none and np.any(before != label)):
            raise ValueError(f"y has several labels for id {key!r}: {by_key[key]!r} and {label!r}; give one an id")
    return by_key


def _by_id(labels: Mapping[Any, Any], ids: Array) -> Array:
    missing = [i for i in ids.tolist() if i not in labels]
    if missing:
        raise ValueError(
            f"y has no label for {len(missing)} of {len(ids)} ids, first {missing[0]!r}; its first keys are "
            f"{list(labels)[:3]}; give None for samples without a label, or leave those samples out"
        )
    return as_labels([labels[i] for i in ids.tolist()])


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
