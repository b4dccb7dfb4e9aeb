"""Random numbers of many series at once, each a pure function of the seed, the series and a label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from math import prod
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Keys = npt.NDArray[np.uint64]

Entry = TypeVar("Entry", bound=np.generic)

# constants of SplitMix64
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST_FACTOR, _SECOND_FACTOR = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_TWELVE, _TWENTY_SEVEN, _THIRTY, _THIRTY_ONE = np.uint64(12), np.uint64(27), np.uint64(30), np.uint64(31)


@dataclass(frozen=True, eq=False)
class Streams:
    """J independent streams of random numbers, one for each series or latent function.

    A number depends on the key of its stream, the label of the draw and its place within the draw. It does not
    depend on the other streams, on earlier draws or on the number of draws. The generator is SplitMix64 (Steele et
    al. 2014), started anew for each key and label. A label must not be drawn twice from the same streams: the
    second draw repeats the first.

    Attributes
    ----------
    keys : ndarray of uint64, shape (J,)
        Key of each stream.
    shared_keys : ndarray of uint64, shape (J,)
        Key of the draws that several streams have in common. Equal to ``keys`` where nothing is shared.
    """

    keys: Keys
    shared_keys: Keys

    @classmethod
    def for_series(cls, seed: int, indices: npt.ArrayLike) -> Streams:
        """Return one stream for each series of a seed.

        Parameters
        ----------
        seed : int
            Seed of the whole source; any integer, of which 64 bits count.
        indices : array_like of int, shape (J,)
            Index of each series.

        Returns
        -------
        Streams
            J streams that share nothing.
        """
        root = _finalise(np.array([seed & (2**64 - 1)], np.uint64) + _GOLDEN)
        index = np.asarray(indices).astype(np.int64).view(np.uint64)
        keys = _finalise(root ^ _finalise(index + _GOLDEN))
        return cls(keys, keys)

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, rows: npt.NDArray[np.generic] | slice) -> Streams:
        """Return the streams of the given rows."""
        return Streams(self.keys[rows], self.shared_keys[rows])

    def child(self, label: str, number: npt.ArrayLike = 0) -> Streams:
        """Return new streams, independent of these, named by a label and a number.

        Parameters
        ----------
        label : str
            Name of the purpose.
        number : array_like of int, shape () or (J,)
            Distinguishes children of the same label.

        Returns
        -------
        Streams
            J streams.
        """
        step = np.asarray(number).astype(np.int64).view(np.uint64) * _GOLDEN
        return Streams(_labelled(self.keys, label) + step, _labelled(self.shared_keys, label) + step)

    def sharing(self, parents: Streams, is_shared: Bools) -> Streams:
        """Return the same streams, where ``is_shared`` (J,) with the shared draws of their parents (J streams)."""
        return Streams(self.keys, np.where(is_shared, _labelled(parents.keys, "shared"), self.keys))

    @property
    def shared(self) -> Streams:
        """The streams of the draws that several of these streams have in common."""
        return Streams(self.shared_keys, self.shared_keys)

    # -- draws --------------------------------------------------------------------------------------------

    def uniform(
        self, label: str, low: npt.ArrayLike = 0.0, high: npt.ArrayLike = 1.0, shape: tuple[int, ...] = ()
    ) -> Floats:
        """Return uniform numbers between two bounds, both excluded.

        Parameters
        ----------
        label : str
            Name of the draw.
        low, high : array_like, shape () or (J,)
            Bounds.
        shape : tuple of int
            Shape of the numbers of one stream. A longer first axis leaves the numbers of a shorter one unchanged.

        Returns
        -------
        ndarray, shape (J, *shape)
        """
        bits = _finalise(_labelled(self.keys, label)[:, None] + _counters(prod(shape)))
        # 52 bits and a half: neither 0 nor 1, so that logarithms and quantiles are finite
        unit = (bits >> _TWELVE).astype(np.float64)
        unit += 0.5
        unit *= 2.0**-52
        unit = unit.reshape(len(self), *shape)
        if isinstance(low, float) and low == 0.0 and isinstance(high, float) and high == 1.0:
            return unit
        start = _expanded(low, shape)
        return start + (_expanded(high, shape) - start) * unit

    def log_uniform(self, label: str, low: npt.ArrayLike, high: npt.ArrayLike, shape: tuple[int, ...] = ()) -> Floats:
        """Return numbers whose logarithm is uniform between those of two positive bounds; see ``uniform``."""
        return np.exp(self.uniform(label, np.log(low), np.log(high), shape))

    def normal(self, label: str, shape: tuple[int, ...] = ()) -> Floats:
        """Return standard normal numbers, shape (J, *shape)."""
        return ndtri(self.uniform(label, shape=shape))

    def integers(self, label: str, low: npt.ArrayLike, high: npt.ArrayLike, shape: tuple[int, ...] = ()) -> Ints:
        """Return integers from ``low`` to ``high`` - 1, each () or (J,), evenly; shape (J, *shape)."""
        return np.floor(self.uniform(label, low, high, shape)).astype(np.int64)

    def chance(self, label: str, probability: npt.ArrayLike, shape: tuple[int, ...] = ()) -> Bools:
        """Return True with a probability, () or (J,); shape (J, *shape)."""
        return self.uniform(label, shape=shape) < _expanded(probability, shape)

    def sign(self, label: str, shape: tuple[int, ...] = ()) -> Floats:
        """Return -1 or 1 with equal probability, shape (J, *shape)."""
        return np.where(self.chance(label, 0.5, shape), 1.0, -1.0)

    def choice(self, label: str, weights: Sequence[float], shape: tuple[int, ...] = ()) -> Ints:
        """Return indices into ``weights``, with probabilities in their proportion; shape (J, *shape)."""
        edges = np.cumsum(np.asarray(weights, np.float64))
        return np.searchsorted(edges[:-1] / edges[-1], self.uniform(label, shape=shape), side="right")


def take_columns(table: npt.NDArray[Entry], columns: npt.NDArray[np.integer[Any]]) -> npt.NDArray[Entry]:
    """Return for each row of a table (J, C) the entries of ``columns`` (J, N); shape (J, N)."""
    return np.take_along_axis(table, columns, axis=1)


def _expanded(number: npt.ArrayLike, shape: tuple[int, ...]) -> Floats:
    """A number or one a stream, with an axis of length 1 for each axis of ``shape``."""
    array = np.asarray(number, np.float64)
    return array if array.ndim == 0 else array.reshape(-1, *(1,) * len(shape))


@lru_cache(maxsize=256)
def _counters(n: int) -> Keys:
    return np.arange(1, n + 1, dtype=np.uint64) * _GOLDEN


@lru_cache(maxsize=1024)
def _label_key(label: str) -> np.uint64:
    return np.uint64(int.from_bytes(blake2b(label.encode(), digest_size=8).digest(), "little"))


def _labelled(keys: Keys, label: str) -> Keys:
    return _finalise((keys ^ _label_key(label)) + _GOLDEN)


def _finalise(state: Keys) -> Keys:
    """The finaliser of SplitMix64: every output bit depends on every input bit."""
    z = state ^ (state >> _THIRTY)
    z *= _FIRST_FACTOR
    z ^= z >> _TWENTY_SEVEN
    z *= _SECOND_FACTOR
    z ^= z >> _THIRTY_ONE
    return z
