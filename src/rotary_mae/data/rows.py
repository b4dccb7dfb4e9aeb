"""Rows of observations, long or wide, before they are tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.data.timestamps import describe_time

FloatArray = npt.NDArray[np.float64]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SampleInfo:
    """What is known of the B samples besides their observations; ``statics`` is (B, S) with NaN = missing."""

    ids: npt.NDArray[Any]
    channels: tuple[str, ...]
    statics: FloatArray
    static_names: tuple[str, ...] = ()
    targets: npt.NDArray[Any] | None = None
    times: str | None = None

    def name(self, sample: int) -> str:
        """``id 'a'``, as error messages name a sample."""
        return name_id(self.ids, sample)

    def moment(self, sample: int, time: float) -> str:
        """``id 'a' at time 3.5``, as error messages name a step."""
        return f"{self.name(sample)} at time {describe_time(time, self.times)}"


def name_id(ids: npt.NDArray[Any], sample: int) -> str:
    """``id 'a'``, as error messages name a sample."""
    return f"id {ids[sample : sample + 1].tolist()[0]!r}"


@dataclass(frozen=True)
class Long:
    """N measurements, a row each: sample, time, channel, value and error, all (N,)."""

    sample: IntArray
    time: FloatArray
    channel: IntArray
    value: FloatArray
    error: FloatArray | None = None

    def take(self, index: npt.NDArray[Any] | slice) -> Long:
        """The rows chosen."""
        error = None if self.error is None else self.error[index]
        return Long(self.sample[index], self.time[index], self.channel[index], self.value[index], error)


@dataclass(frozen=True)
class Wide:
    """N time steps, a row each: sample and time (N,), values and errors (N, C) with NaN = not observed."""

    sample: IntArray
    time: FloatArray
    values: FloatArray
    errors: FloatArray | None = None

    def take(self, index: npt.NDArray[Any] | slice) -> Wide:
        """The rows chosen."""
        errors = None if self.errors is None else self.errors[index]
        return Wide(self.sample[index], self.time[index], self.values[index], errors)

    def melt(self) -> Long:
        """The observed cells, a row each, ordered by step and then by channel."""
        step, channel = np.nonzero(~np.isnan(self.values))
        error = None if self.errors is None else self.errors[step, channel]
        return Long(self.sample[step], self.time[step], channel, self.values[step, channel], error)
