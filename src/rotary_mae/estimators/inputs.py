"""Data of a user (tokens, frames, arrays) as a source of samples."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
from sklearn.utils import check_array

from rotary_mae._warnings import warn_caller
from rotary_mae.data.alignment import describe_zones
from rotary_mae.data.arrays import from_arrays, refuse_labelled
from rotary_mae.data.columns import MissingColumn, astropy_to_arrow, is_astropy
from rotary_mae.data.entries import has_masked, split_mask
from rotary_mae.data.frames import from_frame
from rotary_mae.data.layout import steps_to_measurements
from rotary_mae.data.schema import Schema
from rotary_mae.data.sources import Source, adapt_source
from rotary_mae.data.tokens import TokenSet

MAX_VALUES = 2048
"""Mean number of values of a sample up to which interpolators make a token of every value. Not tuned."""


def as_source(
    X: Any, columns: Mapping[str, Any] | None = None, layout: str = "auto", schema: Schema | None = None
) -> Source:
    """Return data as a source of samples.

    Parameters
    ----------
    X : TokenSet, Source, data frame, astropy table, array, or list of arrays
        Samples. Frames are read by ``from_frame``, arrays by ``from_arrays``; an array (n, times) has one channel.
    columns : mapping, optional
        Arguments of ``from_frame``, for frames.
    layout : {"auto", "measurements", "steps"}
        Layout of the tokens of frames and arrays.
    schema : Schema, optional
        Schema of a fitted model, whose layout replaces ``layout``. Labels and channels may then be missing in a frame.

    Returns
    -------
    Source
        The samples; a TokenSet or another Source is returned as it is.

    Raises
    ------
    ValueError
        If the data cannot be read, or a source has another layout than ``layout``.
    """
    if isinstance(X, TokenSet):
        source: Source | None = X
    elif is_frame(X):
        return _read_frame(X, columns, layout, schema)
    else:
        source = adapt_source(X)
    if source is not None:
        if schema is None and layout not in ("auto", source.schema.layout):
            raise ValueError(
                f"layout={layout!r} is for frames and arrays; the layout of these tokens is {source.schema.layout!r}: "
                "leave layout out, or give it to from_frame or from_arrays"
            )
        return source
    if hasattr(X, "schema"):  # a lazy frame
        return _read_frame(X, columns, layout, schema)
    if schema is not None:
        layout = schema.layout
    return from_arrays(_checked_arrays(X), layout=layout)  # type: ignore[arg-type]


def check_samples(n_samples: int, schema: Schema, fitted: Schema) -> None:
    """Raise ValueError for no samples, and warn if only their times or only those of the fit have a time zone.

    schema: that of the samples. fitted: that of the model.
    """
    if not n_samples:
        raise ValueError("there are no samples to predict for; give at least one")
    if (difference := describe_zones(schema, fitted)) is not None:
        warn_caller(difference)


def by_value(source: Source, X: Any) -> Source:
    """Return samples with a token a value, if they were made from a frame or an array with several channels.

    Parameters
    ----------
    source : Source
        Samples as ``as_source`` read them.
    X : object
        The data they were made from. A TokenSet or another Source keeps its layout.

    Returns
    -------
    Source
        The same samples. They keep their time steps if they would have more than ``MAX_VALUES`` tokens on average,
        because the cost of attention grows with the square of that.
    """
    if source is X or not isinstance(source, TokenSet) or source.schema.layout != "steps":
        return source
    n_values = len(source.channels) * source.n_tokens / max(len(source), 1)
    is_series = source.schema.patch is None and len(source.channels) > 1
    return steps_to_measurements(source) if is_series and n_values <= MAX_VALUES else source


def _checked_arrays(X: Any) -> Any:
    """Return arrays as ``from_arrays`` takes them, checked as scikit-learn does; listed series may have any length."""
    if not hasattr(X, "__len__") or isinstance(X, Mapping):
        return X  # from_arrays says what it takes
    refuse_labelled(X)
    values, is_masked = split_mask(X)
    if is_masked is not None:
        X = np.where(is_masked, np.nan, values.astype(np.float64))
    is_listed = isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1)
    if is_listed and (
        any(np.ndim(part) > 1 for part in X) or len({np.size(part) for part in X}) > 1 or has_masked(list(X))
    ):
        return X
    array = check_array(X, allow_nd=True, ensure_all_finite="allow-nan", input_name="X")
    return array[:, None, :] if array.ndim == 2 else array


def has_ids(X: Any) -> bool:
    """Return True for frames and sources, whose samples have ids that labels can be keyed by; arrays have none."""
    return isinstance(X, TokenSet) or is_frame(X) or adapt_source(X) is not None


def is_source(X: Any) -> bool:
    """Return True for a TokenSet or another Source, whose tokens have a layout already."""
    return isinstance(X, TokenSet) or (not is_frame(X) and adapt_source(X) is not None)


def is_frame(X: Any) -> bool:
    """Return True for a data frame that narwhals can read, or an astropy table."""
    return nw.dependencies.is_into_dataframe(X) or is_astropy(X)


def _read_frame(X: Any, columns: Mapping[str, Any] | None, layout: str, schema: Schema | None) -> TokenSet:
    arguments = dict(columns or {})
    known = list(inspect.signature(from_frame).parameters)[1:]
    if unknown := [name for name in arguments if name not in known]:
        raise ValueError(f"columns has no {unknown[0]!r}; it holds arguments of from_frame: {', '.join(known)}")
    if is_astropy(X):
        named = {"id": "id", "time": "time", "value": "value", **arguments}.values()
        X = astropy_to_arrow(X, {n for names in named for n in ([names] if isinstance(names, str) else names or ())})
    if schema is not None:
        layout = schema.layout
        # labels may be missing in data to predict
        target = arguments.get("target")
        targets = [target] if isinstance(target, str) else target or []
        if not set(targets) <= set(nw.from_native(X).columns):
            arguments.pop("target")
        arguments |= _present_channels(nw.from_native(X), arguments, schema)
        if (channel := default_channel(X, columns, schema)) is not None:
            arguments["channel"] = channel
    try:
        return from_frame(X, **{"layout": layout, **arguments})
    except MissingColumn as missing:
        raise missing if columns else unnamed_column(missing.name, missing.known) from None


def default_channel(X: Any, columns: Mapping[str, Any] | None, schema: Schema) -> str | None:
    """Return "channel" if a frame without ``columns`` has a column of this name and the model has channels."""
    is_there = not columns and schema.channel_axis is not None and "channel" in nw.from_native(X).columns
    return "channel" if is_there else None


def unnamed_column(name: str, known: Sequence[str]) -> MissingColumn:
    """Return the error for a frame that came without ``columns`` and has no column ``name``."""
    hint = "frames need an estimator with columns=dict(id=..., time=..., value=...), the arguments of from_frame; "
    return MissingColumn(name, known, hint)


def _present_channels(frame: Any, arguments: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """Return ``value`` (and ``error``) without the channels of the model that a wide frame lacks."""
    names = arguments.get("value")
    if arguments.get("channel") is not None or not isinstance(names, list | tuple):
        return {}
    is_nested = any(kind == nw.Struct for kind in frame.schema.values())
    is_present = [is_nested or name in frame.columns or name not in schema.channels for name in names]
    if all(is_present) or not any(is_present):
        return {}
    lists = {part: arguments[part] for part in ("value", "error") if isinstance(arguments.get(part), list | tuple)}
    return {
        part: [name for name, present in zip(given, is_present, strict=True) if present]
        for part, given in lists.items()
        if len(given) == len(names)
    }
