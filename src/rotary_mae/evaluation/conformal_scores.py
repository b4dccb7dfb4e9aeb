"""Values hidden as prediction will meet it, and how far the answers for them are off: what calibration is fitted on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.batches.masking import VALIDATION_EPOCH, Masking
from rotary_mae.batches.sampler import cut_into_batches
from rotary_mae.data.sources import Source
from rotary_mae.data.tokens import TokenSet, token_indices
from rotary_mae.evaluation.conformal import Calibration, HeldOut, count_channels, fit_calibration
from rotary_mae.evaluation.reconstruction import observed_targets

Array = npt.NDArray[Any]

Predictor = Callable[[TokenBatch], tuple[Tensor, Tensor | None]]

MAX_TOKENS = 16_384

MAX_DRAWS = 8

ENOUGH = 20_000
"""Few series are hidden from again and again, up to ``MAX_DRAWS`` times, until there are so many scores."""

MIN_SERIES_NO_SHRINKAGE = 20
"""From so many held-out series on, they alone count; of fewer, the model's own word does its part: both are then off
by several points, and in different ways."""

MAX_SERIES = 1_000

MAX_READ = 250_000
"""Series that are looked at, and tokens of them: more would tell little more."""

HELD_FRACTION = 1 / 7
"""Of the values of each series, where there are too few series to hold out some."""


def fit_on_masked_values(
    answer: Predictor,
    scaled: TokenSet,
    hiding: Masking,
    seed: int,
    held_out: HeldOut,
    is_scored: npt.NDArray[np.bool_] | None = None,
    is_normalized: bool = False,
) -> Calibration:
    """Hide values as prediction will meet it, ask for them, and see how far off the answers are.

    Args:
        answer: mean and standard deviation (M, n_predicted) of the hidden tokens of a batch, in scaled units; a
            deviation of None counts as 1.
        scaled: series in scaled units.
        seed: with the number of the draw it fixes what is hidden; the draws are neither those of training nor of its
            validation.
        is_scored: (T,) True for tokens that count when they are hidden; all if None.
        is_normalized: answers are patches with their own mean taken off and divided by their deviation.
    """
    n_channels = count_channels(scaled.schema)
    errors = _channel_errors(scaled, n_channels)
    parts: list[dict[str, Array]] = []
    batches = cut_into_batches(np.argsort(scaled.lengths, kind="stable"), None, MAX_TOKENS, np.sort(scaled.lengths))
    # the same share of the future is the same values in every draw
    is_fixed = hiding.strategy == "future" and hiding.least_fraction is None and hiding.then is None
    for draw in range(1 if is_fixed else MAX_DRAWS):
        for indices in batches:
            batch = TokenBatch.collate(scaled[indices].with_targets(None), keys=indices)
            epoch = VALIDATION_EPOCH + 1 + draw
            batch = batch.hide(hiding, seed=seed, epoch=epoch)
            tokens = token_indices(scaled.starts[indices], scaled.lengths[indices])
            counts = np.ones(len(tokens), bool) if is_scored is None else is_scored[tokens]
            parts.append(_hidden_scores(answer, batch, tokens, errors, counts, is_normalized))
        if sum(len(part["score"]) for part in parts) >= ENOUGH:
            break
    whole = {name: np.concatenate([part[name] for part in parts]) for name in ("score", "channel", "series", "value")}
    is_own_word = held_out == "series" and all(part["has_std"] for part in parts)
    return fit_calibration(
        **whole, errors=errors, held_out=held_out, n_own=MIN_SERIES_NO_SHRINKAGE if is_own_word else 0
    )


def evenly_spread(source: Source, indices: npt.NDArray[np.int64]) -> TokenSet:
    """The samples, or as many of them, evenly spread, as calibration needs."""
    tokens = source[_spread_over(indices, MAX_SERIES)]
    kept = int(len(tokens) * MAX_READ / max(tokens.n_tokens, MAX_READ))
    return tokens[_spread_over(np.arange(len(tokens)), max(kept, 1))]


def _spread_over(indices: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
    chosen = np.linspace(0, len(indices) - 1, min(len(indices), n)).round().astype(np.int64)
    return indices[chosen]


def withhold_values(tokens: TokenSet, seed: int) -> npt.NDArray[np.bool_]:
    """(T,) True for a share of the tokens of each series, for training never to see and calibration to ask for."""
    is_held = np.zeros(tokens.n_tokens, bool)
    batch = TokenBatch.collate(tokens.with_targets(None)).hide(HELD_FRACTION, seed=seed, epoch=VALIDATION_EPOCH)
    is_held[batch.split.hidden_idx.numpy()] = True
    return is_held


def _hidden_scores(
    answer: Predictor,
    batch: TokenBatch,
    tokens: npt.NDArray[np.int64],
    errors: Array,
    is_scored: npt.NDArray[np.bool_],
    is_normalized: bool,
) -> dict[str, Array]:
    """score, channel, series and value of each hidden value that counts, and whether the model gave a spread.

    tokens: (T,) numbers that name the tokens. is_scored: (T,) those that count.
    """
    truth, is_known, channel = observed_targets(batch, is_normalized)
    hidden = batch.split.hidden_idx.numpy()
    series = batch.sample_idx.numpy()
    channel = np.zeros_like(channel) if batch.schema.patch is not None else channel
    mean, std = answer(batch)
    spread = np.ones(mean.shape) if std is None else std.numpy().astype(np.float64)
    if column := batch.schema.columns("error"):
        visible = batch.split.visible_idx.numpy()
        error = batch.values[:, column[0]].numpy().astype(np.float64)
        known = typical_errors(
            errors, series[visible], channel[visible, 0], error[visible], series[hidden], channel[hidden, 0]
        )
        spread = np.hypot(spread, known[:, None])
    kept = (is_known & is_scored[:, None])[hidden]
    names = np.arange(len(batch)) if batch.keys is None else batch.keys.numpy()
    return {
        "has_std": np.array(std is not None),
        "score": ((truth[hidden] - mean.numpy()) / spread)[kept],
        "channel": channel[hidden][kept],
        "series": np.broadcast_to(names[series[hidden]][:, None], kept.shape)[kept],
        "value": (tokens[hidden][:, None] * kept.shape[1] + np.arange(kept.shape[1]))[kept],
    }


def typical_errors(
    errors: Array,
    series: npt.NDArray[np.int64],
    channel: npt.NDArray[np.int64],
    error: Array,
    asked_series: npt.NDArray[np.int64],
    asked_channel: npt.NDArray[np.int64],
) -> Array:
    """(Q,) error that a new measurement is expected to have: the median of its series and channel.

    errors: (C,) for a channel that its series has not. series, channel, error: (N,) of what was observed.
    asked_series, asked_channel: (Q,).
    """
    n_channels = len(errors)
    real = channel < n_channels
    group, of_group = np.unique(series[real] * n_channels + channel[real], return_inverse=True)
    median = _group_medians(of_group, error[real], len(group))
    asked = asked_series * n_channels + asked_channel
    if not len(group):
        return errors[asked_channel]
    place = np.searchsorted(group, asked).clip(max=len(group) - 1)
    return np.where(group[place] == asked, median[place], errors[asked_channel])


def _channel_errors(scaled: TokenSet, n_channels: int) -> Array:
    """(C,) median error of the measurements of each channel; of all, for a channel without any."""
    column, axis = scaled.schema.columns("error"), scaled.schema.channel_axis
    if not column or axis is None:
        return np.zeros(n_channels)
    real = ~scaled.is_static
    channel = scaled.positions[real, axis].astype(np.int64) * scaled.schema.n_predicted
    error = scaled.values[real, column[0]].astype(np.float64)
    found = np.full(n_channels, np.median(error))
    present = np.unique(channel)
    found[present] = _group_medians(np.searchsorted(present, channel), error, len(present))
    return found


def _group_medians(group: npt.NDArray[np.int64], values: Array, n_groups: int) -> Array:
    """(G,) lower median of the values of each group 0..G-1; every group has some."""
    order = np.lexsort((values, group))
    count = np.bincount(group, minlength=n_groups)
    return values[order][np.cumsum(count) - count + (count - 1) // 2]
