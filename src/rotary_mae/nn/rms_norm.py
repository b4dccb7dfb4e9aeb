"""RMSNorm, the only normalisation in the model."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Divide states by their root mean square and multiply them by a weight.

    Parameters
    ----------
    x : Tensor
        States, (T, W).
    weight : Tensor
        (W,).
    eps : float
        Added to the mean square.

    Returns
    -------
    Tensor
        (T, W).
    """
    if x.device.type == "cpu" and x.dtype == weight.dtype == torch.float32 and not torch.compiler.is_compiling():
        normed: Tensor = _RMSNorm.apply(x, weight, eps)
        return normed
    # under autocast states are bf16 and weights are not, but fused kernels require equal types
    return F.rms_norm(x, x.shape[-1:], weight.to(x.dtype), eps)


class _RMSNorm(torch.autograd.Function):
    """RMSNorm as one operation.

    On a CPU, torch computes it by several operations and saves the result of each for the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.eps = eps
        return (x * _inverse_rms(x, eps)).mul_(weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight = ctx.saved_tensors
        inverse = _inverse_rms(x, ctx.eps)
        if torch.is_grad_enabled():  # for second derivatives: operations in place have none
            product = grad * x * inverse
            along = (product @ weight).unsqueeze(-1) / x.shape[-1]
            return (grad * weight - x * inverse * along) * inverse, product.sum(0), None
        buffer = grad * x
        weight_grad = (inverse.t() @ buffer)[0]
        along = (buffer @ weight).unsqueeze(-1) * inverse.square() / -x.shape[-1]
        return torch.mul(x, along, out=buffer).addcmul_(grad, weight).mul_(inverse), weight_grad, None


def _inverse_rms(x: Tensor, eps: float) -> Tensor:
    """(T, 1) inverse root mean square of each state."""
    return (torch.linalg.vector_norm(x, dim=-1, keepdim=True).square() / x.shape[-1] + eps).rsqrt()
