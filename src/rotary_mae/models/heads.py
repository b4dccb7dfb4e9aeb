"""Output heads: states to predictions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rotary_mae.nn.init import init_weight_
from rotary_mae.nn.rms_norm import rms_norm

MIN_STD = 1e-3
"""Smallest standard deviation of a Gaussian head, in scaled units. Without it a likelihood is unbounded. Not tuned."""

MAX_ARCSINH = 15.0
"""Largest predicted inverse hyperbolic sine: a value of 1.6 million scales. It prevents overflow. Not tuned."""


class Head(nn.Module):
    """RMSNorm and a linear layer.

    Parameters
    ----------
    width : int
        Width of the states, W.
    n_outputs : int
        Outputs for each state.
    eps : float
        Epsilon of RMSNorm.
    """

    def __init__(self, width: int, n_outputs: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.norm = nn.Parameter(torch.ones(width))
        self.linear = nn.Linear(width, n_outputs)
        init_weight_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map states (N, W) to outputs (N, n_outputs), float32 even under autocast."""
        return self.linear(rms_norm(x, self.norm, self.eps)).float()


def mean_and_std(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation, (N, V) each, from the outputs (N, 2 V) of a Gaussian head."""
    mean, raw = outputs.chunk(2, dim=-1)
    return mean, F.softplus(raw) + MIN_STD


def undo_arcsinh(mean: Tensor, std: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return predictions in the unit of the values from predictions of inverse hyperbolic sines.

    Parameters
    ----------
    mean : Tensor
        (N, V) inverse hyperbolic sines.
    std : Tensor or None
        (N, V) their standard deviations.

    Returns
    -------
    mean : Tensor
        (N, V).
    std : Tensor or None
        (N, V), scaled by the derivative of the hyperbolic sine.
    """
    mean = mean.clamp(-MAX_ARCSINH, MAX_ARCSINH)
    return mean.sinh(), None if std is None else std * mean.cosh()
