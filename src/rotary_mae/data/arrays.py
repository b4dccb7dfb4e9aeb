"""Arrays of regular or ragged series to tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from rotary_mae.data.labels import as_labels
from rotary_mae.data.layout import Duplicates, Layout, arrange
from rotary_mae.data.rows import FloatArray, IntArray, Long, SampleInfo, Wide, name_id
from rotary_mae.data.timestamps import as_positions
from rotary_mae.data.tokens import TokenSet

AXES = ("sample", "channel", "time")


def from_arrays(
    X: npt.ArrayLike | Sequence[npt.ArrayLike],
    times: Any = None,
    targets: npt.ArrayLike | None = None,
    *,
    axis_order: Sequence[str] = AXES,
    static: Any = None,
    ids: npt.ArrayLike | None = None,
    channels: Sequence[str] | None = None,
    layout: Layout = "auto",
    duplicates: Duplicates = "warn",
) -> TokenSet:
    """Tokens from series in arrays; steps of which nothing was observed are left out.

    Args:
        X: (n, channels, times) with NaN = not observed; or a list of (channels, times) arrays of any lengths;
            of a single channel also (n, times) or a list of (times,) arrays. Cells under a numpy mask are not observed.
        times: numbers or time stamps (positions are then seconds since 1970-01-01 UTC; naive ones are UTC).
            (times,) for all, (n, times), a list of (times,) arrays, or with the axes of X (n, 1, times) or
            (n, channels, times), where each channel has its own. None counts 0, 1, 2 ... NaN and NaT are
            allowed where nothing was observed, as padding.
        targets: (n,) labels or numbers, or (n, k) numbers.
        axis_order: the axes of X as they come, ("sample", "time", "channel") for (n, times, channels); it is never
            guessed. Arrays in a list have the same order, without the sample.
        static: what does not change with time: (n,) or (n, k) numbers, NaN = unknown, or by name a mapping to
            (n,) numbers or a frame with a row a sample.
        ids: (n,) names of the samples; 0..n-1 if None.
        channels: names of the channels; "0", "1" ... if None.
        layout: as in ``from_frame``: "steps", "measurements", or "auto" (steps if at least half of their
            cells are observed).
        duplicates: several values of a sample, time and channel: "keep" all, with a warning ("warn") or without, take
            their "mean", or "error".

    Raises:
        ValueError: shapes that do not fit, infinite values, times that are missing or occur twice, a sample
            of which nothing was observed.
    """
    series = _series(X, _checked_order(axis_order))
    n_samples, n_channels = len(series.lengths), series.values.shape[1]
    names = tuple(map(str, range(n_channels) if channels is None else channels))
    if len(names) != n_channels:
        raise ValueError(
            f"channels must name the {n_channels} channels of X, got {len(names)}: {names}"
            f"{series.hint('channel', len(names))}"
        )
    named = np.arange(n_samples) if ids is None else np.asarray(ids)
    labels = None if targets is None else as_labels(targets)
    for what, array in (("ids", named), ("targets", labels)):
        if array is not None and (array.ndim == 0 or len(array) != n_samples):
            hint = series.hint("sample", len(array) if array.ndim else 0)
            raise ValueError(f"{what} must be ({n_samples},), one a sample, got shape {array.shape}{hint}")
    static_names, statics = _statics(static, n_samples)
    clock, kind = _times(times, series, named)
    rows: Long | Wide = Wide(series.sample, clock, series.values) if clock.ndim == 1 else series.melt(clock)
    return arrange(rows, SampleInfo(named, names, statics, static_names, labels, kind), layout, duplicates)


@dataclass(frozen=True)
class _Series:
    """All steps laid end to end: values (N, channels), steps of each sample (n,), and how X was laid out.

    order: names of its axes. sizes: by name, where X was one array.
    """

    values: FloatArray
    lengths: IntArray
    order: tuple[str, ...]
    sizes: Mapping[str, int]

    @property
    def sample(self) -> IntArray:
        """(N,) the sample of each step."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def melt(self, clock: FloatArray) -> Long:
        """A row a cell, where each channel has times (N, channels) of its own."""
        n_steps, n_channels = self.values.shape
        channel = np.tile(np.arange(n_channels), n_steps)
        return Long(np.repeat(self.sample, n_channels), clock.ravel(), channel, self.values.ravel())

    def hint(self, axis: str, size: int) -> str:
        """What to say if what was given for ``axis`` has the size of another axis of X."""
        others = [name for name, n in self.sizes.items() if name != axis and n == size]
        if not others or self.sizes.get(axis) == size:
            return ""
        swapped = {axis: others[0], others[0]: axis}
        return f"; if X is {tuple(swapped.get(n, n) for n in self.order)}, say so with axis_order="


