"""Matrix products of states by weights; the only file that chooses how they are made."""

from __future__ import annotations

import os
from pathlib import Path
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


def _is_amd() -> bool:
    cpu = Path("/proc/cpuinfo")
    return cpu.exists() and "AuthenticAMD" in cpu.read_text()


mkl_is_slow = _onednn_linear is not None and torch.backends.cpu.get_cpu_capability() == "AVX512" and _is_amd()
"""Whether oneDNN is about twice as fast as MKL, which takes AVX2 on processors that are not Intel's."""

LEAST_WORK = 20_000_000 if mkl_is_slow else 200_000_000
"""Multiplications below which what oneDNN gains is less than what it takes to prepare a product of a new size."""


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """(T, n) products of states (T, W) by a weight (n, W)."""
    return _Linear.apply(x, weight) if takes_onednn(x, weight) else F.linear(x, weight)


def silu_linear(x: Tensor, weight: Tensor) -> Tensor:
    """``linear(F.silu(x), weight)`` that keeps x alone for the backward pass, and without gradients overwrites x.

    The MLP's hidden layer is the widest of all states; its activation is cheaply made again.
    """
    if not torch.is_grad_enabled():
        return linear(F.silu(x, inplace=True), weight)
    # the compiler sees for itself what to make again, and autocast casts between the two
    if torch.compiler.is_compiling() or torch.is_autocast_enabled(x.device.type):
        return linear(F.silu(x), weight)
    return _SiluLinear.apply(x, weight)


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
    """Forward and backward by oneDNN."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _opaque(x, weight) if torch.compiler.is_compiling() else onednn_product(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        # oneDNN has no fast product of what is neither contiguous nor the transpose of that, as an expanded gradient is
        x, grad = x.contiguous(), grad.contiguous()
        of_x = linear(grad, weight.t()) if ctx.needs_input_grad[0] else None
        return of_x, _of_weight(x, grad) if ctx.needs_input_grad[1] else None


class _SiluLinear(torch.autograd.Function):
    """Forward and backward of a product whose first factor is an activation."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return linear(F.silu(x), weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        grad = grad.contiguous()
        of_x = _of_silu(x, linear(grad, weight.t())) if ctx.needs_input_grad[0] else None
        return of_x, _of_weight(F.silu(x), grad) if ctx.needs_input_grad[1] else None


def _of_silu(x: Tensor, grad: Tensor) -> Tensor:
    if not torch.is_grad_enabled():
        of_x: Tensor = torch.ops.aten.silu_backward(grad, x)
        return of_x
    # torch does not differentiate that once more
    gate = torch.sigmoid(x)
    return grad * gate * (1.0 + x * (1.0 - gate))


def _of_weight(x: Tensor, grad: Tensor) -> Tensor:
    """(n, W) gradient of a weight, from states (T, W) and gradients of products (T, n)."""
    # oneDNN copies the first of the two, transposed, and is faster where the second is the wider one
    return linear(x.t(), grad.t()).t() if grad.shape[1] >= x.shape[1] else linear(grad.t(), x.t())


def onednn_product(x: Tensor, weight: Tensor) -> Tensor:
    """``linear`` by oneDNN, whatever the size, without a gradient; weight is contiguous or the transpose of that."""
    product: Tensor = _onednn_linear(x, weight, None, "none", [], "")
    return product


# the compiler knows oneDNN's operator too, but for constant weights alone
_opaque = torch.library.custom_op("rotary_mae::onednn_linear", onednn_product, mutates_args=(), device_types="cpu")


@_opaque.register_fake
def _(x: Tensor, weight: Tensor) -> Tensor:
    # not len(x), which would compile a graph for every length
    return x.new_empty(x.shape[0], weight.shape[0])
