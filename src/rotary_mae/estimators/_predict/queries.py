"""Queries: the positions to predict at, read from lists or frames; and predictions in the same form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rotary_mae._warnings import warn_caller
from rotary_mae.data.alignment import align, describe_clock, values_of_channels
from rotary_mae.data.columns import arrow_column, channel_name, open_frame, time_type, times
from rotary_mae.data.entries import plain_entry
from rotary_mae.data.overflow import describe_too_far, is_too_large
from rotary_mae.data.sample_values import keys_like
from rotary_mae.data.scaling import Scaling
from rotary_mae.data.schema import Schema
from rotary_mae.data.timestamps import describe_time, localized, zone_of
from rotary_mae.data.tokens import TokenSet
from rotary_mae.estimators._predict.batched import TrainedModels, predict_masked
from rotary_mae.estimators._predict.distribution import PredictiveDistribution, Statistics
from rotary_mae.estimators._predict.forecast_window import limit_history, warn_if_beyond
from rotary_mae.estimators.inputs import is_frame
from rotary_mae.evaluation.conformal import Calibration, count_channels
from rotary_mae.evaluation.conformal_scores import typical_errors
from rotary_mae.evaluation.query_groups import masked_features

Array = npt.NDArray[Any]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Queries:
    """Positions to predict at, sample after sample.

    Attributes
    ----------
    positions : array of float, shape (Q, D)
        Positions in the user's units, channels as indices of the model's channels.
    lengths : array of int, shape (B,)
        Number of queries of each sample.
    frame : DataFrame or None
        The frame that the queries were read from, as narwhals has it; None if they came from a list.
    order : array of int, shape (Q,), or None
        Row of the frame that each query came from.
    channel : array of int, shape (Q,), or None
        The only channel that is returned for each query, where tokens are steps; None returns all channels.
    n_together : int
        Number of consecutive positions, one per channel, that were given as one time; 1 if they name their channel.
    """

    positions: Array
    lengths: Ints
    frame: nw.DataFrame[Any] | None = None
    order: Ints | None = None
    channel: Ints | None = None
    n_together: int = 1

    @property
    def sample_idx(self) -> Ints:
        """(Q,) the sample of each query."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)


def read_queries(
    at: Any, tokens: TokenSet, schema: Schema, columns: Mapping[str, Any] | None, may_be_times: bool = False
) -> Queries:
    """Return the queries of a list or a frame.

    Parameters
    ----------
    at : list of array, or DataFrame
        One array (q, D) a sample, or one row a query (see ``RoMAEInterpolator.predict``).
    tokens : TokenSet
        The B samples that the queries are about.
    schema : Schema
        Schema of the model.
    columns : mapping of str to str, or None
        Names of the columns id, time and channel in the frame.
    may_be_times : bool
        True if queries may be times although channels are an axis. Each then asks for all channels of the model.

    Raises
    ------
    ValueError
        If the queries do not fit the samples or the model.
    """
    may_be_times = may_be_times and tokens.axes == ("time", "channel") and schema.n_predicted == 1
    if is_frame(at):
        return frame_queries(at, tokens, schema, columns, may_be_times)
    return list_queries(at, tokens, schema, may_be_times)


def _of_all_channels(queries: Queries, n_channels: int) -> Queries:
    """Return queries of times (Q, 1) as positions (Q * C, 2), each time in every channel."""
    channel = np.tile(np.arange(n_channels), len(queries.positions))
    positions = np.column_stack([np.repeat(queries.positions[:, 0], n_channels), channel.astype(np.float64)])
    return replace(queries, positions=positions, lengths=queries.lengths * n_channels, n_together=n_channels)


# -- lists --------------------------------------------------------------------------------------------------


