"""Sinusoidal embedding of absolute positions, for comparison with rotary ones (paper, Table 2 and Table 9)."""

from __future__ import annotations

import torch
from torch import Tensor


def sinusoidal_embedding(positions: Tensor, width: int, base: float = 10_000.0) -> Tensor:
    """Embed real-valued positions as sines and cosines.

    Every axis has an equal slice of the width. Components left over after division by 2 D are zero.

    Parameters
    ----------
    positions : Tensor
        (T, D).
    width : int
        Width of the embedding, W.
    base : float
        Ratio of the largest to the smallest wavelength.

    Returns
    -------
    Tensor
        (T, W) float32.
    """
    n_axes = positions.shape[1]
    n_pairs = width // (2 * n_axes)
    powers = torch.arange(n_pairs, device=positions.device, dtype=torch.float32) / max(n_pairs, 1)
    angles = positions.float().unsqueeze(-1) * base**-powers
    waves = torch.cat((angles.sin(), angles.cos()), dim=-1).flatten(1)
    return torch.nn.functional.pad(waves, (0, width - waves.shape[1]))
