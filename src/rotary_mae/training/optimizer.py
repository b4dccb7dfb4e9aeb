"""AdamW or SGD with weight decay on matrices only, and the learning-rate schedule."""

from __future__ import annotations

import math

import torch
from torch import nn

from rotary_mae.training.config import TrainingConfig


def make_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """The optimizer of ``config`` for all parameters of ``model``."""
    learned = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learned if p.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in learned if p.dim() < 2], "weight_decay": 0.0},
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum)
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)


def warmup_steps(config: TrainingConfig, n_steps: int) -> int:
    """Updates over which the rate rises."""
    if config.warmup_steps is not None:
        return min(config.warmup_steps, n_steps)
    return round(config.warmup_fraction * n_steps)


def learning_rate_factor(step: int, n_warmup: int, n_steps: int) -> float:
    """Share of the peak rate at update ``step`` = 0, 1, ...: (step + 1) / n_warmup, then a half cosine to 0.

    Update n_warmup - 1 is the first at the full rate; without warm-up update 0 is.
    """
    if step < n_warmup:
        return (step + 1) / n_warmup
    share = (step - n_warmup) / max(n_steps - n_warmup, 1)
    return 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))
