"""Sources that hand out samples and tell nothing else about themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from rotary_mae.data.schema import Schema

if TYPE_CHECKING:
    pass
import inspect
from collections.abc import Callable, Sized
from functools import cached_property

from rotary_mae.data.tokens import TokenSet, sample_indices


@runtime_checkable
class Source(Protocol):
    """Anything that hands out TokenSets by index: on disk, lazily decoded, or in memory."""

    @property
    def schema(self) -> Schema:
        """What axes, channels and values mean."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> TokenSet: ...


CHUNK = 4_096
"""Samples that are read at once to learn what a source does not tell."""


def adapt_source(source: Any) -> Source | None:
    """The source with schema, ids and targets, which are read from its samples where it tells none; None if ``source``
    is none: what has a length and gives a TokenSet for an array of indices is one."""
    if isinstance(source, TokenSet):
        return source
    is_told = isinstance(getattr(source, "schema", None), Schema)
    # looked up, not asked for: to tell them may take reading everything
    if is_told and all(inspect.getattr_static(source, name, source) is not source for name in ("ids", "targets")):
        told: Source = source
        return told
    if is_told or _gives_tokens(source):
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
    """A source with ``schema``, and with ``ids`` and ``targets`` that are read from all samples when asked for.

    source: gives a TokenSet for an array of indices.
    """

    def __init__(self, source: Any) -> None:
        self.source = source
        given = getattr(source, "schema", None)
        self.schema: Schema = given if isinstance(given, Schema) else source[np.arange(1)].schema
        self.lengths = getattr(source, "lengths", None)
        self.is_on_disk = getattr(source, "is_on_disk", False)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: Any) -> TokenSet:
        tokens: TokenSet = self.source[sample_indices(index, len(self))]
        return tokens

    @cached_property
    def ids(self) -> npt.NDArray[Any]:
        """(B,) names of the samples."""
        if (given := getattr(self.source, "ids", None)) is not None:
            return np.asarray(given)
        found = self._of_all(lambda tokens: tokens.ids)
        assert found is not None
        # parts that name nothing count from 0 each
        return found if len(set(found.tolist())) == len(found) else np.arange(len(self))

    @cached_property
    def targets(self) -> npt.NDArray[Any] | None:
        """(B,) or (B, k), or None."""
        if hasattr(self.source, "targets"):
            given = self.source.targets
            return None if given is None else np.asarray(given)
        return self._of_all(lambda tokens: tokens.targets)

    def _of_all(self, part: Callable[[TokenSet], npt.NDArray[Any] | None]) -> npt.NDArray[Any] | None:
        found = [part(self[start : start + CHUNK]) for start in range(0, len(self), CHUNK)]
        known = [array for array in found if array is not None]
        return np.concatenate(known) if known and len(known) == len(found) else None


class Subset:
    """Some samples of a Source, read when they are asked for.

    indices: (n,) which, in this order. targets: replace the source's own.
    """

    def __init__(self, source: Source, indices: npt.ArrayLike, targets: npt.NDArray[Any] | None = None) -> None:
        self.source = source
        self.indices = np.asarray(indices, np.int64)
        self.schema = source.schema
        self._given = targets
        lengths = getattr(source, "lengths", None)
        self.lengths = None if lengths is None else np.asarray(lengths)[self.indices]
        self.is_on_disk = getattr(source, "is_on_disk", False)

    @property
    def targets(self) -> npt.NDArray[Any] | None:
        """(n,) or (n, k), or None."""
        own = getattr(self.source, "targets", None) if self._given is None else None
        return self._given if own is None else np.asarray(own)[self.indices]

    @property
    def ids(self) -> npt.NDArray[Any]:
        """(n,) names of the samples."""
        names: npt.NDArray[Any] = np.asarray(getattr(self.source, "ids", np.arange(len(self.source))))[self.indices]
        return names

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> TokenSet:
        chosen = sample_indices(index, len(self))
        tokens = self.source[self.indices[chosen]]
        return tokens if self._given is None else tokens.with_targets(self._given[chosen])
