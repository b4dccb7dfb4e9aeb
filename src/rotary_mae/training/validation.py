"""Loss and metrics of a model on a set of samples, shared out among processes."""

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
from rotary_mae.training.losses import loss_parts, targets_of


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients, and the mode that was there afterwards."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)


def validate(model: nn.Module, batches: Iterable[TokenBatch], accelerator: Accelerator) -> dict[str, float]:
    """loss, and for predictors the metrics of ``prediction_metrics``; the same on every process."""
    total = torch.zeros(2, dtype=torch.float64, device=accelerator.device)
    logits: list[Tensor] = []
    targets: list[Tensor] = []
    with evaluation_mode(model):
        for batch in batches:
            batch = batch.to(accelerator.device)
            output = model(batch)
            parts = loss_parts(output, batch, label_smoothing=0.0)
            total += torch.stack((parts.total, parts.count)).double()
            counts = batch.weights is None or bool(batch.weights.any())
            answers = None if isinstance(output, PreTrainingOutput) else targets_of(output, batch)
            if answers is not None and counts:
                logits.append(output.logits.float())
                targets.append(answers)
    total = accelerator.reduce(total, "sum")
    results = {"loss": (total[0] / total[1].clamp(min=1e-12)).item()}
    if any_process(bool(logits), accelerator):
        results |= prediction_metrics(gather_rows(logits, accelerator), gather_rows(targets, accelerator))
    return results
