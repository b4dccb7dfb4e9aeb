"""Positions a user asks about, from lists or frames, and answers in the same shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.data.alignment import describe_clock
from rotary_mae.data.columns import channel_name
from rotary_mae.data.schema import Schema
from rotary_mae.data.timestamps import is_timelike, to_seconds
from rotary_mae.data.tokens import TokenSet, token_indices

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Queries:
    """positions: (Q, D) sample after sample, in the user's units, channels as indices of the model's. lengths: (B,).
    order: (Q,) row of the frame each query came from, or None. channel: (Q,) the one asked for where steps answer all,
    or None."""

    positions: Array
    lengths: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64] | None = None
    channel: npt.NDArray[np.int64] | None = None

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """(B,) index of each sample's first query."""
        return np.cumsum(self.lengths) - self.lengths

    def rows(self, samples: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Indices of the queries of these samples, in their order."""
        return token_indices(self.starts[samples], self.lengths[samples])


def list_queries(at: Sequence[npt.ArrayLike], tokens: TokenSet, schema: Schema) -> Queries:
    """From a list with one (q, D) array a sample; (q,) is taken as (q, 1) where there is one axis.

    Channels are indices of those of ``tokens``; ``schema`` is the model's.
    """
    if tokens.axes != schema.axes or not set(tokens.channels) <= set(schema.channels):
        tokens[:1].conform(schema)  # says what is wrong with them
    n_axes = len(tokens.axes)
    if not hasattr(at, "__len__"):
        raise ValueError(f"at must be a list with an array of positions a sample, or a frame, got {type(at).__name__}")
    if len(at) != len(tokens):
        raise ValueError(f"at needs one array of positions a sample ({len(tokens)}), got {len(at)}")
    if not len(at):
        raise ValueError("there are no samples to answer for")
    arrays = [_as_numbers(a, i, tokens) for i, a in enumerate(at)]
    arrays = [a[:, None] if a.ndim == 1 and (n_axes == 1 or not a.size) else a for a in arrays]
    for i, array in enumerate(arrays):
        if array.size and (array.ndim != 2 or array.shape[1] != n_axes):
            raise ValueError(f"at[{i}] must be (q, {n_axes}) for the axes {tokens.axes}, got shape {array.shape}")
    positions = np.concatenate([a.reshape(-1, n_axes) for a in arrays])
    _check(positions, tokens)
    axis = schema.channel_axis
    if axis is not None:
        table = np.array([schema.channels.index(name) for name in tokens.channels], np.float64)
        positions[:, axis] = table[positions[:, axis].astype(np.int64)]
    return Queries(positions, np.array([len(a) for a in arrays], np.int64))


def _as_numbers(positions: npt.ArrayLike, sample: int, tokens: TokenSet) -> Array:
    array = np.asarray(positions)
    try:
        # numpy would make nanoseconds of time stamps
        return array.astype(np.float64, casting="same_kind" if array.dtype.kind in "mM" else "unsafe")
    except (TypeError, ValueError) as error:
        where = f", a channel as its index in {tokens.channels}" if tokens.schema.channel_axis is not None else ""
        raise ValueError(
            f"at[{sample}] must be numbers on the axes {tokens.axes}{where}, got {array.dtype}; names of channels and "
            "time stamps go in a frame with columns id, time and channel"
        ) from error


def frame_queries(at: Any, tokens: TokenSet, schema: Schema, columns: Mapping[str, Any] | None) -> Queries:
    """From a frame with columns id, time and, if channels are an axis, channel (named as in ``columns``).

    Steps have several channels at each time: a frame with a column channel asks for one a row, one without for all.
    """
    if not set(tokens.axes) <= {"time", "channel"}:
        raise ValueError(f"a frame asks about times and channels, but here the axes are {tokens.axes}: give a list")
    frame = nw.from_native(at, eager_only=True)
    named = column_names(columns)
    wanted = ["id", "time"] + (["channel"] if "channel" in tokens.axes else [])
    for name in wanted:
        if named[name] not in frame.columns:
            raise ValueError(f"at has no column {named[name]!r} for the {name}; it has {frame.columns}")
    index = {key: i for i, key in enumerate(tokens.ids.tolist())}
    if len(index) < len(tokens):
        twice = next(key for i, key in enumerate(tokens.ids.tolist()) if index[key] != i)
        raise ValueError(f"a frame asks about samples by id, but {twice!r} is the id of several: give ids of their own")
    try:
        sample = np.array([index[key] for key in frame[named["id"]].to_list()], np.int64)
    except KeyError as error:
        raise ValueError(
            f"at asks about id {error.args[0]!r}, which has no observations; the ids begin with {list(index)[:3]}"
        ) from error
    parts = {"time": _times(frame[named["time"]], tokens.schema)}
    order, channel = np.argsort(sample, kind="stable"), None
    if "channel" in tokens.axes:
        parts["channel"] = _channels(frame[named["channel"]], schema).astype(np.float64)
    elif len(schema.channels) > 1 and named["channel"] in frame.columns:
        channel = _channels(frame[named["channel"]], schema)[order]
    positions = np.stack([parts[axis] for axis in tokens.axes], axis=1)
    _check_finite(positions)
    return Queries(positions[order], np.bincount(sample, minlength=len(tokens)), order, channel)


def _channels(column: Any, schema: Schema) -> npt.NDArray[np.int64]:
    """(Q,) indices of the named channels: the model's, so that a band without observations can be asked about."""
    names = [channel_name(name) for name in column.to_list()]
    if unknown := sorted(set(names) - set(schema.channels)):
        raise ValueError(f"at asks about channels {unknown}; the model knows {schema.channels}")
    return np.array([schema.channels.index(name) for name in names], np.int64)


def batch_with_queries(observed: TokenSet, asked: Array, lengths: npt.NDArray[np.int64]) -> TokenBatch:
    """A batch whose hidden tokens are the queries (their values are never read)."""
    empty = np.zeros((len(asked), observed.values.shape[1]), np.float32)
    sample = np.concatenate([observed.sample_idx, np.repeat(np.arange(len(observed)), lengths)])
    order = np.argsort(sample, kind="stable")
    both = TokenSet(
        np.concatenate([observed.values, empty])[order],
        np.concatenate([observed.positions, asked])[order],
        observed.lengths + lengths,
        schema=observed.schema,
    )
    return TokenBatch.collate(both).hide(is_hidden=(order >= observed.n_tokens))


def column_names(columns: Mapping[str, Any] | None) -> dict[str, str]:
    """What the columns id, time and channel are called."""
    return {"id": "id", "time": "time", "channel": "channel"} | {
        k: v for k, v in (columns or {}).items() if k in ("id", "time", "channel") and v is not None
    }


def frame_answers(at: Any, queries: Queries, answers: dict[str, Array], schema: Schema) -> Any:
    """The frame of queries with a column an answer (for steps: one a channel, ``value_<channel>``, unless it asks for
    one)."""
    frame = nw.from_native(at, eager_only=True)
    new = []
    for name, every in answers.items():
        answer = every if queries.channel is None else np.take_along_axis(every, queries.channel[:, None], axis=1)
        rows = np.empty_like(answer)
        rows[queries.order] = answer
        for i in range(rows.shape[1]):
            # several values of a channel have no names
            of = str(i + 1) if schema.channel_axis is not None else schema.channels[i]
            column = name if rows.shape[1] == 1 else f"{name}_{of}"
            new.append(nw.new_series(column, rows[:, i], backend=frame.implementation))
    return frame.with_columns(*new).to_native()


def _times(column: Any, schema: Schema) -> Array:
    array = column.to_arrow()
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    is_text = pa.types.is_string(array.type) or pa.types.is_large_string(array.type)
    asked = replace(schema, times=str(array.type) if is_timelike(array.type) else None)
    if is_text or describe_clock(asked) != describe_clock(schema):
        wanted = describe_clock(schema).removeprefix("times that are ")
        raise ValueError(f"the model was fitted on times that are {wanted}, at has {array.type}; give {wanted}")
    if schema.times is not None:
        return to_seconds(array)
    return np.asarray(column.to_numpy(), np.float64)


def _check_finite(positions: Array) -> None:
    if not np.isfinite(positions).all():
        raise ValueError(f"positions of queries must be finite, {int((~np.isfinite(positions)).any(1).sum())} are not")


def _check(positions: Array, tokens: TokenSet) -> None:
    _check_finite(positions)
    axis = tokens.schema.channel_axis
    if axis is not None and positions.size:
        channel = positions[:, axis]
        if (channel != np.round(channel)).any() or channel.min() < 0 or channel.max() >= len(tokens.channels):
            raise ValueError(
                f"the channel of a query is its index in {tokens.channels}, 0 to {len(tokens.channels) - 1}; got "
                f"{channel.min():g} to {channel.max():g}"
            )
