"""Whatever a user has, as a source of samples; and labels in the order of the samples."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
from sklearn.utils import check_array

from rotary_mae.data.arrays import from_arrays
from rotary_mae.data.astropy_tables import arrow_table, is_astropy
from rotary_mae.data.columns import MissingColumn
from rotary_mae.data.frames import from_frame
from rotary_mae.data.schema import Schema
from rotary_mae.data.sources import Source, adapt_source
from rotary_mae.data.tokens import TokenSet

Array = npt.NDArray[Any]


def as_source(
    X: Any, columns: Mapping[str, Any] | None = None, layout: str = "auto", schema: Schema | None = None
) -> Source:
    """A TokenSet or other Source as it is; frames by ``from_frame(**columns)``; arrays by ``from_arrays``.

    A matrix (n, times) is one channel a sample. With the ``schema`` of a fitted model, data is laid out as it was.
    """
    if is_frame(X):
        return _from_frame(X, columns, layout, schema)
    if (source := adapt_source(X)) is not None:
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
    return is_frame(X) or adapt_source(X) is not None


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
