"""Implementations whose speed is measured (packed eager, packed compiled, padded reference), and the tasks they run."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

import rotary_mae as rm
from benchmarks.padded_reference import PaddedBatch, PaddedReference
from benchmarks.workloads import Workload
from rotary_mae.training.optimizer import make_optimizer

IMPLEMENTATIONS = {
    "padded": "padded reference",
    "packed": "rotary-mae",
    "compiled": "rotary-mae, compiled",
    "compiled-bf16": "rotary-mae, compiled, bf16",
}
WINDOW = 64.0
"""Window of the implementation "windowed", which is measured by benchmarks.scaling only."""

TASKS = {
    "pretraining": "pre-training",
    "classification": "training a classifier on all tokens",
    "embedding": "embedding (inference)",
}
N_CLASSES = 5


class TaskRunner:
    """Model and optimizer of one implementation and task.

    A step of pre-training or classification is collation, masking, planning of attention, forward, backward and update.
    A step of embedding is collation, planning of attention and forward to one vector per sample. All implementations
    have the same initial weights.

    Parameters
    ----------
    workload : Workload
        Data that determines the model's size.
    implementation : str
        A key of IMPLEMENTATIONS, or "windowed".
    task : str
        A key of TASKS.
    """

    def __init__(self, workload: Workload, implementation: str, task: str = "pretraining") -> None:
        if implementation not in IMPLEMENTATIONS and implementation != "windowed":
            raise ValueError(
                f"the implementation must be one of {', '.join(IMPLEMENTATIONS)}, windowed, got {implementation!r}"
            )
        if task not in TASKS:
            raise ValueError(f"the task must be one of {', '.join(TASKS)}, got {task!r}")
        torch.manual_seed(0)
        config = workload.config(WINDOW if implementation == "windowed" else None)
        model: rm.RoMAEForPreTraining | rm.RoMAEForPrediction
        if task == "pretraining":
            model = rm.RoMAEForPreTraining(config)
        else:
            model = rm.RoMAEForPrediction(config, outputs=N_CLASSES)
        model.train(task != "embedding")
        self.task, self.fraction = task, workload.fraction
        self.is_bf16 = implementation.endswith("bf16")
        self.optimizer: torch.optim.Optimizer
        self.forward: Callable[[rm.TokenSet], Tensor]
        if implementation == "padded":
            self.reference = PaddedReference.from_model(model)
            self.forward, self.optimizer = self._padded, torch.optim.AdamW(self.reference.parameters(), lr=1e-4)
            return
        if implementation.startswith("compiled"):
            model.compile()
        self.model, self.forward = model, self._packed
        self.optimizer = make_optimizer(model, rm.TrainingConfig(learning_rate=1e-4))

    def step(self, tokens: rm.TokenSet) -> float:
        """Run one step on a batch and return the loss before the update, or the mean of the embeddings."""
        if self.task == "embedding":
            with torch.inference_mode():
                return self.forward(tokens).float().mean().item()
        loss = self.forward(tokens)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()

    def _padded(self, tokens: rm.TokenSet) -> Tensor:
        batch = PaddedBatch.collate(tokens)
        if self.task == "pretraining":
            return self.reference.loss(batch.hide(self.fraction))
        return self._loss_or_logits(self.reference(batch))

    def _packed(self, tokens: rm.TokenSet) -> Tensor:
        batch = rm.TokenBatch.collate(tokens)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.is_bf16):
            if self.task == "pretraining":
                loss: Tensor = self.model(batch.hide(self.fraction)).loss
                return loss
            logits: Tensor = self.model(batch).logits
        return self._loss_or_logits(logits)

    def _loss_or_logits(self, logits: Tensor) -> Tensor:
        """Return the cross-entropy with arbitrary classes, or the logits themselves when embedding."""
        if self.task == "embedding":
            return logits
        return F.cross_entropy(logits, torch.arange(len(logits)) % N_CLASSES)
