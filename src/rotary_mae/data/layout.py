"""Observations in rows, wide or long, laid out as tokens: the one place behind frames and arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, NoReturn, cast

import numpy as np
import numpy.typing as npt

from rotary_mae.data.timestamps import describe_time
from rotary_mae.data.tokens import Schema, TokenSet

Layout = Literal["auto", "measurements", "steps"]
Duplicates = Literal["error", "keep", "mean"]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class About:
    """What is known of the B samples besides their observations; ``statics`` is (B, S) with NaN = missing."""

    ids: npt.NDArray[Any]
    channels: tuple[str, ...]
    statics: FloatArray
    static_names: tuple[str, ...] = ()
    targets: npt.NDArray[Any] | None = None
    times: str | None = None

    def moment(self, sample: int, time: float) -> str:
        """``id 'a' at time 3.5``, as error messages name it."""
        return f"id {self.ids[sample].item()!r} at time {describe_time(time, self.times)}"


@dataclass(frozen=True)
class Long:
    """N measurements, a row each: sample, time, channel, value and error, all (N,)."""

    sample: IntArray
    time: FloatArray
    channel: IntArray
    value: FloatArray
    error: FloatArray | None = None

    def take(self, index: npt.NDArray[Any]) -> Long:
        """The rows chosen by an int or bool array."""
        error = None if self.error is None else self.error[index]
        return Long(self.sample[index], self.time[index], self.channel[index], self.value[index], error)


@dataclass(frozen=True)
class Wide:
    """N time steps, a row each: sample and time (N,), values and errors (N, C) with NaN = not observed."""

    sample: IntArray
    time: FloatArray
    values: FloatArray
    errors: FloatArray | None = None

    def take(self, index: npt.NDArray[Any]) -> Wide:
        """The rows chosen by an int or bool array."""
        errors = None if self.errors is None else self.errors[index]
        return Wide(self.sample[index], self.time[index], self.values[index], errors)

    def melt(self) -> Long:
        """The observed cells, a row each, ordered by step and then by channel."""
        step, channel = np.nonzero(~np.isnan(self.values))
        error = None if self.errors is None else self.errors[step, channel]
        return Long(self.sample[step], self.time[step], channel, self.values[step, channel], error)


def arrange(rows: Long | Wide, about: About, layout: Layout, duplicates: Duplicates = "error") -> TokenSet:
    """Checked, sorted tokens from rows in any order.

    Raises:
        ValueError: a sample without any observation, times or values that are not finite, errors below 0,
            several values of a channel at the same time (unless ``duplicates`` says what to do), a missing
            static covariate or measurement errors in layout "steps".
    """
    for name, given, known in (
        ("layout", layout, ("auto", "measurements", "steps")),
        ("duplicates", duplicates, ("error", "keep", "mean")),
    ):
        if given not in known:
            raise ValueError(f"{name} must be one of {known}, got {given!r}")
    rows = _observed(rows, about)
    if layout == "auto":
        layout = _choose(rows, about)
    rows = _in_order(rows, about, duplicates)
    return _as_measurements(rows, about) if layout == "measurements" else _as_steps(rows, about)


def _choose(rows: Long | Wide, about: About) -> Layout:
    if isinstance(rows, Long) or rows.errors is not None:
        return "measurements"
    if len(about.channels) == 1:
        return "measurements" if about.static_names else "steps"
    return "steps" if np.isnan(rows.values).mean() <= 0.5 else "measurements"


# -- checks -----------------------------------------------------------------------------------------------


def _observed(rows: Long | Wide, about: About) -> Long | Wide:
    """The rows with anything observed, after every check that does not need them in order."""
    value = rows.value[:, None] if isinstance(rows, Long) else rows.values
    error = rows.error if isinstance(rows, Long) else rows.errors
    is_observed = ~np.isnan(value)
    is_kept = is_observed.any(axis=1)
    if error is not None:
        error = error.reshape(value.shape)
        _check_cells(
            is_observed & ~((error >= 0) & np.isfinite(error)), error, rows, about, "error", "0 or more"
        )
    _check_times(is_kept & ~np.isfinite(rows.time), rows, about)
    # values are stored as float32, where anything larger is infinite
    is_huge = np.abs(value) > np.finfo(np.float32).max
    _check_cells(is_huge, value, rows, about, "value", "finite in float32 (not observed is NaN or null)")
    n_observed = np.bincount(rows.sample[is_kept], minlength=len(about.ids))
    if (empty := np.flatnonzero(n_observed == 0)).size:
        no_observation(about.ids[empty])
    return rows if is_kept.all() else rows.take(is_kept)


def no_observation(ids: npt.NDArray[Any]) -> NoReturn:
    """Raise for samples of which nothing was observed."""
    raise ValueError(
        f"id {ids[0].item()!r} has no observation: all its values are missing ({len(ids)} such ids); "
        "drop it first, nothing can be said about it"
    )


def _check_times(is_bad: npt.NDArray[np.bool_], rows: Long | Wide, about: About) -> None:
    if is_bad.any():
        row = int(np.argmax(is_bad))
        raise ValueError(
            f"times must be finite, got {rows.time[row]} in row {row} of id "
            f"{about.ids[rows.sample[row]].item()!r} ({int(is_bad.sum())} such rows); drop these rows or fill in the time"
        )


def _check_cells(
    is_bad: npt.NDArray[np.bool_], cells: FloatArray, rows: Long | Wide, about: About, what: str, wanted: str
) -> None:
    if is_bad.any():
        row, column = np.argwhere(is_bad)[0]
        channel = about.channels[rows.channel[row] if isinstance(rows, Long) else column]
        raise ValueError(
            f"each {what} must be {wanted}, got {cells[row, column]} for channel {channel!r} of "
            f"{about.moment(rows.sample[row], rows.time[row])} ({int(is_bad.sum())} such cells); drop or correct them"
        )


# -- order and duplicates ---------------------------------------------------------------------------------


def _in_order(rows: Long | Wide, about: About, duplicates: Duplicates) -> Long | Wide:
    """Rows sorted by sample, time and channel, each (sample, time, channel) once unless they are kept."""
    if isinstance(rows, Wide):
        rows = rows.take(_order(rows.sample, rows.time))
        if not _repeats(rows.sample, rows.time).any():
            return rows
        rows = rows.melt()  # two rows of one time may hold different channels: cells decide what is twice
    rows = rows.take(_order(rows.sample, rows.time, rows.channel))
    is_repeat = _repeats(rows.sample, rows.time, rows.channel)
    if not is_repeat.any() or duplicates == "keep":
        return _by_value(rows) if duplicates == "keep" else rows
    if duplicates == "mean":
        return _means(_by_value(rows), is_repeat)
    first = int(np.argmax(is_repeat))
    run = int(np.argmin(np.append(is_repeat[first:], False))) + 1
    raise ValueError(
        f"{about.moment(rows.sample[first], rows.time[first])} has {run} values of channel "
        f"{about.channels[rows.channel[first]]!r} ({int(is_repeat.sum())} repeats in all); expected one: drop the "
        "others, or say duplicates='mean' or duplicates='keep'"
    )


def _by_value(rows: Long) -> Long:
    # so that repeats come in the same order whatever the order of the table
    error = () if rows.error is None else (rows.error,)
    return rows.take(_order(rows.sample, rows.time, rows.channel, rows.value, *error))


def _means(rows: Long, is_repeat: npt.NDArray[np.bool_]) -> Long:
    start = np.flatnonzero(~is_repeat)
    n = np.diff(np.append(start, len(is_repeat)))
    error = rows.error
    if error is not None:
        error = np.sqrt(np.add.reduceat(error**2, start)) / n  # of a mean of independent measurements
    return replace(rows.take(start), value=np.add.reduceat(rows.value, start) / n, error=error)


def _order(*keys: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Stable order by the first key, then the next ...; rows already in order are not sorted again."""
    is_tied = np.ones(max(len(keys[0]) - 1, 0), bool)
    for key in keys:
        if (is_tied & (key[1:] < key[:-1])).any():
            return cast(IntArray, np.lexsort(keys[::-1]))
        is_tied &= key[1:] == key[:-1]
    return np.arange(len(keys[0]))


