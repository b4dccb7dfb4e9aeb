"""RMSNorm and a linear layer: states to answers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rotary_mae.nn.init import init_weight_
from rotary_mae.nn.rms_norm import rms_norm

MIN_STD = 1e-3
"""Smallest standard deviation of a Gaussian head, in scaled units: or a likelihood runs off to infinity."""

MAX_ARCSINH = 15.0
"""Of answers before their hyperbolic sine is taken: 1.6 million scales, and no further."""


class Head(nn.Module):
    """(N, width) states to (N, n_outputs) answers."""

    def __init__(self, width: int, n_outputs: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.norm = nn.Parameter(torch.ones(width))
        self.linear = nn.Linear(width, n_outputs)
        init_weight_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width) to (N, n_outputs), float32 even under autocast."""
        return self.linear(rms_norm(x, self.norm, self.eps)).float()


def mean_and_std(answers: Tensor) -> tuple[Tensor, Tensor]:
    """(N, 2 V) answers of a Gaussian head to mean and standard deviation, (N, V) each."""
    mean, raw = answers.chunk(2, dim=-1)
    return mean, F.softplus(raw) + MIN_STD


def undo_arcsinh(mean: Tensor, std: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Answers given as inverse hyperbolic sines as what they stand for; deviations (or None) in proportion."""
    mean = mean.clamp(-MAX_ARCSINH, MAX_ARCSINH)
    return mean.sinh(), None if std is None else std * mean.cosh()
