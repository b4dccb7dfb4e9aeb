"""Random numbers that depend only on keys, so that they are the same in every batch and process."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

UInt = npt.NDArray[np.uint64]


def keyed_uniform(*keys: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return uniform random numbers in [0, 1).

    Each key is mixed in by the finaliser of splitmix64 (Steele et al. 2014), in which every output bit depends on every
    input bit.

    Parameters
    ----------
    *keys : int or array of int
        For example seed, epoch, sample and token. Arrays are broadcast against each other.

    Returns
    -------
    array
        float64, of the broadcast shape.
    """
    state = np.zeros(np.broadcast_shapes(*(np.shape(k) for k in keys)), np.uint64)
    for key in keys:
        state = _mix(state, np.asarray(key).astype(np.int64).view(np.uint64))
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(state: UInt, key: UInt) -> UInt:
    with np.errstate(over="ignore"):
        z = (state + np.uint64(0x9E3779B97F4A7C15)) ^ key
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
