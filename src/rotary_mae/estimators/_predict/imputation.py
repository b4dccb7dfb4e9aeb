"""The value cells of a frame, empty or observed: as queries, and with predictions or scores written back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from rotary_mae.data.columns import MissingColumn
from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import TokenSet
from rotary_mae.estimators._predict.queries import frame_queries
from rotary_mae.estimators.inputs import default_channel, unnamed_column

Array = npt.NDArray[Any]


class ValueCells:
    """The empty or the observed value cells of a long or wide frame, N cells.

    Parameters
    ----------
    df : DataFrame
        Frame as ``from_frame`` takes it, not nested.
    columns : mapping of str to str or list of str, or None
        Names of the columns id, time, channel and value.
    schema : Schema
        Schema of the model.
    is_empty : bool
        True for the empty cells, False for the observed ones.

    Attributes
    ----------
    row, column : array of int, shape (N,)
        Row of each cell, and its column among ``values``.
    values : list of str
        Names of the value columns.
    """

    def __init__(self, df: Any, columns: Mapping[str, Any] | None, schema: Schema, is_empty: bool) -> None:
        if not nw.dependencies.is_into_dataframe(df):
            raise ValueError(
                f"expected a data frame of pandas, polars or pyarrow, got {type(df).__name__}; convert it, or give the "
                "positions to predict"
            )
        self.schema, self.columns = schema, dict(columns or {})
        self.channel = self.columns.get("channel") or default_channel(df, columns, schema)
        named = [self.columns.get(name, name) for name in ("id", "time")] + ([self.channel] if self.channel else [])
        # a named index of pandas holds columns too, as in from_frame
        index = [name for name in getattr(getattr(df, "index", None), "names", ()) if name is not None]
        self.index = index if set(named) & set(index) else []
        self.frame = nw.from_native(df.reset_index() if self.index else df, eager_only=True)
        self.values = self._value_columns(is_named=bool(columns))
        self.row, self.column = np.nonzero(self._is_empty() == is_empty)

    def _value_columns(self, is_named: bool) -> list[str]:
        """Return the names of the value columns; raise an error if one is missing or holds no numbers."""
        value = self.columns.get("value", "value")
        names: list[str] = [value] if isinstance(value, str) else list(value)
        self.is_wide = len(names) > 1
        # a wide frame may lack channels of the model, as in predict
        present = [name for name in names if name in self.frame.columns or name not in self.schema.channels]
        names = present if self.is_wide and present else names
        if missing := [name for name in names if name not in self.frame.columns]:
            if not is_named:
                raise unnamed_column(missing[0], self.frame.columns)
            raise MissingColumn(missing[0], self.frame.columns, "the estimator's columns name it as value; ")
        if any(self.frame[name].dtype in (nw.List, nw.Array, nw.Struct) for name in names):
            raise ValueError("expected a long or a wide frame, a row a measurement or a time step, got a nested one")
        if text := [name for name in names if self.frame[name].dtype == nw.String]:
            raise ValueError(f"column {text[0]!r} must be numbers, got text; convert it first")
        return names

    def _is_empty(self) -> npt.NDArray[np.bool_]:
        """Return a bool array (rows, value columns), True for null and NaN."""
        cells = self.frame.select(*self.values)
        empty = [cells[name].is_null() | cells[name].cast(nw.Float64).is_nan().fill_null(True) for name in self.values]
        return np.stack([column.to_numpy().astype(bool) for column in empty], axis=1)

    def queries(self) -> Any:
        """Return a frame with one row a cell, as ``RoMAEInterpolator.predict`` takes it for ``at``."""
        names = [self.columns.get("id", "id"), self.columns.get("time", "time")]
        queries = self.frame[self.row.tolist(), names + ([self.channel] if self.channel else [])]
        if self.channel is None and self.schema.channel_axis is not None:
            channels = np.asarray(self.values, dtype=object)[self.column].tolist()
            queries = queries.with_columns(nw.new_series("channel", channels, backend=self.frame.implementation))
        return queries.to_native()

    def filled(self, predictions: Any) -> Any:
        """Return the frame with predictions in the cells and, beside each value column, their standard deviations.

        predictions: frame of ``queries`` with value and std. The standard deviation is NaN in all other cells.
        """
        predicted = nw.from_native(predictions, eager_only=True)
        filled = self.frame
        for i, name in enumerate(self.values):
            is_own = self.column == i
            suffix = f"_{name}" if f"value_{name}" in predicted.columns else ""
            value = self.frame[name].cast(nw.Float64).to_numpy().astype(float)
            value[self.row[is_own]] = predicted[f"value{suffix}"].to_numpy()[is_own]
            filled = filled.with_columns(nw.new_series(name, value, backend=self.frame.implementation))
            filled = self._with_column(filled, i, "std", predicted[f"std{suffix}"].to_numpy())
        return self._native(filled)

    def scored(self, tokens: TokenSet, scores: Array) -> Any:
        """Return the frame with a column ``anomaly_score`` (wide: ``<column>_anomaly_score``), NaN in other cells.

        tokens: the frame's observations, T tokens with the schema of the model. scores: (T, n_predicted) of them.
        """
        names = {**self.columns, "channel": self.channel or "channel"}
        queries = frame_queries(self.queries(), tokens, self.schema, names)
        # sample, time and channel of each cell
        keys = np.zeros((len(self.row), 3))
        keys[queries.order, 0] = queries.sample_idx
        keys[queries.order, 1] = queries.positions[:, self.schema.time_axis]
        if self.schema.channel_axis is not None:
            keys[queries.order, 2] = queries.positions[:, self.schema.channel_axis]
        elif queries.channel is not None:
            keys[queries.order, 2] = queries.channel
        elif self.schema.channels and self.channel is None:
            keys[:, 2] = np.array([self.schema.channels.index(name) for name in self.values])[self.column]
        cells = np.stack([self.frame[name].cast(nw.Float64).to_numpy() for name in self.values], axis=1)
        score = _matched(_observations(tokens), scores[_is_observed(tokens)], keys, cells[self.row, self.column])
        frame = self.frame
        for i in range(len(self.values)):
            frame = self._with_column(frame, i, "anomaly_score", score)
        return self._native(frame)

    def _with_column(self, frame: Any, i: int, name: str, numbers: Array) -> Any:
        """Return ``frame`` with a column of the numbers (N,) that belong to the cells of the i-th value column."""
        is_own = self.column == i
        column = np.full(len(frame), np.nan)
        column[self.row[is_own]] = numbers[is_own]
        name = f"{self.values[i]}_{name}" if self.is_wide else name
        return frame.with_columns(nw.new_series(name, column, backend=self.frame.implementation))

    def _native(self, frame: nw.DataFrame[Any]) -> Any:
        """Return the frame in the user's library, with its index."""
        native = frame.to_native()
        return native.set_index(self.index) if self.index else native


