"""Some samples of a source, read when they are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.data.tokens import Source, TokenSet, sample_indices


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
