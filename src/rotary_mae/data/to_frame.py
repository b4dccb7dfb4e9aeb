"""Data frames from the arrays of tokens."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rotary_mae.data.schema import Schema
from rotary_mae.data.timestamps import from_seconds

Array = npt.NDArray[Any]

BACKENDS = ("pandas", "polars", "pyarrow")
"""Data frame libraries in the order of preference."""


def to_frame(
    schema: Schema,
    *,
    values: Array,
    positions: Array,
    lengths: Array,
    ids: Array,
    targets: Array | None,
    backend: str | None = None,
) -> Any:
    """Return the data frame that ``from_frame`` reads as these tokens; see ``TokenSet.to_frame``.

    Parameters
    ----------
    schema : Schema
        Meaning of the columns.
    values, positions : arrays of shape (T, V) and (T, D)
        The tokens.
    lengths : array of shape (B,)
        Tokens of each sample.
    ids, targets : arrays of shape (B,) and (B,) or (B, k)
        Names and labels of the samples; ``targets`` may be None.
    backend : {"pandas", "polars", "pyarrow"}, optional
        None takes the first of these that is installed.

    Returns
    -------
    data frame
        Columns id, the axes, values, static covariates and targets, in this order.

    Raises
    ------
    ValueError
        For patches of images, two columns of the same name, or an unknown backend.
    """
    if schema.patch is not None:
        raise ValueError("patches have no rows in a data frame; images_from_tokens gives the images back")
    is_static = schema.static_tokens(positions)
    sample = np.repeat(np.arange(len(lengths)), lengths)
    row_sample = sample[~is_static]
    columns: list[tuple[str, Any]] = [("id", ids[row_sample])]
    columns += _position_columns(schema, positions[~is_static])
    columns += _value_columns(schema, values[~is_static])
    if schema.layout == "steps":
        statics = [values[np.cumsum(lengths) - lengths, column] for column in schema.columns("static")]
    else:
        statics = _static_columns(schema, values[is_static, 0], positions[is_static], sample[is_static], len(lengths))
    columns += [(name, column[row_sample]) for name, column in zip(schema.statics, statics, strict=True)]
    if targets is not None:
        matrix = targets if targets.ndim == 2 else targets[:, None]
        names = ["target"] if targets.ndim == 1 else [f"target_{k}" for k in range(matrix.shape[1])]
        columns += [(name, matrix[row_sample, k]) for k, name in enumerate(names)]
    if len(dict(columns)) < len(columns):
        twice = sorted({name for name, _ in columns if [n for n, _ in columns].count(name) > 1})
        raise ValueError(f"columns {twice} would be there twice; rename the channels or covariates of that name")
    return _to_backend(pa.table(dict(columns)), backend)


def _position_columns(schema: Schema, positions: Array) -> list[tuple[str, Any]]:
    """A column an axis: names of channels, time stamps as they were, or numbers."""
    columns: list[tuple[str, Any]] = []
    for axis, position in zip(schema.axes, positions.T, strict=True):
        if axis == "channel":
            columns.append((axis, np.asarray(schema.channels)[position.astype(np.int64)]))
        elif axis == "time" and schema.times is not None:
            columns.append((axis, from_seconds(position, schema.times)))
        else:
            columns.append((axis, position))
    return columns


def _value_columns(schema: Schema, values: Array) -> list[tuple[str, Any]]:
    """Value and error of measurements, or a column a channel of steps with NaN = not observed."""
    if schema.layout == "measurements":
        names = [r if schema.roles.count(r) == 1 else f"{r}_{i}" for i, r in enumerate(schema.roles)]
        return list(zip(names, values.T, strict=True))
    n = schema.n_predicted
    names = list(schema.channels) or (["value"] if n == 1 else [f"value_{i}" for i in range(n)])
    observed = schema.columns("observed")
    shown = np.where(values[:, observed] > 0, values[:, :n], np.nan) if observed else values[:, :n]
    return list(zip(names, shown.T, strict=True))


def _static_columns(schema: Schema, values: Array, positions: Array, sample: Array, n_samples: int) -> list[Array]:
    """(B,) for each static covariate of measurements, from its tokens; NaN where it is missing."""
    columns = np.full((len(schema.statics), n_samples), np.nan, np.float32)
    covariate = positions[:, schema.axes.index("channel")].astype(np.int64) - len(schema.channels)
    columns[covariate, sample] = values
    return list(columns)


def _to_backend(table: pa.Table, backend: str | None) -> Any:
    if backend is None:
        backend = next((name for name in BACKENDS if find_spec(name)), "pyarrow")
    if backend not in BACKENDS:
        raise ValueError(f"backend must be 'pandas', 'polars' or 'pyarrow', got {backend!r}")
    frame = nw.from_native(table, eager_only=True)
    return table if backend == "pyarrow" else getattr(frame, f"to_{backend}")()
