"""Observations in rows, wide or long, laid out as tokens: the one place behind frames and arrays."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, Literal, NoReturn, get_args

import numpy as np
import numpy.typing as npt

from rotary_mae.data.rows import FloatArray, IntArray, Long, SampleInfo, Wide, name_id
from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import TokenSet

Layout = Literal["auto", "measurements", "steps"]

Duplicates = Literal["warn", "keep", "mean", "error"]

BoolArray = npt.NDArray[np.bool_]

COARSEST = 0.02
"""Steps of single precision, in standard deviations of a channel, that go without a warning."""


def arrange(rows: Long | Wide, about: SampleInfo, layout: Layout, duplicates: Duplicates = "warn") -> TokenSet:
    """Checked, sorted tokens from rows in any order.

    Raises:
        ValueError: a sample without any observation, times or values that are not finite, errors below 0,
            several values of a channel at the same time if ``duplicates`` says so, a missing
            static covariate or measurement errors in layout "steps".
    """
    _check_choice("layout", layout, ("auto", "measurements", "steps"))
    _check_choice("duplicates", duplicates, get_args(Duplicates))
    only_measurements = isinstance(rows, Long) or rows.errors is not None
    has_error = (rows.error if isinstance(rows, Long) else rows.errors) is not None
    if layout == "steps" and has_error:
        raise ValueError(
            "measurement errors need layout='measurements', where each value has a token of its own, but got "
            "layout='steps'; leave out one of the two"
        )
    rows = _in_order(_observed(rows, about), about, duplicates)
    _warn_of_rounding(rows, about)
    if layout == "auto":
        layout = "measurements" if only_measurements else _choose(rows, about)
    if layout == "measurements":
        return _as_measurements(rows if isinstance(rows, Long) else rows.melt(), about)
    return _as_steps(rows if isinstance(rows, Wide) else _pivot(rows, about), about)


def _check_choice(name: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise ValueError(f"{name} must be one of {known}, got {given!r}")


def _choose(rows: Long | Wide, about: SampleInfo) -> Layout:
    """The layout of a wide table: steps, unless more than half of the cells of its steps are missing."""
    if len(about.channels) == 1:
        return "measurements" if about.static_names else "steps"
    table = rows if isinstance(rows, Wide) else _pivot(rows, about)
    return "steps" if np.isnan(table.values).mean() <= 0.5 else "measurements"


# -- checks -----------------------------------------------------------------------------------------------


def _observed(rows: Long | Wide, about: SampleInfo) -> Long | Wide:
    """The rows with anything observed, after every check that does not need them in order."""
    value = rows.value[:, None] if isinstance(rows, Long) else rows.values
    error = rows.error if isinstance(rows, Long) else rows.errors
    is_observed = ~np.isnan(value)
    is_kept = is_observed.any(axis=1)
    _check_times(is_kept & ~np.isfinite(rows.time), rows, about)
    # values are stored as float32, where anything larger is infinite
    is_huge = np.abs(value) > np.finfo(np.float32).max
    _check_cells(is_huge, value, rows, about, "value", "finite in float32 (NaN or null = not observed)")
    if error is not None:
        error = error.reshape(value.shape)
        is_bad = is_observed & ~((error >= 0) & np.isfinite(error))
        _check_cells(is_bad, error, rows, about, "error", "finite and at least 0 where there is a value")
    n_observed = np.bincount(rows.sample[is_kept], minlength=len(about.ids))
    if (empty := np.flatnonzero(n_observed == 0)).size:
        no_observation(about.ids[empty])
    return rows if is_kept.all() else rows.take(np.flatnonzero(is_kept))


def no_observation(ids: npt.NDArray[Any]) -> NoReturn:
    """Raise for samples of which nothing was observed."""
    raise ValueError(
        f"{name_id(ids, 0)} has no observation: all its values are missing ({len(ids)} such ids); "
        "drop it first, nothing can be said about it"
    )


def _check_times(is_bad: BoolArray, rows: Long | Wide, about: SampleInfo) -> None:
    if is_bad.any():
        row = int(np.argmax(is_bad))
        raise ValueError(
            f"times must be finite where there is a value, got {rows.time[row]} in row {row} of "
            f"{about.name(rows.sample[row])} ({int(is_bad.sum())} such rows); drop them or fill in the time"
        )


def _check_cells(
    is_bad: BoolArray, cells: FloatArray, rows: Long | Wide, about: SampleInfo, what: str, wanted: str
) -> None:
    if is_bad.any():
        row, column = np.argwhere(is_bad)[0]
        channel = about.channels[rows.channel[row] if isinstance(rows, Long) else column]
        raise ValueError(
            f"each {what} must be {wanted}, got {cells[row, column]} for channel {channel!r} of "
            f"{about.moment(rows.sample[row], rows.time[row])} ({int(is_bad.sum())} such cells); "
            "drop or correct them"
        )


def _warn_of_rounding(rows: Long | Wide, about: SampleInfo) -> None:
    """Values are stored as float32: of small changes at a large level, such as those of a frequency, little is left."""
    for c, name in enumerate(about.channels):
        mine = rows.value[rows.channel == c] if isinstance(rows, Long) else rows.values[:, c]
        mine = mine[~np.isnan(mine)]
        if not mine.size or not (spread := float(mine.std())):
            continue
        step = float(np.spacing(np.float32(np.abs(mine).max())))
        if step > COARSEST * spread:
            warnings.warn(
                f"values of channel {name!r} lie about {mine.mean():.9g} and vary by {spread:.3g}, but are stored in "
                f"single precision, in steps of {step:.3g} there: take a constant off them first",
                stacklevel=4,
            )


# -- order and duplicates ---------------------------------------------------------------------------------


def _in_order(rows: Long | Wide, about: SampleInfo, duplicates: Duplicates) -> Long | Wide:
    """Rows sorted by sample, time and channel, each (sample, time, channel) once unless they are kept."""
    if isinstance(rows, Wide):
        rows = rows.take(_order(rows.sample, rows.time))
        if not _repeats(rows.sample, rows.time).any():
            return rows
        rows = rows.melt()  # two rows of one time may hold different channels: cells decide what is twice
    rows = rows.take(_order(rows.sample, rows.time, rows.channel))
    is_repeat = _repeats(rows.sample, rows.time, rows.channel)
    if not is_repeat.any():
        return rows
    if duplicates == "error":
        raise ValueError(f"{_told(rows, is_repeat, about)}; drop the others, or {_WAYS}")
    if duplicates == "warn":
        warnings.warn(f"{_told(rows, is_repeat, about)}; all are kept: drop the others, or {_WAYS}", stacklevel=4)
    # repeats come in the same order whatever the order of the table
    error = () if rows.error is None else (rows.error,)
    rows = rows.take(_order(rows.sample, rows.time, rows.channel, rows.value, *error))
    return _means(rows, is_repeat) if duplicates == "mean" else rows


_WAYS = (
    "take their mean with duplicates='mean' (--duplicates mean), or keep all without a word with duplicates='keep' "
    "(--duplicates keep)"
)


def _told(rows: Long, is_repeat: BoolArray, about: SampleInfo) -> str:
    first = int(np.argmax(is_repeat))
    n_more = int(np.argmin(np.append(is_repeat[first:], False)))
    return (
        f"{about.moment(rows.sample[first], rows.time[first])} has {n_more + 1} values of channel "
        f"{about.channels[rows.channel[first]]!r}, expected one ({int(is_repeat.sum())} too many in all)"
    )


def _means(rows: Long, is_repeat: BoolArray) -> Long:
    start = np.flatnonzero(~is_repeat)
    n = np.diff(np.append(start, len(is_repeat)))
    error = rows.error
    if error is not None:
        error = np.sqrt(np.add.reduceat(error**2, start)) / n  # of a mean of independent measurements
    return replace(rows.take(start), value=np.add.reduceat(rows.value, start) / n, error=error)


def _order(*keys: npt.NDArray[Any]) -> npt.NDArray[Any] | slice:
    """Stable order by the first key, then the next ...; rows already in order are not copied."""
    is_tied = np.ones(max(len(keys[0]) - 1, 0), bool)
    for key in keys:
        if (is_tied & (key[1:] < key[:-1])).any():
            return np.lexsort(keys[::-1])
        is_tied &= key[1:] == key[:-1]
    return slice(None)


def _repeats(*keys: npt.NDArray[Any]) -> BoolArray:
    """(N,) True where all sorted keys are as in the row before."""
    same = [key[1:] == key[:-1] for key in keys]
    return np.concatenate([[False], np.logical_and.reduce(same)])


# -- tokens -----------------------------------------------------------------------------------------------


def _as_measurements(rows: Long, about: SampleInfo) -> TokenSet:
    lengths = np.bincount(rows.sample, minlength=len(about.ids))
    if about.static_names:
        rows = _with_statics(rows, np.cumsum(lengths) - lengths, about)
        lengths = np.bincount(rows.sample, minlength=len(about.ids))
    columns = {"value": rows.value} if rows.error is None else {"value": rows.value, "error": rows.error}
    return TokenSet(
        np.column_stack(list(columns.values())),
        np.column_stack([rows.time, rows.channel]),
        lengths,
        ids=about.ids,
        targets=about.targets,
        schema=Schema(("time", "channel"), about.channels, tuple(columns), about.static_names, about.times),
    )


def _with_statics(rows: Long, starts: IntArray, about: SampleInfo) -> Long:
    """Each sample's known covariates before its measurements, at the time of the first of these."""
    sample, covariate = np.nonzero(~np.isnan(about.statics))
    channel, value = len(about.channels) + covariate, about.statics[sample, covariate]
    error = None if rows.error is None else np.append(np.zeros(len(sample)), rows.error)
    both = Long(
        np.append(sample, rows.sample),
        np.append(rows.time[starts[sample]], rows.time),
        np.append(channel, rows.channel),
        np.append(value, rows.value),
        error,
    )
    return both.take(np.argsort(both.sample, kind="stable"))


