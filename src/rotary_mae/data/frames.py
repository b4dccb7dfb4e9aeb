"""Conversion of data frames to tokens: long, wide or nested tables of pandas, polars, pyarrow and astropy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rotary_mae.data import columns
from rotary_mae.data.layout import Duplicates, Layout, arrange
from rotary_mae.data.rows import FloatArray, IntArray, Long, SampleInfo, Wide, name_id
from rotary_mae.data.tokens import TokenSet

Names = str | Sequence[str]


def from_frame(
    df: Any,
    *,
    id: str = "id",
    time: str = "time",
    channel: str | None = None,
    value: Names = "value",
    error: Names | None = None,
    static: Names = (),
    target: Names | None = None,
    layout: Layout = "auto",
    duplicates: Duplicates = "warn",
) -> TokenSet:
    """Convert a data frame with one row per measurement, time step or object to tokens.

    Parameters
    ----------
    df : pandas, polars, pyarrow or astropy table
        Long (one row per measurement), wide (one row per time step, one column per channel) or nested (one row per
        object, its series in list columns or in a struct of lists, as nested-pandas writes them).
    id : str, default "id"
        Column with the id of the sample of each row. Samples are in order of first appearance.
    time : str, default "time"
        Column of numbers, or of time stamps: positions are then seconds since 1970-01-01 UTC, and naive time stamps
        are read as UTC. ``Time`` of astropy is MJD in days.
    channel : str, optional
        Column of the channel of a long table; channels are sorted by name. None for a single channel and wide tables.
    value : str or list of str, default "value"
        Column of values, or one column per channel of a wide table, in this order. NaN or null: not observed.
    error : str or list of str, optional
        Standard deviations of the measurements, one column per value column; requires layout "measurements".
    static : str or list of str, optional
        Columns of numbers that are constant within an id; null means unknown.
    target : str or list of str, optional
        Column of labels or numbers, or several columns of numbers, constant within an id; they become
        ``TokenSet.targets``. An id with null in all rows has no label: None, or NaN if labels are numbers.
    layout : {"auto", "measurements", "steps"}, default "auto"
        One token per measurement, or one token per time step with all channels. "auto": long tables and tables with
        errors become measurements. Of other wide tables, a single channel becomes steps unless there are static
        covariates, and several channels become steps if at least half of the cells of their steps are observed.
    duplicates : {"warn", "keep", "mean", "error"}, default "warn"
        Handling of several values of an id, time and channel: keep all with or without a warning, take their mean, or
        raise.

    Returns
    -------
    TokenSet
        Samples with their tokens sorted by time and channel.

    Raises
    ------
    ValueError
        If a column is missing or of the wrong type, an id, time or channel is missing, a value is infinite, an id has
        no observation, or a label changes within an id.

    Examples
    --------
    >>> import pyarrow, rotary_mae as rm
    >>> table = pyarrow.table({"star": ["a", "a", "b"], "mjd": [1.0, 2.0, 1.5], "flux": [0.1, 0.3, 0.2]})
    >>> tokens = rm.from_frame(table, id="star", time="mjd", value="flux")
    >>> tokens.lengths.tolist()
    [2, 1]
    """
    value_names, error_names = _as_list(value), [] if error is None else _as_list(error)
    static_names, target_names = _as_list(static), [] if target is None else _as_list(target)
    _check_columns(value_names, error_names, channel)
    index = [id, time] if channel is None else [id, time, channel]
    names_needed = dict.fromkeys([*index, *value_names, *error_names, *static_names, *target_names])
    table = columns.explode(columns.select(df, list(names_needed)), id, by=time)

    sample, ids = _complete_codes(table, id)
    positions, time_type = columns.times(table, time)
    values = np.column_stack([columns.numbers(table, name) for name in value_names])
    errors = np.column_stack([columns.numbers(table, n) for n in error_names]) if error_names else None
    rows: Long | Wide
    if channel is None:
        names = tuple(value_names)
        rows = Wide(sample, positions, values, errors)
    else:
        is_observed = ~np.isnan(values[:, 0])
        code, names = _channels(table, channel, is_observed)
        rows = Long(sample, positions, code, values[:, 0], None if errors is None else errors[:, 0])
    statics = [_static(table, name, sample, ids) for name in static_names]
    about = SampleInfo(
        ids,
        names,
        np.column_stack(statics) if statics else np.empty((len(ids), 0)),
        tuple(static_names),
        _targets(table, target_names, sample, ids),
        time_type,
    )
    return arrange(rows, about, layout, duplicates)


def _as_list(names: Names) -> list[str]:
    found = [names] if isinstance(names, str) else list(names)
    if odd := [name for name in found if not isinstance(name, str)]:
        raise ValueError(f"column names must be text, got {odd}; rename them, for example with df.columns.astype(str)")
    return found


def _check_columns(values: list[str], errors: list[str], channel: str | None) -> None:
    if not values:
        raise ValueError("value must name at least one column, got none")
    if channel is not None and len(values) > 1:
        raise ValueError(
            f"a long table has one value column besides channel={channel!r}, got value={values}; "
            "for a wide table (one column per channel) leave channel out"
        )
    if errors and len(errors) != len(values):
        raise ValueError(f"error needs a column per value column, got {len(errors)} for {len(values)}")


def _complete_codes(table: pa.Table, name: str) -> tuple[IntArray, npt.NDArray[Any]]:
    code, entries = columns.codes(table, name)
    if (code < 0).any():
        row, n = int(np.argmax(code < 0)), int((code < 0).sum())
        raise ValueError(
            f"column {name!r} is null in row {row} ({n} such rows); each row needs an id: drop or fill them"
        )
    return code, entries


def _channels(table: pa.Table, name: str, is_observed: npt.NDArray[np.bool_]) -> tuple[IntArray, tuple[str, ...]]:
    """Return the sorted names of observed channels, after the index (N,) of each row's channel among them."""
    code, entries = columns.codes(table, name)
    if (is_unnamed := is_observed & (code < 0)).any():
        raise ValueError(
            f"channel column {name!r} is null in row {int(np.argmax(is_unnamed))}, which has a value "
            f"({int(is_unnamed.sum())} such rows); name the channel or drop the row"
        )
    used = np.unique(code[is_observed])
    used = used[np.argsort(entries[used])] if used.size else used
    rank = np.zeros(len(entries) + 1, np.int64)
    rank[used] = np.arange(len(used))
    return rank[code], tuple(columns.channel_name(entry) for entry in entries[used].tolist())


