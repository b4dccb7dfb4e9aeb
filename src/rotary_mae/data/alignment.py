"""Alignment of data with the schema of a fitted model: channels by name, columns in its order."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from rotary_mae.data.schema import Schema
from rotary_mae.data.timestamps import zone_of
from rotary_mae.data.tokens import TokenSet

Array = npt.NDArray[Any]

BoolArray = npt.NDArray[np.bool_]


def align(tokens: TokenSet, schema: Schema, typical: npt.ArrayLike | None = None) -> TokenSet:
    """Return the same samples with the channels and columns of ``schema``.

    Channels are matched by name: they may be missing or in another order.

    Parameters
    ----------
    tokens : TokenSet
        Samples with any subset of the channels.
    schema : Schema
        Schema to bring them to.
    typical : array of shape (channels,), optional
        Value of each channel for samples that lack it, needed for steps without observed flags. Where a sample has the
        channel at other times, its gaps are filled by linear interpolation, with a warning.

    Returns
    -------
    TokenSet
        ``tokens`` itself if it has this schema already.

    Raises
    ------
    ValueError
        For other axes, another kind of times, a channel or static covariate that ``schema`` lacks, and steps with gaps
        if ``schema`` has no observed flags and ``typical`` is None.
    """
    if tokens.schema == schema:
        return tokens
    given = tokens.schema
    if given.axes != schema.axes:
        is_series = schema.patch is None and given.patch is None
        hint = f"make the tokens with layout={schema.layout!r}" if is_series else "give data of the same kind"
        raise ValueError(
            f"the model was fitted on axes {schema.axes} (layout {schema.layout!r}), got {given.axes}: {hint}"
        )
    if "time" in given.axes and describe_clock(given) != describe_clock(schema):
        raise ValueError(
            f"the model was fitted on {describe_clock(schema)}, got {describe_clock(given)}: give times as in training"
        )
    for what, names, fitted in (
        ("channels", given.channels, schema.channels),
        ("statics", given.statics, schema.statics),
    ):
        if unseen := [name for name in names if name not in fitted]:
            raise ValueError(
                f"{what} {unseen} were never seen in training; the model was fitted on {fitted}. "
                "Leave them out, or fit again with them"
            )
    if schema.channel_axis is not None:
        return _align_measurements(tokens, schema)
    return _align_steps(tokens, schema, typical)


def _align_measurements(tokens: TokenSet, schema: Schema) -> TokenSet:
    if tokens.schema.roles != schema.roles:
        raise ValueError(
            f"the model was fitted on value columns {schema.roles}, got {tokens.schema.roles}: "
            "give (or leave out) the column of measurement errors as in training"
        )
    # a static covariate may share its name with a channel: redshift z beside the band z
    new_channels = [schema.channels.index(name) for name in tokens.schema.channels]
    new_statics = [len(schema.channels) + schema.statics.index(name) for name in tokens.schema.statics]
    new_index = np.array([*new_channels, *new_statics], np.float64)
    positions = tokens.positions.copy()
    axis = cast(int, schema.channel_axis)
    positions[:, axis] = new_index[positions[:, axis].astype(np.int64)]
    return tokens.replace(positions=positions, schema=replace(schema, times=tokens.schema.times), copy=False)


def _align_steps(tokens: TokenSet, schema: Schema, typical: npt.ArrayLike | None) -> TokenSet:
    given = tokens.schema
    _check_same_kind(given, schema)
    if not schema.channels:
        return tokens.replace(schema=replace(schema, times=given.times))
    n_given, n_channels = len(given.channels), len(schema.channels)
    values = np.zeros((tokens.n_tokens, len(schema.roles)), np.float32)
    is_observed = np.zeros((tokens.n_tokens, n_channels), np.float32)
    for i, name in enumerate(given.channels):
        column = schema.channels.index(name)
        values[:, column] = tokens.values[:, i]
        is_observed[:, column] = tokens.values[:, n_given + i] if "observed" in given.roles else 1.0
    if "observed" in schema.roles:
        values[:, n_channels : 2 * n_channels] = is_observed
    elif not is_observed.all():
        _fill_gaps(values, is_observed > 0, tokens, typical)
    if set(given.statics) != set(schema.statics):
        raise ValueError(f"the model needs the static covariates {schema.statics}, got {given.statics}")
    columns = schema.columns("static")
    for column, name in zip(given.columns("static"), given.statics, strict=True):
        values[:, columns[schema.statics.index(name)]] = tokens.values[:, column]
    return tokens.replace(values=values, schema=replace(schema, times=given.times), copy=False)


def _check_same_kind(given: Schema, schema: Schema) -> None:
    """Raise ValueError unless both are patches of one shape, or series with named channels, or the same columns."""
    if None not in (given.patch, schema.patch) and given.patch != schema.patch:
        raise ValueError(
            f"the model was fitted on patches (frames, height, width, values) {schema.patch}, got {given.patch}: cut "
            "them alike, from images of as many colours"
        )
    if given.patch != schema.patch or (not schema.channels and given.roles != schema.roles):
        raise ValueError(f"the model was fitted on {schema}, got {given}")
    if schema.channels and not given.channels:
        raise ValueError(
            f"the model was fitted on the channels {schema.channels}, but these tokens name none: name them"
        )


def _fill_gaps(
    values: Array, is_observed: npt.NDArray[np.bool_], tokens: TokenSet, typical: npt.ArrayLike | None
) -> None:
    """Write into ``values`` (T, V) what was not observed (T, channels).

    A gap is filled by linear interpolation in time, or with the typical value where a sample lacks the whole channel.
    """
    problem = "some steps lack a channel, but the model was fitted on complete steps and has no observed flags"
    if typical is None:
        raise ValueError(f"{problem}; fit with layout='measurements', or on steps with missing channels too")
    warnings.warn(
        f"{problem}: missing values are filled by linear interpolation; fit with layout='measurements', or on steps "
        "with missing channels too",
        stacklevel=3,
    )
    typical_values = np.asarray(typical)
    time = tokens.positions[:, tokens.schema.time_axis]
    for channel in np.flatnonzero(~is_observed.all(axis=0)):
        has_gaps = np.add.reduceat(~is_observed[:, channel], tokens.starts) > 0
        for start, length in zip(tokens.starts[has_gaps], tokens.lengths[has_gaps], strict=True):
            sample = slice(start, start + length)
            is_known, series = is_observed[sample, channel], values[sample, channel]
            if not is_known.any():
                series[:] = typical_values[channel]
                continue
            order = np.argsort(time[sample][is_known], kind="stable")
            known_times, known_values = time[sample][is_known][order], series[is_known][order]
            series[~is_known] = np.interp(time[sample][~is_known], known_times, known_values)


def values_of_channels(schema: Schema, names: Collection[str], channel: npt.ArrayLike | None = None) -> BoolArray:
    """Return True for the predicted values of some channels.

    Parameters
    ----------
    schema : Schema
        Meaning of the columns.
    names : collection of str
        Names of channels.
    channel : int array of shape (T,), optional
        Channel index of each row; required for tokens with a channel axis.

    Returns
    -------
    array of shape (T, n_predicted), or (1, n_predicted) without a channel axis
        True for values of these channels.
    """
    is_named = np.array([name in names for name in schema.channels], bool)
    if schema.channel_axis is None:
        return is_named[None] if schema.channels else np.zeros((1, schema.n_predicted), bool)
    # static covariates have indices beyond those of the channels
    of_row = np.append(is_named, np.zeros(len(schema.statics), bool))[np.asarray(channel, np.int64)]
    return np.repeat(of_row[:, None], schema.n_predicted, axis=1)


def without_channels(tokens: TokenSet, names: Collection[str]) -> TokenSet:
    """Return samples without the values of some channels; samples that have no other value are left out."""
    schema = tokens.schema
    names = set(names) & set(schema.channels)
    if not names:
        return tokens
    if schema.channel_axis is None:
        is_left_out = np.flatnonzero(values_of_channels(schema, names)[0])
        values = tokens.values.copy()
        flags = [flag for column, flag in schema.flags.items() if column in is_left_out]
        values[:, [*is_left_out, *flags]] = 0.0
        has_value: BoolArray = np.any(values[:, schema.columns("observed")] > 0, axis=1)
        tokens, is_kept = tokens.replace(values=values, copy=False), has_value
    else:
        is_kept = ~values_of_channels(schema, names, tokens.positions[:, schema.channel_axis])[:, 0]
    chosen = np.flatnonzero(np.add.reduceat(is_kept & ~tokens.is_static, tokens.starts) > 0)
    kept = tokens[chosen]
    return kept.select_tokens(is_kept[np.isin(tokens.sample_idx, chosen)]) if len(chosen) else kept


def describe_zones(given: Schema, fitted: Schema) -> str | None:
    """Return the text of a warning if one of two kinds of time stamps has a time zone and the other none."""
    zones = zone_of(given.times), zone_of(fitted.times)
    # dates have no zone, and neither have durations and numbers
    if (zones[0] is None) == (zones[1] is None) or describe_clock(given) != describe_clock(fitted):
        return None
    words = [f"in the zone {zone}" if zone else "without a time zone" for zone in zones]
    return (
        f"these time stamps are {words[0]}, those of the fit {words[1]}; time stamps without a zone are read as UTC: "
        "give both with a zone, or both without"
    )


def describe_clock(schema: Schema) -> str:
    """Return the kind of times in words: numbers, durations or time stamps."""
    if schema.times is None:
        return "times that are numbers"
    return "durations" if schema.times.startswith("duration") else "time stamps"
