"""RMSNorm, the only normalisation of the model."""

import torch.nn.functional as F
from torch import Tensor


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """(T, W) states divided by their root mean square, times weight (W,)."""
    # under autocast states are bf16 and weights are not: fused kernels want them alike
    return F.rms_norm(x, x.shape[-1:], weight.to(x.dtype), eps)
