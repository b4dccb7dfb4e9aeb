"""The gaps of a frame: which cells are empty, as questions; and the answers put back where they belong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from rotary_mae.data.schema import Schema

Array = npt.NDArray[Any]


class Gaps:
    """The empty value cells of a long or wide frame.

    df: as ``from_frame`` takes it, not nested. columns: its names there (id, time, channel, value).
    """

    def __init__(self, df: Any, columns: Mapping[str, Any] | None, schema: Schema) -> None:
        named = dict(columns or {})
        self.frame = nw.from_native(df, eager_only=True)
        self.id, self.time = named.get("id", "id"), named.get("time", "time")
        self.channel = named.get("channel")
        value = named.get("value", "value")
        self.values: list[str] = [value] if isinstance(value, str) else list(value)
        self.schema = schema
        cells = self.frame.select(*self.values)
        empty = [
            (cells[name].is_null() | cells[name].cast(nw.Float64).is_nan().fill_null(True)) for name in self.values
        ]
        self.is_empty: Array = np.stack([mask.to_numpy().astype(bool) for mask in empty], axis=1)
        self.row, self.column = np.nonzero(self.is_empty)

    def questions(self) -> Any:
        """A frame with a row a gap, as ``RoMAEInterpolator.predict`` takes it for ``at``."""
        asked = self.frame[self.row.tolist(), [self.id, self.time] + ([self.channel] if self.channel else [])]
        if self.channel is None and self.schema.channel_axis is not None:
            names = np.asarray(self.values, dtype=object)[self.column].tolist()
            asked = asked.with_columns(nw.new_series("channel", names, backend=self.frame.implementation))
        return asked.to_native()

    def filled(self, answers: Any) -> Any:
        """The frame with the gaps filled and, beside each value column, its standard deviation (NaN: observed)."""
        found = nw.from_native(answers, eager_only=True)
        columns = []
        for i, name in enumerate(self.values):
            mine = self.column == i
            suffix = f"_{name}" if f"value_{name}" in found.columns else ""
            value = self.frame[name].cast(nw.Float64).to_numpy().astype(float)
            std = np.full(len(self.frame), np.nan)
            value[self.row[mine]] = found[f"value{suffix}"].to_numpy()[mine]
            std[self.row[mine]] = found[f"std{suffix}"].to_numpy()[mine]
            backend = self.frame.implementation
            beside = "std" if len(self.values) == 1 else f"{name}_std"
            columns += [nw.new_series(name, value, backend=backend), nw.new_series(beside, std, backend=backend)]
        return self.frame.with_columns(*columns).to_native()
