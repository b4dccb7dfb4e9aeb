"""TokenSets as data frames."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rotary_mae.data.timestamps import from_seconds
from rotary_mae.data.tokens import TokenSet

# -- back -------------------------------------------------------------------------------------------------


def to_frame(tokens: TokenSet, backend: str | None = None) -> Any:
    """The data frame that ``from_frame`` makes into ``tokens`` (channels sorted by name, if it is long).

    Measurements: a row a measurement with columns id, time, channel, value and, if known, error. Steps: a row
    a time step with id, time and a column a channel, NaN = not observed. Static covariates and the target
    (``target``, or ``target_0`` ...) are constant columns; time stamps are restored, to the microsecond.

    Args:
        backend: "pandas", "polars" or "pyarrow"; None is the first of these that is installed.

    Raises:
        ValueError: patches of images, a channel named like another column, an unknown backend.
    """
    schema = tokens.schema
    if schema.patch is not None:
        raise ValueError("patches have no rows in a data frame; images_from_tokens gives the images back")
    is_row = ~tokens.is_static
    sample = tokens.sample_idx[is_row]
    content: list[tuple[str, Any]] = [("id", tokens.ids[sample])]
    for i, axis in enumerate(schema.axes):
        position = tokens.positions[is_row, i]
        if axis == "channel":
            content.append((axis, np.asarray(schema.channels)[position.astype(np.int64)]))
        else:
            is_stamp = schema.times is not None and axis == "time"
            content.append((axis, from_seconds(position, str(schema.times)) if is_stamp else position))
    content += _value_columns(tokens, is_row)
    content += [(name, column[sample]) for name, column in zip(schema.statics, _static_columns(tokens), strict=True)]
    if tokens.targets is not None:
        targets = tokens.targets if tokens.targets.ndim == 2 else tokens.targets[:, None]
        names = ["target"] if tokens.targets.ndim == 1 else [f"target_{k}" for k in range(targets.shape[1])]
        content += [(name, targets[sample, k]) for k, name in enumerate(names)]
    if len(dict(content)) < len(content):
        twice = sorted({name for name, _ in content if [n for n, _ in content].count(name) > 1})
        raise ValueError(f"columns {twice} would be there twice; rename the channels or covariates of that name")
    return _to_backend(pa.table(dict(content)), backend)


def _value_columns(tokens: TokenSet, is_row: npt.NDArray[np.bool_]) -> list[tuple[str, Any]]:
    schema, values = tokens.schema, tokens.values[is_row]
    if schema.layout == "measurements":
        names = [r if schema.roles.count(r) == 1 else f"{r}_{i}" for i, r in enumerate(schema.roles)]
        return list(zip(names, values.T, strict=True))
    n = schema.n_predicted
    names = list(schema.channels) or (["value"] if n == 1 else [f"value_{i}" for i in range(n)])
    observed = schema.columns("observed")
    shown = np.where(values[:, observed] > 0, values[:, :n], np.nan) if observed else values[:, :n]
    return list(zip(names, shown.T, strict=True))


def _static_columns(tokens: TokenSet) -> list[npt.NDArray[np.float32]]:
    """(B,) for each static covariate, NaN where it is missing."""
    schema = tokens.schema
    if schema.layout == "steps":
        return [tokens.values[tokens.starts, column] for column in schema.columns("static")]
    found = np.full((len(schema.statics), len(tokens)), np.nan, np.float32)
    at = np.flatnonzero(tokens.is_static)
    covariate = tokens.positions[at, schema.axes.index("channel")].astype(np.int64) - len(schema.channels)
    found[covariate, tokens.sample_idx[at]] = tokens.values[at, 0]
    return list(found)


def _to_backend(table: pa.Table, backend: str | None) -> Any:
    if backend is None:
        backend = next((name for name in ("pandas", "polars") if find_spec(name)), "pyarrow")
    if backend not in ("pandas", "polars", "pyarrow"):
        raise ValueError(f"backend must be 'pandas', 'polars' or 'pyarrow', got {backend!r}")
    frame = nw.from_native(table, eager_only=True)
    return table if backend == "pyarrow" else getattr(frame, f"to_{backend}")()
