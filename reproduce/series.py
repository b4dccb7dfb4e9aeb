"""Series that were all measured at the same times, as tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import rotary_mae as rm

Array = npt.NDArray[Any]


def tokens_at_shared_times(times: Array, values: Array, ids: Array | None = None) -> rm.TokenSet:
    """A token a time: values (n, k) or (n, k, V) at ``times`` (k,)."""
    n, k = values.shape[:2]
    return rm.TokenSet(values.reshape(n * k, -1), np.tile(times, n), [k] * n, axes=("time",), ids=ids)
