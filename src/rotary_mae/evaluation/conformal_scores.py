"""Scores for the calibration: standardised residuals of values that are masked as in later predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.batches.masking import VALIDATION_EPOCH, Masking
from rotary_mae.data.indexing import token_indices
from rotary_mae.data.sources import Source
from rotary_mae.data.tokens import TokenSet
from rotary_mae.evaluation.conformal import Calibration, HeldOut, count_channels, fit_calibration
from rotary_mae.evaluation.conformal_groups import fit_groups
from rotary_mae.evaluation.query_groups import QueryFeatures, masked_features
from rotary_mae.evaluation.reconstruction import observed_targets

Array = npt.NDArray[Any]

Ints = npt.NDArray[np.int64]

Predictor = Callable[[TokenBatch], tuple[Tensor, Tensor | None]]
"""Mean and standard deviation, (M, n_predicted) each, of the masked tokens of a batch in scaled units, on the CPU. The
standard deviation is None for a model without one."""

MAX_DRAWS = 8
"""Maximum number of times that the same series are masked; not tuned."""

ENOUGH_SCORES = 20_000
"""With this number of scores, the series are not masked again; not tuned."""

MIN_SERIES_NO_SHRINKAGE = 20
"""Minimum number of held-out series for quantiles without shrinkage. Quantiles of fewer series are shrunk towards the
normal distribution of the model: both are then wrong by several points of coverage, in different directions."""

MAX_CALIBRATION_SERIES = 1_000
"""Maximum number of series for the calibration; more series change the quantiles little."""

MAX_CALIBRATION_TOKENS = 250_000
"""Maximum number of tokens for the calibration; more tokens change the quantiles little."""

WITHHELD_FRACTION = 1 / 7
"""Fraction of the values of each series that is held out if there are too few series to hold out some of them; not
tuned."""


def fit_on_masked_values(
    predictor: Predictor,
    scaled: TokenSet,
    batches: Callable[[], Iterable[tuple[Ints, TokenBatch]]],
    hiding: Masking,
    seed: int,
    held_out: HeldOut,
    is_scored: npt.NDArray[np.bool_] | None = None,
    is_normalized: bool = False,
) -> Calibration:
    """Fit a calibration to the predictions of masked values.

    If there are few series, they are masked several times, at most ``MAX_DRAWS`` times, until there are
    ``ENOUGH_SCORES`` scores. The masks differ from those of training and validation.

    Parameters
    ----------
    predictor : callable
        Predicts the masked tokens of a batch (see ``Predictor``). A standard deviation of None is replaced by 1.
    scaled : TokenSet
        Series in scaled units, T tokens.
    batches : callable
        Called once for each draw of masks. Returns an iterable of pairs: indices (b,) of samples in ``scaled``, and
        their TokenBatch without masked tokens, with these indices as its ``keys``.
    hiding : Masking
        Masking of the values; it should resemble the masking of later predictions.
    seed : int
        Seed of the masks.
    held_out : {"series", "values", "nothing"}
        Origin of the series (see ``Calibration``).
    is_scored : array of bool, shape (T,), optional
        True for tokens that have a score when they are masked; None means all.
    is_normalized : bool
        True if the model predicts patches normalised by their own mean and standard deviation.
    """
    errors = _channel_errors(scaled, count_channels(scaled.schema))
    parts: list[dict[str, Array]] = []
    # with a fixed fraction of the future, every draw masks the same values
    is_fixed = hiding == Masking("future", hiding.fraction)
    for draw in range(1 if is_fixed else MAX_DRAWS):
        for indices, batch in batches():
            masked = batch.hide(hiding, seed=seed, epoch=VALIDATION_EPOCH + 1 + draw)
            tokens = token_indices(scaled.starts[indices], scaled.lengths[indices])
            tokens = tokens if masked.token_idx is None else tokens[masked.token_idx.numpy()]
            is_counted = np.ones(len(tokens), bool) if is_scored is None else is_scored[tokens]
            features = batch_features(batch, masked)
            parts.append(_masked_scores(predictor, masked, features, tokens, errors, is_counted, is_normalized))
        if sum(len(part["score"]) for part in parts) >= ENOUGH_SCORES:
            break
    scores = {name: np.concatenate([part[name] for part in parts]) for name in ("score", "channel", "series", "value")}
    has_own_std = held_out == "series" and all(part["has_std"] for part in parts)
    calibration = fit_calibration(
        **scores,
        errors=errors,
        held_out=held_out,
        min_series_no_shrinkage=MIN_SERIES_NO_SHRINKAGE if has_own_std else 0,
    )
    if scaled.schema.patch is None:
        features = QueryFeatures(*(np.concatenate([part[name] for part in parts]) for name in ("kind", "distance")))
        calibration = fit_groups(calibration, **scores, features=features)
    if "future" not in hiding.strategies:
        return calibration
    return replace(calibration, reach=_longest_span(scaled), horizon=float(max(part["horizon"] for part in parts)))


def batch_features(batch: TokenBatch, masked: TokenBatch) -> QueryFeatures | None:
    """Return the features of the masked values of a batch (see ``masked_features``).

    Parameters
    ----------
    batch : TokenBatch
        The batch before masking.
    masked : TokenBatch
        The same batch with masked tokens.
    """
    is_masked = np.zeros(len(masked.values), bool)
    is_masked[masked.split.hidden_idx.cpu().numpy()] = True
    # positions before masking, which moves the origin
    positions = batch.positions if masked.token_idx is None else batch.positions.cpu()[masked.token_idx]
    values, sample_idx = masked.values.cpu().numpy(), masked.sample_idx.cpu().numpy()
    return masked_features(batch.schema, values, positions.cpu().numpy(), sample_idx, is_masked)


def _longest_span(scaled: TokenSet) -> float:
    """Return the longest time between the first and the last measurement of a sample, in scaled units."""
    is_measured, axis = ~scaled.is_static, scaled.schema.time_axis
    first, last = np.full(len(scaled), np.inf), np.full(len(scaled), -np.inf)
    np.minimum.at(first, scaled.sample_idx[is_measured], scaled.positions[is_measured, axis])
    np.maximum.at(last, scaled.sample_idx[is_measured], scaled.positions[is_measured, axis])
    return float(np.maximum(last - first, 0.0).max())


def _longest_horizon(batch: TokenBatch) -> float:
    """Return the longest time from the last visible to a masked token of a sample; 0 if no later one is masked."""
    time = batch.positions[:, batch.schema.time_axis].cpu().numpy().astype(np.float64)
    sample, visible, masked = (
        index.cpu().numpy() for index in (batch.sample_idx, batch.split.visible_idx, batch.split.hidden_idx)
    )
    last = np.full(len(batch), -np.inf)
    np.maximum.at(last, sample[visible], time[visible])
    return float((time[masked] - last[sample[masked]]).max(initial=0.0))


def calibration_series(source: Source, indices: Ints) -> TokenSet:
    """Return the samples at the indices; if there are too many for the calibration, evenly spaced ones of them."""
    tokens = source[_evenly_spaced(indices, MAX_CALIBRATION_SERIES)]
    n_series = int(len(tokens) * MAX_CALIBRATION_TOKENS / max(tokens.n_tokens, MAX_CALIBRATION_TOKENS))
    return tokens[_evenly_spaced(np.arange(len(tokens)), max(n_series, 1))]


def _evenly_spaced(indices: Ints, n: int) -> Ints:
    chosen = np.linspace(0, len(indices) - 1, min(len(indices), n)).round().astype(np.int64)
    return indices[chosen]


def withhold_values(tokens: TokenSet, seed: int) -> npt.NDArray[np.bool_]:
    """Return a bool array (T,), True for tokens that are held out of training for the calibration."""
    is_withheld = np.zeros(tokens.n_tokens, bool)
    batch = TokenBatch.collate(tokens.with_targets(None)).hide(WITHHELD_FRACTION, seed=seed, epoch=VALIDATION_EPOCH)
    is_withheld[batch.split.hidden_idx.numpy()] = True
    return is_withheld


def _masked_scores(
    predictor: Predictor,
    batch: TokenBatch,
    features: QueryFeatures | None,
    tokens: Ints,
    errors: Array,
    is_scored: npt.NDArray[np.bool_],
    is_normalized: bool,
) -> dict[str, Array]:
    """Return score, channel, series and value (N,) of each scored value, and has_std, a single bool.

    With features also their kind and distance, (N,) each; and horizon, a single number. features: of all masked values.
    tokens: (T,) identities of the tokens. is_scored: (T,) True for tokens that have a score when they are masked.
    """
    truth, is_known, channel = observed_targets(batch, is_normalized)
    masked = batch.split.hidden_idx.numpy()
    sample = batch.sample_idx.numpy()
    channel = np.zeros_like(channel) if batch.schema.patch is not None else channel
    mean, model_std = predictor(batch)
    std = np.ones(mean.shape) if model_std is None else model_std.numpy().astype(np.float64)
    if column := batch.schema.columns("error"):
        visible = batch.split.visible_idx.numpy()
        error = batch.values[:, column[0]].numpy().astype(np.float64)
        expected_error = typical_errors(
            errors, sample[visible], channel[visible, 0], error[visible], sample[masked], channel[masked, 0]
        )
        std = np.hypot(std, expected_error[:, None])
    is_counted = (is_known & is_scored[:, None])[masked]
    series = np.arange(len(batch)) if batch.keys is None else batch.keys.numpy()
    grouped = {} if features is None else {"kind": features.kind, "distance": features.distance}
    grouped = {name: column.reshape(is_counted.shape)[is_counted] for name, column in grouped.items()}
    return {
        **grouped,
        "has_std": np.array(model_std is not None),
        "horizon": np.array(_longest_horizon(batch)),
        "score": ((truth[masked] - mean.numpy()) / std)[is_counted],
        "channel": channel[masked][is_counted],
        "series": np.broadcast_to(series[sample[masked]][:, None], is_counted.shape)[is_counted],
        "value": (tokens[masked][:, None] * is_counted.shape[1] + np.arange(is_counted.shape[1]))[is_counted],
    }


def typical_errors(
    errors: Array, series: Ints, channel: Ints, error: Array, query_series: Ints, query_channel: Ints
) -> Array:
    """Return the error that a new measurement is expected to have: the median of its series and channel.

    Parameters
    ----------
    errors : array of float, shape (C,)
        Typical error of each channel, for a channel without measurements in the series.
    series, channel : array of int, shape (N,)
        Series and channel of each measurement; channels of C or more are static covariates.
    error : array of float, shape (N,)
        Errors of the measurements.
    query_series, query_channel : array of int, shape (Q,)
        Series and channel of each new measurement.

    Returns
    -------
    array of float, shape (Q,)
    """
    n_channels = len(errors)
    is_measured = channel < n_channels
    group, group_idx = np.unique(series[is_measured] * n_channels + channel[is_measured], return_inverse=True)
    median = _group_medians(group_idx, error[is_measured], len(group))
    query_group = query_series * n_channels + query_channel
    if not len(group):
        return errors[query_channel]
    place = np.searchsorted(group, query_group).clip(max=len(group) - 1)
    return np.where(group[place] == query_group, median[place], errors[query_channel])


def _channel_errors(scaled: TokenSet, n_channels: int) -> Array:
    """Return the median error (C,) of each channel; a channel without measurements has the median of all."""
    column, axis = scaled.schema.columns("error"), scaled.schema.channel_axis
    if not column or axis is None:
        return np.zeros(n_channels)
    is_measured = ~scaled.is_static
    channel = scaled.positions[is_measured, axis].astype(np.int64) * scaled.schema.n_predicted
    error = scaled.values[is_measured, column[0]].astype(np.float64)
    errors = np.full(n_channels, np.median(error))
    present = np.unique(channel)
    errors[present] = _group_medians(np.searchsorted(present, channel), error, len(present))
    return errors


def _group_medians(group: Ints, values: Array, n_groups: int) -> Array:
    """Return the lower median (G,) of the values of each group 0 to G - 1; no group is empty."""
    order = np.lexsort((values, group))
    count = np.bincount(group, minlength=n_groups)
    return values[order][np.cumsum(count) - count + (count - 1) // 2]
