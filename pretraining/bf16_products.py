"""Products of the transformer layers in bf16, all else in float32.

On a CPU with AMX, training steps of width 192 then take 0.46 s of one core instead of 0.73 s, and 0.60 s under
autocast, which casts more operations. Processors without AMX or AVX-512 BF16 lose.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from rotary_mae.nn import transformer


@contextmanager
def bf16_products(is_used: bool) -> Iterator[None]:
    """Compute the products of transformer layers in bf16 inside of the context, if ``is_used``.

    Parameters
    ----------
    is_used : bool
        False changes nothing.
    """
    if not is_used:
        yield
        return
    functions = transformer.linear, transformer.silu_linear
    transformer.linear, transformer.silu_linear = _linear, _silu_linear
    try:
        yield
    finally:
        transformer.linear, transformer.silu_linear = functions


def is_fast() -> bool:
    """Return True if this processor has instructions for bf16 products, or a GPU is used."""
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


def _linear(x: Tensor, weight: Tensor) -> Tensor:
    return F.linear(x.bfloat16(), weight.bfloat16()).float()


def _silu_linear(x: Tensor, weight: Tensor) -> Tensor:
    return F.linear(F.silu(x.bfloat16()), weight.bfloat16()).float()
