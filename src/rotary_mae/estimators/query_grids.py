"""Even grids of query times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from rotary_mae.data.timestamps import from_seconds
from rotary_mae.data.tokens import TokenSet
from rotary_mae.estimators._predict.queries import column_names


def grid_frame(tokens: TokenSet, n: int, columns: Mapping[str, Any] | None) -> pa.Table:
    """Queries at ``n`` even times over each sample's span, for every channel; named as ``frame_queries`` reads them."""
    schema = tokens.schema
    if n < 2:
        raise ValueError(f"a grid needs at least 2 times a sample, got {n}")
    if "time" not in schema.axes or schema.patch is not None:
        raise ValueError(f"a grid is laid over times, these samples have the axes {schema.axes}")
    named = column_names(columns)
    # static covariates lie at the time of the first measurement, so they widen nothing
    time = tokens.positions[:, schema.axes.index("time")]
    low, high = np.minimum.reduceat(time, tokens.starts), np.maximum.reduceat(time, tokens.starts)
    times = (low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, n)).ravel()
    repeats = len(schema.channels) if schema.channel_axis is not None else 1
    times = np.repeat(times.reshape(len(tokens), 1, n), repeats, axis=1).ravel()
    stamps = times if schema.times is None else from_seconds(times, schema.times)
    content = {named["id"]: np.repeat(tokens.ids, n * repeats), named["time"]: stamps}
    if schema.channel_axis is not None:
        content[named["channel"]] = np.tile(np.repeat(np.asarray(schema.channels), n), len(tokens))
    return pa.table(content)
