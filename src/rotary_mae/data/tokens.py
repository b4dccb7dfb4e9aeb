"""TokenSet: many samples as tokens laid end to end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from rotary_mae.data.indexing import sample_indices, token_indices
from rotary_mae.data.parquet import write_token_arrays
from rotary_mae.data.sample_values import per_sample, sample_ids
from rotary_mae.data.schema import Schema
from rotary_mae.data.to_frame import to_frame
from rotary_mae.data.token_checks import as_lengths, as_matrix, check_tokens


class TokenSet:
    """B samples as T tokens laid end to end, each token V values at a position in D axes.

    The order is kept as given, and duplicate tokens are allowed. A TokenSet is a Source.

    Parameters
    ----------
    values : array of shape (T, V) or (T,)
        Finite numbers, stored as float32; (T,) is read as (T, 1).
    positions : array of shape (T, D) or (T,)
        Finite numbers, stored as float64; (T,) is read as (T, 1).
    lengths : array of shape (B,)
        Number of tokens of each sample, all at least 1.
    axes : sequence of str, default ("time",)
        Names of the D axes. Axes named channel, row, column or mel are index axes: whole numbers from 0.
    channels : sequence of str, default ()
        Names behind the positions on the axis ``channel``, or without such an axis behind the values of a token.
    ids : array of shape (B,), optional
        Names of the samples; 0..B-1 if None.
    targets : array of shape (B,) or (B, k), mapping or Series, optional
        Labels (text or numbers); or numbers, several a sample. In the order of the samples, or keyed by id.
    token_targets : array of shape (T,) or (T, k), optional
        Numbers to predict for each token.
    schema : Schema, optional
        Full meaning of the columns, in place of ``axes`` and ``channels``.
    copy : bool, default True
        False may keep arrays of the right type without a copy, which must not be changed afterwards.

    Attributes
    ----------
    values, positions, lengths, ids, targets, token_targets : array or None
        The arrays above.
    schema : Schema
        Meaning of the columns.
    is_on_disk : bool
        Always False.

    Raises
    ------
    ValueError
        If shapes do not fit together, a number is not finite, a sample is empty, or a channel index has no name.
        The message names the first such sample.

    Examples
    --------
    >>> import rotary_mae as rm
    >>> tokens = rm.TokenSet(values=[1.0, 2.0, 3.0], positions=[0.0, 0.5, 0.0], lengths=[2, 1])
    >>> tokens[1].values.tolist()
    [[3.0]]
    """

    is_on_disk: ClassVar[bool] = False

    def __init__(
        self,
        values: npt.ArrayLike,
        positions: npt.ArrayLike,
        lengths: npt.ArrayLike,
        axes: Sequence[str] = ("time",),
        channels: Sequence[str] = (),
        ids: npt.ArrayLike | None = None,
        targets: Any = None,
        *,
        token_targets: npt.ArrayLike | None = None,
        schema: Schema | None = None,
        copy: bool = True,
    ) -> None:
        self.values = as_matrix(values, np.float32, "values", copy)
        self.positions = as_matrix(positions, np.float64, "positions", copy)
        self.lengths = as_lengths(lengths)
        if schema is None:
            schema = Schema(tuple(axes), tuple(channels), ("value",) * self.values.shape[1])
        self.schema = schema
        n = len(self.lengths)
        self.ids = np.arange(n) if ids is None else sample_ids(ids, n)
        names = None if ids is None else self.ids
        self.targets = None if targets is None else per_sample(targets, n, "targets", names, max_ndim=2)
        self.token_targets = (
            None if token_targets is None else as_matrix(token_targets, np.float32, "token_targets", copy)
        )
        self._check()

    def _check(self) -> None:
        check_tokens(self.schema, self.values, self.positions, self.lengths, self.ids, self.targets, self.token_targets)

    # -- properties ---------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def shape(self) -> tuple[int]:
        """(B,); scikit-learn's splitters index samples by it."""
        return (len(self),)

    @property
    def n_tokens(self) -> int:
        """T, the number of tokens of all samples together."""
        return len(self.values)

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """Index (B,) of each sample's first token."""
        return np.cumsum(self.lengths) - self.lengths

    @property
    def sample_idx(self) -> npt.NDArray[np.int64]:
        """Index (T,) of the sample of each token."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the D position axes."""
        return self.schema.axes

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels, without static covariates, in the order of their indices."""
        return self.schema.channels

    @property
    def is_static(self) -> npt.NDArray[np.bool_]:
        """(T,) True for tokens of a static covariate."""
        return self.schema.static_tokens(self.positions)

    def __repr__(self) -> str:
        lengths = f"{self.lengths.min()}-{self.lengths.max()} a sample" if len(self) else "no samples"
        names = ", ".join(self.channels[:6]) + (", ..." if len(self.channels) > 6 else "")
        return (
            f"TokenSet({len(self)} samples, {self.n_tokens} tokens ({lengths}), {self.values.shape[1]} values, "
            f"axes {self.axes}{f', channels ({names})' if names else ''})"
        )

    # -- selection ----------------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> TokenSet:
        """Return the tokens of some samples.

        Parameters
        ----------
        index : int, slice, array, or (index, ...)
            Samples to take; a bool array has shape (B,), a bool Series may be keyed by id.

        Returns
        -------
        TokenSet
            The chosen samples, in the given order; also for an int.

        Raises
        ------
        IndexError
            If an index is outside of the set.
        """
        chosen = sample_indices(index, len(self), self.ids)
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
        """Iterate over the samples, each a TokenSet of one."""
        return (self[i] for i in range(len(self)))

    def select_tokens(self, is_kept: npt.ArrayLike) -> TokenSet:
        """Return the same samples with some of their tokens.

        Parameters
        ----------
        is_kept : bool array of shape (T,)
            True for tokens to keep; at least one of each sample.

        Returns
        -------
        TokenSet
            The B samples with the kept tokens.

        Raises
        ------
        ValueError
            If ``is_kept`` has another shape or type, or a sample keeps no token.
        """
        kept = np.asarray(is_kept)
        if kept.shape != (self.n_tokens,) or kept.dtype != np.bool_:
            raise ValueError(f"is_kept must be ({self.n_tokens},) bool, got {kept.shape} {kept.dtype}")
        return self._checked_with(
            values=self.values[kept],
            positions=self.positions[kept],
            lengths=np.bincount(self.sample_idx[kept], minlength=len(self)),
            token_targets=None if self.token_targets is None else self.token_targets[kept],
        )

    # -- copies with changes ------------------------------------------------------------------------------

    def with_targets(self, targets: Any) -> TokenSet:
        """Return the same tokens with other targets.

        Parameters
        ----------
        targets : array of shape (B,) or (B, k), mapping, Series, or None
            Labels or numbers, in the order of the samples or keyed by id.

        Returns
        -------
        TokenSet
            A set that shares the arrays of tokens.

        Raises
        ------
        ValueError
            If the shape is another, or keys are not ids.
        """
        if targets is not None:
            targets = per_sample(targets, len(self), "targets", self.ids, max_ndim=2)
        return self._checked_with(targets=targets)

    def replace(
        self,
        values: npt.ArrayLike | None = None,
        positions: npt.ArrayLike | None = None,
        schema: Schema | None = None,
        copy: bool = True,
    ) -> TokenSet:
        """Return the same samples with other values, positions or schema.

        Parameters
        ----------
        values : array of shape (T, V), optional
            New values.
        positions : array of shape (T, D), optional
            New positions.
        schema : Schema, optional
            New meaning of the columns.
        copy : bool, default True
            False may keep arrays of the right type without a copy, which must not be changed afterwards.

        Returns
        -------
        TokenSet
            A set with the changes; all checks of the class are repeated.

        Raises
        ------
        ValueError
            As for the class.
        """
        changes: dict[str, Any] = {}
        if values is not None:
            changes["values"] = as_matrix(values, np.float32, "values", copy)
        if positions is not None:
            changes["positions"] = as_matrix(positions, np.float64, "positions", copy)
        if schema is not None:
            changes["schema"] = schema
        return self._checked_with(**changes)

    def _with(self, **changes: Any) -> TokenSet:
        new = object.__new__(TokenSet)
        new.__dict__.update(self.__dict__)
        new.__dict__.update(changes)
        return new

    def _checked_with(self, **changes: Any) -> TokenSet:
        new = self._with(**changes)
        new._check()
        return new

    @staticmethod
    def concatenate(parts: Sequence[TokenSet]) -> TokenSet:
        """Join sets of the same schema, one after the other.

        Parameters
        ----------
        parts : sequence of TokenSet
            At least one; all with targets or all without, and likewise token targets.

        Returns
        -------
        TokenSet
            The samples of all parts in order.

        Raises
        ------
        ValueError
            If there are no parts, or they differ in schema, or only some have targets.
        """
        if not parts:
            raise ValueError("there is nothing to join: give at least one set")
        first = parts[0]
        for part in parts[1:]:
            if part.schema != first.schema:
                raise ValueError(f"cannot join sets of different schemas: {first.schema} and {part.schema}")
        return first._checked_with(
            values=np.concatenate([p.values for p in parts]),
            positions=np.concatenate([p.positions for p in parts]),
            lengths=np.concatenate([p.lengths for p in parts]),
            ids=np.concatenate([p.ids for p in parts]),
            targets=_join("targets", [p.targets for p in parts]),
            token_targets=_join("token_targets", [p.token_targets for p in parts]),
        )

    # -- export -------------------------------------------------------------------------------------------

    def to_parquet(self, path: str | Path) -> None:
        """Write the set to one Parquet file with a row a sample, whole or not at all.

        ``rotary_mae.read_parquet`` reads it back.

        Parameters
        ----------
        path : path
            File to write. Missing labels are stored as null.

        Raises
        ------
        ValueError
            If ids or targets are neither text nor numbers.
        """
        write_token_arrays(
            path,
            self.schema,
            values=self.values,
            positions=self.positions,
            lengths=self.lengths,
            ids=self.ids,
            targets=self.targets,
            token_targets=self.token_targets,
        )

    def to_frame(self, backend: str | None = None) -> Any:
        """Return the data frame that ``from_frame`` reads as these tokens.

        Measurements become a long table: a row a measurement with columns id, time, channel, value and, if known,
        error. Steps become a wide table: a row a time step with id, time and a column a channel, NaN where it was
        not observed. Static covariates and the target (``target``, or ``target_0`` ...) are constant columns. Time
        stamps are restored to the microsecond. ``from_frame`` sorts the channels of a long table by name.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}, optional
            Library of the data frame; None takes the first of these that is installed.

        Returns
        -------
        data frame
            Of the library ``backend``.

        Raises
        ------
        ValueError
            For patches of images, a channel named like another column, or an unknown backend.
        """
        return to_frame(
            self.schema,
            values=self.values,
            positions=self.positions,
            lengths=self.lengths,
            ids=self.ids,
            targets=self.targets,
            backend=backend,
        )


def _join(name: str, arrays: list[npt.NDArray[Any] | None]) -> npt.NDArray[Any] | None:
    given = [array for array in arrays if array is not None]
    if given and len(given) < len(arrays):
        raise ValueError(f"cannot join sets with and without {name}; drop them where they are first")
    return np.concatenate(given) if given else None
