"""Pre-norm transformer over flat tokens: (T, width) in, (T, width) out; only attention knows of samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rotary_mae.nn.attention import AttentionPlan, attend, attend_with_self
from rotary_mae.nn.init import init_weight_
from rotary_mae.nn.linear import linear, silu_linear
from rotary_mae.nn.rms_norm import rms_norm
from rotary_mae.nn.rope import apply_rotary, pairs_adjacent


@dataclass(frozen=True)
class Angles:
    """Cosine and sine of the rotation of every token, (T, D, P) each; None if positions are not rotary."""

    cos: Tensor | None
    sin: Tensor | None

    def __getitem__(self, part: slice) -> Angles:
        return self if self.cos is None or self.sin is None else Angles(self.cos[part], self.sin[part])

    def apply_rotary(self, x: Tensor) -> Tensor:
        """Queries or keys (T, heads, head width), pairs adjacent, rotated."""
        return x if self.cos is None or self.sin is None else apply_rotary(x, self.cos, self.sin)


def project(x: Tensor, norm: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Normalise and project: (T, W) by (n, W) to (T, n)."""
    return linear(rms_norm(x, norm, eps), weight)


def finish_block(
    x: Tensor,
    attended: Tensor,
    out: Tensor,
    norm: Tensor,
    up: Tensor,
    down: Tensor,
    keep_attention: Tensor | None,
    keep_mlp: Tensor | None,
    eps: float,
    dropout: float,
) -> Tensor:
    """Everything of a block after attention: output projection, residual, MLP, residual."""
    attended = linear(attended, out)
    x = x + (attended if keep_attention is None else attended * keep_attention)
    hidden = linear(rms_norm(x, norm, eps), up)
    change = linear(F.dropout(F.silu(hidden), dropout), down) if dropout > 0.0 else silu_linear(hidden, down)
    return x + (change if keep_mlp is None else change * keep_mlp)


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled with dynamic lengths; kept here and not in a block, which has to be copied and pickled."""
    return torch.compile(function, dynamic=True)


class Block(nn.Module):
    """One pre-norm layer: attention and an MLP with SiLU, without biases (paper, section 3).

    Args:
        width, n_heads, hidden: sizes of the tokens, of the heads (width / n_heads each) and of the MLP.
        dropout: rate on attention scores and on the MLP's hidden layer.
        drop_path: probability that a sample skips attention, or the MLP, in training (stochastic depth).
        eps: of the RMSNorm.
    """

    def __init__(
        self,
        width: int,
        n_heads: int,
        hidden: int,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        eps: float = 1e-6,
    ) -> None:
        super().__init__()
        self.n_heads, self.dropout, self.drop_path, self.eps = n_heads, dropout, drop_path, eps
        self.attention_norm = nn.Parameter(torch.ones(width))
        self.qkv = nn.Parameter(torch.empty(3 * width, width))
        self.out = nn.Parameter(torch.empty(width, width))
        self.mlp_norm = nn.Parameter(torch.ones(width))
        self.up = nn.Parameter(torch.empty(hidden, width))
        self.down = nn.Parameter(torch.empty(width, hidden))
        self.is_compiled = False
        for weight in (self.qkv, self.out, self.up, self.down):
            init_weight_(weight)

    def compile_parts(self) -> None:
        """Compile the token-wise halves; attention stays eager, or its group counts would recompile it."""
        self.is_compiled = True

    @property
    def _project(self) -> Callable[..., Tensor]:
        return compiled(project) if self.is_compiled else project

    @property
    def _finish(self) -> Callable[..., Tensor]:
        return compiled(finish_block) if self.is_compiled else finish_block

    def forward(
        self, x: Tensor, angles: Angles, ragged: AttentionPlan, sample_idx: Tensor, n_distinct: int | None = None
    ) -> Tensor:
        """(T, width) tokens to (T, width); ``sample_idx`` (T,) says whose they are, for stochastic depth.

        n_distinct: the tokens from there on are all the same, as mask tokens are before the first layer, and so are
        projected once.
        """
        # queries, keys and values have no name here, so that they are gone before the MLP
        attended = attend(*self._qkv(x, angles, n_distinct), ragged, self._rate)
        return self.finish(x, attended, sample_idx)

    def forward_subset(
        self, x: Tensor, read: slice, angles: Angles, ragged: AttentionPlan, sample_idx: Tensor
    ) -> Tensor:
        """Like ``forward`` for the tokens of ``read`` alone, which attend to all: enough for a last layer."""
        k, v = self._kv(x, angles)
        weight, _ = self._weights(angles)
        q = self._heads(x[read], weight)
        return self.finish(x[read], attend(angles[read].apply_rotary(q), k, v, ragged, self._rate), sample_idx[read])

    def query(
        self,
        x: Tensor,
        queries: Tensor,
        angles: Angles,
        query_angles: Angles,
        ragged: AttentionPlan,
        query_sample: Tensor,
        n_distinct: int | None = None,
    ) -> Tensor:
        """New states of ``queries`` (M, width), each of which sees ``x`` of its sample and itself.

        n_distinct: see ``forward``; of the queries.
        """
        k, v = self._kv(x, angles)
        q, k_self, v_self = self._qkv(queries, query_angles, n_distinct)
        return self.finish(queries, attend_with_self(q, k, v, k_self, v_self, ragged, self._rate), query_sample)

    def finish(self, x: Tensor, attended: Tensor, sample_idx: Tensor) -> Tensor:
        """The token-wise second half of the block."""
        keep_attention, keep_mlp = self._keep(x, sample_idx), self._keep(x, sample_idx)
        return self._finish(
            x,
            attended,
            self.out,
            self.mlp_norm,
            self.up,
            self.down,
            keep_attention,
            keep_mlp,
            self.eps,
            self._rate,
        )

    def _qkv(self, x: Tensor, angles: Angles, n_distinct: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, (T, heads, head width) each."""
        weight = torch.cat(self._weights(angles))
        if n_distinct is None:
            heads = self._heads(x, weight)
        else:
            n_same = len(x) - n_distinct
            distinct, same = self._heads(x[: n_distinct + 1], weight).split((n_distinct, min(n_same, 1)))
            heads = torch.cat((distinct, same.expand(n_same, -1, -1)))
        qk, v = heads.split((2 * self.n_heads, self.n_heads), dim=1)
        q, k = angles.apply_rotary(qk).split(self.n_heads, dim=1)
        return q, k, v

    def _kv(self, x: Tensor, angles: Angles) -> tuple[Tensor, Tensor]:
        """Keys and values, of tokens that ask nothing themselves."""
        _, weight = self._weights(angles)
        k, v = self._heads(x, weight).split(self.n_heads, dim=1)
        return angles.apply_rotary(k), v

    def _heads(self, x: Tensor, weight: Tensor) -> Tensor:
        projected = self._project(x, self.attention_norm, weight, self.eps)
        return projected.unflatten(-1, (-1, x.shape[-1] // self.n_heads))

    def _weights(self, angles: Angles) -> tuple[Tensor, Tensor]:
        """Projections to queries (W, W), and to keys and values (2 W, W), in the order of ``apply_rotary``."""
        width = len(self.out)
        if angles.cos is None:
            q, kv = self.qkv.split((width, 2 * width))
            return q, kv
        qk, v = self.qkv.split((2 * width, width))
        q, k = pairs_adjacent(qk, angles.cos.shape[1], width // self.n_heads).split(width)
        return q, torch.cat((k, v))

    @property
    def _rate(self) -> float:
        return self.dropout if self.training else 0.0

    def _keep(self, x: Tensor, sample_idx: Tensor) -> Tensor | None:
        if not self.training or self.drop_path == 0.0 or not len(sample_idx):
            return None
        # one draw a sample; drawn for as many samples as there are tokens, so that no size has to come
        # back from the device
        kept = torch.rand(len(sample_idx), device=x.device) >= self.drop_path
        return (kept[sample_idx] / (1.0 - self.drop_path)).to(x.dtype).unsqueeze(-1)


class Stack(nn.Module):
    """``depth`` blocks; stochastic depth grows linearly from 0 in the first to ``drop_path`` in the last."""

    def __init__(
        self,
        width: int,
        n_heads: int,
        hidden: int,
        depth: int,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        eps: float = 1e-6,
    ) -> None:
        super().__init__()
        rates = [drop_path * i / max(depth - 1, 1) for i in range(depth)]
        blocks = nn.ModuleList(Block(width, n_heads, hidden, dropout, rate, eps) for rate in rates)
        self.blocks = cast(Sequence[Block], blocks)

    def forward(self, x: Tensor, angles: Angles, ragged: AttentionPlan, sample_idx: Tensor) -> Tensor:
        """(T, width) tokens to (T, width)."""
        for block in self.blocks:
            x = block(x, angles, ragged, sample_idx)
        return x

    def compile_parts(self) -> None:
        """Compile the token-wise parts of every block."""
        for block in self.blocks:
            block.compile_parts()
