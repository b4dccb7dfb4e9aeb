"""How many floating-point operations of matrix products a task needs: what work there is, however it is done."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import rotary_mae as rm

Ints = npt.NDArray[np.int64]


def layer(width: int, hidden: int, n_keys: Ints, n_queries: Ints | None = None) -> float:
    """Of one layer, forward: (B,) keys a sample, all of which ask unless ``n_queries`` says how many do."""
    asked = n_keys if n_queries is None else n_queries
    products = 2 * width * width * (2 * n_keys + 2 * asked) + 4 * width * hidden * asked
    return float((products + 4 * width * n_keys * asked).sum())


def needed(config: rm.RoMAEConfig, lengths: Ints, task: str, fraction: float) -> float:
    """Of one step on samples of these lengths; a backward pass counts as two forward ones."""
    n_hidden = np.minimum(np.ceil(fraction * lengths), lengths - 1).astype(np.int64)
    n_seen = lengths - n_hidden if task == "pretraining" else lengths
    inside, n_cls = n_seen + 1, np.ones_like(n_seen)
    total = float(2 * config.width * config.n_values * n_seen.sum())
    encoder = config.depth * layer(config.width, config.hidden, inside)
    if task != "pretraining":
        # nothing but CLS is read from the last layer
        encoder = encoder * (config.depth - 1) / config.depth + layer(config.width, config.hidden, inside, n_cls)
        return (total + encoder) * (1 if task == "embedding" else 3)
    decoder = config.decoder
    total += encoder + float(2 * config.width * decoder.width * inside.sum())
    total += (decoder.depth - 1) * layer(decoder.width, decoder.hidden, inside + n_hidden)
    total += layer(decoder.width, decoder.hidden, inside + n_hidden, n_hidden)
    return 3 * (total + float(2 * decoder.width * config.n_predicted * n_hidden.sum()))