def _as_steps(rows: Wide, about: SampleInfo) -> TokenSet:
    is_missing = np.isnan(rows.values)
    columns, roles = [np.where(is_missing, 0.0, rows.values)], ["value"] * len(about.channels)
    if is_missing.any():
        columns.append((~is_missing).astype(np.float64))
        roles += ["observed"] * len(about.channels)
    if about.static_names:
        _check_statics(about)
        columns.append(about.statics[rows.sample])
        roles += ["static"] * len(about.static_names)
    return TokenSet(
        np.concatenate(columns, axis=1),
        rows.time,
        np.bincount(rows.sample, minlength=len(about.ids)),
        ids=about.ids,
        targets=about.targets,
        schema=Schema(("time",), about.channels, tuple(roles), about.static_names, about.times),
    )


def _pivot(rows: Long, about: SampleInfo) -> Wide:
    """Steps from sorted measurements; the k-th of repeated values goes to the k-th step of that time."""
    is_repeat = _repeats(rows.sample, rows.time, rows.channel)
    row = np.arange(len(is_repeat))
    repeat = row - np.maximum.accumulate(np.where(is_repeat, 0, row))
    order = _order(rows.sample, rows.time, repeat)
    rows, repeat = rows.take(order), repeat[order]
    starts = ~_repeats(rows.sample, rows.time, repeat)
    values = np.full((int(starts.sum()), len(about.channels)), np.nan)
    values[np.cumsum(starts) - 1, rows.channel] = rows.value
    return Wide(rows.sample[starts], rows.time[starts], values)


def _check_statics(about: SampleInfo) -> None:
    is_missing = np.isnan(about.statics)
    if is_missing.any():
        sample, covariate = np.argwhere(is_missing)[0]
        raise ValueError(
            f"static covariate {about.static_names[covariate]!r} is missing for {about.name(sample)} "
            f"({int(is_missing.any(axis=1).sum())} such ids); layout='steps' needs it for every id: fill it "
            "in, or say layout='measurements', where a missing covariate is no token"
        )
