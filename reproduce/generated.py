"""Sources whose samples are computed when they are indexed, such as augmented versions of training series."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

import rotary_mae as rm

Array = npt.NDArray[Any]


class GeneratedSource(ABC):
    """Base of a Source that computes its samples; a subclass defines length and indexing.

    A sample is always the same: it depends on its index and the seed of the source alone. Neither targets nor lengths
    are known before the samples are computed, unless a subclass returns them.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Number of samples."""

    @abstractmethod
    def __getitem__(self, index: Any) -> rm.TokenSet:
        """Samples at an int, a slice or an array of indices."""

    @property
    def schema(self) -> Any:
        """Axes, channels and values of the tokens."""
        return self[[0]].schema

    @property
    def ids(self) -> Array:
        """(B,) indices as names."""
        return np.arange(len(self))

    @property
    def targets(self) -> Array | None:
        """(B,) targets, or None."""
        return None

    @property
    def lengths(self) -> Array | None:
        """(B,) tokens of each sample, or None if only computing them tells."""
        return None

    @property
    def is_on_disk(self) -> bool:
        """False: the samples are computed in memory."""
        return False
