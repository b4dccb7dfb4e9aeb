"""Predictions of fitted estimators as tables, and tables of queries on a regular grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from rotary_mae.data.sources import Source
from rotary_mae.data.timestamps import from_seconds
from rotary_mae.data.tokens import TokenSet
from rotary_mae.estimators._predict.queries import column_names
from rotary_mae.estimators.classifier import RoMAEClassifier
from rotary_mae.estimators.embedder import RoMAEEmbedder
from rotary_mae.estimators.regressor import RoMAERegressor


def prediction_table(estimator: RoMAEClassifier | RoMAERegressor, source: Source) -> pa.Table:
    """Return the predictions of a classifier or a regressor.

    Parameters
    ----------
    estimator : RoMAEClassifier or RoMAERegressor
        A fitted estimator.
    source : Source
        B samples.

    Returns
    -------
    pyarrow.Table
        One row a sample: id, prediction, and for classes the probability of each, p_<class>. Several numbers are called
        prediction_<name> after ``estimator.columns["target"]``, else prediction_0, prediction_1 ...
    """
    columns: dict[str, Any] = {"id": np.asarray(source.ids)}
    if isinstance(estimator, RoMAEClassifier):
        probabilities = estimator.predict_proba(source)
        columns["prediction"] = estimator.classes_[probabilities.argmax(1)]
        columns |= {f"p_{name}": probabilities[:, k] for k, name in enumerate(estimator.classes_.tolist())}
        return pa.table(columns)
    numbers = estimator.predict(source)
    if numbers.ndim == 1:
        return pa.table({**columns, "prediction": numbers})
    target = (estimator.columns or {}).get("target")
    names = target if isinstance(target, list) and len(target) == numbers.shape[1] else range(numbers.shape[1])
    return pa.table({**columns, **{f"prediction_{name}": numbers[:, k] for k, name in enumerate(names)}})


def embedding_table(estimator: RoMAEEmbedder, source: Source) -> pa.Table:
    """Return the embeddings of samples.

    Parameters
    ----------
    estimator : RoMAEEmbedder
        A fitted estimator.
    source : Source
        B samples.

    Returns
    -------
    pyarrow.Table
        One row a sample: id, e0, e1, ...
    """
    vectors = np.asarray(estimator.transform(source))
    return pa.table({"id": np.asarray(source.ids), **{f"e{k}": vectors[:, k] for k in range(vectors.shape[1])}})


def grid_frame(tokens: TokenSet, n: int, columns: Mapping[str, Any] | None) -> pa.Table:
    """Return queries at regular times over the span of each sample, in every channel.

    Parameters
    ----------
    tokens : TokenSet
        B samples of series.
    n : int
        Number of times in each sample, at least 2.
    columns : mapping or None
        Names of the columns id, time and channel, as in ``from_frame``.

    Returns
    -------
    pyarrow.Table
        One row a query, as ``RoMAEInterpolator.predict`` takes it for ``at``.

    Raises
    ------
    ValueError
        If ``n`` is below 2, or the samples are not series in time.
    """
    schema = tokens.schema
    if n < 2:
        raise ValueError(f"a grid needs at least 2 times a sample, got {n}")
    if "time" not in schema.axes or schema.patch is not None:
        raise ValueError(f"a grid has times, and these samples have the axes {schema.axes}: give queries as a list")
    names = column_names(columns)
    # static covariates are at the time of the first measurement, so they do not widen the span
    time = tokens.positions[:, schema.axes.index("time")]
    low, high = np.minimum.reduceat(time, tokens.starts), np.maximum.reduceat(time, tokens.starts)
    times = (low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, n)).ravel()
    n_channels = len(schema.channels) if schema.channel_axis is not None else 1
    times = np.repeat(times.reshape(len(tokens), 1, n), n_channels, axis=1).ravel()
    stamps = times if schema.times is None else from_seconds(times, schema.times)
    grid = {names["id"]: np.repeat(tokens.ids, n * n_channels), names["time"]: stamps}
    if schema.channel_axis is not None:
        grid[names["channel"]] = np.tile(np.repeat(np.asarray(schema.channels), n), len(tokens))
    return pa.table(grid)
