"""Who is measured: the packed model, eager and compiled, and the padded reference, each with its optimizer."""

from __future__ import annotations

from collections.abc import Callable

import torch
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


class Trainer:
    """One training step after another, each with all that it needs: batch, hiding, forward, backward, update."""

    def __init__(self, workload: Workload, contender: str) -> None:
        """A fresh model of the workload's size; all contenders start from the same weights."""
        if contender not in CONTENDERS:
            raise ValueError(f"the contender must be one of {', '.join(CONTENDERS)}, got {contender!r}")
        torch.manual_seed(0)
        model = rm.RoMAEForPreTraining(workload.config()).train()
        self.fraction = workload.fraction
        self.loss: Callable[[rm.TokenSet], Tensor]
        self.optimizer: torch.optim.Optimizer
        if contender == "padded":
            self.reference = PaddedReference.from_model(model)
            self.loss, self.optimizer = self._padded_loss, torch.optim.AdamW(self.reference.parameters(), lr=1e-4)
            return
        if contender.startswith("compiled"):
            model.compile()
        self.is_bf16 = contender.endswith("bf16")
        self.model = model
        self.loss = self._packed_loss
        self.optimizer = make_optimizer(model, rm.TrainingConfig(learning_rate=1e-4))

    def step(self, tokens: rm.TokenSet) -> float:
        """Train on one batch; the loss before it."""
        loss = self.loss(tokens)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()

    def _padded_loss(self, tokens: rm.TokenSet) -> Tensor:
        return self.reference.loss(PaddedBatch.collate(tokens).hide(self.fraction))

    def _packed_loss(self, tokens: rm.TokenSet) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.is_bf16):
            out = self.model(rm.TokenBatch.collate(tokens).hide(self.fraction))
        loss: Tensor = out.loss
        return loss
