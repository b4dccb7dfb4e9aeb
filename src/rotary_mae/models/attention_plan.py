"""Which tokens of a batch attend to which, where parts of a sample lie in several places of a flat buffer."""

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
    """Where tokens lie: lengths (B,), order (T,) or None (as in ``RaggedPlan``), positions (T, D), CLS first."""

    lengths: Ints
    order: Ints | None
    positions: Tensor
    n_cls: int = 0

    def along(self, axis: int) -> TokenPositions:
        """What a window along ``axis`` needs to know."""
        # planned on the CPU: with positions on another device this waits for it, once a plan
        positions = self.positions[:, axis].detach().cpu().float().numpy()
        return TokenPositions(self.lengths, self.order, positions, np.arange(len(positions)) < self.n_cls)


def plan_attention(
    config: RoMAEConfig, keys: TokenOrder, queries: TokenOrder | None = None, n_uses: int = 1
) -> AttentionPlan:
    """The plan of attention to ``keys`` by ``queries``, or by themselves, in ``n_uses`` layers."""
    device = keys.positions.device
    if config.window is None:
        if queries is None:
            return RaggedPlan(keys.lengths, keys.order, device=device, n_uses=n_uses)
        asked = (queries.lengths, queries.order)
        return RaggedPlan(
            keys.lengths, keys.order, query_lengths=asked[0], query_order=asked[1], device=device, n_uses=n_uses
        )
    axis = config.window_axis
    asking = None if queries is None else queries.along(axis)
    return WindowedPlan(config.window, keys.along(axis), asking, device=device, n_uses=n_uses)


def sample_major(*part_lengths: Ints) -> tuple[Ints, Ints]:
    """Lengths (B,) and order (T,) of samples whose parts lie one part after the other.

    Each part is itself sample after sample, with lengths (B,); e.g. all CLS tokens, then all visible tokens.
    order[i] is the flat index of the i-th token if the tokens lay sample after sample.
    """
    n_samples = len(part_lengths[0])
    sample = np.concatenate([np.repeat(np.arange(n_samples), lengths) for lengths in part_lengths])
    return np.sum(part_lengths, axis=0), np.argsort(sample, kind="stable")
