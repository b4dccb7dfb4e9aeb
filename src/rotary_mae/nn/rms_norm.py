"""RMSNorm, the only normalisation of the model."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """(T, W) states divided by their root mean square, times weight (W,)."""
    if x.device.type == "cpu" and x.dtype == weight.dtype == torch.float32 and not torch.compiler.is_compiling():
        answer: Tensor = _RMSNorm.apply(x, weight, eps)
        return answer
    # under autocast states are bf16 and weights are not: fused kernels want them alike
    return F.rms_norm(x, x.shape[-1:], weight.to(x.dtype), eps)


class _RMSNorm(torch.autograd.Function):
    """torch makes it of several operations on a CPU, and keeps what each of them gives for the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.eps = eps
        return (x * _inverse(x, eps)).mul_(weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight = ctx.saved_tensors
        inverse = _inverse(x, ctx.eps)
        if torch.is_grad_enabled():  # to be differentiated once more, which what is done in place is not
            product = grad * x * inverse
            along = (product @ weight).unsqueeze(-1) / x.shape[-1]
            return (grad * weight - x * inverse * along) * inverse, product.sum(0), None
        buffer = grad * x
        of_weight = (inverse.t() @ buffer)[0]
        along = (buffer @ weight).unsqueeze(-1) * inverse.square() / -x.shape[-1]
        return torch.mul(x, along, out=buffer).addcmul_(grad, weight).mul_(inverse), of_weight, None


def _inverse(x: Tensor, eps: float) -> Tensor:
    """(T, 1) inverse root mean squares."""
    return (torch.linalg.vector_norm(x, dim=-1, keepdim=True).square() / x.shape[-1] + eps).rsqrt()
