"""Labels that some samples lack: learn from all samples without labels first, then from those that have one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils import column_or_1d

from rotary_mae.data.labels import as_labels, is_missing
from rotary_mae.data.sources import Source, Subset
from rotary_mae.estimators.inputs import is_frame, is_named

if TYPE_CHECKING:
    pass


def labels_for(source: Source, y: Any, is_keyed: bool = True) -> Array | None:
    """Labels (B,) or (B, k) in the order of the samples.

    y: None for the source's own targets; a mapping keyed by id; a Series keyed by id, or (if its index counts its
    rows and these are not the ids, or not ``is_keyed``) in the order of the samples; or an array in that order.
    """
    if y is None:
        own = source.targets
        return None if own is None else np.asarray(own)
    ids = np.asarray(source.ids)
    if isinstance(y, Mapping):
        return _by_id(y, ids)
    index = getattr(y, "index", None)
    if is_keyed and index is not None and hasattr(y, "to_numpy") and not callable(index):
        keys = np.asarray(index)
        if not _counts_rows(index, ids):
            return _by_id(_as_mapping(keys, y.to_numpy()), ids)
    if hasattr(y, "to_pylist"):
        y = y.to_pylist()  # pyarrow makes numpy arrays of numbers alone
    labels = y.to_numpy() if hasattr(y, "to_numpy") else as_labels(y)
    if labels.ndim == 0 or len(labels) != len(source):
        raise ValueError(f"y has {labels.size} labels for {len(source)} samples; give one a sample")
    if labels.ndim > 2:
        raise ValueError(f"y must be ({len(source)},) or ({len(source)}, k), got shape {labels.shape}")
    return labels


def _counts_rows(index: Any, ids: Array) -> bool:
    """Whether the index of a Series counts its rows, and so says nothing of ids.

    Raises ValueError where it may mean either: the ids are the same numbers in another order.
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


def needed_labels(source: Source, X: Any, y: Any, kind: str) -> Array:
    """Labels to fit to, (B,) or (B, k); ``X`` is what the user gave as ``source``."""
    if _goes_by_rows(X, y) and len(X) != len(source):
        raise ValueError(
            f"y has a label for each of the {len(X)} rows, but there are {len(source)} samples; give one a sample, say "
            "df.groupby(id)[label].first(), or name the column: columns=dict(target=...)"
        )
    labels = labels_for(source, y, is_named(X))
    if labels is None:
        raise ValueError(
            f"fitting a {kind} requires y to be passed, but the target y is None, and the samples have no targets"
        )
    return column_or_1d(labels, warn=True) if labels.ndim == 2 and labels.shape[1] == 1 else labels


def _goes_by_rows(X: Any, y: Any) -> bool:
    """Whether ``y`` is a Series with the row numbers of the frame X, which could be taken for ids that are numbers."""
    rows, keys = getattr(X, "index", None), getattr(y, "index", None)
    if not is_frame(X) or rows is None or keys is None or callable(keys):
        return False
    return getattr(rows, "name", None) is None and np.array_equal(np.asarray(rows), np.asarray(keys))


def checked_weights(sample_weight: Any, n_samples: int) -> Array | None:
    """(B,) weights of samples, or None."""
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
    found: dict[Any, Any] = {}
    missing = np.all(is_missing(labels).reshape(len(labels), -1), axis=1)
    for key, label, has_none in zip(keys.tolist(), labels, missing, strict=True):
        before = found.setdefault(key, None if has_none else label)
        if has_none != (before is None) or (not has_none and np.any(before != label)):
            raise ValueError(f"y has several labels for id {key!r}: {found[key]!r} and {label!r}; give one an id")
    return found


def _by_id(labels: Mapping[Any, Any], ids: Array) -> Array:
    missing = [i for i in ids.tolist() if i not in labels]
    if missing:
        raise ValueError(
            f"y has no label for {len(missing)} of {len(ids)} ids, first {missing[0]!r}; its keys begin with "
            f"{list(labels)[:3]}; give None for samples without a label, or leave those samples out"
        )
    return as_labels([labels[i] for i in ids.tolist()])


Array = npt.NDArray[Any]


@dataclass(frozen=True)
class LabelledSubset:
    """The samples that have a label and a weight above 0: labels (b,) or (b, k), weights (b,) and groups (b,).

    indices: (b,) which of all samples. n_missing: samples without a label. Of several numbers a sample has either all
    or none.
    """

    source: Source
    labels: Array
    weights: Array | None
    groups: Array | None
    indices: npt.NDArray[np.int64]
    n_missing: int

    @classmethod
    def of(cls, source: Source, labels: Array, sample_weight: Any, groups: Any) -> Self:
        """Of all samples (B) with their labels, weights and groups. Raises ValueError if none has a label."""
        weights = checked_weights(sample_weight, len(source))
        groups = None if groups is None else np.asarray(groups)
        if groups is not None and groups.shape != (len(source),):
            raise ValueError(f"groups must be ({len(source)},), one a sample, got {groups.shape}")
        missing = is_missing(labels).reshape(len(labels), -1)
        known: npt.NDArray[np.bool_] = ~np.all(missing, axis=1)
        if n_partly := int(np.count_nonzero(np.any(missing, axis=1) & known)):
            raise ValueError(f"{n_partly} samples have some of their numbers and lack others; give all, or none")
        if not known.any():
            raise ValueError(f"all {len(labels)} labels are missing; label some samples, or use RoMAEEmbedder")
        # what weighs nothing has no part in anything: centre and scale of targets, validation, what is known of classes
        counts = known if weights is None else known & (weights > 0)
        if not counts.any():
            raise ValueError(
                f"the weights of all {np.count_nonzero(known)} samples with a label are zero; give some a weight"
            )
        if counts.all():
            return cls(source, _typed(labels), weights, groups, np.arange(len(source)), 0)
        chosen = np.flatnonzero(counts)
        return cls(
            Subset(source, chosen),
            _typed(labels[chosen], was_partial=not known.all()),
            None if weights is None else weights[chosen],
            None if groups is None else groups[chosen],
            chosen,
            int(np.count_nonzero(~known)),
        )


def _typed(labels: Array, was_partial: bool = False) -> Array:
    """In the type that the labels would have had, had none been missing: whole numbers turn to float for a NaN."""
    if labels.dtype.kind in "OT":
        return np.array(labels.tolist())
    is_whole = was_partial and labels.dtype.kind == "f" and bool((labels == np.round(labels)).all())
    return labels.astype(np.int64) if is_whole else labels
