"""How surprising each observed value is, given the others of its series."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.batches.masking import order_in_time
from rotary_mae.data.tokens import TokenSet, token_indices
from rotary_mae.estimators._predict.batched import batches_by_length
from rotary_mae.evaluation.conformal import Calibration
from rotary_mae.evaluation.conformal_scores import Predictor
from rotary_mae.evaluation.reconstruction import observed_targets

Array = npt.NDArray[Any]


def anomaly_scores(
    answer: Predictor, scaled: TokenSet, calibration: Calibration, n_folds: int, is_normalized: bool = False
) -> Array:
    """(T, n_predicted) distance of each value from its answer, signed, in standard deviations of a normal one.

    Every token is hidden once, with every ``n_folds``-th other in time. NaN: not observed, a static covariate, or the
    only token of its series. answer, is_normalized: as ``calibrate`` takes them.
    """
    fold = _folds(scaled, n_folds)
    found = np.full((scaled.n_tokens, scaled.schema.n_predicted), np.nan)
    for indices in batches_by_length(scaled.lengths):
        tokens = token_indices(scaled.starts[indices], scaled.lengths[indices])
        whole = TokenBatch.collate(scaled[indices].with_targets(None))
        for k in range(n_folds):
            hidden = fold[tokens] == k
            if hidden.any():
                found[tokens[hidden]] = _of_hidden(answer, whole.hide(is_hidden=hidden), calibration, is_normalized)
    return found


def _folds(scaled: TokenSet, n_folds: int) -> npt.NDArray[np.int64]:
    """(T,) when each token is hidden; -1 where it never is. Neighbours in time are hidden apart."""
    axis, free = scaled.schema.channel_axis, ~scaled.is_static
    channel = None if axis is None else scaled.positions[free, axis]
    # a token that is alone has nothing to be judged by; of two or more, some must stay visible
    sample = scaled.sample_idx[free]
    n_free = np.bincount(sample, minlength=len(scaled))
    fold = np.full(scaled.n_tokens, -1)
    rank = order_in_time(sample, scaled.positions[free, scaled.schema.time_axis], channel)
    fold[free] = np.where(scaled.lengths[sample] > 1, rank % np.minimum(n_folds, n_free)[sample], -1)
    return fold


def _of_hidden(answer: Predictor, batch: TokenBatch, calibration: Calibration, is_normalized: bool) -> Array:
    """(M, n_predicted) of the hidden tokens."""
    hidden = batch.split.hidden_idx.numpy()
    truth, is_known, channel = (of[hidden] for of in observed_targets(batch, is_normalized))
    mean, std = answer(batch)
    spread = np.ones(mean.shape) if std is None else std.numpy().astype(np.float64)
    if column := batch.schema.columns("error"):
        spread = np.hypot(spread, batch.values[hidden][:, column].numpy())
    if batch.schema.patch is not None:
        channel = np.zeros_like(channel)
    found = np.full(truth.shape, np.nan)
    found[is_known] = calibration.to_standard_normal(((truth - mean.numpy()) / spread)[is_known], channel[is_known])
    return found


def root_mean_square(values: Array, lengths: npt.NDArray[np.int64]) -> Array:
    """(B,) of each sample's tokens (T, V), NaN left out; NaN for a sample without any."""
    is_there = np.isfinite(values)
    starts = np.cumsum(lengths) - lengths
    total = np.add.reduceat(np.where(is_there, values, 0.0) ** 2, starts).sum(1)
    count = np.add.reduceat(is_there.astype(np.int64), starts).sum(1)
    return np.sqrt(np.divide(total, count, out=np.full(len(lengths), np.nan), where=count > 0))
