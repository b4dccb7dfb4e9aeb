"""Losses as sum and count, so that the mean over several batches or processes has one denominator."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.models.autoencoder import PreTrainingOutput
from rotary_mae.models.predictor import PredictionOutput


@dataclass(frozen=True)
class LossSum:
    """Sum of the losses of a batch, and the number (or total weight) of them.

    Attributes
    ----------
    total, count : Tensor, scalar
    """

    total: Tensor
    count: Tensor


def targets_of(output: PredictionOutput, batch: TokenBatch) -> Tensor | None:
    """Return the targets of a predictor: of the tokens or of the samples, as its predictions are."""
    return batch.token_targets if output.per == "token" else batch.targets


def compute_loss(output: PreTrainingOutput | PredictionOutput, batch: TokenBatch, label_smoothing: float) -> LossSum:
    """Return the loss of a batch: reconstruction, cross entropy (integer targets) or regression (other targets).

    Parameters
    ----------
    output : PreTrainingOutput or PredictionOutput
        Output of the model for the batch.
    batch : TokenBatch
        Batch with targets, for a predictor.
    label_smoothing : float
        Label smoothing of the cross entropy.

    Raises
    ------
    ValueError
        If the targets are missing or of another shape than the predictions.
    """
    if isinstance(output, PreTrainingOutput):
        return LossSum(output.loss_sum, output.loss_count)
    targets, logits, weights = targets_of(output, batch), output.logits, batch.weights
    if output.per == "token":
        weights = None if weights is None else weights[batch.sample_idx]
    if targets is None:
        raise ValueError(
            "training a predictor of tokens needs token_targets: give them to TokenSet"
            if output.per == "token"
            else "training a predictor needs targets that are numbers: give tokens.with_targets(...), classes as 0, 1"
        )
    if targets.is_floating_point():
        losses = _regression_losses(logits, targets.view(len(targets), -1), output.std)
    else:
        losses = F.cross_entropy(logits, targets, reduction="none", label_smoothing=label_smoothing)
    if weights is None:
        return LossSum(losses.sum(), torch.tensor(float(len(losses)), device=losses.device))
    return LossSum((losses * weights).sum(), weights.sum())


def _regression_losses(mean: Tensor, targets: Tensor, std: Tensor | None) -> Tensor:
    """Return the losses (N,) of predictions (N, k): squared errors, or a Gaussian likelihood if there is a std."""
    if targets.shape != mean.shape:
        raise ValueError(
            f"the model predicts numbers of shape {tuple(mean.shape)}, targets are of shape {tuple(targets.shape)}; "
            "give as many targets as outputs="
        )
    losses = (mean - targets).square()
    if std is not None:
        # the mean is learned from squared errors, as without std: the likelihood alone would neglect targets that are
        # hard to predict (Stirn and others 2023, arXiv 2212.09184)
        losses = 0.5 * (losses + losses.detach() / std.square()) + std.log()
    return losses.mean(1)
