"""Losses as (sum, count), so that a mean over several batches or processes has one denominator."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.models.autoencoder import PreTrainingOutput
from rotary_mae.models.predictor import PredictionOutput


@dataclass(frozen=True)
class LossParts:
    """Sum of the losses and (weighted) number of them, both scalars."""

    total: Tensor
    count: Tensor


def targets_of(output: PredictionOutput, batch: TokenBatch) -> Tensor | None:
    """What a predictor should have answered: targets of the samples or of the tokens, as its answers are."""
    return batch.token_targets if output.per == "token" else batch.targets


def loss_parts(output: PreTrainingOutput | PredictionOutput, batch: TokenBatch, label_smoothing: float) -> LossParts:
    """The loss of a batch: reconstruction, cross entropy (whole-number targets) or regression (others)."""
    if isinstance(output, PreTrainingOutput):
        return LossParts(output.loss_sum, output.loss_count)
    targets, logits, weights = targets_of(output, batch), output.logits, batch.weights
    if output.per == "token":
        weights = None if weights is None else weights[batch.sample_idx]
    if targets is None:
        raise ValueError(
            "training a predictor of tokens needs token_targets: give them to TokenSet"
            if output.per == "token"
            else "training a predictor needs targets that are numbers: give tokens.with_targets(...), classes as 0, 1"
        )
    if not targets.is_floating_point():
        losses = F.cross_entropy(logits, targets, reduction="none", label_smoothing=label_smoothing)
    else:
        targets = targets.view(len(targets), -1)
        if targets.shape != logits.shape:
            raise ValueError(f"the model gives {tuple(logits.shape)} numbers, targets are {tuple(targets.shape)}")
        squared = (logits - targets).square()
        if output.std is not None:
            # the mean learns as without a spread: by likelihood alone, what is hard to predict would hardly be learned
            # (Stirn and others 2023, arXiv 2212.09184)
            squared = 0.5 * (squared + squared.detach() / output.std.square()) + output.std.log()
        losses = squared.mean(1)
    if weights is None:
        return LossParts(losses.sum(), torch.tensor(float(len(losses)), device=losses.device))
    return LossParts((losses * weights).sum(), weights.sum())
