"""Observations in rows, long or wide, and the samples they belong to, before they become tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from rotary_mae.data.timestamps import describe_time

FloatArray = npt.NDArray[np.float64]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SampleInfo:
    """Everything about B samples except their observations.

    Attributes
    ----------
    ids : array of shape (B,)
        Names of the samples.
    channels : tuple of str
        Names of the channels.
    statics : array of shape (B, S)
        Static covariates, NaN where one is missing.
    static_names : tuple of str
        Names of the S static covariates.
    targets : array of shape (B,) or (B, k), or None
        Labels or numbers.
    times : str or None
        Data frame type of the time stamps; None for numbers.
    """

    ids: npt.NDArray[Any]
    channels: tuple[str, ...]
    statics: FloatArray
    static_names: tuple[str, ...] = ()
    targets: npt.NDArray[Any] | None = None
    times: str | None = None

    def name(self, sample: int) -> str:
        """Return ``id 'a'``, the name of a sample in error messages."""
        return name_id(self.ids, sample)

    def name_step(self, sample: int, time: float) -> str:
        """Return ``id 'a' at time 3.5``, the name of a time step in error messages."""
        return f"{self.name(sample)} at time {describe_time(time, self.times)}"


def name_id(ids: npt.NDArray[Any], sample: int) -> str:
    """Return ``id 'a'``, the name of a sample in error messages."""
    return f"id {ids[sample : sample + 1].tolist()[0]!r}"


def raise_unobserved(ids: npt.NDArray[Any]) -> NoReturn:
    """Raise ValueError for samples (their ids) without observations."""
    raise ValueError(
        f"{name_id(ids, 0)} has no observation: all its values are missing ({len(ids)} such ids); drop it first"
    )


@dataclass(frozen=True)
class Long:
    """N measurements, a row each.

    Attributes
    ----------
    sample, channel : int arrays of shape (N,)
        Indices.
    time, value : arrays of shape (N,)
        Numbers; time stamps are seconds. NaN values were not observed.
    error : array of shape (N,), or None
        Standard deviations of the measurements.
    """

    sample: IntArray
    time: FloatArray
    channel: IntArray
    value: FloatArray
    error: FloatArray | None = None

    def take(self, index: npt.NDArray[Any] | slice) -> Long:
        """Return the rows that an array of indices or a slice selects."""
        error = None if self.error is None else self.error[index]
        return Long(self.sample[index], self.time[index], self.channel[index], self.value[index], error)


@dataclass(frozen=True)
class Wide:
    """N time steps, a row each, with a column for each of C channels.

    Attributes
    ----------
    sample : int array of shape (N,)
        Indices.
    time : array of shape (N,)
        Numbers; time stamps are seconds.
    values : array of shape (N, C)
        Numbers; NaN was not observed.
    errors : array of shape (N, C), or None
        Standard deviations of the measurements.
    """

    sample: IntArray
    time: FloatArray
    values: FloatArray
    errors: FloatArray | None = None

    def take(self, index: npt.NDArray[Any] | slice) -> Wide:
        """Return the rows that an array of indices or a slice selects."""
        errors = None if self.errors is None else self.errors[index]
        return Wide(self.sample[index], self.time[index], self.values[index], errors)

    def melt(self) -> Long:
        """Return the observed cells, a row each, ordered by step and then by channel."""
        step, channel = np.nonzero(~np.isnan(self.values))
        error = None if self.errors is None else self.errors[step, channel]
        return Long(self.sample[step], self.time[step], channel, self.values[step, channel], error)
