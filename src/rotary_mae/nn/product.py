"""Matrix products of states by weights; the only file that chooses how they are made."""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# A product of a new size is prepared and kept. The usual thousand of them would hold hundreds of megabytes where every
# batch has another number of tokens; a step needs some dozens. Read when the first product is made.
for _cache in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
    os.environ.setdefault(_cache, "256")

# oneDNN's own product, that the compiler calls too; torch has no public name for it
_onednn_linear: Any
try:
    _onednn_linear = torch.ops.mkldnn._linear_pointwise.default
except AttributeError:  # torch built without oneDNN
    _onednn_linear = None

LEAST_WORK = 200_000_000
"""Multiplications below which what oneDNN gains is less than what it takes to prepare a product of a new size."""


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """(T, n) products of states (T, W) by a weight (n, W)."""
    return _Linear.apply(x, weight) if takes_onednn(x, weight) else F.linear(x, weight)


def takes_onednn(x: Tensor, weight: Tensor) -> bool:
    """Whether oneDNN shall make it: in float32 on a CPU, where torch would ask MKL, which can be slower."""
    if _onednn_linear is None or not x.device.type == weight.device.type == "cpu":
        return False
    if not x.dtype == weight.dtype == torch.float32 or torch.is_autocast_enabled("cpu"):
        return False  # bf16 goes to oneDNN as it is
    if x.dim() != 2 or torch.compiler.is_exporting():
        return False
    return x.shape[0] * weight.shape[0] * weight.shape[1] >= LEAST_WORK


class _Linear(torch.autograd.Function):
    """Forward and the gradient of the states by oneDNN; the gradient of the weight by MKL, which is faster at that."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _opaque(x, weight) if torch.compiler.is_compiling() else _product(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x = linear(grad, weight.t()) if ctx.needs_input_grad[0] else None
        of_weight = grad.t() @ x if ctx.needs_input_grad[1] else None
        return of_x, of_weight


def _product(x: Tensor, weight: Tensor) -> Tensor:
    product: Tensor = _onednn_linear(x, weight, None, "none", [], "")
    return product


# the compiler knows oneDNN's operator too, but for constant weights alone
_opaque = torch.library.custom_op("rotary_mae::onednn_linear", _product, mutates_args=(), device_types="cpu")


@_opaque.register_fake
def _(x: Tensor, weight: Tensor) -> Tensor:
    # not len(x), which would compile a graph for every length
    return x.new_empty(x.shape[0], weight.shape[0])
