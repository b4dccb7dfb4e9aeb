"""Time stamps as seconds since 1970-01-01 UTC, and back: positions are float64."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rotary_mae.data.entries import conversion_of

_UNITS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

_ARROW_TYPE = re.compile(r"(?P<kind>timestamp|duration)\[(?P<unit>s|ms|us|ns)(?:, tz=(?P<zone>.+))?\]")


def check_zones(entries: Any, name: str) -> None:
    """Raise ValueError for time stamps of which some have a time zone and others none."""
    zones = {entry.tzinfo is not None for entry in entries if hasattr(entry, "tzinfo") and hasattr(entry, "year")}
    if len(zones) > 1:
        raise ValueError(
            f"{name} holds time stamps with and without a time zone; give all of them one (pandas: tz_localize)"
        )


def zone_of(times: str | None) -> str | None:
    """Return the time zone of a type of time stamps, None if it has none."""
    match = _ARROW_TYPE.fullmatch(times or "")
    return None if match is None else match["zone"]


def localized(array: pa.Array, zone: str) -> pa.Array:
    """Return naive time stamps as those of a time zone.

    Raises ValueError for times that the zone has twice, or not at all, because its clocks are changed.
    """
    try:
        return pc.assume_timezone(array.cast(pa.timestamp("us")) if pa.types.is_date(array.type) else array, zone)
    except pa.ArrowInvalid as error:
        raise ValueError(f"time stamps without a zone cannot be read in the zone {zone}: {error}") from error


def is_timelike(kind: pa.DataType) -> bool:
    """Return True for the types of dates, time stamps and durations."""
    return pa.types.is_date(kind) or pa.types.is_timestamp(kind) or pa.types.is_duration(kind)


def to_seconds(array: pa.Array) -> npt.NDArray[np.float64]:
    """Return seconds (N,) since 1970-01-01 UTC, or of durations; NaN for null. Naive time stamps are read as UTC."""
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("ms"))
    per_second = _UNITS_PER_SECOND[array.type.unit]
    counts = pc.fill_null(array.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    # whole seconds and their fraction apart, because nanoseconds since 1970 do not fit float64
    seconds = counts // per_second + (counts % per_second) / per_second
    seconds[pc.is_null(array).to_numpy(zero_copy_only=False)] = np.nan
    return seconds


def as_positions(times: Any, name: str) -> tuple[npt.NDArray[np.float64], str | None]:
    """Convert times to positions.

    Parameters
    ----------
    times : array
        Numbers, or time stamps of numpy, pandas or the standard library. NaN, None, NaT and masked entries are missing.
    name : str
        Name of the times in error messages.

    Returns
    -------
    array
        Numbers as they are, or seconds; NaN where one is missing.
    str or None
        Type of the time stamps; None for numbers.

    Raises
    ------
    ValueError
        If the times are neither numbers nor time stamps.
    """
    if np.ma.isMaskedArray(times) and times.mask.any():
        # numpy ignores the mask in a conversion
        positions, kind = as_positions(times.data, name)
        return np.where(np.ma.getmaskarray(times), np.nan, positions), kind
    if hasattr(times, "to_arrow"):
        times = times.to_arrow()
    array = np.asarray(times)
    if array.dtype.kind in "fiub":
        return array.astype(np.float64), None
    if array.dtype.kind == "O":
        check_zones(array.ravel(), name)
    # numpy has no time zones: columns of pyarrow and pandas are read below
    if array.dtype.kind in "mM" and isinstance(getattr(times, "dtype", array.dtype), np.dtype) and not _is_arrow(times):
        if np.datetime_data(array.dtype)[0] not in _UNITS_PER_SECOND:
            array = array.astype(f"{array.dtype.kind}8[us]")  # arrow has no type of days or hours
        given = pa.array(array.ravel())
        return to_seconds(given).reshape(array.shape), str(given.type)
    try:
        # from the original object, because numpy has no time zones
        given = times if _is_arrow(times) else pa.array(times, from_pandas=True)
        given = given.combine_chunks() if isinstance(given, pa.ChunkedArray) else given
    except (pa.ArrowException, TypeError):
        given = None
    if given is None or not is_timelike(given.type):
        example = array.ravel()[:1].tolist()
        kind = type(example[0]).__name__ if example else ""
        remedy = "parse text first (pandas.to_datetime, numpy.datetime64)"
        raise ValueError(
            f"{name} must be numbers or time stamps, got {array.dtype}, for example {example}; "
            f"{conversion_of(kind) if kind in ('Period', 'Interval') else remedy}"
        )
    return to_seconds(given), str(given.type)


def _is_arrow(times: Any) -> bool:
    return isinstance(times, pa.Array | pa.ChunkedArray)


def from_seconds(seconds: npt.NDArray[np.float64], times: str) -> pa.Array:
    """Return the time stamps (N,) of seconds (N,), of the type named ``times``, to the microsecond at best."""
    if times.startswith("date"):
        days = pa.array(np.round(seconds / 86400).astype(np.int32))
        dates = days.cast(pa.date32())
        return dates if times.startswith("date32") else dates.cast(pa.date64())
    match = _ARROW_TYPE.fullmatch(times)
    if match is None:
        raise ValueError(f"cannot restore time stamps of type {times!r}; known: timestamp[..], duration[..], date")
    unit = match["unit"]
    # float64 resolves about 0.2 microseconds for times of today: finer digits would be noise
    per_second = min(_UNITS_PER_SECOND[unit], 10**6)
    counts = np.round(seconds * per_second).astype(np.int64) * (_UNITS_PER_SECOND[unit] // per_second)
    kind = pa.duration(unit) if match["kind"] == "duration" else pa.timestamp(unit, match["zone"])
    return pa.array(counts).cast(kind)


def describe_time(time: float, times: str | None) -> str:
    """Return a position in time as the user wrote it: a number or a time stamp."""
    if times is None or not np.isfinite(time):
        return repr(float(time))
    return str(from_seconds(np.array([time]), times)[0].as_py())