def _first_known(
    code: IntArray, is_known: npt.NDArray[np.bool_], sample: IntArray, ids: npt.NDArray[Any], name: str
) -> IntArray:
    """Return the first row (B,) of each sample with a known entry, -1 for none; such rows must have equal entries."""
    rows = np.flatnonzero(is_known)
    first = np.full(len(ids), -1)
    first[sample[rows[::-1]]] = rows[::-1]  # in reverse, because the last assignment to an index stays
    differs = code[rows] != code[first[sample[rows]]]
    if differs.any():
        row = rows[np.argmax(differs)]
        n = len(np.unique(sample[rows[differs]]))
        raise ValueError(
            f"column {name!r} must be constant within an id, but changes within {name_id(ids, sample[row])} "
            f"({n} such ids); a column that changes with time is a value, not a static covariate or target"
        )
    return first


def _static(table: pa.Table, name: str, sample: IntArray, ids: npt.NDArray[Any]) -> FloatArray:
    value = columns.numbers(table, name)
    if np.isinf(value).any():
        sample_name = name_id(ids, sample[np.argmax(np.isinf(value))])
        raise ValueError(f"static column {name!r} must be finite, got inf for {sample_name}; null means unknown")
    code, _ = columns.codes(table, name)
    first = _first_known(code, code >= 0, sample, ids, name)
    return np.where(first >= 0, value[first], np.nan)


def _targets(table: pa.Table, names: list[str], sample: IntArray, ids: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
    found = []
    for name in names:
        code, entries = columns.codes(table, name)
        first = _first_known(code, code >= 0, sample, ids, name)
        found.append(_with_gaps(entries, code[first], first < 0))
    if not found:
        return None
    return found[0] if len(found) == 1 else np.column_stack(found)


def _with_gaps(entries: npt.NDArray[Any], code: IntArray, is_missing: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Return the labels of codes; a missing label is None, or NaN if labels are numbers."""
    if not is_missing.any():
        return entries[code]
    if not len(entries):
        return np.full(len(code), np.nan)
    labels = entries[np.where(is_missing, 0, code)].astype(float if entries.dtype.kind == "f" else object)
    labels[is_missing] = np.nan if entries.dtype.kind == "f" else None
    return labels