def _checked_order(axis_order: Sequence[str]) -> tuple[str, ...]:
    order = tuple(axis_order) if not isinstance(axis_order, str) else (axis_order,)
    if sorted(order) != sorted(AXES):
        raise ValueError(f"axis_order must hold each of {AXES} once, in the order of the axes of X, got {axis_order!r}")
    return order


def _to_standard(array: npt.NDArray[Any], order: tuple[str, ...]) -> npt.NDArray[Any]:
    """Axes brought to (sample, channel, time)."""
    return array.transpose([order.index(name) for name in AXES])


def _series(X: Any, order: tuple[str, ...]) -> _Series:
    if nw.dependencies.is_into_dataframe(X) or isinstance(X, Mapping) or not hasattr(X, "__len__"):
        raise ValueError(
            f"X must be (n, channels, times), or a list of (channels, times), got {type(X).__name__}; data frames go "
            "to from_frame, of a dictionary give the array in it"
        )
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
                "round, say so with axis_order="
            )
    return _Series(np.concatenate(series), np.array([len(part) for part in series]), order, {})


def _as_array(given: Any) -> Any:
    """Tensors and the like of several axes as arrays; lists, and what has an index or a time zone, as they are."""
    is_array = isinstance(given, np.ndarray) or not hasattr(given, "__array__")  # masks are kept
    return given if is_array or getattr(given, "ndim", 0) < 2 else np.asarray(given)


def _steps_of(part: Any, order: tuple[str, ...], sample: int) -> FloatArray:
    """(times, channels)."""
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
    """(N,) the time of each step, or (N, channels) of each cell; and the type of the time stamps."""
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


def _statics(static: Any, n_samples: int) -> tuple[tuple[str, ...], FloatArray]:
    """Names, and (n, k) numbers."""
    if static is None:
        return (), np.empty((n_samples, 0))
    if nw.dependencies.is_into_dataframe(static):
        static = {column.name: column.to_numpy() for column in nw.from_native(static, eager_only=True).iter_columns()}
    if not isinstance(static, Mapping):
        array = np.asarray(static)
        columns = array[:, None] if array.ndim == 1 else array
        if columns.ndim != 2:
            raise ValueError(
                f"static must be ({n_samples},) or ({n_samples}, k), or columns by name, got {array.shape}"
            )
        static = {f"static_{k}": column for k, column in enumerate(columns.T)}
    parts = []
    for name, column in static.items():
        numbers = _numbers(column, f"static covariate {name!r}")
        if numbers.shape != (n_samples,):
            raise ValueError(f"static covariate {name!r} must be ({n_samples},), one a sample, got {numbers.shape}")
        if np.isinf(numbers).any():
            raise ValueError(f"static covariate {name!r} must be finite, got inf; NaN means unknown")
        parts.append(numbers)
    return tuple(map(str, static)), np.column_stack(parts) if parts else np.empty((n_samples, 0))


def _numbers(array: Any, name: str) -> FloatArray:
    given = np.asarray(array)
    if given.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be numbers, got dtype {given.dtype}; convert it first")
    numbers = given.astype(np.float64, copy=False)
    # numpy would take what lies under a mask for observed
    return np.where(np.ma.getmaskarray(array), np.nan, numbers) if np.ma.isMaskedArray(array) else numbers
