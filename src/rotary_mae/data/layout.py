"""Layout of observations as tokens: rows, long or wide, to a token a measurement or a token a time step."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from rotary_mae.data.rows import FloatArray, IntArray, Long, SampleInfo, Wide, raise_unobserved
from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import TokenSet

Layout = Literal["auto", "measurements", "steps"]

Duplicates = Literal["warn", "keep", "mean", "error"]

BoolArray = npt.NDArray[np.bool_]

ROUNDING_TOLERANCE = 0.02
"""Resolution of float32, in standard deviations of a channel, from which a warning is given. Not tuned."""

MIN_OBSERVED_FRACTION = 0.5
"""Fraction of the cells of its steps from which a wide table becomes steps by default. Not tuned."""


def arrange(rows: Long | Wide, about: SampleInfo, layout: Layout, duplicates: Duplicates = "warn") -> TokenSet:
    """Convert rows in any order to checked, sorted tokens.

    Parameters
    ----------
    rows : Long or Wide
        Observations.
    about : SampleInfo
        Names, covariates and labels of the samples.
    layout : {"auto", "measurements", "steps"}
        A token a measurement or a token a time step. "auto" takes steps for wide tables without errors of which at
        least half of the cells are observed.
    duplicates : {"warn", "keep", "mean", "error"}, default "warn"
        Handling of several values of a sample, time and channel: keep all with or without a warning, take their mean,
        or raise.

    Returns
    -------
    TokenSet
        Samples in the order of ``about.ids``, tokens by time and then channel.

    Raises
    ------
    ValueError
        If a sample has no observation, times or values are not finite, errors are below 0, values occur twice with
        "error", or "steps" is given measurement errors or lacks a static covariate.
    """
    _check_choice("layout", layout, ("auto", "measurements", "steps"))
    _check_choice("duplicates", duplicates, get_args(Duplicates))
    is_measurements = isinstance(rows, Long) or rows.errors is not None
    has_error = (rows.error if isinstance(rows, Long) else rows.errors) is not None
    if layout == "steps" and has_error:
        raise ValueError(
            "measurement errors need layout='measurements', where each value has a token of its own, but got "
            "layout='steps'; leave out one of the two"
        )
    rows = _in_order(_observed(rows, about), about, duplicates)
    _warn_of_rounding(rows, about)
    if layout == "auto":
        layout = "measurements" if is_measurements else _choose_layout(rows, about)
    if layout == "measurements":
        return _as_measurements(rows if isinstance(rows, Long) else rows.melt(), about)
    return _as_steps(rows if isinstance(rows, Wide) else _pivot(rows, about), about)


def _check_choice(name: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise ValueError(f"{name} must be one of {known}, got {given!r}")


def _choose_layout(rows: Long | Wide, about: SampleInfo) -> Layout:
    """The default layout of a wide table: steps, unless more than half of the cells of its steps are missing."""
    if len(about.channels) == 1:
        return "measurements" if about.static_names else "steps"
    table = rows if isinstance(rows, Wide) else _pivot(rows, about)
    return "steps" if np.isnan(table.values).mean() <= 1 - MIN_OBSERVED_FRACTION else "measurements"


# -- checks -----------------------------------------------------------------------------------------------


def _observed(rows: Long | Wide, about: SampleInfo) -> Long | Wide:
    """The rows with at least one observed value, checked as far as possible without their order."""
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
        raise_unobserved(about.ids[empty])
    return rows if is_kept.all() else rows.take(np.flatnonzero(is_kept))


def _check_times(is_bad: BoolArray, rows: Long | Wide, about: SampleInfo) -> None:
    if is_bad.any():
        row = int(np.argmax(is_bad))
        raise ValueError(
            f"times must be finite where there is a value, got {rows.time[row]} in row {row} of "
            f"{about.name(rows.sample[row])} ({int(is_bad.sum())} such rows); drop them or fill in the time"
        )


def _check_cells(
    is_bad: BoolArray, cells: FloatArray, rows: Long | Wide, about: SampleInfo, name: str, expected: str
) -> None:
    if is_bad.any():
        row, column = np.argwhere(is_bad)[0]
        channel = about.channels[rows.channel[row] if isinstance(rows, Long) else column]
        raise ValueError(
            f"each {name} must be {expected}, got {cells[row, column]} for channel {channel!r} of "
            f"{about.name_step(rows.sample[row], rows.time[row])} ({int(is_bad.sum())} such cells); "
            "drop or correct them"
        )


def _warn_of_rounding(rows: Long | Wide, about: SampleInfo) -> None:
    """Warn of channels with changes that are small compared to their level, such as a mains frequency.

    Values are stored as float32, which rounds such changes.
    """
    for c, name in enumerate(about.channels):
        values = rows.value[rows.channel == c] if isinstance(rows, Long) else rows.values[:, c]
        values = values[~np.isnan(values)]
        if not values.size or not (std := float(values.std())):
            continue
        step = float(np.spacing(np.float32(np.abs(values).max())))
        if step > ROUNDING_TOLERANCE * std:
            warnings.warn(
                f"values of channel {name!r} lie about {values.mean():.9g} and vary by {std:.3g}, but are stored in "
                f"single precision, in steps of {step:.3g} there: subtract a constant from them first",
                stacklevel=4,
            )


# -- order and duplicates ---------------------------------------------------------------------------------


def _in_order(rows: Long | Wide, about: SampleInfo, duplicates: Duplicates) -> Long | Wide:
    """Rows sorted by sample, time and channel; repeated values kept, averaged or an error."""
    if isinstance(rows, Wide):
        rows = rows.take(_order(rows.sample, rows.time))
        if not _repeats(rows.sample, rows.time).any():
            return rows
        rows = rows.melt()  # two rows of one time may hold different channels: only cells can be duplicates
    rows = rows.take(_order(rows.sample, rows.time, rows.channel))
    is_repeat = _repeats(rows.sample, rows.time, rows.channel)
    if not is_repeat.any():
        return rows
    if duplicates == "error":
        raise ValueError(f"{_describe_repeats(rows, is_repeat, about)}; drop the others, or {_REMEDIES}")
    if duplicates == "warn":
        found = _describe_repeats(rows, is_repeat, about)
        warnings.warn(f"{found}; all are kept: drop the others, or {_REMEDIES}", stacklevel=4)
    # repeats are sorted by value, so that their order does not depend on that of the table
    error = () if rows.error is None else (rows.error,)
    rows = rows.take(_order(rows.sample, rows.time, rows.channel, rows.value, *error))
    return _means(rows, is_repeat) if duplicates == "mean" else rows


_REMEDIES = (
    "take their mean with duplicates='mean' (--duplicates mean), or keep all without a warning with duplicates='keep' "
    "(--duplicates keep)"
)


def _describe_repeats(rows: Long, is_repeat: BoolArray, about: SampleInfo) -> str:
    first = int(np.argmax(is_repeat))
    n_more = int(np.argmin(np.append(is_repeat[first:], False)))
    return (
        f"{about.name_step(rows.sample[first], rows.time[first])} has {n_more + 1} values of channel "
        f"{about.channels[rows.channel[first]]!r}, expected one ({int(is_repeat.sum())} too many in all)"
    )


def _means(rows: Long, is_repeat: BoolArray) -> Long:
    """Sorted rows with the mean in place of repeated values."""
    start = np.flatnonzero(~is_repeat)
    n = np.diff(np.append(start, len(is_repeat)))
    error = rows.error
    if error is not None:
        error = np.sqrt(np.add.reduceat(error**2, start)) / n  # errors of independent measurements
    return replace(rows.take(start), value=np.add.reduceat(rows.value, start) / n, error=error)


def _order(*keys: npt.NDArray[Any]) -> npt.NDArray[Any] | slice:
    """Stable order by the first key, then the next ...; a slice, which copies nothing, if the rows are in order."""
    is_tied = np.ones(max(len(keys[0]) - 1, 0), bool)
    for key in keys:
        if (is_tied & (key[1:] < key[:-1])).any():
            return np.lexsort(keys[::-1])
        is_tied &= key[1:] == key[:-1]
    return slice(None)


def _repeats(*keys: npt.NDArray[Any]) -> BoolArray:
    """(N,) True where all sorted keys equal those of the row before."""
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
        copy=False,
    )


def _with_statics(rows: Long, starts: IntArray, about: SampleInfo) -> Long:
    """Rows with each sample's known covariates before its measurements, at the time of the first measurement."""
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
            "in, or use layout='measurements', where a missing covariate is no token"
        )


