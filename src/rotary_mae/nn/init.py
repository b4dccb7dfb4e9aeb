"""Initial weights."""

from __future__ import annotations

import math

from torch import Tensor, nn

GAIN = 0.5
"""Standard deviation times sqrt(fan-in); compared with the usual 0.02 in docs/measurements.md."""


def init_weight_(weight: Tensor) -> None:
    """Draw a matrix (out, in) from a truncated normal distribution with std 0.5 / sqrt(in), in place.

    The usual std of 0.02 suits wide layers only. In narrow layers it makes activations shrink from layer to layer, and
    attention is nearly uniform at first and stays so for long; see docs/measurements.md.
    """
    _truncated_normal_(weight, GAIN / math.sqrt(weight.shape[1]))


def init_token_(token: Tensor) -> None:
    """Draw a learned token or a bias, whose fan-in is 1, from the same distribution, in place.

    A zero vector would be a bad initial value: its RMSNorm has a gradient of 1 / eps.
    """
    _truncated_normal_(token, GAIN)


def _truncated_normal_(weight: Tensor, std: float) -> None:
    nn.init.trunc_normal_(weight, std=std, a=-3.0 * std, b=3.0 * std)
