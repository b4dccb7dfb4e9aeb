"""Arrays of regular or ragged series to tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from rotary_mae.data.entries import (
    as_entries,
    has_masked,
    is_default_index,
    is_frame_like,
    is_labelled,
    is_series,
    split_mask,
)
from rotary_mae.data.layout import Duplicates, Layout, arrange
from rotary_mae.data.rows import FloatArray, IntArray, Long, SampleInfo, Wide, name_id
from rotary_mae.data.sample_values import Keyed, frame_columns, per_sample, sample_ids
from rotary_mae.data.timestamps import as_positions
from rotary_mae.data.tokens import TokenSet

AXES = ("sample", "channel", "time")


def from_arrays(
    X: npt.ArrayLike | Sequence[npt.ArrayLike],
    times: Any = None,
    targets: Any = None,
    *,
    axis_order: Sequence[str] = AXES,
    static: Any = None,
    ids: npt.ArrayLike | None = None,
    channels: Sequence[str] | None = None,
    layout: Layout = "auto",
    duplicates: Duplicates = "warn",
) -> TokenSet:
    """Make tokens of series in arrays; time steps without observations are left out.

    Parameters
    ----------
    X : array of shape (n, channels, times), or list of arrays of shape (channels, times)
        NaN or masked cells were not observed. The arrays of a list may have different numbers of times. A single
        channel may be (n, times) or a list of (times,) arrays.
    times : array, optional
        Numbers, or time stamps: positions are then seconds since 1970-01-01 UTC, and naive time stamps are read as UTC.
        (times,) for all samples, (n, times), a list of (times,) arrays, or with the axes of X (n, 1, times) or, for
        times of each channel, (n, channels, times). None counts 0, 1, 2 ... NaN and NaT are allowed as padding, where
        nothing was observed.
    targets : array of shape (n,) or (n, k), mapping or Series, optional
        Labels or numbers; or numbers, several a sample. With ``ids`` a mapping, or a Series whose index holds ids, is
        read by id; anything else is in the order of the samples. None, NaN and masked entries are missing.
    axis_order : sequence of str, default ("sample", "channel", "time")
        Order of the axes of X, for example ("sample", "time", "channel") for (n, times, channels). It is never guessed.
        The arrays of a list have the same order, without the sample.
    static : array of shape (n,) or (n, k), mapping or data frame, optional
        Static covariates, NaN or masked is unknown: numbers, (n,) numbers by name, or a row a sample. With ``ids``
        Series, and frames whose index or column ``id`` holds ids, are read by id.
    ids : array of shape (n,), optional
        Names of the samples; 0..n-1 if None.
    channels : sequence of str, optional
        Names of the channels; "0", "1" ... if None.
    layout : {"auto", "measurements", "steps"}, default "auto"
        A token a measurement, or a token a time step with all channels. "auto" takes steps if at least half of their
        cells are observed.
    duplicates : {"warn", "keep", "mean", "error"}, default "warn"
        Handling of several values of a sample, time and channel: keep all with or without a warning, take their mean,
        or raise.

    Returns
    -------
    TokenSet
        Samples with their tokens sorted by time and channel.

    Raises
    ------
    ValueError
        If shapes do not fit together, a value is infinite, a time is missing, values occur twice with "error", or a
        sample has no observation.

    Examples
    --------
    >>> import numpy as np, rotary_mae as rm
    >>> tokens = rm.from_arrays(np.zeros((10, 2, 50)), targets=np.arange(10))
    >>> tokens.values.shape
    (500, 2)
    """
    series = _series(X, _checked_order(axis_order))
    n_samples, n_channels = len(series.lengths), series.values.shape[1]
    names = tuple(map(str, range(n_channels) if channels is None else channels))
    if len(names) != n_channels:
        raise ValueError(
            f"channels must name the {n_channels} channels of X, got {len(names)}: {names}"
            f"{series.hint('channel', len(names))}"
        )
    names_given = None if ids is None else series.checked("sample", ids, lambda: sample_ids(ids, n_samples))
    labels = None
    if targets is not None:
        labels = series.checked(
            "sample", targets, lambda: per_sample(targets, n_samples, "targets", names_given, max_ndim=2)
        )
    static_names, statics = _statics(static, n_samples, names_given)
    all_ids = np.arange(n_samples) if names_given is None else names_given
    positions, time_type = _times(times, series, all_ids)
    rows: Long | Wide
    rows = Wide(series.sample, positions, series.values) if positions.ndim == 1 else series.melt(positions)
    about = SampleInfo(all_ids, names, statics, static_names, labels, time_type)
    return arrange(rows, about, layout, duplicates)


@dataclass(frozen=True)
class _Series:
    """All time steps laid end to end.

    Attributes
    ----------
    values : array of shape (N, channels)
        NaN was not observed.
    lengths : array of shape (n,)
        Time steps of each sample.
    order : tuple of str
        Names of the axes of X, in its order.
    sizes : mapping
        Size of each axis of X by name; empty if X was a list.
    """

    values: FloatArray
    lengths: IntArray
    order: tuple[str, ...]
    sizes: Mapping[str, int]

    @property
    def sample(self) -> IntArray:
        """Index (N,) of the sample of each step."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def melt(self, times: FloatArray) -> Long:
        """Return a row a cell, with times (N, channels) of each channel."""
        n_steps, n_channels = self.values.shape
        channel = np.tile(np.arange(n_channels), n_steps)
        return Long(np.repeat(self.sample, n_channels), times.ravel(), channel, self.values.ravel())

    def hint(self, axis: str, size: int) -> str:
        """Return the end of an error message if ``size``, given for one axis, is the size of another axis of X."""
        others = [name for name, n in self.sizes.items() if name != axis and n == size]
        if not others or self.sizes.get(axis) == size:
            return ""
        swapped = {axis: others[0], others[0]: axis}
        return f"; if X is {tuple(swapped.get(n, n) for n in self.order)}, give axis_order="

    def checked(self, axis: str, given: Any, read: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Return what ``read`` returns, and add a hint to its error if ``given`` fits another axis of X."""
        try:
            return read()
        except ValueError as error:
            hint = self.hint(axis, len(given)) if hasattr(given, "__len__") else ""
            raise ValueError(f"{error}{hint}") from error


def _checked_order(axis_order: Sequence[str]) -> tuple[str, ...]:
    order = tuple(axis_order) if not isinstance(axis_order, str) else (axis_order,)
    if sorted(order) != sorted(AXES):
        raise ValueError(f"axis_order must hold each of {AXES} once, in the order of the axes of X, got {axis_order!r}")
    return order


def _to_standard(array: npt.NDArray[Any], order: tuple[str, ...]) -> npt.NDArray[Any]:
    """The array with its axes in the order (sample, channel, time)."""
    return array.transpose([order.index(name) for name in AXES])


def _series(X: Any, order: tuple[str, ...]) -> _Series:
    if nw.dependencies.is_into_dataframe(X) or isinstance(X, Mapping) or not hasattr(X, "__len__"):
        raise ValueError(
            f"X must be (n, channels, times), or a list of (channels, times), got {type(X).__name__}; data frames go "
            "to from_frame; from a dictionary, take the array in it"
        )
    refuse_labelled(X)
    X = _as_array(X)
    if len(X) == 0:
        raise ValueError("X has no samples; expected (n, channels, times) or a list of (channels, times)")
    if isinstance(X, np.ndarray) and X.ndim in (2, 3):
        given = _numbers(X, "X")
        regular = _to_standard(given, order) if X.ndim == 3 else given[:, None]
        n, n_channels, n_steps = regular.shape
        flat = regular.transpose(0, 2, 1).reshape(n * n_steps, n_channels)
        return _Series(flat, np.full(n, n_steps), order, dict(zip(AXES, regular.shape, strict=True)))
    if order[0] != "sample":
        raise ValueError(f"a list of arrays has its samples first, but axis_order is {order}")
    series = [_steps_of(part, order, i) for i, part in enumerate(X)]
    for i, part in enumerate(series):
        if part.shape[1] != series[0].shape[1]:
            raise ValueError(
                f"samples of X must be ({order[1]}s, {order[2]}s) with the same channels, got shapes "
                f"{np.shape(X[0])} for sample 0 and {np.shape(X[i])} for sample {i}; if their axes are the other way "
                "round, give axis_order="
            )
    return _Series(np.concatenate(series), np.array([len(part) for part in series]), order, {})


def refuse_labelled(X: Any) -> None:
    """Raise ValueError for series with names of their own: read by position, times and channels would be confused."""
    if isinstance(X, np.ndarray) and X.dtype != object:
        return
    if is_series(X) and not is_default_index(X.index):
        raise ValueError(
            "X is a Series whose index would be ignored; give X.tolist(), and ids=X.index if it holds the names of the "
            "samples"
        )
    if hasattr(X, "dims") and hasattr(X, "coords"):
        raise ValueError(f"X is a {type(X).__name__}, whose names would be ignored; give X.values with axis_order=")
    if isinstance(X, np.ndarray) and X.ndim != 1:
        return
    for i, part in enumerate(X):
        if is_labelled(part):
            kind = type(part).__name__
            how = "pandas.concat(X, keys=ids, names=['id', 'time']).reset_index()"
            raise ValueError(
                f"sample {i} of X is a {kind}, whose rows and columns have names, which arrays do not have; make one "
                f"frame of the list and give it to from_frame: {how}, or give plain arrays (channels, times) and times="
            )


def _as_array(given: Any) -> Any:
    """Tensors of several axes as arrays; lists, masked arrays, and objects with an index or time zone, unchanged."""
    is_array = isinstance(given, np.ndarray) or not hasattr(given, "__array__")
    return given if is_array or getattr(given, "ndim", 0) < 2 else np.asarray(given)


def _steps_of(part: Any, order: tuple[str, ...], sample: int) -> FloatArray:
    """The series of one sample as (times, channels)."""
    array = _numbers(part, f"sample {sample} of X")
    if array.ndim == 1:
        return array[:, None]
    if array.ndim != 2:
        raise ValueError(
            f"samples of X must be ({order[1]}s, {order[2]}s), got shape {array.shape} for sample {sample}; images go "
            "through rotary_mae.from_images"
        )
    return array if order.index("time") < order.index("channel") else array.T


def _times(times: Any, series: _Series, ids: npt.NDArray[Any]) -> tuple[FloatArray, str | None]:
    """Times (N,) of the steps, or (N, channels) of the cells; and the type of the time stamps, None for numbers."""
    lengths = series.lengths
    if times is None:
        first = np.cumsum(lengths) - lengths
        return (np.arange(lengths.sum()) - np.repeat(first, lengths)).astype(np.float64), None
    times = _as_array(times)
    if isinstance(times, np.ndarray) and times.ndim == 3:
        times = _to_standard(times, series.order)
        if times.shape[1] > 1:
            return _times_of_cells(times, series)
        times = times[:, 0] if len(times) > 1 or len(lengths) == 1 else times[0, 0]
    is_shared = len(times) > 0 and np.ndim(next(iter(times))) == 0
    parts = [times] if is_shared else times
    if not is_shared and len(parts) != len(lengths):
        raise ValueError(f"times must be shared or given for each of {len(lengths)} samples, got {len(parts)}")
    read = [as_positions(part, f"times of {name_id(ids, i)}") for i, part in enumerate(parts)]
    if len(kinds := {kind for _, kind in read}) > 1:
        raise ValueError(f"times of all samples must be of one type, got {sorted(map(str, kinds))}; convert them first")
    each = [part for part, _ in read] * (len(lengths) if is_shared else 1)
    for i, (part, length) in enumerate(zip(each, lengths, strict=True)):
        if part.shape != (length,):
            hint = series.hint("time", len(part) if part.ndim else 0)
            raise ValueError(
                f"times of {name_id(ids, i)} must be ({length},), one a step of X, got shape {part.shape}{hint}"
            )
    return np.concatenate(each), read[0][1]


def _times_of_cells(times: npt.NDArray[Any], series: _Series) -> tuple[FloatArray, str | None]:
    shape = tuple(series.sizes.get(name, 0) for name in AXES)
    if times.shape != shape:
        raise ValueError(
            f"times of each channel must have the shape of X, as {AXES} {shape}, got {times.shape}; times of all "
            "channels are (times,), (n, times) or (n, 1, times)"
        )
    flat, kind = as_positions(times.transpose(0, 2, 1).ravel(), "times")
    return flat.reshape(-1, shape[1]), kind


def _statics(static: Any, n_samples: int, ids: npt.NDArray[Any] | None) -> tuple[tuple[str, ...], FloatArray]:
    """Names of the static covariates, and their numbers (n, k)."""
    if static is None:
        return (), np.empty((n_samples, 0))
    if is_frame_like(static):
        static = frame_columns(static, ids is not None, "static")
    elif isinstance(static, Mapping) and _is_by_id(static, ids):
        static = {"static_0": static}
    if not isinstance(static, Mapping):
        array = per_sample(static, n_samples, "static", ids, max_ndim=2)
        static = {f"static_{k}": column for k, column in enumerate(array.reshape(n_samples, -1).T)}
    parts = []
    for name, column in static.items():
        described = f"static covariate {name!r}"
        numbers = _numbers(per_sample(column, n_samples, described, ids), described)
        if np.isinf(numbers).any():
            raise ValueError(f"{described} must be finite, got inf; NaN means unknown")
        parts.append(numbers)
    return tuple(map(str, static)), np.column_stack(parts) if parts else np.empty((n_samples, 0))


def _is_by_id(static: Mapping[Any, Any], ids: npt.NDArray[Any] | None) -> bool:
    """Return True for one number an id; False for columns by name."""
    return all(np.ndim(value) == 0 and not isinstance(value, Mapping | Keyed) for value in static.values()) and (
        set((np.arange(len(static)) if ids is None else ids).tolist()) <= set(static)
    )


def _numbers(array: Any, name: str) -> FloatArray:
    """Return numbers as float64, NaN where one is missing or masked."""
    if isinstance(array, list | tuple) and has_masked(array):
        array = [
            np.where(is_masked, np.nan, row) if is_masked is not None else row
            for row, is_masked in map(split_mask, array)
        ]
    given, is_masked = split_mask(array)
    given = np.asarray(given)
    if given.dtype.kind == "O":
        given = as_entries(given, name)
        given = given.astype(np.float64) if not any(isinstance(entry, str) for entry in given.flat) else given
    if given.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be numbers, got dtype {given.dtype}; convert it first")
    numbers = given.astype(np.float64, copy=False)
    # numpy ignores the mask in a conversion
    return numbers if is_masked is None else np.where(is_masked, np.nan, numbers)