def list_queries(at: Sequence[npt.ArrayLike], tokens: TokenSet, schema: Schema, may_be_times: bool = False) -> Queries:
    """Return the queries of a list with one array (q, D) a sample; (q,) is read as (q, 1) where there is one axis.

    Channels are indices of ``tokens.channels``; ``schema`` is that of the model. For ``may_be_times`` see above.
    """
    if tokens.axes != schema.axes or not set(tokens.channels) <= set(schema.channels):
        align(tokens[:1], schema)  # raises an error that names the difference
    n_axes = len(tokens.axes)
    if not hasattr(at, "__len__"):
        raise ValueError(f"at must be a list with an array of positions a sample, or a frame, got {type(at).__name__}")
    if len(at) != len(tokens):
        raise ValueError(f"at needs one array of positions a sample ({len(tokens)}), got {len(at)}")
    if not len(at):
        raise ValueError("there are no samples to predict for; give at least one")
    arrays = [_as_numbers(array, i, tokens) for i, array in enumerate(at)]
    is_times = may_be_times and all(array.ndim == 1 or array.shape[1:] == (1,) for array in arrays if array.size)
    n_axes = 1 if is_times else n_axes
    arrays = [array[:, None] if array.ndim == 1 and (n_axes == 1 or not array.size) else array for array in arrays]
    for i, array in enumerate(arrays):
        if array.size and (array.ndim != 2 or array.shape[1] != n_axes):
            raise ValueError(f"at[{i}] must be (q, {n_axes}) for the axes {tokens.axes}, got shape {array.shape}")
    positions = np.concatenate([array.reshape(-1, n_axes) for array in arrays])
    _check_finite(positions)
    if is_times:
        lengths = np.array([len(array) for array in arrays], np.int64)
        return _of_all_channels(Queries(positions, lengths), len(schema.channels))
    axis = schema.channel_axis
    if axis is not None:
        _check_channels(positions[:, axis], tokens)
        model_channel = np.array([schema.channels.index(name) for name in tokens.channels], np.float64)
        positions[:, axis] = model_channel[positions[:, axis].astype(np.int64)]
    return Queries(positions, np.array([len(array) for array in arrays], np.int64))


def _as_numbers(positions: npt.ArrayLike, sample: int, tokens: TokenSet) -> Array:
    array = np.asarray(positions)
    try:
        # numpy would convert time stamps to nanoseconds
        return array.astype(np.float64, casting="same_kind" if array.dtype.kind in "mM" else "unsafe")
    except (TypeError, ValueError) as error:
        where = f", a channel as its index in {tokens.channels}" if tokens.schema.channel_axis is not None else ""
        raise ValueError(
            f"at[{sample}] must be numbers on the axes {tokens.axes}{where}, got {array.dtype}; names of channels and "
            "time stamps go in a frame with columns id, time and channel"
        ) from error


def _check_finite(positions: Array) -> None:
    if not np.isfinite(positions).all():
        raise ValueError(f"positions of queries must be finite, {int((~np.isfinite(positions)).any(1).sum())} are not")


def _check_channels(channel: Array, tokens: TokenSet) -> None:
    is_whole = (channel == np.round(channel)).all()
    if channel.size and not (is_whole and channel.min() >= 0 and channel.max() < len(tokens.channels)):
        raise ValueError(
            f"the channel of a query is its index in {tokens.channels}, 0 to {len(tokens.channels) - 1}; got "
            f"{channel.min():g} to {channel.max():g}"
        )


# -- frames -------------------------------------------------------------------------------------------------


def frame_queries(
    at: Any, tokens: TokenSet, schema: Schema, columns: Mapping[str, Any] | None, may_be_times: bool = False
) -> Queries:
    """Return the queries of a frame with columns id, time and, if channels are an axis, channel.

    A step has several channels at one time: with a column channel a row is a query of that channel, without it a query
    of all channels. ``columns`` names the columns, ``schema`` is that of the model. For ``may_be_times`` see above.
    """
    if not set(tokens.axes) <= {"time", "channel"}:
        raise ValueError(f"a frame has times and channels, but the axes of the samples are {tokens.axes}: give a list")
    names = column_names(columns)
    frame = open_frame(at, names.values())
    is_times = may_be_times and names["channel"] not in frame.columns
    for name in ["id", "time"] + (["channel"] if "channel" in tokens.axes and not is_times else []):
        if names[name] not in frame.columns:
            raise ValueError(f"at has no column {names[name]!r} for the {name}; it has {frame.columns}")
    sample = _samples(frame[names["id"]], tokens)
    order, channel = np.argsort(sample, kind="stable"), None
    by_axis = {"time": _times(frame[names["time"]], tokens.schema)}
    if "channel" in tokens.axes and not is_times:
        by_axis["channel"] = _channels(frame[names["channel"]], schema).astype(np.float64)
    elif len(schema.channels) > 1 and names["channel"] in frame.columns:
        channel = _channels(frame[names["channel"]], schema)[order]
    positions = np.stack([by_axis[axis] for axis in tokens.axes if axis in by_axis], axis=1)
    _check_finite(positions)
    queries = Queries(positions[order], np.bincount(sample, minlength=len(tokens)), frame, order, channel)
    return _of_all_channels(queries, len(schema.channels)) if is_times else queries