def _is_observed(tokens: TokenSet) -> npt.NDArray[np.bool_]:
    """Return a bool array (T, n_predicted), True for observed values."""
    schema = tokens.schema
    if flags := schema.columns("observed"):
        return tokens.values[:, flags] > 0
    return np.broadcast_to(~tokens.is_static[:, None], (tokens.n_tokens, schema.n_predicted))


def _observations(tokens: TokenSet) -> tuple[Array, Array]:
    """Return sample, time and channel (K, 3) of each observed value, and the values (K,)."""
    token, column = np.nonzero(_is_observed(tokens))
    axis = tokens.schema.channel_axis
    channel = column if axis is None else tokens.positions[token, axis]
    time = tokens.positions[token, tokens.schema.time_axis]
    return np.column_stack([tokens.sample_idx[token], time, channel]), tokens.values[token, column]


def _matched(observations: tuple[Array, Array], numbers: Array, keys: Array, values: Array) -> Array:
    """Return for each cell (N,) the number of the observation that it became, by sample, time and channel.

    Cells that were merged into one observation share its number. Duplicates that were kept are distinguished by their
    values.
    """
    order = np.lexsort((observations[1], *observations[0].T[::-1]))
    matched = np.empty(len(keys))
    if len(order) == len(keys):
        matched[np.lexsort((values, *keys.T[::-1]))] = numbers[order]
        return matched
    _, place = np.unique(keys, axis=0, return_inverse=True)
    return numbers[order][place]
