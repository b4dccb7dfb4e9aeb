"""Loss and metrics of a model on a validation set, computed by all processes together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.evaluation.metrics import prediction_metrics
from rotary_mae.models.autoencoder import PreTrainingOutput
from rotary_mae.training.distributed import any_process, gather_rows
from rotary_mae.training.losses import compute_loss, targets_of


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Set the model to evaluation mode without gradients, and restore its mode afterwards."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)


def validate(model: nn.Module, batches: Iterable[TokenBatch], accelerator: Accelerator) -> dict[str, float]:
    """Return the metrics of a model on batches, the same on every process.

    Parameters
    ----------
    model : Module
        Autoencoder or predictor.
    batches : iterable of TokenBatch
        The batches of this process, with masked tokens for an autoencoder and targets for a predictor.
    accelerator : Accelerator

    Returns
    -------
    dict of str to float
        loss, and for a predictor the metrics of ``prediction_metrics``.
    """
    loss = torch.zeros(2, dtype=torch.float64, device=accelerator.device)
    predictions: list[Tensor] = []
    targets: list[Tensor] = []
    with evaluation_mode(model):
        for batch in batches:
            batch = batch.to(accelerator.device)
            output = model(batch)
            batch_loss = compute_loss(output, batch, label_smoothing=0.0)
            loss += torch.stack((batch_loss.total, batch_loss.count)).double()
            is_counted = batch.weights is None or bool(batch.weights.any())
            batch_targets = None if isinstance(output, PreTrainingOutput) else targets_of(output, batch)
            if batch_targets is not None and is_counted:
                predictions.append(output.logits.float())
                targets.append(batch_targets)
    loss = accelerator.reduce(loss, "sum")
    metrics = {"loss": (loss[0] / loss[1].clamp(min=1e-12)).item()}
    if any_process(bool(predictions), accelerator):
        metrics |= prediction_metrics(gather_rows(predictions, accelerator), gather_rows(targets, accelerator))
    return metrics
