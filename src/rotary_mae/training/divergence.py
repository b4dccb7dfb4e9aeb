"""The likely cause of a training that diverged, as a text: extreme values or targets, else the learning rate."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rotary_mae.data.overflow import describe_extreme
from rotary_mae.data.tokens import TokenSet
from rotary_mae.training.dataloader import BatchReader

EXTREME = 1e4
"""Scaled values and targets beyond this size are named as the likely cause. Usual ones are below 10. Not tuned."""

SAMPLES_PER_READ = 1_000
"""Samples that are searched together, so that little of a large source is in memory. Not tuned."""

MAX_SAMPLES = 100_000
"""Samples that are searched in all, evenly spaced over the source. Not tuned."""


def likely_cause(reader: BatchReader) -> str:
    """Return why the training on these samples may have diverged, and what to do.

    Parameters
    ----------
    reader : BatchReader
        Reader of the training samples.

    Returns
    -------
    str
        Names the most extreme value or target and its sample, if it is beyond ``EXTREME``.
    """
    size, text = 0.0, ""
    n_samples = len(reader.source)
    searched = np.linspace(0, n_samples - 1, min(n_samples, MAX_SAMPLES)).round().astype(np.int64)
    for first in range(0, len(searched), SAMPLES_PER_READ):
        size, text = max((size, text), _most_extreme(reader, searched[first : first + SAMPLES_PER_READ]))
    if size > EXTREME:
        return f"the likely cause is that {text}; correct it, or leave it out"
    return "lower learning_rate, or set a smaller clip"


def _most_extreme(reader: BatchReader, indices: npt.NDArray[np.int64]) -> tuple[float, str]:
    """Return the size of the most extreme value or target of some samples, and a text that names it."""
    tokens = reader.source[indices]
    scaled = tokens if reader.scaling is None else reader.scaling.apply(tokens)
    return max(describe_extreme(tokens, scaled.values), _extreme_target(tokens))


def _extreme_target(tokens: TokenSet) -> tuple[float, str]:
    """Return the size of the largest target that is a number to predict, and a text; 0 for classes."""
    targets = tokens.targets
    if targets is None or targets.dtype.kind != "f":
        return 0.0, ""
    sizes = np.abs(targets.reshape(len(tokens), -1)).max(axis=1)
    sample = int(np.argmax(sizes))
    size = float(sizes[sample])
    return size, f"the target of sample {tokens.ids.tolist()[sample]!r} is of size {size:.3g} in the units of training"
