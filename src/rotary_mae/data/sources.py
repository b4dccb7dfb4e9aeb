"""Source: the contract of samples that are read by index, in memory, on disk or decoded lazily."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sized
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from rotary_mae.data.indexing import sample_indices
from rotary_mae.data.sample_values import per_sample, sample_ids
from rotary_mae.data.schema import Schema
from rotary_mae.data.tokens import TokenSet


@runtime_checkable
class MinimalSource(Protocol):
    """The least that a user's own source of samples needs: a length, and a TokenSet for an array of indices.

    ``adapt_source`` completes it to a ``Source``.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> TokenSet: ...


@runtime_checkable
class Source(Protocol):
    """Samples that are read by index: in memory, on disk, or decoded lazily.

    TokenSet, CachedTokens, LazyImages, LazyAudio and Subset have all of it. A user's object needs only ``__len__`` and
    ``__getitem__``: functions that take sources complete it.

    Attributes
    ----------
    schema : Schema
        Meaning of axes, channels and values.
    ids : array of shape (B,)
        Names of the samples.
    targets : array of shape (B,) or (B, k), or None
        Labels or numbers of the samples.
    lengths : array of shape (B,), or None
        Number of tokens of each sample; None if it is not known without reading them.
    is_on_disk : bool
        True if blocks of neighbouring samples are read faster than single samples.
    """

    @property
    def schema(self) -> Schema: ...

    @property
    def ids(self) -> npt.NDArray[Any]: ...

    @property
    def targets(self) -> npt.NDArray[Any] | None: ...

    @property
    def lengths(self) -> npt.NDArray[np.int64] | None: ...

    @property
    def is_on_disk(self) -> bool: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> TokenSet:
        """Return the tokens of the samples that an int, a slice, or an int or bool array selects."""


CONTRACT = ("schema", "ids", "targets", "lengths", "is_on_disk")
"""Attributes of a Source besides its length and indexing."""

SAMPLES_PER_READ = 4_096
"""Samples that are read at once to collect the ids and targets of a source without these. Not tuned."""


def adapt_source(source: Any) -> Source | None:
    """Complete a user's object to a Source.

    Parameters
    ----------
    source : object
        Any object.

    Returns
    -------
    Source or None
        The object itself if it has the whole contract; a SourceAdapter if it has a length and returns a TokenSet for an
        array of indices; None for anything else.
    """
    if isinstance(source, TokenSet):
        return source
    has_schema = isinstance(getattr(source, "schema", None), Schema)
    # static look-up, because evaluating a property may read every sample
    if has_schema and all(inspect.getattr_static(source, name, source) is not source for name in CONTRACT):
        complete: Source = source
        return complete
    if has_schema or _gives_tokens(source):
        return SourceAdapter(source)
    return None


def _gives_tokens(source: Any) -> bool:
    has_samples = isinstance(source, Sized) and hasattr(source, "__getitem__") and not hasattr(source, "__array__")
    if not has_samples or isinstance(source, str | bytes | list | tuple | dict) or not len(source):
        return False
    try:
        return isinstance(source[np.arange(1)], TokenSet)
    except (TypeError, ValueError, LookupError):
        return False


class SourceAdapter:
    """A Source made of an object that has a length and indexing, and maybe other attributes of the contract.

    ``ids`` and ``targets`` that the object lacks are collected from all samples at first use. ``schema`` is read from
    the first sample, ``lengths`` are None and ``is_on_disk`` is False where they are lacking.

    Parameters
    ----------
    source : MinimalSource
        Returns a TokenSet for an array of indices.
    """

    def __init__(self, source: Any) -> None:
        self.source = source
        schema = getattr(source, "schema", None)
        self.schema: Schema = schema if isinstance(schema, Schema) else source[np.arange(1)].schema
        lengths = getattr(source, "lengths", None)
        self.lengths: npt.NDArray[np.int64] | None = None if lengths is None else np.asarray(lengths)
        self.is_on_disk: bool = getattr(source, "is_on_disk", False)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: Any) -> TokenSet:
        tokens: TokenSet = self.source[sample_indices(index, len(self), lambda: self.ids)]
        return tokens

    @cached_property
    def ids(self) -> npt.NDArray[Any]:
        """Names (B,) of the samples."""
        if (own := getattr(self.source, "ids", None)) is not None:
            return sample_ids(own, len(self))
        found = self._collect(lambda tokens: tokens.ids)
        assert found is not None
        # samples without names are numbered from 0 in every read
        return found if len(set(found.tolist())) == len(found) else np.arange(len(self))

    @cached_property
    def targets(self) -> npt.NDArray[Any] | None:
        """Labels or numbers (B,) or (B, k), or None."""
        if hasattr(self.source, "targets"):
            own = self.source.targets
            return None if own is None else per_sample(own, len(self), "targets", lambda: self.ids, max_ndim=2)
        return self._collect(lambda tokens: tokens.targets)

    def _collect(self, attribute: Callable[[TokenSet], npt.NDArray[Any] | None]) -> npt.NDArray[Any] | None:
        starts = range(0, len(self), SAMPLES_PER_READ)
        found = [attribute(self[start : start + SAMPLES_PER_READ]) for start in starts]
        known = [array for array in found if array is not None]
        return np.concatenate(known) if known and len(known) == len(found) else None


class Subset:
    """Some samples of a Source, read when they are indexed; itself a Source.

    Parameters
    ----------
    source : Source
        All samples.
    indices : array of shape (n,)
        Samples to take, in this order.
    targets : array of shape (n,) or (n, k), optional
        Targets in place of the source's own.
    """

    def __init__(self, source: Source, indices: npt.ArrayLike, targets: npt.NDArray[Any] | None = None) -> None:
        self.source = source
        self.indices = np.asarray(indices, np.int64)
        self.schema = source.schema
        lengths = source.lengths
        self.lengths: npt.NDArray[np.int64] | None = None if lengths is None else np.asarray(lengths)[self.indices]
        self.is_on_disk = source.is_on_disk
        self._new_targets = targets

    @property
    def targets(self) -> npt.NDArray[Any] | None:
        """Labels or numbers (n,) or (n, k), or None."""
        own = self.source.targets if self._new_targets is None else None
        return self._new_targets if own is None else np.asarray(own)[self.indices]

    @property
    def ids(self) -> npt.NDArray[Any]:
        """Names (n,) of the samples."""
        names: npt.NDArray[Any] = np.asarray(self.source.ids)[self.indices]
        return names

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> TokenSet:
        chosen = sample_indices(index, len(self), lambda: self.ids)
        tokens = self.source[self.indices[chosen]]
        return tokens if self._new_targets is None else tokens.with_targets(self._new_targets[chosen])
