"""Whatever a user has, as a source of samples; and labels in the order of the samples."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
from sklearn.utils import check_array, column_or_1d

from rotary_mae.data.arrays import from_arrays
from rotary_mae.data.astropy_tables import arrow_table, is_astropy
from rotary_mae.data.columns import MissingColumn
from rotary_mae.data.described import as_described
from rotary_mae.data.frames import from_frame
from rotary_mae.data.missing import as_labels, is_missing
from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import Source, TokenSet

Array = npt.NDArray[Any]


def as_source(
    X: Any, columns: Mapping[str, Any] | None = None, layout: str = "auto", schema: Schema | None = None
) -> Source:
    """A TokenSet or other Source as it is; frames by ``from_frame(**columns)``; arrays by ``from_arrays``.

    A matrix (n, times) is one channel a sample. With the ``schema`` of a fitted model, data is laid out as it was.
    """
    if is_frame(X):
        return _from_frame(X, columns, layout, schema)
    if (source := as_described(X)) is not None:
        if schema is None and layout not in ("auto", source.schema.layout):
            raise ValueError(
                f"layout={layout!r} is for frames and arrays; these tokens are laid out as {source.schema.layout!r}: "
                "leave layout away, or give it to from_frame or from_arrays"
            )
        return source
    if hasattr(X, "schema"):  # a lazy frame
        return _from_frame(X, columns, layout, schema)
    if schema is not None:
        layout = schema.layout
    return from_arrays(_checked_arrays(X), layout=layout)  # type: ignore[arg-type]


def _checked_arrays(X: Any) -> Any:
    """Arrays as ``from_arrays`` takes them, checked as scikit-learn checks; a list may hold series of any lengths."""
    if np.ma.isMaskedArray(X):
        X = np.ma.filled(X.astype(np.float64), np.nan)
    is_listed = isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1)
    if is_listed and (any(np.ndim(part) > 1 for part in X) or len({np.size(part) for part in X}) > 1):
        return X
    array = check_array(X, allow_nd=True, ensure_all_finite="allow-nan", input_name="X")
    return array[:, None, :] if array.ndim == 2 else array


def is_named(X: Any) -> bool:
    """Whether samples have ids of the user's, so that labels can be keyed by them; rows of arrays have none."""
    return is_frame(X) or as_described(X) is not None


def is_frame(X: Any) -> bool:
    """Whether this is a data frame that narwhals knows, or an astropy table."""
    return nw.dependencies.is_into_dataframe(X) or is_astropy(X)


def _from_frame(X: Any, columns: Mapping[str, Any] | None, layout: str, schema: Schema | None) -> TokenSet:
    named = dict(columns or {})
    known = list(inspect.signature(from_frame).parameters)[1:]
    if unknown := [name for name in named if name not in known]:
        raise ValueError(f"columns has no {unknown[0]!r}; it holds arguments of from_frame: {', '.join(known)}")
    X = arrow_table(X) if is_astropy(X) else X
    if schema is not None:
        layout = schema.layout
        # labels need not be there to predict
        target = named.get("target")
        wanted = [target] if isinstance(target, str) else target or []
        if not set(wanted) <= set(nw.from_native(X).columns):
            named.pop("target")
        named |= _channels_there(nw.from_native(X), named, schema)
        if (channel := default_channel(X, columns, schema)) is not None:
            named["channel"] = channel
    try:
        return from_frame(X, **{"layout": layout, **named})
    except MissingColumn as missing:
        raise missing if columns else unnamed(missing.name, missing.known) from None


def default_channel(X: Any, columns: Mapping[str, Any] | None, schema: Schema) -> str | None:
    """The column "channel" of a frame whose columns nobody named, for a model that knows channels; or None."""
    is_there = not columns and schema.channel_axis is not None and "channel" in nw.from_native(X).columns
    return "channel" if is_there else None


def unnamed(name: str, known: Sequence[str]) -> MissingColumn:
    """The error of a frame that came without ``columns``."""
    hint = "frames need an estimator with columns=dict(id=..., time=..., value=...), the arguments of from_frame; "
    return MissingColumn(name, known, hint)


def _channels_there(frame: Any, named: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """value (and error) without the model's channels that a wide frame does not have: not observed, here."""
    names = named.get("value")
    if named.get("channel") is not None or not isinstance(names, list | tuple):
        return {}
    is_nested = any(kind == nw.Struct for kind in frame.schema.values())
    is_there = [is_nested or name in frame.columns or name not in schema.channels for name in names]
    if all(is_there) or not any(is_there):
        return {}
    parts = {part: named[part] for part in ("value", "error") if isinstance(named.get(part), list | tuple)}
    return {
        part: [name for name, there in zip(given, is_there, strict=True) if there]
        for part, given in parts.items()
        if len(given) == len(names)
    }


def labels_for(source: Source, y: Any, is_keyed: bool = True) -> Array | None:
    """Labels (B,) or (B, k) in the order of the samples.

    y: None for the source's own targets; a mapping keyed by id; a Series keyed by id, or (if its index counts its
    rows and these are not the ids, or not ``is_keyed``) in the order of the samples; or an array in that order.
    """
    if y is None:
        own = getattr(source, "targets", None)
        return None if own is None else np.asarray(own)
    ids = np.asarray(getattr(source, "ids", np.arange(len(source))))
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
