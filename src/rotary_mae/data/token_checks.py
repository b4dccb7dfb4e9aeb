"""Checks of the arrays of a TokenSet: shapes that fit together, finite numbers, positions on index axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.data.entries import has_masked
from rotary_mae.data.schema import INDEX_AXES, Schema

Array = npt.NDArray[Any]


def as_matrix(given: Any, dtype: type[np.floating[Any]], name: str, copy: bool = True) -> Array:
    """Return numbers (T,) or (T, k) as a contiguous matrix (T, k) of this type.

    With ``copy`` it shares no memory with ``given``.
    """
    if has_masked(given):
        raise ValueError(f"{name} has masked entries; what was not observed is no token: leave it out")
    array = np.asarray(given.to_numpy() if hasattr(given, "to_numpy") else given)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be numbers, got dtype {array.dtype}; convert the column to numbers first")
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise ValueError(f"{name} must be a matrix, a row a token, got shape {array.shape}")
    matrix = np.ascontiguousarray(array, dtype)
    is_new = not copy or isinstance(given, list | tuple) or not np.may_share_memory(matrix, array)
    return matrix if is_new else matrix.copy()


def as_lengths(given: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the numbers of tokens (B,) as int64."""
    if has_masked(given):
        raise ValueError("lengths has masked entries; give the number of tokens of every sample")
    array = np.asarray(given)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu" or (array.size and int(array.min()) < 0):
        raise ValueError(f"lengths must be one whole number a sample, got {array.dtype} of shape {array.shape}")
    return array.astype(np.int64)


def check_tokens(
    schema: Schema,
    values: Array,
    positions: Array,
    lengths: npt.NDArray[np.int64],
    ids: Array,
    targets: Array | None,
    token_targets: Array | None,
) -> None:
    """Raise ValueError unless the arrays of a TokenSet fit together and agree with the schema."""
    _check_shapes(values, positions, lengths, ids, targets, token_targets)
    _check_columns(schema, values, positions)
    for name, array in (("values", values), ("positions", positions)):
        is_bad = ~np.isfinite(array)
        if is_bad.any():
            token, column = np.argwhere(is_bad)[0]
            raise ValueError(
                f"{name} must be finite, got {array[token, column]} at token {token}, column {column} of "
                f"{_name_sample(token, lengths, ids)}; {int(is_bad.any(1).sum())} tokens are affected. "
                "A value that was not observed is no token: leave it out"
            )
    _check_index_axes(schema, positions, lengths, ids)


def _check_shapes(
    values: Array,
    positions: Array,
    lengths: npt.NDArray[np.int64],
    ids: Array,
    targets: Array | None,
    token_targets: Array | None,
) -> None:
    n_tokens, n_samples = len(values), len(lengths)
    if len(positions) != n_tokens:
        raise ValueError(f"values has {n_tokens} tokens but positions has {len(positions)}")
    if lengths.sum() != n_tokens:
        raise ValueError(f"lengths sum to {lengths.sum()} but there are {n_tokens} tokens")
    if ids.shape != (n_samples,):
        raise ValueError(f"ids must be ({n_samples},), one a sample, got shape {ids.shape}")
    if targets is not None and (targets.ndim not in (1, 2) or len(targets) != n_samples):
        raise ValueError(f"targets must be ({n_samples},) or ({n_samples}, k), got {targets.shape}")
    if token_targets is not None and len(token_targets) != n_tokens:
        raise ValueError(f"token_targets must be one a token ({n_tokens}), got {len(token_targets)}")
    if (empty := np.flatnonzero(lengths == 0)).size:
        raise ValueError(
            f"sample {empty[0]} (id {ids.tolist()[empty[0]]!r}) has no tokens; {empty.size} of {n_samples} "
            "samples are empty: drop them first"
        )


def _check_columns(schema: Schema, values: Array, positions: Array) -> None:
    if positions.shape[1] != len(schema.axes):
        raise ValueError(f"positions has {positions.shape[1]} axes but they are named {schema.axes}")
    if values.shape[1] != len(schema.roles):
        raise ValueError(f"values has {values.shape[1]} columns but there are {len(schema.roles)} roles")
    if schema.channel_axis is None and schema.channels and len(schema.channels) != schema.n_predicted:
        raise ValueError(
            f"without an axis 'channel', channels name the {schema.n_predicted} values of a token, got "
            f"{len(schema.channels)}: {schema.channels}"
        )


def _check_index_axes(schema: Schema, positions: Array, lengths: npt.NDArray[np.int64], ids: Array) -> None:
    for axis, index in zip(schema.axes, positions.T, strict=True):
        if axis not in INDEX_AXES:
            continue
        limit = np.inf if axis != "channel" else len(schema.channels) + len(schema.statics)
        is_wrong = (index != np.round(index)) | (index < 0) | (index >= limit)
        if is_wrong.any():
            token = int(np.flatnonzero(is_wrong)[0])
            expected = f" below {limit:g}, the number of named channels" if np.isfinite(limit) else ""
            if limit == 0:
                expected = " with a name each in channels=, and none is named"
            raise ValueError(
                f"positions on the index axis {axis!r} must be whole numbers from 0{expected}, got "
                f"{index[token]:g} at token {token} of {_name_sample(token, lengths, ids)}"
            )


def _name_sample(token: int, lengths: npt.NDArray[np.int64], ids: Array) -> str:
    """The sample of a token, for error messages."""
    starts = np.cumsum(lengths) - lengths
    sample = int(np.searchsorted(starts, token, side="right")) - 1
    return f"sample {sample} (id {ids.tolist()[sample]!r})"