def column_names(columns: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the names of the columns id, time and channel, given the ``columns`` of an estimator."""
    return {"id": "id", "time": "time", "channel": "channel"} | {
        k: v for k, v in (columns or {}).items() if k in ("id", "time", "channel") and v is not None
    }


def _samples(column: Any, tokens: TokenSet) -> Ints:
    """Return the index (Q,) of the sample of each id."""
    index = {key: i for i, key in enumerate(tokens.ids.tolist())}
    if len(index) < len(tokens):
        repeated = next(key for i, key in enumerate(tokens.ids.tolist()) if index[key] != i)
        raise ValueError(
            f"the queries of a frame belong to samples by id, but {repeated!r} is the id of several: give each sample "
            "an id of its own"
        )
    keys = [plain_entry(key) for key in column.to_list()]
    try:
        return np.array([index[key] for key in keys_like(keys, list(index))], np.int64)
    except KeyError as error:
        raise ValueError(
            f"at has id {error.args[0]!r}, which has no observations; the ids begin with {list(index)[:3]}"
        ) from error


def _channels(column: Any, schema: Schema) -> Ints:
    """Return the index (Q,) of each channel among those of the model; a sample may lack the channel."""
    names = [channel_name(plain_entry(name)) for name in column.to_list()]
    if unknown := sorted(set(names) - set(schema.channels)):
        raise ValueError(f"at has channels {unknown}; the model was fitted on {schema.channels}")
    return np.array([schema.channels.index(name) for name in names], np.int64)


def _times(column: Any, schema: Schema) -> Array:
    name = column.name
    table = pa.table({name: arrow_column(column)})
    kind = table[name].type
    given = replace(schema, times=time_type(table, name))
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if is_text or describe_clock(given) != describe_clock(schema):
        expected = describe_clock(schema).removeprefix("times that are ")
        raise ValueError(f"the model was fitted on times that are {expected}, at has {kind}; give {expected}")
    fitted_zone, given_zone = zone_of(schema.times), zone_of(given.times)
    if given_zone is not None and fitted_zone is None:
        raise ValueError(
            f"the times of at are in the zone {given_zone}, but those of the samples have no time zone; give at "
            "without one, in the clock of the samples (pandas: tz_localize(None)), or the samples with one "
            "(tz_localize(zone))"
        )
    if given_zone is None and fitted_zone is not None:
        warn_caller(f"the times of at have no time zone; they are read in the zone of the samples, {fitted_zone}")
        table = pa.table({name: localized(table[name].combine_chunks(), fitted_zone)})
    return times(table, name)[0]


def check_future(queries: Queries, tokens: TokenSet) -> None:
    """Raise ValueError unless every query is later than the last observation of its sample."""
    axis = tokens.schema.time_axis
    last = np.maximum.reduceat(tokens.positions[:, axis], tokens.starts)
    sample = queries.sample_idx
    is_early = queries.positions[:, axis] <= last[sample]
    if is_early.any():
        first = int(sample[is_early][0])
        raise ValueError(
            f"{int(is_early.sum())} positions are not after the last observation of their sample, first for id "
            f"{tokens.ids.tolist()[first]!r} (last at {describe_time(last[first], tokens.schema.times)}); use "
            "predict for positions between observations"
        )


# -- predictions --------------------------------------------------------------------------------------------


def interpolate(trained: TrainedModels, tokens: TokenSet, queries: Queries) -> PredictiveDistribution:
    """Return the predictive distribution at the queries, given the tokens of their samples (in the user's units).

    Queries are masked tokens beside the visible ones. A prediction depends on the visible tokens of its sample only.
    """
    scaling, schema = trained.scaling, trained.scaling.schema
    aligned = scaling.align(tokens)
    observed = scaling.apply(aligned)
    positions = scaling.apply_positions(queries.positions, queries.lengths, scaling.starts(aligned))
    if is_too_large(positions):
        raise ValueError(describe_too_far(queries.positions, positions, np.repeat(aligned.ids, queries.lengths)))
    calibration = trained.calibration or Calibration.uncalibrated(count_channels(schema))
    samples, sample_idx, axis = observed, queries.sample_idx, schema.channel_axis
    if calibration.reach:
        samples, sample_idx = limit_history(observed, positions[:, schema.time_axis], sample_idx, calibration)
    order = np.argsort(sample_idx, kind="stable")
    together, is_query = _with_queries(samples, positions[order], sample_idx[order])
    mean, std = predict_masked(trained, together, is_query, show_progress=trained.verbose)
    features = masked_features(schema, together.values, together.positions, together.sample_idx, is_query)
    if features is not None and calibration.knots:
        warn_if_beyond(features, calibration, scaling)
    place, shape, rank = calibration.places(features), mean.shape, np.argsort(order)
    mean, std = mean[rank], np.ones(shape) if std is None else std[rank]
    if scaling.unobserved:
        mean, std = (np.where(_is_unobserved(queries, scaling), np.nan, column) for column in (mean, std))
    return PredictiveDistribution(
        mean=mean,
        model_std=std,
        error=_expected_errors(queries, observed, calibration),
        channel=None if axis is None else queries.positions[:, axis].astype(np.int64),
        scaling=scaling,
        calibration=calibration,
        place=None if place is None else place.reshape(shape)[rank],
    )


def _is_unobserved(queries: Queries, scaling: Scaling) -> npt.NDArray[np.bool_]:
    """Return True for the predictions (Q, n_predicted) or (1, n_predicted) of channels without a value at fit."""
    axis = scaling.schema.channel_axis
    channel = None if axis is None else queries.positions[:, axis]
    return values_of_channels(scaling.schema, scaling.unobserved, channel)


def describe_unobserved(queries: Queries, scaling: Scaling) -> str | None:
    """Return the text of a warning if channels are predicted that had no value at fit."""
    axis, schema = scaling.schema.channel_axis, scaling.schema
    index = queries.positions[:, axis].astype(np.int64) if axis is not None else queries.channel
    asked = set(schema.channels) if index is None else {schema.channels[i] for i in np.unique(index)}
    names = [name for name in scaling.unobserved if name in asked]
    if not names or not len(queries.positions):
        return None
    return (
        f"channels {names} had no value in the training set, so that nothing can be predicted for them: their "
        "predictions are NaN; fit on samples in which they are observed, or leave them out"
    )


def _with_queries(observed: TokenSet, positions: Array, sample_idx: Ints) -> tuple[TokenSet, npt.NDArray[np.bool_]]:
    """Return the samples with the queries as further tokens at their ends, and a flag of each token that is a query.

    observed: T tokens. positions: (Q, D) of the queries, in scaled units. sample_idx: (Q,) samples of the queries.
    """
    empty = np.zeros((len(positions), observed.values.shape[1]), np.float32)
    order = np.argsort(np.concatenate([observed.sample_idx, sample_idx]), kind="stable")
    together = TokenSet(
        np.concatenate([observed.values, empty])[order],
        np.concatenate([observed.positions, positions])[order],
        observed.lengths + np.bincount(sample_idx, minlength=len(observed)),
        schema=observed.schema,
        ids=observed.ids,
        copy=False,
    )
    return together, order >= observed.n_tokens


def _expected_errors(queries: Queries, observed: TokenSet, calibration: Calibration) -> Array:
    """Return the expected error (Q,) of a measurement at each query; 0 where no errors are known.

    observed: samples in scaled units, like the result.
    """
    axis, column, n = observed.schema.channel_axis, observed.schema.columns("error"), observed.schema.n_predicted
    if axis is None or not column:
        return np.zeros(len(queries.positions))
    return typical_errors(
        np.asarray(calibration.error),
        observed.sample_idx,
        observed.positions[:, axis].astype(np.int64) * n,
        observed.values[:, column[0]].astype(np.float64),
        queries.sample_idx,
        queries.positions[:, axis].astype(np.int64) * n,
    )


def format_predictions(
    distribution: PredictiveDistribution, queries: Queries, statistics: Statistics, schema: Schema
) -> Any:
    """Return statistics of the distribution in the form of the queries (see ``RoMAEInterpolator.predict``)."""
    # the channels of one time are its values
    n_values, n_together = distribution.mean.shape[1], queries.n_together
    arrays = [array.reshape(-1, n_together * n_values) for array in statistics.compute(distribution)]
    if queries.frame is not None:
        return _as_frame(queries, dict(zip(statistics.names, arrays, strict=True)), schema)
    ends = np.cumsum(queries.lengths // queries.n_together)
    lists = [np.split(array, ends[:-1]) for array in arrays]
    if statistics.quantiles is not None:
        return lists
    return tuple(lists) if statistics.return_std else lists[0]


def _as_frame(queries: Queries, arrays: dict[str, Array], schema: Schema) -> Any:
    """Return the frame of the queries with a column for each statistic (and each channel, if there are several)."""
    frame = queries.frame
    assert frame is not None
    columns = []
    for name, values in arrays.items():
        if queries.channel is not None:
            values = np.take_along_axis(values, queries.channel[:, None], axis=1)
        rows = np.empty_like(values)
        rows[queries.order] = values
        for i in range(rows.shape[1]):
            # the values of one channel have no names
            has_names = schema.channel_axis is None or queries.n_together > 1
            suffix = schema.channels[i] if has_names else str(i + 1)
            column = name if rows.shape[1] == 1 else f"{name}_{suffix}"
            columns.append(nw.new_series(column, rows[:, i], backend=frame.implementation))
    return frame.with_columns(*columns).to_native()
