"""Whatever a user has, as a source of samples; and labels in the order of the samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from rotary_mae.data.arrays import from_arrays
from rotary_mae.data.frames import from_frame
from rotary_mae.data.tokens import Schema, Source, TokenSet

Array = npt.NDArray[Any]


def as_source(
    X: Any, columns: Mapping[str, Any] | None = None, layout: str = "auto", schema: Schema | None = None
) -> Source:
    """A TokenSet or other Source as it is; frames by ``from_frame(**columns)``; arrays by ``from_arrays``.

    A matrix (n, times) is one channel a sample. With the ``schema`` of a fitted model, data is laid out as it was.
    """
    if isinstance(X, TokenSet) or (hasattr(X, "schema") and hasattr(X, "__getitem__") and isinstance(X, Source)):
        if not isinstance(X.schema, Schema):
            return _from_frame(X, columns, layout, schema)
        return X
    if is_frame(X):
        return _from_frame(X, columns, layout, schema)
    if schema is not None:
        layout = schema.layout
    array = X if isinstance(X, list) else np.asarray(X)
    if isinstance(array, np.ndarray) and array.ndim == 2:
        array = array[:, None, :]
    return from_arrays(array, layout=layout)  # type: ignore[arg-type]


def is_frame(X: Any) -> bool:
    """Whether this is a data frame that narwhals knows."""
    return nw.dependencies.is_into_dataframe(X)


def _from_frame(X: Any, columns: Mapping[str, Any] | None, layout: str, schema: Schema | None) -> TokenSet:
    named = dict(columns or {})
    if schema is not None:
        layout = schema.layout
        # labels need not be there to predict
        target = named.get("target")
        wanted = [target] if isinstance(target, str) else target or []
        if not set(wanted) <= set(nw.from_native(X).columns):
            named.pop("target")
        named |= _channels_there(nw.from_native(X), named, schema)
    return from_frame(X, **{"layout": layout, **named})


def _channels_there(frame: Any, named: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """value (and error) without the model's channels that a wide frame does not have: not observed, here."""
    names = named.get("value")
    if named.get("channel") is not None or not isinstance(names, list):
        return {}
    is_nested = any(kind == nw.Struct for kind in frame.schema.values())
    is_there = [is_nested or name in frame.columns or name not in schema.channels for name in names]
    if all(is_there) or not any(is_there):
        return {}
    parts = {part: named[part] for part in ("value", "error") if isinstance(named.get(part), list)}
    return {
        part: [name for name, there in zip(given, is_there, strict=True) if there]
        for part, given in parts.items()
        if len(given) == len(names)
    }


def labels_for(source: Source, y: Any) -> Array | None:
    """Labels (B,) or (B, k) in the order of the samples.

    y: None for the source's own targets; a mapping or a Series keyed by id; or an array in that order.
    """
    if y is None:
        own = getattr(source, "targets", None)
        return None if own is None else np.asarray(own)
    ids = getattr(source, "ids", np.arange(len(source)))
    if isinstance(y, Mapping):
        return _by_id(y, ids)
    index = getattr(y, "index", None)
    if index is not None and hasattr(y, "to_numpy") and not callable(index):
        keys = np.asarray(index)
        in_order = len(keys) == len(ids) and np.array_equal(keys, np.arange(len(keys)))
        if not in_order or np.array_equal(ids, np.arange(len(ids))):
            return _by_id(dict(zip(keys.tolist(), y.to_numpy(), strict=True)), ids)
    labels = y.to_numpy() if hasattr(y, "to_numpy") else np.asarray(y)
    if len(labels) != len(source):
        raise ValueError(f"y has {len(labels)} labels for {len(source)} samples; give one a sample")
    return labels


def _by_id(labels: Mapping[Any, Any], ids: Array) -> Array:
    missing = [i for i in ids.tolist() if i not in labels]
    if missing:
        raise ValueError(
            f"y has no label for {len(missing)} of {len(ids)} ids, first {missing[0]!r}; its keys begin with "
            f"{list(labels)[:3]}"
        )
    return np.asarray([labels[i] for i in ids.tolist()])
