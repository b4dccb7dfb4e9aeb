"""Encoder: the visible tokens of a batch to their states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.batches.local_context import local_context, local_context_width
from rotary_mae.models.attention_plan import Ints, TokenOrder, plan_attention, sample_major
from rotary_mae.models.config import RoMAEConfig
from rotary_mae.nn.attention import AttentionPlan
from rotary_mae.nn.init import init_token_, init_weight_
from rotary_mae.nn.ragged import RaggedPlan
from rotary_mae.nn.rope import rope_angles, rope_frequencies, timescale_frequencies
from rotary_mae.nn.sinusoidal import sinusoidal_embedding
from rotary_mae.nn.transformer import Angles, Stack


def axis_frequencies(config: RoMAEConfig, width: int, heads: int) -> Tensor:
    """Return the rotation frequencies (D, P) of a stack with this width and number of heads."""
    axis_width = width // heads // config.n_axes
    if config.timescales is not None:
        return torch.stack([timescale_frequencies(axis_width, axis) for axis in config.timescales])
    return rope_frequencies(axis_width, config.rope_base, config.rope_fraction).repeat(config.n_axes, 1)


@dataclass(frozen=True)
class EncoderOutput:
    """States of a batch. N is the number of visible tokens, plus B if there is CLS; CLS tokens come first.

    Attributes
    ----------
    states : Tensor
        (N, W).
    positions : Tensor
        (N, D).
    n_cls : int
        B, or 0 without CLS.
    lengths : array
        (B,) tokens of each sample, CLS included.
    order : array or None
        (N,) index of the tokens, sample after sample. None if they already lie in that order.
    plan : AttentionPlan
        Attention of these tokens to each other.
    sample_idx : Tensor
        (N,) sample of each token.
    """

    states: Tensor
    positions: Tensor
    n_cls: int
    lengths: Ints
    order: Ints | None
    plan: AttentionPlan
    sample_idx: Tensor

    @property
    def cls(self) -> Tensor | None:
        """(B, W) states of CLS, or None without CLS."""
        return self.states[: self.n_cls] if self.n_cls else None

    @property
    def tokens(self) -> Tensor:
        """(visible tokens, W) states of the other tokens, in token order."""
        return self.states[self.n_cls :]

    @property
    def mean_of_tokens(self) -> Tensor:
        """(B, W) mean state of the visible tokens of each sample; 0 for a sample without any."""
        sample, tokens = self.sample_idx[self.n_cls :], self.tokens
        total = tokens.new_zeros(len(self.lengths), tokens.shape[1]).index_add(0, sample, tokens)
        n_tokens = torch.from_numpy(self.lengths - bool(self.n_cls)).to(tokens.device, tokens.dtype)
        return total / n_tokens.clamp(min=1.0).unsqueeze(1)


class Encoder(nn.Module):
    """Linear projection of the tokens, CLS, and a stack of transformer blocks.

    Parameters
    ----------
    config : RoMAEConfig
        Configuration of the model.
    """

    frequencies: Tensor

    def __init__(self, config: RoMAEConfig) -> None:
        super().__init__()
        self.config = config
        self.projection = nn.Linear(config.n_values, config.width)
        self.cls = nn.Parameter(torch.empty(config.width)) if config.cls else None
        self.context = None
        if config.context:
            self.context = nn.Linear(local_context_width(config.context, config.n_predicted), config.width, bias=False)
        self.stack = Stack(
            config.width,
            config.heads,
            config.hidden,
            config.depth,
            config.dropout,
            config.drop_path,
            config.norm_eps,
        )
        self.register_buffer("frequencies", axis_frequencies(config, config.width, config.heads), persistent=False)
        if self.cls is not None:
            init_token_(self.cls)
        for linear in (self.projection, self.context):
            if linear is not None:
                init_weight_(linear.weight)
        init_token_(self.projection.bias)

    def forward(self, batch: TokenBatch, cls_only: bool = False) -> EncoderOutput:
        """Encode the visible tokens.

        Parameters
        ----------
        batch : TokenBatch
            Tokens of B samples.
        cls_only : bool
            Compute only the states of CLS in the last layer. The states of the output are then those of CLS, (B, W).

        Returns
        -------
        EncoderOutput
            States of CLS and of the visible tokens.

        Raises
        ------
        ValueError
            If the batch does not have the model's values and axes.
        """
        self._check(batch)
        x, positions, sample_idx, lengths = self._project(batch)
        n_cls, order = 0, None
        if self.cls is not None:
            n_cls = len(batch)
            x = torch.cat((self.cls.to(x.dtype).expand(n_cls, -1), x))
            positions = torch.cat((positions.new_zeros(n_cls, positions.shape[1]), positions))
            sample_idx = torch.cat((torch.arange(n_cls, device=x.device), sample_idx))
            lengths, order = sample_major(np.ones(n_cls, np.int64), lengths)
        if self.config.positions == "absolute":
            x = x + sinusoidal_embedding(positions, x.shape[1]).to(x.dtype)
        plan = plan_attention(self.config, TokenOrder(lengths, order, positions, n_cls), n_uses=self.config.depth)
        angles = self.angles(positions, self.frequencies)
        if cls_only and n_cls:
            # a window does not limit CLS, which attends to all tokens of its sample
            ones, cls_idx = np.ones(n_cls, np.int64), np.arange(n_cls)
            cls_plan = RaggedPlan(lengths, order, query_lengths=ones, query_order=cls_idx, device=x.device)
            *blocks, last = self.stack.blocks
            for block in blocks:
                x = block(x, angles, plan, sample_idx)
            x = last.forward_subset(x, slice(0, n_cls), angles, cls_plan, sample_idx)
        else:
            x = self.stack(x, angles, plan, sample_idx)
        return EncoderOutput(x, positions, n_cls, lengths, order, plan, sample_idx)

    def _project(self, batch: TokenBatch) -> tuple[Tensor, Tensor, Tensor, Ints]:
        """Project the visible tokens; return x (N, W), positions (N, D), sample_idx (N,) and lengths (B,) of them."""
        values, positions, sample_idx = batch.values, batch.positions, batch.sample_idx
        lengths: Ints = batch.lengths.numpy()
        if batch.is_hidden is not None:
            visible, lengths = batch.split.visible_idx, batch.split.visible_lengths
            values, positions, sample_idx = values[visible], positions[visible], sample_idx[visible]
        if self.config.compress:
            values = torch.asinh(values)
        x = self.projection(values)
        if self.context is not None:
            predicted, k = values[:, : self.config.n_predicted], self.config.context
            x = x + self.context(local_context(predicted, positions, sample_idx, k, batch.schema.time_axis))
        return x, positions, sample_idx, lengths

    def angles(self, positions: Tensor, frequencies: Tensor) -> Angles:
        """Return the rotations at positions (T, D) for frequencies (D, P); none for absolute positions."""
        if self.config.positions == "absolute":
            return Angles(None, None)
        return Angles(*rope_angles(positions, frequencies))

    def _check(self, batch: TokenBatch) -> None:
        if not isinstance(batch, TokenBatch):
            raise TypeError(
                f"the model takes a TokenBatch, got {type(batch).__name__}; see rotary_mae.TokenBatch.collate"
            )
        if (given := self.projection.weight.dtype) != torch.float32:
            raise ValueError(f"weights must be float32, got {given}; for other precisions use torch.autocast")
        if batch.values.shape[1] != self.config.n_values or batch.positions.shape[1] != self.config.n_axes:
            raise ValueError(
                f"the model takes {self.config.n_values} values and {self.config.n_axes} axes per token, the "
                f"batch has {batch.values.shape[1]} values and {batch.positions.shape[1]} axes "
                f"{batch.schema.axes}"
            )
