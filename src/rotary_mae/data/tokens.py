"""TokenSet: many samples as tokens laid end to end, and every check of shapes and meaning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rotary_mae.data.labels import as_labels
from rotary_mae.data.schema import INDEX_AXES, Schema

if TYPE_CHECKING:
    from pathlib import Path


class TokenSet:
    """B samples as T tokens laid end to end, each token V values at a position in D axes.

    Args:
        values: (T, V) finite numbers, stored as float32; (T,) is taken as (T, 1).
        positions: (T, D) finite numbers, stored as float64; (T,) is taken as (T, 1).
        lengths: (B,) tokens of each sample, all at least 1.
        axes: names of the D axes. Axes named channel, row, column or mel are index axes.
        channels: names behind the positions of the axis ``channel`` (or behind the values of a step).
        ids: (B,) names of the samples; 0..B-1 if None.
        targets: (B,) labels or numbers, or (B, k) numbers, or None.
        token_targets: (T,) or (T, k) numbers, an answer for each token, or None.
        schema: instead of ``axes`` and ``channels``, everything that is known of the columns.

    Raises:
        ValueError: shapes that do not fit together, non-finite numbers, an empty sample, a channel index
            without a name. The message names the first offending sample.

    Order is kept as given; duplicated tokens are allowed.
    """

    def __init__(
        self,
        values: npt.ArrayLike,
        positions: npt.ArrayLike,
        lengths: npt.ArrayLike,
        axes: Sequence[str] = ("time",),
        channels: Sequence[str] = (),
        ids: npt.ArrayLike | None = None,
        targets: npt.ArrayLike | None = None,
        *,
        token_targets: npt.ArrayLike | None = None,
        schema: Schema | None = None,
    ) -> None:
        self.values = _matrix(values, np.float32, "values")
        self.positions = _matrix(positions, np.float64, "positions")
        self.lengths = _lengths(lengths)
        n_values = self.values.shape[1]
        if schema is None:
            schema = Schema(tuple(axes), tuple(channels), ("value",) * n_values)
        self.schema = schema
        self.ids = np.arange(len(self.lengths)) if ids is None else np.asarray(ids)
        self.targets = None if targets is None else as_labels(targets)
        self.token_targets = None if token_targets is None else _matrix(token_targets, np.float32, "token_targets")
        self._check()

    def _check(self) -> None:
        n_tokens, n_samples, schema = len(self.values), len(self.lengths), self.schema
        if len(self.positions) != n_tokens:
            raise ValueError(f"values has {n_tokens} tokens but positions has {len(self.positions)}")
        if self.lengths.sum() != n_tokens:
            raise ValueError(f"lengths sum to {self.lengths.sum()} but there are {n_tokens} tokens")
        if self.ids.shape != (n_samples,):
            raise ValueError(f"ids must be ({n_samples},), one a sample, got shape {self.ids.shape}")
        if self.targets is not None and (self.targets.ndim not in (1, 2) or len(self.targets) != n_samples):
            raise ValueError(f"targets must be ({n_samples},) or ({n_samples}, k), got {self.targets.shape}")
        if self.token_targets is not None and len(self.token_targets) != n_tokens:
            raise ValueError(f"token_targets must be one a token ({n_tokens}), got {len(self.token_targets)}")
        if (empty := np.flatnonzero(self.lengths == 0)).size:
            raise ValueError(
                f"sample {empty[0]} (id {self.ids.tolist()[empty[0]]!r}) has no tokens; {empty.size} of {n_samples} "
                "samples are empty: drop them first, nothing can be said about them"
            )
        if self.positions.shape[1] != len(schema.axes):
            raise ValueError(f"positions has {self.positions.shape[1]} axes but they are named {schema.axes}")
        if self.values.shape[1] != len(schema.roles):
            raise ValueError(f"values has {self.values.shape[1]} columns but there are {len(schema.roles)} roles")
        if schema.channel_axis is None and schema.channels and len(schema.channels) != schema.n_predicted:
            raise ValueError(
                f"without an axis 'channel', channels name the {schema.n_predicted} values of a token, got "
                f"{len(schema.channels)}: {schema.channels}"
            )
        for name, array in (("values", self.values), ("positions", self.positions)):
            bad = ~np.isfinite(array)
            if bad.any():
                token, column = np.argwhere(bad)[0]
                raise ValueError(
                    f"{name} must be finite, got {array[token, column]} at token {token}, column {column} of "
                    f"{self._whose(token)}; {int(bad.any(1).sum())} tokens are affected. "
                    "A value that was not observed is no token: leave it out"
                )
        self._check_index_axes()

    def _check_index_axes(self) -> None:
        for i, axis in enumerate(self.schema.axes):
            if axis not in INDEX_AXES:
                continue
            index = self.positions[:, i]
            limit = np.inf if axis != "channel" else len(self.schema.channels) + len(self.schema.statics)
            wrong = (index != np.round(index)) | (index < 0) | (index >= limit)
            if wrong.any():
                token = int(np.flatnonzero(wrong)[0])
                named = f" below {limit:g}, the number of named channels" if np.isfinite(limit) else ""
                if limit == 0:
                    named = " with a name each in channels=, and none is named"
                raise ValueError(
                    f"positions on the index axis {axis!r} must be whole numbers from 0{named}, got "
                    f"{index[token]:g} at token {token} of {self._whose(token)}"
                )

    def _whose(self, token: int) -> str:
        sample = int(np.searchsorted(self.starts, token, side="right")) - 1
        return f"sample {sample} (id {self.ids.tolist()[sample]!r})"

    # -- what it is ---------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def shape(self) -> tuple[int]:
        """(B,): lets scikit-learn's splitters index samples."""
        return (len(self),)

    @property
    def n_tokens(self) -> int:
        """T, the tokens of all samples together."""
        return len(self.values)

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """(B,) index of each sample's first token."""
        return np.cumsum(self.lengths) - self.lengths

    @property
    def sample_idx(self) -> npt.NDArray[np.int64]:
        """(T,) the sample each token belongs to."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the D position axes."""
        return self.schema.axes

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the real channels, in the order of their indices."""
        return self.schema.channels

    @property
    def is_static(self) -> npt.NDArray[np.bool_]:
        """(T,) True for tokens of a static covariate."""
        axis = self.schema.channel_axis
        if axis is None:
            return np.zeros(self.n_tokens, bool)
        return self.positions[:, axis] >= len(self.channels)

    def __repr__(self) -> str:
        spread = f"{self.lengths.min()}-{self.lengths.max()} a sample" if len(self) else "no samples"
        names = ", ".join(self.channels[:6]) + (", ..." if len(self.channels) > 6 else "")
        return (
            f"TokenSet({len(self)} samples, {self.n_tokens} tokens ({spread}), {self.values.shape[1]} values, "
            f"axes {self.axes}{f', channels ({names})' if names else ''})"
        )

    # -- parts of it --------------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> TokenSet:
        """Samples by int, slice, int array or bool array, or ``(index, ...)``; always a TokenSet."""
        chosen = sample_indices(index, len(self))
        tokens = token_indices(self.starts[chosen], self.lengths[chosen])
        return self._with(
            values=self.values[tokens],
            positions=self.positions[tokens],
            lengths=self.lengths[chosen],
            ids=self.ids[chosen],
            targets=None if self.targets is None else self.targets[chosen],
            token_targets=None if self.token_targets is None else self.token_targets[tokens],
        )

    def __iter__(self) -> Iterator[TokenSet]:
        return (self[i] for i in range(len(self)))

    def select_tokens(self, is_kept: npt.ArrayLike) -> TokenSet:
        """The same samples with only the tokens where ``is_kept`` (T,) is True; none may become empty."""
        kept = np.asarray(is_kept)
        if kept.shape != (self.n_tokens,) or kept.dtype != np.bool_:
            raise ValueError(f"is_kept must be ({self.n_tokens},) bool, got {kept.shape} {kept.dtype}")
        lengths = np.bincount(self.sample_idx[kept], minlength=len(self))
        return self._with(
            values=self.values[kept],
            positions=self.positions[kept],
            lengths=lengths,
            token_targets=None if self.token_targets is None else self.token_targets[kept],
            checked=False,
        )

    def with_targets(self, targets: npt.ArrayLike | None) -> TokenSet:
        """The same tokens with other targets, (B,) or (B, k)."""
        return self._with(targets=None if targets is None else as_labels(targets), checked=False)

    def replace(
        self,
        values: npt.ArrayLike | None = None,
        positions: npt.ArrayLike | None = None,
        schema: Schema | None = None,
    ) -> TokenSet:
        """The same samples with other values, positions or schema."""
        changes: dict[str, Any] = {}
        if values is not None:
            changes["values"] = _matrix(values, np.float32, "values")
        if positions is not None:
            changes["positions"] = _matrix(positions, np.float64, "positions")
        if schema is not None:
            changes["schema"] = schema
        return self._with(**changes, checked=False)

    def _with(self, checked: bool = True, **changes: Any) -> TokenSet:
        new = object.__new__(TokenSet)
        new.__dict__.update(self.__dict__)
        new.__dict__.update(changes)
        if not checked:
            new._check()
        return new

    @staticmethod
    def concatenate(parts: Sequence[TokenSet]) -> TokenSet:
        """Several sets of the same schema, one after the other."""
        if not parts:
            raise ValueError("there is nothing to join: give at least one set")
        first = parts[0]
        for part in parts[1:]:
            if part.schema != first.schema:
                raise ValueError(f"cannot join sets of different schemas: {first.schema} and {part.schema}")
        return first._with(
            values=np.concatenate([p.values for p in parts]),
            positions=np.concatenate([p.positions for p in parts]),
            lengths=np.concatenate([p.lengths for p in parts]),
            ids=np.concatenate([p.ids for p in parts]),
            targets=_join("targets", [p.targets for p in parts]),
            token_targets=_join("token_targets", [p.token_targets for p in parts]),
            checked=False,
        )

    def conform(self, schema: Schema) -> TokenSet:
        """The same samples in the order of channels and columns of ``schema``; see ``conform.conform``."""
        from rotary_mae.data.alignment import conform

        return conform(self, schema)

    # -- out ----------------------------------------------------------------------------------------------

    def to_parquet(self, path: str | Path) -> None:
        """Write to one Parquet file, whole or not at all; ``rotary_mae.read_parquet`` reads it back."""
        from rotary_mae.data.parquet import write_parquet

        write_parquet(self, path)

    def to_frame(self, backend: str | None = None) -> Any:
        """A long data frame (id, time, channel, value, error), or a wide one for steps; see ``frames.to_frame``."""
        from rotary_mae.data.to_frame import to_frame

        return to_frame(self, backend)


def sample_indices(index: Any, n_samples: int) -> npt.NDArray[np.int64]:
    """Any way to name samples as an array of their indices, 0 to ``n_samples`` - 1."""
    if isinstance(index, tuple):
        if len(index) != 2 or index[1] is not Ellipsis:
            raise IndexError(f"samples have one index; got {len(index)} of them: {index!r}")
        index = index[0]
    if isinstance(index, slice):
        return np.arange(*index.indices(n_samples))
    array = np.asarray(index)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.dtype == np.bool_:
        if array.shape != (n_samples,):
            raise IndexError(f"a bool index must be ({n_samples},), one a sample, got {array.shape}")
        return np.flatnonzero(array)
    if array.dtype.kind not in "iu" or array.ndim > 1:
        raise IndexError(f"samples are chosen by int, slice, int or bool array, got {array.dtype} {array.shape}")
    array = np.atleast_1d(array).astype(np.int64)
    if array.size and not (-n_samples <= array.min() and array.max() < n_samples):
        raise IndexError(f"index {array.min()}..{array.max()} is outside of {n_samples} samples")
    return np.where(array < 0, array + n_samples, array)


def check_one_each(n_samples: int, **given: npt.NDArray[Any] | None) -> None:
    """Raise ValueError unless ids and targets are one a sample."""
    for name, array in given.items():
        if array is not None and (array.ndim == 0 or len(array) != n_samples):
            raise ValueError(f"{name} must be ({n_samples},), one a sample, got shape {array.shape}")


def token_indices(starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(sum of lengths,) indices of the tokens of samples that begin at ``starts``, in that order."""
    before = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) + np.repeat(starts - before, lengths)


def _matrix(array: npt.ArrayLike, dtype: type[np.floating[Any]], name: str) -> npt.NDArray[Any]:
    if np.ma.is_masked(array):
        raise ValueError(f"{name} has masked entries; what was not observed is no token: leave it out")
    given = np.asarray(array)
    if given.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be numbers, got dtype {given.dtype}; convert the column to numbers first")
    if given.ndim == 1:
        given = given[:, None]
    if given.ndim != 2:
        raise ValueError(f"{name} must be a matrix, a row a token, got shape {given.shape}")
    return np.ascontiguousarray(given, dtype)


def _join(name: str, arrays: list[npt.NDArray[Any] | None]) -> npt.NDArray[Any] | None:
    there = [array for array in arrays if array is not None]
    if there and len(there) < len(arrays):
        raise ValueError(f"cannot join sets with and without {name}; drop them where they are first")
    return np.concatenate(there) if there else None


def _lengths(lengths: npt.ArrayLike) -> npt.NDArray[np.int64]:
    array = np.asarray(lengths)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu" or (array.size and int(array.min()) < 0):
        raise ValueError(f"lengths must be one whole number a sample, got {array.dtype} of shape {array.shape}")
    return array.astype(np.int64)
