"""The value cells of a frame, empty or not, as questions; and the answers put back where they belong."""

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
from rotary_mae.estimators.inputs import default_channel, unnamed

Array = npt.NDArray[Any]


class Cells:
    """The empty (or the observed) value cells of a long or wide frame.

    df: as ``from_frame`` takes it, not nested. columns: its names there (id, time, channel, value).
    """

    def __init__(self, df: Any, columns: Mapping[str, Any] | None, schema: Schema, is_empty: bool) -> None:
        if not nw.dependencies.is_into_dataframe(df):
            raise ValueError(
                f"expected a data frame of pandas, polars or pyarrow, got {type(df).__name__}; make it one, or ask for "
                "values anywhere with predict"
            )
        self.columns = dict(columns or {})
        self.channel = self.columns.get("channel") or default_channel(df, columns, schema)
        named = [self.columns.get(name, name) for name in ("id", "time")] + ([self.channel] if self.channel else [])
        # a named index of pandas holds columns too, as in from_frame
        self.index = [name for name in getattr(getattr(df, "index", None), "names", ()) if name is not None]
        self.index = self.index if set(named) & set(self.index) else []
        self.frame = nw.from_native(df.reset_index() if self.index else df, eager_only=True)
        value = self.columns.get("value", "value")
        self.values: list[str] = [value] if isinstance(value, str) else list(value)
        self.is_wide = len(self.values) > 1
        self.schema = schema
        # channels of the model that a wide frame does not have were not observed, as in predict
        there = [name for name in self.values if name in self.frame.columns or name not in schema.channels]
        self.values = there if self.is_wide and there else self.values
        if missing := [name for name in self.values if name not in self.frame.columns]:
            raise (
                unnamed(missing[0], self.frame.columns)
                if not columns
                else MissingColumn(missing[0], self.frame.columns, "the estimator's columns say that value is there; ")
            )
        if any(self.frame[name].dtype in (nw.List, nw.Array, nw.Struct) for name in self.values):
            raise ValueError("expected a long or a wide frame, a row a measurement or a time step, got a nested one")
        if text := [name for name in self.values if self.frame[name].dtype == nw.String]:
            raise ValueError(f"column {text[0]!r} must be numbers, got text; convert it first")
        cells = self.frame.select(*self.values)
        empty = [
            (cells[name].is_null() | cells[name].cast(nw.Float64).is_nan().fill_null(True)) for name in self.values
        ]
        are_empty: Array = np.stack([mask.to_numpy().astype(bool) for mask in empty], axis=1)
        self.row, self.column = np.nonzero(are_empty == is_empty)

    def questions(self) -> Any:
        """A frame with a row a cell, as ``RoMAEInterpolator.predict`` takes it for ``at``."""
        names = [self.columns.get("id", "id"), self.columns.get("time", "time")]
        asked = self.frame[self.row.tolist(), names + ([self.channel] if self.channel else [])]
        if self.channel is None and self.schema.channel_axis is not None:
            channels = np.asarray(self.values, dtype=object)[self.column].tolist()
            asked = asked.with_columns(nw.new_series("channel", channels, backend=self.frame.implementation))
        return asked.to_native()

    def filled(self, answers: Any) -> Any:
        """The frame with the cells filled and, beside each value column, its standard deviation (NaN: observed)."""
        found = nw.from_native(answers, eager_only=True)
        filled = self.frame
        for i, name in enumerate(self.values):
            mine = self.column == i
            suffix = f"_{name}" if f"value_{name}" in found.columns else ""
            value = self.frame[name].cast(nw.Float64).to_numpy().astype(float)
            value[self.row[mine]] = found[f"value{suffix}"].to_numpy()[mine]
            filled = filled.with_columns(nw.new_series(name, value, backend=self.frame.implementation))
            filled = self._beside(filled, i, "std", found[f"std{suffix}"].to_numpy())
        return self._native(filled)

    def scored(self, tokens: TokenSet, scores: Array) -> Any:
        """The frame with a column ``anomaly_score`` (wide: ``<column>_anomaly_score``), NaN in empty cells.

        tokens: the frame's observations, with the channels of the schema. scores: (T, n_predicted) of them.
        """
        known = _observed(tokens)
        named = {**self.columns, "channel": self.channel or "channel"}
        queries = frame_queries(self.questions(), tokens, self.schema, named)
        keys = np.zeros((len(self.row), 3))
        keys[queries.order, 0] = np.repeat(np.arange(len(tokens)), queries.lengths)
        keys[queries.order, 1] = queries.positions[:, self.schema.time_axis]
        if self.schema.channel_axis is not None:
            keys[queries.order, 2] = queries.positions[:, self.schema.channel_axis]
        elif queries.channel is not None:
            keys[queries.order, 2] = queries.channel
        elif self.schema.channels and self.channel is None:
            keys[:, 2] = np.array([self.schema.channels.index(name) for name in self.values])[self.column]
        cells = np.stack([self.frame[name].cast(nw.Float64).to_numpy() for name in self.values], axis=1)
        score = _matched(known, scores[_is_observed(tokens)], keys, cells[self.row, self.column])
        frame = self.frame
        for i in range(len(self.values)):
            frame = self._beside(frame, i, "anomaly_score", score)
        return self._native(frame)

    def _native(self, frame: nw.DataFrame[Any]) -> Any:
        """The frame as the user has it, with its index."""
        native = frame.to_native()
        return native.set_index(self.index) if self.index else native

    def _beside(self, frame: Any, i: int, what: str, numbers: Array) -> Any:
        """``frame`` with a column of the numbers (a cell each) that belong to the i-th value column."""
        mine = self.column == i
        column = np.full(len(frame), np.nan)
        column[self.row[mine]] = numbers[mine]
        name = f"{self.values[i]}_{what}" if self.is_wide else what
        return frame.with_columns(nw.new_series(name, column, backend=self.frame.implementation))


def _is_observed(tokens: TokenSet) -> npt.NDArray[np.bool_]:
    """(T, n_predicted) True for real observations."""
    schema = tokens.schema
    if flags := schema.columns("observed"):
        return tokens.values[:, flags] > 0
    return np.broadcast_to(~tokens.is_static[:, None], (tokens.n_tokens, schema.n_predicted))


def _observed(tokens: TokenSet) -> tuple[Array, Array]:
    """(N, 3) sample, time and channel of each observation, and the values (N,)."""
    token, column = np.nonzero(_is_observed(tokens))
    axis = tokens.schema.channel_axis
    channel = column if axis is None else tokens.positions[token, axis]
    return np.column_stack(
        [tokens.sample_idx[token], tokens.positions[token, tokens.schema.time_axis], channel]
    ), tokens.values[token, column]


def _matched(known: tuple[Array, Array], numbers: Array, keys: Array, values: Array) -> Array:
    """(N,) the number of the observation that each cell became, by sample, time and channel.

    Cells that were merged into one share its number; cells kept apart are told apart by their values.
    """
    order = np.lexsort((known[1], *known[0].T[::-1]))
    found = np.empty(len(keys))
    if len(order) == len(keys):
        found[np.lexsort((values, *keys.T[::-1]))] = numbers[order]
        return found
    _, place = np.unique(keys, axis=0, return_inverse=True)
    return numbers[order][place]
