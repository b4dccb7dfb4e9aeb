"""Who is measured at what: the packed model, eager and compiled, and the padded reference, at each task."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

import rotary_mae as rm
from benchmarks.padded_reference import PaddedBatch, PaddedReference
from benchmarks.workloads import Workload
from rotary_mae.training.optimizer import make_optimizer

CONTENDERS = {
    "padded": "padded reference",
    "packed": "rotary-mae",
    "compiled": "rotary-mae, compiled",
    "compiled-bf16": "rotary-mae, compiled, bf16",
}
WINDOW = 64.0
"""Of the contender "windowed", which is on the curves only."""

TASKS = {
    "pretraining": "pre-training",
    "classification": "training a classifier on all tokens",
    "embedding": "embedding (inference)",
}
N_CLASSES = 5


class Worker:
    """One step of a task after another, each with all that it needs.

    A step of pre-training or classification is batch, hiding, layout, forward, backward, update; one of embedding is
    batch, layout, forward to one vector a sample.
    """

    def __init__(self, workload: Workload, contender: str, task: str = "pretraining") -> None:
        """A fresh model of the workload's size; all contenders start from the same weights."""
        if contender not in CONTENDERS and contender != "windowed":
            raise ValueError(f"the contender must be one of {', '.join(CONTENDERS)}, windowed, got {contender!r}")
        if task not in TASKS:
            raise ValueError(f"the task must be one of {', '.join(TASKS)}, got {task!r}")
        torch.manual_seed(0)
        config = workload.config(WINDOW if contender == "windowed" else None)
        model: rm.RoMAEForPreTraining | rm.RoMAEForPrediction
        if task == "pretraining":
            model = rm.RoMAEForPreTraining(config)
        else:
            model = rm.RoMAEForPrediction(config, outputs=N_CLASSES)
        model.train(task != "embedding")
        self.task, self.fraction = task, workload.fraction
        self.is_bf16 = contender.endswith("bf16")
        self.optimizer: torch.optim.Optimizer
        self.forward: Callable[[rm.TokenSet], Tensor]
        if contender == "padded":
            self.reference = PaddedReference.from_model(model)
            self.forward, self.optimizer = self._padded, torch.optim.AdamW(self.reference.parameters(), lr=1e-4)
            return
        if contender.startswith("compiled"):
            model.compile()
        self.model, self.forward = model, self._packed
        self.optimizer = make_optimizer(model, rm.TrainingConfig(learning_rate=1e-4))

    def step(self, tokens: rm.TokenSet) -> float:
        """Work on one batch; the loss before the update, or the mean of what embedding gives."""
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
        return self._judged(self.reference(batch))

    def _packed(self, tokens: rm.TokenSet) -> Tensor:
        batch = rm.TokenBatch.collate(tokens)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.is_bf16):
            if self.task == "pretraining":
                loss: Tensor = self.model(batch.hide(self.fraction)).loss
                return loss
            logits: Tensor = self.model(batch).logits
        return self._judged(logits)

    def _judged(self, logits: Tensor) -> Tensor:
        """The loss of a classifier for classes that are as good as any; the logits themselves if embedding."""
        if self.task == "embedding":
            return logits
        return F.cross_entropy(logits, torch.arange(len(logits)) % N_CLASSES)
