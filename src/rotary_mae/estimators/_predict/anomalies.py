"""Anomaly scores: the distance of every observed value from its prediction by the other values of its series."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.batches.masking import order_in_time
from rotary_mae.data.tokens import TokenSet
from rotary_mae.estimators._predict.batched import TrainedModels, predict_masked
from rotary_mae.evaluation.conformal import Calibration, count_channels
from rotary_mae.evaluation.query_groups import masked_features
from rotary_mae.evaluation.reconstruction import observed_targets

Array = npt.NDArray[Any]


def anomaly_scores(trained: TrainedModels, scaled: TokenSet, n_folds: int) -> Array:
    """Return the signed distance of each value from its prediction, in calibrated standard deviations.

    Every token is masked once, together with every ``n_folds``-th other token of its sample in time.

    Parameters
    ----------
    trained : TrainedModels
        Calibrated autoencoders.
    scaled : TokenSet
        T tokens in scaled units.
    n_folds : int
        Number of masks; at least 2.

    Returns
    -------
    array of float, shape (T, n_predicted)
        NaN where nothing was observed, for static covariates, and for the only token of a sample.
    """
    schema, fold = scaled.schema, _folds(scaled, n_folds)
    calibration = trained.calibration or Calibration.uncalibrated(count_channels(schema))
    mean, std = np.full((scaled.n_tokens, schema.n_predicted), np.nan), np.ones((scaled.n_tokens, schema.n_predicted))
    place = np.zeros(mean.shape) if calibration.knots else None
    for k in range(n_folds):
        is_masked = fold == k
        fold_mean, fold_std = predict_masked(trained, scaled, is_masked)
        mean[is_masked] = fold_mean
        if fold_std is not None:
            std[is_masked] = fold_std
        features = masked_features(schema, scaled.values, scaled.positions, scaled.sample_idx, is_masked)
        if place is not None and (places := calibration.places(features)) is not None:
            place[is_masked] = places.reshape(-1, schema.n_predicted)
    if column := schema.columns("error"):
        std = np.hypot(std, scaled.values[:, column])
    batch = TokenBatch.collate(scaled.with_targets(None))
    truth, is_observed, channel = observed_targets(batch, trained.is_normalized)
    if schema.patch is not None:
        # all values of a patch of an image are one channel
        channel = np.zeros_like(channel)
    is_scored = is_observed & (fold >= 0)[:, None]
    residual = ((truth - mean) / std)[is_scored]
    scores = np.full(truth.shape, np.nan)
    place_of_scored = None if place is None else place[is_scored]
    scores[is_scored] = calibration.to_standard_normal(residual, channel[is_scored], place_of_scored)
    return scores


def _folds(scaled: TokenSet, n_folds: int) -> npt.NDArray[np.int64]:
    """Return the mask (T,) that each token belongs to, -1 for none; neighbours in time belong to different masks."""
    axis, is_free = scaled.schema.channel_axis, ~scaled.is_static
    channel = None if axis is None else scaled.positions[is_free, axis]
    sample = scaled.sample_idx[is_free]
    n_free = np.bincount(sample, minlength=len(scaled))
    fold = np.full(scaled.n_tokens, -1)
    rank = order_in_time(sample, scaled.positions[is_free, scaled.schema.time_axis], channel)
    # a single token has nothing to be predicted from; of two or more, some must stay visible
    fold[is_free] = np.where(scaled.lengths[sample] > 1, rank % np.minimum(n_folds, n_free)[sample], -1)
    return fold


def by_time_step(scaled: TokenSet, scores: Array) -> list[Array]:
    """Return the scores of measurements (T, 1) as arrays (times, C), one per sample; NaN where nothing was observed."""
    schema = scaled.schema
    is_measured = ~scaled.is_static
    channel = scaled.positions[is_measured, schema.channel_axis].astype(np.int64)
    time, sample = scaled.positions[is_measured, schema.time_axis], scaled.sample_idx[is_measured]
    steps, row = np.unique(np.column_stack([sample, time]), axis=0, return_inverse=True)
    table = np.full((len(steps), len(schema.channels)), np.nan)
    table[row.ravel(), channel] = scores[is_measured, 0]
    ends = np.searchsorted(steps[:, 0], np.arange(1, len(scaled)))
    return np.split(table, ends)


def root_mean_square(values: Array, lengths: npt.NDArray[np.int64]) -> Array:
    """Return the root mean square (B,) of the values (T, V) of each sample, without NaN; NaN for a sample of NaN."""
    is_finite = np.isfinite(values)
    starts = np.cumsum(lengths) - lengths
    total = np.add.reduceat(np.where(is_finite, values, 0.0) ** 2, starts).sum(1)
    count = np.add.reduceat(is_finite.astype(np.int64), starts).sum(1)
    return np.sqrt(np.divide(total, count, out=np.full(len(lengths), np.nan), where=count > 0))
