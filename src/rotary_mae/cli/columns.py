"""The flags that say what the columns of a file are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Names = str | list[str]


@dataclass(frozen=True)
class Columns:
    """Columns of DATA. A run remembers those it was trained with.

    Not needed for files that hold samples already (TokenSet.to_parquet, write_cache).

    Attributes:
        id: names the series (object, patient, recording) that a row belongs to; "id" if not said.
        time: when it was measured, numbers or time stamps; "time" if not said.
        channel: what was measured (band, sensor, variable), where every measurement has a row of its own; a column
            called "channel" if not said.
        value: the measured value; where every variable has a column of its own all of these, joined by commas.
            Empty cells are taken as not observed. "value" if not said.
        error: the standard deviation of the measurement, one column for each of --value; a column called "error"
            if not said.
        static: what does not change within a series (redshift, age), joined by commas.
        duplicates: where a series has several values at one time and channel, "keep" all of them, take their "mean",
            or "error"; all are kept, with a warning, if not said.
    """

    id: str | None = None
    time: str | None = None
    channel: str | None = None
    value: Names | None = None
    error: Names | None = None
    static: Names | None = None
    duplicates: Literal["warn", "keep", "mean", "error"] | None = None

    def named(self, remembered: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Arguments of ``from_frame``: what was said here, else what a run remembers, else the defaults."""
        said = {k: v if k in ("id", "time", "channel", "duplicates") else split(v) for k, v in asdict(self).items()}
        defaults = {"id": "id", "time": "time", "value": ["value"]}
        return {**defaults, **(remembered or {}), **{k: v for k, v in said.items() if v is not None}}


def split(names: Names | None) -> list[str] | None:
    """``"hr,sbp"`` as a list; a list, as a configuration file may give it, as it is."""
    if names is None or isinstance(names, list):
        return names
    return [name.strip() for name in names.split(",") if name.strip()]


def flag_of(column: str, named: Mapping[str, Any]) -> str:
    """The flag that named a column: "--value"; the labels of a run by their own flags."""
    for flag, names in named.items():
        if column in ([names] if isinstance(names, str) else names or ()):
            return "--label (or --target)" if flag == "target" else f"--{flag}"
    return "--value"
