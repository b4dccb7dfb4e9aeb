"""Pre-norm transformer over flat tokens, (T, W) to (T, W). Only attention depends on the samples."""

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
    """Rotations of T tokens.

    Attributes
    ----------
    cos, sin : Tensor or None
        (T, D, P) each; None if positions are not rotary.
    """

    cos: Tensor | None
    sin: Tensor | None

    def __getitem__(self, tokens: slice) -> Angles:
        return self if self.cos is None or self.sin is None else Angles(self.cos[tokens], self.sin[tokens])

    def apply_rotary(self, x: Tensor) -> Tensor:
        """Rotate queries or keys (T, heads, head width) in which the two numbers of each angle are adjacent."""
        return x if self.cos is None or self.sin is None else apply_rotary(x, self.cos, self.sin)


def project(x: Tensor, norm: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Normalise states (T, W) and project them by a weight (n, W) to (T, n)."""
    return linear(rms_norm(x, norm, eps), weight)


def finish_block(
    x: Tensor,
    attended: Tensor,
    out: Tensor,
    norm: Tensor,
    up: Tensor,
    down: Tensor,
    attention_scale: Tensor | None,
    mlp_scale: Tensor | None,
    eps: float,
    dropout: float,
) -> Tensor:
    """Compute a block after attention: output projection, residual, MLP, residual.

    ``attention_scale`` and ``mlp_scale`` (T, 1) multiply the two residual branches; None is 1.
    """
    attended = linear(attended, out)
    x = x + (attended if attention_scale is None else attended * attention_scale)
    hidden = linear(rms_norm(x, norm, eps), up)
    change = linear(F.dropout(F.silu(hidden), dropout), down) if dropout > 0.0 else silu_linear(hidden, down)
    return x + (change if mlp_scale is None else change * mlp_scale)


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function compiled for dynamic lengths.

    The cache holds one compiled function for all blocks of the process. A block cannot hold it, because blocks are
    copied and pickled, and compiled functions cannot be.
    """
    return torch.compile(function, dynamic=True)


class Block(nn.Module):
    """One pre-norm layer: attention and an MLP with SiLU, without biases (paper, section 3).

    Parameters
    ----------
    width : int
        Width of the tokens, W.
    n_heads : int
        Attention heads, of width W / n_heads each.
    hidden : int
        Width of the hidden layer of the MLP.
    dropout : float
        Dropout rate of attention weights and of the hidden layer of the MLP.
    drop_path : float
        Probability that a sample skips attention, or the MLP, in training (stochastic depth).
    eps : float
        Epsilon of RMSNorm.
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
        """Compile the token-wise parts. Attention stays eager: it would be recompiled for every number of groups."""
        self.is_compiled = True

    @property
    def _project(self) -> Callable[..., Tensor]:
        return compiled(project) if self.is_compiled else project

    @property
    def _finish(self) -> Callable[..., Tensor]:
        return compiled(finish_block) if self.is_compiled else finish_block

    def forward(
        self, x: Tensor, angles: Angles, plan: AttentionPlan, sample_idx: Tensor, n_distinct: int | None = None
    ) -> Tensor:
        """Transform tokens.

        Parameters
        ----------
        x : Tensor
            (T, W).
        angles : Angles
            Rotations of the tokens.
        plan : AttentionPlan
            Tokens that each token attends to.
        sample_idx : Tensor
            (T,) sample of each token, for stochastic depth.
        n_distinct : int, optional
            If given, all tokens from this index on are equal, as mask tokens are before the first layer. They are
            then projected once.

        Returns
        -------
        Tensor
            (T, W).
        """
        # queries, keys and values are not assigned to names, so that they are freed before the MLP
        attended = attend(*self._qkv(x, angles, n_distinct), plan, self._dropout_rate)
        return self.finish(x, attended, sample_idx)

    def forward_subset(
        self, x: Tensor, subset: slice, angles: Angles, plan: AttentionPlan, sample_idx: Tensor
    ) -> Tensor:
        """Transform a slice of the tokens, which attend to all tokens of their sample.

        It computes less than ``forward``. The last layer uses it if only some states are needed.

        Parameters
        ----------
        x : Tensor
            (T, W).
        subset : slice
            Tokens to transform.
        angles, sample_idx
            As in ``forward``, for all T tokens.
        plan : AttentionPlan
            Its queries are the tokens of ``subset``, its keys are all tokens.

        Returns
        -------
        Tensor
            (tokens in ``subset``, W).
        """
        k, v = self._kv(x, angles)
        weight, _ = self._weights(angles)
        q = self._heads(x[subset], weight)
        attended = attend(angles[subset].apply_rotary(q), k, v, plan, self._dropout_rate)
        return self.finish(x[subset], attended, sample_idx[subset])

    def forward_queries(
        self,
        x: Tensor,
        queries: Tensor,
        angles: Angles,
        query_angles: Angles,
        plan: AttentionPlan,
        query_sample_idx: Tensor,
        n_distinct: int | None = None,
    ) -> Tensor:
        """Transform queries, each of which attends to the tokens of its sample and to itself.

        Parameters
        ----------
        x : Tensor
            Tokens that are attended to, (T, W).
        queries : Tensor
            (M, W).
        angles, query_angles : Angles
            Rotations of the tokens and of the queries.
        plan : AttentionPlan
            Tokens that each query attends to.
        query_sample_idx : Tensor
            (M,) sample of each query, for stochastic depth.
        n_distinct : int, optional
            As in ``forward``, for the queries.

        Returns
        -------
        Tensor
            (M, W).
        """
        k, v = self._kv(x, angles)
        q, k_self, v_self = self._qkv(queries, query_angles, n_distinct)
        attended = attend_with_self(q, k, v, k_self, v_self, plan, self._dropout_rate)
        return self.finish(queries, attended, query_sample_idx)

    def finish(self, x: Tensor, attended: Tensor, sample_idx: Tensor) -> Tensor:
        """Compute the token-wise second half of the block, from x and the output of attention, (T, W) each."""
        attention_scale, mlp_scale = self.drop_path_scale(x, sample_idx), self.drop_path_scale(x, sample_idx)
        return self._finish(
            x,
            attended,
            self.out,
            self.mlp_norm,
            self.up,
            self.down,
            attention_scale,
            mlp_scale,
            self.eps,
            self._dropout_rate,
        )

    def _qkv(self, x: Tensor, angles: Angles, n_distinct: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return rotated queries, rotated keys, and values, (T, heads, head width) each."""
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
        """Return rotated keys, and values, (T, heads, head width) each."""
        _, weight = self._weights(angles)
        k, v = self._heads(x, weight).split(self.n_heads, dim=1)
        return angles.apply_rotary(k), v

    def _heads(self, x: Tensor, weight: Tensor) -> Tensor:
        """Normalise and project tokens (T, W) by a weight (n * head width, W) to (T, n, head width)."""
        projected = self._project(x, self.attention_norm, weight, self.eps)
        return projected.unflatten(-1, (-1, x.shape[-1] // self.n_heads))

    def _weights(self, angles: Angles) -> tuple[Tensor, Tensor]:
        """Return the projections to queries (W, W) and to keys and values (2 W, W), pairs adjacent if rotary."""
        width = len(self.out)
        if angles.cos is None:
            q, kv = self.qkv.split((width, 2 * width))
            return q, kv
        qk, v = self.qkv.split((2 * width, width))
        q, k = pairs_adjacent(qk, angles.cos.shape[1], width // self.n_heads).split(width)
        return q, torch.cat((k, v))

    @property
    def _dropout_rate(self) -> float:
        return self.dropout if self.training else 0.0

    def drop_path_scale(self, x: Tensor, sample_idx: Tensor) -> Tensor | None:
        """Draw the factor of a residual branch for stochastic depth.

        Returns
        -------
        Tensor or None
            (T, 1), equal within a sample: 0 for samples that skip the branch, else 1 / (1 - drop_path). None if no
            sample skips it, as in evaluation.
        """
        if not self.training or self.drop_path == 0.0 or not len(sample_idx):
            return None
        # One draw for each sample. There are as many draws as tokens, because reading the number of samples would
        # wait for the device.
        kept = torch.rand(len(sample_idx), device=x.device) >= self.drop_path
        return (kept[sample_idx] / (1.0 - self.drop_path)).to(x.dtype).unsqueeze(-1)


class Stack(nn.Module):
    """Blocks one after the other.

    Parameters
    ----------
    depth : int
        Number of blocks.
    drop_path : float
        Stochastic depth of the last block; it grows linearly from 0 in the first block.
    width, n_heads, hidden, dropout, eps
        See ``Block``.
    """

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

    def forward(self, x: Tensor, angles: Angles, plan: AttentionPlan, sample_idx: Tensor) -> Tensor:
        """Transform tokens (T, W) to (T, W); see ``Block.forward``."""
        for block in self.blocks:
            x = block(x, angles, plan, sample_idx)
        return x

    def compile_parts(self) -> None:
        """Compile the token-wise parts of every block."""
        for block in self.blocks:
            block.compile_parts()