def steps_to_measurements(tokens: TokenSet) -> TokenSet:
    """Return the samples with a token a measurement instead of a token a time step.

    Parameters
    ----------
    tokens : TokenSet
        Samples in the layout "steps", with named channels.

    Returns
    -------
    TokenSet
        The observed values, sorted by token and then by channel. Static covariates come first, at the first time.
    """
    schema, columns = tokens.schema, tokens.schema.columns
    is_observed = np.ones((tokens.n_tokens, schema.n_predicted), bool)
    if flags := columns("observed"):
        is_observed = tokens.values[:, flags] > 0
    cells = np.zeros(tokens.values.shape, bool)
    cells[:, columns("value")] = is_observed
    cells[tokens.starts[:, None], columns("static")] = True
    token, column = np.nonzero(cells)
    # the columns of covariates are the last, their channels follow those of the values
    is_static = column >= schema.n_predicted
    channel = np.where(is_static, column - len(schema.roles) + len(schema.statics) + len(schema.channels), column)
    sample = tokens.sample_idx[token]
    order = np.lexsort((channel, token, ~is_static, sample))
    return TokenSet(
        tokens.values[token, column][order],
        np.column_stack([tokens.positions[token, schema.time_axis], channel])[order],
        np.bincount(sample, minlength=len(tokens)),
        ids=tokens.ids,
        targets=tokens.targets,
        schema=Schema(("time", "channel"), schema.channels, ("value",), schema.statics, schema.times),
    )
