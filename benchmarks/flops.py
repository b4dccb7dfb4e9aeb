"""Floating-point operations in the matrix products of a task, independent of the implementation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import rotary_mae as rm

Ints = npt.NDArray[np.int64]


def layer_flops(width: int, hidden: int, n_keys: Ints, n_queries: Ints | None = None) -> float:
    """Return the operations of one layer in a forward pass.

    Parameters
    ----------
    width, hidden : int
        Width of the model and of the hidden layer of its MLP.
    n_keys : array
        (B,) tokens of each sample.
    n_queries : array, optional
        (B,) tokens of each sample that are computed, by default all.

    Returns
    -------
    float
        Operations of all samples.
    """
    queries = n_keys if n_queries is None else n_queries
    products = 2 * width * width * (2 * n_keys + 2 * queries) + 4 * width * hidden * queries
    return float((products + 4 * width * n_keys * queries).sum())


def task_flops(config: rm.RoMAEConfig, lengths: Ints, task: str, fraction: float) -> float:
    """Return the operations of one step.

    Parameters
    ----------
    config : RoMAEConfig
        Model.
    lengths : array
        (B,) tokens of each sample.
    task : str
        A key of ``implementations.TASKS``.
    fraction : float
        Masked fraction in pre-training.

    Returns
    -------
    float
        Operations; a backward pass counts as two forward passes.
    """
    n_masked = np.minimum(np.ceil(fraction * lengths), lengths - 1).astype(np.int64)
    n_visible = lengths - n_masked if task == "pretraining" else lengths
    n_encoded, n_cls = n_visible + 1, np.ones_like(n_visible)
    total = float(2 * config.width * config.n_values * n_visible.sum())
    encoder = config.depth * layer_flops(config.width, config.hidden, n_encoded)
    if task != "pretraining":
        # the last layer computes CLS alone
        encoder = encoder * (config.depth - 1) / config.depth
        encoder += layer_flops(config.width, config.hidden, n_encoded, n_cls)
        return (total + encoder) * (1 if task == "embedding" else 3)
    decoder = config.decoder
    total += encoder + float(2 * config.width * decoder.width * n_encoded.sum())
    total += (decoder.depth - 1) * layer_flops(decoder.width, decoder.hidden, n_encoded + n_masked)
    total += layer_flops(decoder.width, decoder.hidden, n_encoded + n_masked, n_masked)
    return 3 * (total + float(2 * decoder.width * config.n_predicted * n_masked.sum()))
