"""Matrix products of token states and weights. Only this file chooses the library that computes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# the operator of oneDNN that torch's compiler calls too; torch has no public name for it
_onednn_linear: Any

try:
    _onednn_linear = torch.ops.mkldnn._linear_pointwise.default
except AttributeError:  # torch built without oneDNN
    _onednn_linear = None


def _is_amd() -> bool:
    cpu = Path("/proc/cpuinfo")
    return cpu.exists() and "AuthenticAMD" in cpu.read_text()


HAS_ONEDNN = _onednn_linear is not None
"""True if torch was built with oneDNN."""

MKL_IS_SLOW = HAS_ONEDNN and torch.backends.cpu.get_cpu_capability() == "AVX512" and _is_amd()
"""True on AMD processors with AVX-512. MKL uses AVX2 there, and oneDNN is about twice as fast."""

MIN_ONEDNN_WORK = 20_000_000 if MKL_IS_SLOW else 200_000_000
"""Multiplications below which preparing a product of a new size for oneDNN costs more than it saves.

From timed training steps on light curves (about 80 tokens) and ICU stays (about 400 tokens).
"""


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """Multiply states by a weight.

    Parameters
    ----------
    x : Tensor
        States, (T, W).
    weight : Tensor
        (n, W).

    Returns
    -------
    Tensor
        ``x @ weight.T``, (T, n).
    """
    return _Linear.apply(x, weight) if uses_onednn(x, weight) else F.linear(x, weight)


def silu_linear(x: Tensor, weight: Tensor) -> Tensor:
    """Compute ``linear(F.silu(x), weight)`` with less memory.

    Only x is saved for the backward pass, which recomputes the activation: the hidden layer of the MLP is the widest
    of all states, and its activation is cheap. Without gradients, x is overwritten by its activation.

    Parameters
    ----------
    x : Tensor
        Hidden states of an MLP, (T, W).
    weight : Tensor
        (n, W).

    Returns
    -------
    Tensor
        (T, n).
    """
    if not torch.is_grad_enabled():
        return linear(F.silu(x, inplace=True), weight)
    # the compiler itself decides what to recompute, and autocast casts between activation and product
    if torch.compiler.is_compiling() or torch.is_autocast_enabled(x.device.type):
        return linear(F.silu(x), weight)
    return _SiluLinear.apply(x, weight)


def uses_onednn(x: Tensor, weight: Tensor) -> bool:
    """Return True if oneDNN computes this product: a large one in float32 on a CPU, for which torch would call MKL."""
    if not HAS_ONEDNN or not x.device.type == weight.device.type == "cpu":
        return False
    if not x.dtype == weight.dtype == torch.float32 or torch.is_autocast_enabled("cpu"):
        return False  # torch itself calls oneDNN for bf16
    if x.dim() != 2 or torch.compiler.is_exporting():
        return False
    return x.shape[0] * weight.shape[0] * weight.shape[1] >= MIN_ONEDNN_WORK


class _Linear(torch.autograd.Function):
    """A product of which oneDNN computes the forward and the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _onednn_linear_op(x, weight) if torch.compiler.is_compiling() else onednn_product(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        # oneDNN is fast only for contiguous tensors and their transposes; an expanded gradient is neither
        x, grad = x.contiguous(), grad.contiguous()
        x_grad = linear(grad, weight.t()) if ctx.needs_input_grad[0] else None
        return x_grad, _weight_gradient(x, grad) if ctx.needs_input_grad[1] else None


class _SiluLinear(torch.autograd.Function):
    """A product of SiLU activations and a weight that saves the input of the activation alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return linear(F.silu(x), weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        grad = grad.contiguous()
        x_grad = _silu_gradient(x, linear(grad, weight.t())) if ctx.needs_input_grad[0] else None
        return x_grad, _weight_gradient(F.silu(x), grad) if ctx.needs_input_grad[1] else None


def _silu_gradient(x: Tensor, grad: Tensor) -> Tensor:
    """Return the gradient of x from the gradient of its activation."""
    if not torch.is_grad_enabled():
        x_grad: Tensor = torch.ops.aten.silu_backward(grad, x)
        return x_grad
    # silu_backward cannot be differentiated again
    gate = torch.sigmoid(x)
    return grad * gate * (1.0 + x * (1.0 - gate))


def _weight_gradient(x: Tensor, grad: Tensor) -> Tensor:
    """Return the gradient (n, W) of a weight from states (T, W) and gradients of products (T, n)."""
    # oneDNN copies its first factor, transposed: it is faster if the second factor is the wider one
    return linear(x.t(), grad.t()).t() if grad.shape[1] >= x.shape[1] else linear(grad.t(), x.t())


def onednn_product(x: Tensor, weight: Tensor) -> Tensor:
    """Compute ``linear`` by oneDNN for any size, without a gradient.

    The weight must be contiguous or the transpose of a contiguous tensor.
    """
    product: Tensor = _onednn_linear(x, weight, None, "none", [], "")
    return product


# torch's compiler supports the operator of oneDNN for constant weights only, so it gets a custom operator
_onednn_linear_op = torch.library.custom_op(
    "rotary_mae::onednn_linear", onednn_product, mutates_args=(), device_types="cpu"
)


@_onednn_linear_op.register_fake
def _(x: Tensor, weight: Tensor) -> Tensor:
    # not len(x), which would compile one graph for every length
    return x.new_empty(x.shape[0], weight.shape[0])
