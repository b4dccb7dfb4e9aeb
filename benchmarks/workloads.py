"""Generated data of the speed benchmarks: kinds of datasets, and series of lengths for benchmarks.scaling."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

import rotary_mae as rm

Ints = npt.NDArray[np.int64]
Lengths = Callable[[np.random.Generator, int], Ints]


@dataclass(frozen=True)
class Workload:
    """Samples with random values and positions; speed depends on their lengths alone.

    Attributes
    ----------
    name, text : str
        Name of the workload, and its description in the table.
    n_samples : int
        Samples of a round.
    batch_size : int
        Samples of a batch.
    n_values : int
        Values of a token.
    axes : tuple
        Name and extent of each position axis; index axes have integer positions.
    size : str
        Size of the model.
    fraction : float
        Masked fraction.
    lengths : callable
        Draws the (n_samples,) numbers of tokens.
    """

    name: str
    text: str
    n_samples: int
    batch_size: int
    n_values: int
    axes: tuple[tuple[str, float], ...]
    size: str
    fraction: float
    lengths: Lengths

    def draw(self, seed: int) -> rm.TokenSet:
        """Return new samples."""
        rng = np.random.default_rng(seed)
        lengths = self.lengths(rng, self.n_samples)
        n_tokens = int(lengths.sum())
        columns = [rng.uniform(0, extent, n_tokens) for _, extent in self.axes]
        names = tuple(name for name, _ in self.axes)
        positions = np.stack(
            [c if name == "time" else np.floor(c) for name, c in zip(names, columns, strict=True)], axis=1
        )
        n_channels = int(dict(self.axes).get("channel", 0))
        channels = tuple(f"channel {i}" for i in range(n_channels))
        values = rng.standard_normal((n_tokens, self.n_values), np.float32)
        return rm.TokenSet(values, positions, lengths, axes=names, channels=channels)

    def config(self, window: float | None = None) -> rm.RoMAEConfig:
        """Return the configuration of the paper's model for this data, or of one with a window along the first axis."""
        return rm.RoMAEConfig(n_values=self.n_values, n_axes=len(self.axes), size=self.size, window=window)

    def batches(self, tokens: rm.TokenSet) -> Iterator[rm.TokenSet]:
        """Give the samples in order, ``batch_size`` at a time."""
        for start in range(0, len(tokens), self.batch_size):
            yield tokens[start : start + self.batch_size]

    def describe(self) -> dict[str, Any]:
        """Return the settings and the resolved model, as JSON can hold them."""
        settings = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("name", "text", "lengths")}
        return {**settings, "model": self.config().to_dict()}

    def reduced(self, divisor: int) -> Workload:
        """Return the same workload with samples and batch size divided by ``divisor``."""
        return replace(
            self,
            n_samples=max(2, self.n_samples // divisor),
            batch_size=max(2, self.batch_size // divisor),
        )


def lognormal(lowest: int, highest: int, median: float, sigma: float) -> Lengths:
    """Return a function that draws log-normal lengths, clipped to [lowest, highest]."""

    def draw(rng: np.random.Generator, n: int) -> Ints:
        return np.clip(rng.lognormal(np.log(median), sigma, n), lowest, highest).astype(np.int64)

    return draw


def constant(length: int) -> Lengths:
    """Return a function that gives every sample the same length."""
    return lambda rng, n: np.full(n, length, np.int64)


WORKLOADS = {
    w.name: w
    for w in (
        Workload(
            "light-curves",
            "multi-band light curves, 8-390 observations (mean 80)",
            *(128, 64, 2),
            (("time", 100.0), ("channel", 6.0)),
            *("tiny", 0.75),
            lognormal(8, 390, 59.0, 0.8),
        ),
        Workload(
            "icu-stays",
            "ICU stays, one token per measurement, 40-1500 measurements (mean 417)",
            *(32, 16, 1),
            (("time", 48.0), ("channel", 41.0)),
            *("tiny", 0.5),
            lognormal(40, 1500, 316.0, 0.8),
        ),
        Workload(
            "icu-stays-2012",
            "ICU stays with the lengths of PhysioNet 2012, nine in ten 260-680 (mean 437)",
            *(32, 16, 1),
            (("time", 48.0), ("channel", 41.0)),
            *("tiny", 0.5),
            lognormal(40, 1500, 419.0, 0.29),
        ),
        Workload(
            "even-series",
            "series of equal length, 127 tokens",
            *(128, 64, 3),
            (("time", 127.0),),
            *("tiny", 0.75),
            constant(127),
        ),
        Workload(
            "images",
            "images, 196 patches of 16 x 16 x 3",
            *(16, 16, 768),
            (("row", 14.0), ("column", 14.0)),
            *("small", 0.75),
            constant(196),
        ),
    )
}

N_TOKENS = 16_384
"""Tokens of a batch of any sample length."""


def workload_of_length(length: int) -> Workload:
    """Return a workload of ``N_TOKENS`` tokens in samples of one length, about one token per unit of time."""
    n = max(1, N_TOKENS // length)
    axes = (("time", float(length)),)
    return Workload(f"length-{length}", f"{n} x {length}", n, n, 1, axes, "tiny-shallow", 0.5, constant(length))


def workload_of_sigma(sigma: float) -> Workload:
    """Return a workload of 64 samples with log-normal lengths of mean 128 (before clipping to 4-2048)."""
    lengths = lognormal(4, 2048, 128.0 * float(np.exp(-(sigma**2) / 2)), sigma) if sigma else constant(128)
    text = f"log-normal lengths, sigma {sigma}"
    return Workload(f"sigma-{sigma}", text, 64, 64, 1, (("time", 128.0),), "tiny-shallow", 0.5, lengths)


def workload_by_name(name: str) -> Workload:
    """Return a workload of WORKLOADS, or one named length-N or sigma-SIGMA."""
    kind, _, number = name.rpartition("-")
    if kind == "length":
        return workload_of_length(int(number))
    if kind == "sigma":
        return workload_of_sigma(float(number))
    return WORKLOADS[name]
