"""Bringing data to what a model was fitted on: channels by name, columns in its order."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from rotary_mae.data.schema import Schema

if TYPE_CHECKING:
    from rotary_mae.data.tokens import TokenSet

Array = npt.NDArray[Any]


def conform(tokens: TokenSet, schema: Schema, typical: npt.ArrayLike | None = None) -> TokenSet:
    """The same samples in the order of channels and columns of ``schema``.

    Channels are matched by name: missing ones and another order are fine. What steps lack of a ``schema`` without flags
    for it lies on straight lines between what the sample has of that channel, or is the channel's ``typical`` value
    (one a channel) where it has none; with a warning. Raises ValueError for other axes, a channel or static covariate
    that ``schema`` does not have, and steps that lack something if nothing is ``typical``.
    """
    if tokens.schema == schema:
        return tokens
    if tokens.axes != schema.axes:
        is_series = schema.patch is None and tokens.schema.patch is None
        hint = f"make the tokens with layout={schema.layout!r}" if is_series else "give data of the same kind"
        raise ValueError(
            f"the model was fitted on axes {schema.axes} (layout {schema.layout!r}), got {tokens.axes}: {hint}"
        )
    mine, theirs = tokens.schema, schema
    if "time" in tokens.axes and describe_clock(mine) != describe_clock(theirs):
        raise ValueError(
            f"the model was fitted on {describe_clock(theirs)}, got {describe_clock(mine)}: give times as in training"
        )
    for what in ("channels", "statics"):
        unseen = [name for name in getattr(mine, what) if name not in getattr(theirs, what)]
        if unseen:
            raise ValueError(
                f"{what} {unseen} were never seen in training; the model knows {getattr(theirs, what)}. "
                "Leave them out, or fit again with them"
            )
    if theirs.channel_axis is not None:
        return _conform_measurements(tokens, theirs)
    return _conform_steps(tokens, theirs, typical)


def _conform_measurements(tokens: TokenSet, schema: Schema) -> TokenSet:
    if tokens.schema.roles != schema.roles:
        raise ValueError(
            f"the model was fitted on value columns {schema.roles}, got {tokens.schema.roles}: "
            "give (or leave out) the column of measurement errors as in training"
        )
    # a static covariate may share its name with a channel: redshift z beside the band z
    to_channel = [schema.channels.index(name) for name in tokens.schema.channels]
    to_static = [len(schema.channels) + schema.statics.index(name) for name in tokens.schema.statics]
    table = np.array([*to_channel, *to_static], np.float64)
    positions = tokens.positions.copy()
    axis = cast(int, schema.channel_axis)
    positions[:, axis] = table[positions[:, axis].astype(np.int64)]
    return tokens.replace(positions=positions, schema=replace(schema, times=tokens.schema.times))


def _conform_steps(tokens: TokenSet, schema: Schema, typical: npt.ArrayLike | None) -> TokenSet:
    mine = tokens.schema
    if None not in (mine.patch, schema.patch) and mine.patch != schema.patch:
        raise ValueError(
            f"the model was fitted on patches (frames, height, width, values) {schema.patch}, got {mine.patch}: cut "
            "them alike, from images of as many colours"
        )
    if mine.patch != schema.patch or (not schema.channels and mine.roles != schema.roles):
        raise ValueError(f"the model was fitted on {schema}, got {mine}")
    if schema.channels and not mine.channels:
        raise ValueError(f"the model knows the channels {schema.channels}, but these tokens name none: name them")
    if not schema.channels:
        return tokens.replace(schema=replace(schema, times=mine.times))
    n_mine = len(mine.channels)
    is_flagged = "observed" in mine.roles
    values = np.zeros((tokens.n_tokens, len(schema.roles)), np.float32)
    flags = np.zeros((tokens.n_tokens, len(schema.channels)), np.float32)
    for i, name in enumerate(mine.channels):
        to = schema.channels.index(name)
        values[:, to] = tokens.values[:, i]
        flags[:, to] = tokens.values[:, n_mine + i] if is_flagged else 1.0
    n_filled = len(schema.channels)
    if "observed" in schema.roles:
        values[:, n_filled : 2 * n_filled] = flags
    elif not flags.all():
        lacking = "some steps lack a channel, but the model was fitted on complete steps and has no observed flags"
        if typical is None:
            raise ValueError(f"{lacking}; fit with layout='measurements', or on steps with missing channels too")
        warnings.warn(
            f"{lacking}: what is missing is filled with straight lines; fit with layout='measurements', or on steps "
            "with missing channels too",
            stacklevel=2,
        )
        _fill(values, flags > 0, tokens, np.asarray(typical))
    mine_static, to_static = mine.columns("static"), schema.columns("static")
    if set(mine.statics) != set(schema.statics):
        raise ValueError(f"the model needs the static covariates {schema.statics}, got {mine.statics}")
    for column, name in zip(mine_static, mine.statics, strict=True):
        values[:, to_static[schema.statics.index(name)]] = tokens.values[:, column]
    return tokens.replace(values=values, schema=replace(schema, times=mine.times))


def _fill(values: Array, is_there: npt.NDArray[np.bool_], tokens: TokenSet, typical: Array) -> None:
    """Write into (T, V) ``values`` what is not there (T, channels): straight lines in time, or the typical value."""
    time = tokens.positions[:, tokens.schema.time_axis]
    for channel in np.flatnonzero(~is_there.all(axis=0)):
        lacks = np.add.reduceat(~is_there[:, channel], tokens.starts) > 0
        for start, length in zip(tokens.starts[lacks], tokens.lengths[lacks], strict=True):
            part = slice(start, start + length)
            known, line = is_there[part, channel], values[part, channel]
            order = np.argsort(time[part][known], kind="stable")
            line[~known] = (
                np.interp(time[part][~known], time[part][known][order], line[known][order])
                if known.any()
                else typical[channel]
            )


def describe_clock(schema: Schema) -> str:
    """What kind of times these are, in words."""
    if schema.times is None:
        return "times that are numbers"
    return "durations" if schema.times.startswith("duration") else "time stamps"
