"""Positions of a sample that differ but become equal in the 32-bit numbers that models compute with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rotary_mae.data.schema import Schema

N_ROUNDINGS = 4
"""Positions that differ by at most so many roundings of a 64-bit number are taken to be equal, because a time may be
computed in several ways. Not tuned."""

NEAR_MEASUREMENT = 0.01
"""Distance, in units, below which a query may get the position of a measurement: the values there are nearly the same.
Not tuned."""

Array = npt.NDArray[np.float64]

Ints = npt.NDArray[np.int64]


def merged_pairs(sample: Ints, position: Array, scaled: Array) -> tuple[Ints, Ints]:
    """Return the pairs of neighbouring positions of a sample that differ but are equal in 32 bits once scaled.

    Parameters
    ----------
    sample, position, scaled : array, shape (N,)
        Sample, position in the user's units, and position in the model's units, of each token.

    Returns
    -------
    earlier, later : array of int, shape (P,)
        Indices of the two positions of each pair, sorted by sample and position.
    """
    order = np.lexsort((position, sample))
    earlier, later = order[:-1], order[1:]
    rounding = N_ROUNDINGS * np.spacing(np.maximum(np.abs(position[earlier]), np.abs(position[later])))
    is_distinct = (sample[earlier] == sample[later]) & (position[later] - position[earlier] > rounding)
    is_merged = is_distinct & (scaled[earlier].astype(np.float32) == scaled[later].astype(np.float32))
    return earlier[is_merged], later[is_merged]


def describe_merged(
    schema: Schema,
    units: Sequence[float],
    ids: npt.NDArray[np.generic],
    sample: Ints,
    positions: Array,
    scaled: Array,
    n_queries: int = 0,
) -> str | None:
    """Return the text of a warning if positions of a sample that differ become equal.

    Parameters
    ----------
    schema : Schema
        Schema of the samples.
    units : sequence of float
        Distance that is 1 for the model, one an axis, in the user's units.
    ids : array, shape (B,)
        Names of the samples.
    sample : array, shape (N,)
        Sample of each token.
    positions, scaled : array, shape (N, D)
        Positions in the user's units and in the model's units.
    n_queries : int
        Number of queries, which are the last of the N tokens. If there are any, pairs of measurements do not count.

    Returns
    -------
    str or None
        None if no such positions become equal.
    """
    for axis in schema.continuous_axes:
        earlier, later = merged_pairs(sample, positions[:, axis], scaled[:, axis])
        if n_queries:
            n_measured = len(sample) - n_queries
            are_queries = (earlier >= n_measured).astype(np.int64) + (later >= n_measured)
            is_far = positions[later, axis] - positions[earlier, axis] > NEAR_MEASUREMENT * units[axis]
            counts = (are_queries == 2) | ((are_queries == 1) & is_far)
            earlier, later = earlier[counts], later[counts]
        if len(later):
            break
    else:
        return None
    name, first = schema.axes[axis], int(sample[earlier[0]])
    seconds = " s" if schema.times is not None and name == "time" else ""
    gap = positions[later[0], axis] - positions[earlier[0], axis]
    distance = positions[later[0], axis] - positions[sample == first, axis].min()
    # 32 bits resolve about seven digits of the distance from the origin
    is_resolved_by_unit = gap > 2.0 * np.finfo(np.float32).eps * distance
    advice = (
        f"fit with a smaller unit (it is {units[axis]:.3g}{seconds}; best is about the gap between measurements)"
        if is_resolved_by_unit
        else f"split samples at long gaps into several, or round the {name}s if the difference does not matter"
    )
    kind = "queries" if n_queries else "measurements"
    return (
        f"{len(later)} {name}s of {kind} differ from the one before, but are equal to it in the 32-bit numbers of the "
        f"model, first in sample {ids.tolist()[first]!r}: {gap:.3g}{seconds} apart, {distance:.6g}{seconds} after its "
        f"first {name}. To tell them apart, {advice}"
    )
