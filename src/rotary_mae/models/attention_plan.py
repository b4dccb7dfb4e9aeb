"""Attention plans for the flat tokens of a batch, where the tokens of a sample need not lie side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from rotary_mae.models.config import RoMAEConfig
from rotary_mae.nn.attention import AttentionPlan
from rotary_mae.nn.ragged import RaggedPlan
from rotary_mae.nn.window import TokenPositions, WindowedPlan

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TokenOrder:
    """Order and positions of flat tokens.

    Attributes
    ----------
    lengths : array
        (B,) tokens of each sample.
    order : array or None
        (T,) flat index of the tokens, sample after sample. None if they already lie in that order.
    positions : Tensor
        (T, D).
    n_cls : int
        Number of CLS tokens, which come first in the flat tokens.
    """

    lengths: Ints
    order: Ints | None
    positions: Tensor
    n_cls: int = 0

    def along(self, axis: int) -> TokenPositions:
        """Return the positions along one axis, on the CPU, to plan a window."""
        # plans are made on the CPU; with positions on another device, this waits for it once for each plan
        positions = self.positions[:, axis].detach().cpu().float().numpy()
        return TokenPositions(self.lengths, self.order, positions, np.arange(len(positions)) < self.n_cls)


def plan_attention(
    config: RoMAEConfig, keys: TokenOrder, queries: TokenOrder | None = None, n_uses: int = 1
) -> AttentionPlan:
    """Plan the attention of a model.

    Parameters
    ----------
    config : RoMAEConfig
        Its ``window`` decides between full attention and attention within a window.
    keys : TokenOrder
        Tokens that are attended to.
    queries : TokenOrder, optional
        Tokens that attend, if they are not the same as the keys.
    n_uses : int
        Number of layers that use the plan.

    Returns
    -------
    AttentionPlan
        With index maps on the device of the positions.
    """
    device = keys.positions.device
    if config.window is None:
        if queries is None:
            return RaggedPlan(keys.lengths, keys.order, device=device, n_uses=n_uses)
        return RaggedPlan(
            keys.lengths,
            keys.order,
            query_lengths=queries.lengths,
            query_order=queries.order,
            device=device,
            n_uses=n_uses,
        )
    axis = config.window_axis
    query_positions = None if queries is None else queries.along(axis)
    return WindowedPlan(config.window, keys.along(axis), query_positions, device=device, n_uses=n_uses)


def sample_major(*part_lengths: Ints) -> tuple[Ints, Ints]:
    """Return the lengths and the order of samples whose tokens lie in several parts.

    Parameters
    ----------
    *part_lengths : array
        (B,) tokens of each sample in one part of the flat tokens, for example in the part of the CLS tokens and in the
        part of the visible tokens. Within a part, tokens lie sample after sample.

    Returns
    -------
    lengths : array
        (B,) tokens of each sample.
    order : array
        (T,) flat index of the tokens, sample after sample.
    """
    n_samples = len(part_lengths[0])
    sample = np.concatenate([np.repeat(np.arange(n_samples), lengths) for lengths in part_lengths])
    return np.sum(part_lengths, axis=0), np.argsort(sample, kind="stable")
