"""How weights begin, before anything is learned."""

from __future__ import annotations

import math

from torch import Tensor, nn

GAIN = 0.5


def init_weight_(weight: Tensor) -> None:
    """Truncated normal of 0.5 / sqrt(fan-in) for a matrix (out, in).

    The usual 0.02 is right for wide layers only. In narrow ones what is said fades from layer to layer, and attention
    begins, and for long stays, as good as even; see docs/measurements.md.
    """
    _start(weight, GAIN / math.sqrt(weight.shape[1]))


def init_token_(token: Tensor) -> None:
    """The same for a learned token or a bias, whose fan-in is 1.

    Nothing starts at or near zero: RMSNorm of a zero vector has a gradient of 1 / eps.
    """
    _start(token, GAIN)


def _start(weight: Tensor, std: float) -> None:
    nn.init.trunc_normal_(weight, std=std, a=-3.0 * std, b=3.0 * std)