def _repeats(*keys: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """(N,) True where all sorted keys are as in the row before."""
    same = [key[1:] == key[:-1] for key in keys]
    return np.concatenate([[False], np.logical_and.reduce(same)])


# -- tokens -----------------------------------------------------------------------------------------------


def _as_measurements(rows: Long | Wide, about: About) -> TokenSet:
    rows = rows.melt() if isinstance(rows, Wide) else rows
    n_channels, n_samples = len(about.channels), len(about.ids)
    lengths = np.bincount(rows.sample, minlength=n_samples)
    if about.static_names:
        sample, covariate = np.nonzero(~np.isnan(about.statics))
        first = rows.time[np.cumsum(lengths) - lengths]
        zeros = None if rows.error is None else np.zeros(len(sample))
        extra = Long(sample, first[sample], n_channels + covariate, about.statics[sample, covariate], zeros)
        rows = _joined(extra, rows)
        lengths = lengths + np.bincount(sample, minlength=n_samples)
    columns = [rows.value] if rows.error is None else [rows.value, rows.error]
    schema = Schema(
        ("time", "channel"),
        about.channels,
        ("value", "error")[: len(columns)],
        about.static_names,
        about.times,
    )
    positions = np.column_stack([rows.time, rows.channel])
    return TokenSet(
        np.column_stack(columns), positions, lengths, ids=about.ids, targets=about.targets, schema=schema
    )


def _joined(first: Long, then: Long) -> Long:
    """Rows of both, within a sample those of ``first`` before those of ``then``."""
    pairs = zip(vars(first).values(), vars(then).values(), strict=True)
    both = Long(*(None if a is None else np.concatenate([a, b]) for a, b in pairs))  # type: ignore[arg-type]
    return both.take(np.argsort(both.sample, kind="stable"))


def _as_steps(rows: Long | Wide, about: About) -> TokenSet:
    rows = _pivot(rows, len(about.channels)) if isinstance(rows, Long) else rows
    if rows.errors is not None:
        raise ValueError(
            "measurement errors need layout='measurements', where each value has its own token; got layout='steps'"
        )
    is_missing = np.isnan(rows.values)
    columns, roles = [np.where(is_missing, 0.0, rows.values)], ["value"] * len(about.channels)
    if is_missing.any():
        columns.append((~is_missing).astype(np.float64))
        roles += ["observed"] * len(about.channels)
    if about.static_names:
        _check_statics(about)
        columns.append(about.statics[rows.sample])
        roles += ["static"] * len(about.static_names)
    schema = Schema(("time",), about.channels, tuple(roles), about.static_names, about.times)
    lengths = np.bincount(rows.sample, minlength=len(about.ids))
    return TokenSet(
        np.concatenate(columns, axis=1),
        rows.time,
        lengths,
        ids=about.ids,
        targets=about.targets,
        schema=schema,
    )


def _pivot(rows: Long, n_channels: int) -> Wide:
    """Steps from sorted measurements; the k-th of repeated values goes to the k-th step of that time."""
    is_repeat = _repeats(rows.sample, rows.time, rows.channel)
    row = np.arange(len(is_repeat))
    repeat = row - np.maximum.accumulate(np.where(is_repeat, 0, row))
    order = _order(rows.sample, rows.time, repeat)
    rows, repeat = rows.take(order), repeat[order]
    starts = ~_repeats(rows.sample, rows.time, repeat)
    step = np.cumsum(starts) - 1
    values = np.full((int(starts.sum()), n_channels), np.nan)
    values[step, rows.channel] = rows.value
    errors = None
    if rows.error is not None:
        errors = np.full_like(values, np.nan)
        errors[step, rows.channel] = rows.error
    return Wide(rows.sample[starts], rows.time[starts], values, errors)


def _check_statics(about: About) -> None:
    is_missing = np.isnan(about.statics)
    if is_missing.any():
        sample, covariate = np.argwhere(is_missing)[0]
        raise ValueError(
            f"static covariate {about.static_names[covariate]!r} is missing for id {about.ids[sample].item()!r} "
            f"({int(is_missing.any(axis=1).sum())} such ids); layout='steps' needs it for every id: fill it in, "
            "or say layout='measurements', where a missing covariate is no token"
        )
