"""What tells the data of a run from others of the same size."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from rotary_mae.data.tokens import Source

N_FINGERPRINTED = 8


def fingerprinted(n_samples: int) -> npt.NDArray[np.int64]:
    """Which samples ``fingerprint`` reads: a few, evenly spread."""
    return np.unique(np.linspace(0, n_samples - 1, N_FINGERPRINTED).round().astype(np.int64))


def fingerprint(tokens: Source) -> str:
    """Tells these data from others of as many samples, by some samples' values, positions and targets."""
    some = tokens[fingerprinted(len(tokens))]
    digest = hashlib.blake2b(digest_size=8)
    for array in (some.values, some.positions, some.lengths):
        digest.update(array.tobytes())
    for answers in (some.targets, some.token_targets):
        digest.update(repr(None if answers is None else answers.tolist()).encode())
    return digest.hexdigest()
