"""The same model with padding and a dense attention mask: the reference for the speed of packed batches.

It is written from the paper and from a description of its published code, and has the same operations as that code:
projection and every layer also process padding, a dense float mask (B, 1, N, N) is always computed, q, k and v are
three products, rotations are computed for q and for k in every layer, masks are drawn sample by sample, and the whole
decoder processes every token.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import rotary_mae as rm
from rotary_mae.batches.batch import TokenBatch
from rotary_mae.models.encoder import axis_frequencies


@dataclass(frozen=True)
class PaddedBatch:
    """B samples padded to N tokens.

    Attributes
    ----------
    values : Tensor
        (B, N, V) values.
    positions : Tensor
        (B, N, D) positions.
    is_padding : Tensor
        (B, N) bool.
    is_hidden : Tensor or None
        (B, N) bool, True for masked tokens, including padding, so that every row has the same number of them; None
        without masking.
    """

    values: Tensor
    positions: Tensor
    is_padding: Tensor
    is_hidden: Tensor | None = None

    @classmethod
    def collate(cls, tokens: rm.TokenSet) -> PaddedBatch:
        """Pad every sample to the longest, without masking."""
        lengths = tokens.lengths
        n_samples, longest = len(tokens), int(lengths.max())
        values = torch.zeros(n_samples, longest, tokens.values.shape[1])
        positions = torch.zeros(n_samples, longest, tokens.positions.shape[1])
        is_padding = torch.ones(n_samples, longest, dtype=torch.bool)
        flat_values, flat_positions = tokens.values, tokens.positions.astype(np.float32)
        start = 0
        for i, n in enumerate(lengths.tolist()):
            values[i, :n] = torch.from_numpy(flat_values[start : start + n])
            positions[i, :n] = torch.from_numpy(flat_positions[start : start + n])
            is_padding[i, :n] = False
            start += n
        return cls(values, positions, is_padding)

    def hide(self, fraction: float) -> PaddedBatch:
        """Mask ceil(fraction * n) of the n tokens of each sample, and padding until ceil(fraction * N) are masked."""
        n_samples, longest = self.is_padding.shape
        n_hidden = min(math.ceil(round(fraction * longest, 9)), longest - 1)
        is_hidden = torch.zeros(n_samples, longest, dtype=torch.bool)
        for i in range(n_samples):
            n = longest - int(self.is_padding[i].sum())
            n_real = min(math.ceil(round(fraction * n, 9)), n - 1)
            is_hidden[i, torch.randperm(n)[:n_real]] = True
            is_hidden[i, longest - (n_hidden - n_real) :] = True
        return PaddedBatch(self.values, self.positions, self.is_padding, is_hidden)

    @classmethod
    def from_packed(cls, batch: TokenBatch) -> PaddedBatch:
        """Return the same samples with the same masked tokens; rows are padded until their masked counts are equal."""
        hidden = batch.is_hidden
        if hidden is None:
            hidden = torch.zeros(len(batch.values), dtype=torch.bool)
        lengths = batch.lengths.tolist()
        split = (x.split(lengths) for x in (batch.values, batch.positions, hidden))
        rows = list(zip(*split, strict=True))
        n_hidden = max(int(h.sum()) for *_, h in rows)
        width = max(int((~h).sum()) for *_, h in rows) + n_hidden
        values = torch.stack([F.pad(v, (0, 0, 0, width - len(v))) for v, _, _ in rows])
        positions = torch.stack([F.pad(p, (0, 0, 0, width - len(p))) for _, p, _ in rows])
        is_padding = torch.stack([torch.arange(width) >= len(v) for v, _, _ in rows])
        if batch.is_hidden is None:
            return cls(values, positions, is_padding)
        is_hidden = torch.stack([F.pad(h, (0, width - len(h))) for *_, h in rows])
        for i, (*_, h) in enumerate(rows):
            is_hidden[i, width - (n_hidden - int(h.sum())) :] = True
        return cls(values, positions, is_padding, is_hidden)


class PaddedNorm(nn.Module):
    """RMSNorm in plain operations."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


def rotate_padded(x: Tensor, positions: Tensor, frequencies: Tensor) -> Tensor:
    """Rotate (B, heads, N, head width) by positions (B, N, D), with one slice of each head per axis."""
    rotated = []
    for axis, dims in enumerate(x.chunk(positions.shape[-1], dim=-1)):
        angles = (positions[..., axis, None] * frequencies[axis]).unsqueeze(1)
        cos, sin = angles.cos(), angles.sin()
        first, second = dims.chunk(2, dim=-1)
        rotated.append(torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1))
    return torch.cat(rotated, dim=-1)


class PaddedBlock(nn.Module):
    """One pre-norm layer over (B, N, W)."""

    def __init__(self, width: int, n_heads: int, hidden: int, eps: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.attention_norm, self.mlp_norm = PaddedNorm(width, eps), PaddedNorm(width, eps)
        self.q, self.k, self.v, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.up, self.down = nn.Linear(width, hidden, bias=False), nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor, positions: Tensor, frequencies: Tensor, score_mask: Tensor) -> Tensor:
        """Return the states (B, N, W); ``score_mask`` (B, 1, N, N) is added to the attention scores."""
        normed = self.attention_norm(x)
        projected = (self.q(normed), self.k(normed), self.v(normed))
        q, k, v = (x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for x in projected)
        q, k = rotate_padded(q, positions, frequencies), rotate_padded(k, positions, frequencies)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=score_mask)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.down(F.silu(self.up(self.mlp_norm(x))))

    def counterparts(self) -> dict[str, list[Tensor]]:
        """Return the parameters of this block by the name of the packed block's parameter that concatenates them."""
        return {
            "attention_norm": [self.attention_norm.weight],
            "qkv": [self.q.weight, self.k.weight, self.v.weight],
            "out": [self.out.weight],
            "mlp_norm": [self.mlp_norm.weight],
            "up": [self.up.weight],
            "down": [self.down.weight],
        }


def dense_mask(is_padding: Tensor) -> Tensor:
    """Return (B, 1, N, N) with -inf where the key is padding and 0 elsewhere."""
    n_samples, longest = is_padding.shape
    mask = torch.zeros(n_samples, 1, longest, longest)
    return mask.masked_fill_(is_padding[:, None, None, :], float("-inf"))


class PaddedReference(nn.Module):
    """Padded version of RoMAEForPreTraining or RoMAEForPrediction with the weights of the packed model.

    The loss excludes padding, so that both have the same gradients.

    Parameters
    ----------
    config : RoMAEConfig
        Configuration of the packed model.
    outputs : int, optional
        Number of outputs of the prediction head; None for the autoencoder.

    Raises
    ------
    ValueError
        If the configuration has options that the reference does not implement.
    """

    encoder_frequencies: Tensor
    decoder_frequencies: Tensor

    def __init__(self, config: rm.RoMAEConfig, outputs: int | None = None) -> None:
        super().__init__()
        chosen = (config.positions, config.queries, config.distribution, config.context, config.window)
        if chosen != ("rope", "joint", "point", 0, None) or config.normalize_targets:
            raise ValueError(
                "the padded reference needs normalize_targets=False and (positions, queries, distribution, context, "
                f"window) = ('rope', 'joint', 'point', 0, None), got {config.normalize_targets} and {chosen}"
            )
        width, decoder, eps = config.width, config.decoder, config.norm_eps
        self.config, self.is_pretraining = config, outputs is None
        self.projection = nn.Linear(config.n_values, width)
        self.cls = nn.Parameter(torch.zeros(width)) if config.cls else None
        self.encoder = nn.ModuleList(PaddedBlock(width, config.heads, config.hidden, eps) for _ in range(config.depth))
        self.register_buffer("encoder_frequencies", axis_frequencies(config, width, config.heads))
        if self.is_pretraining:
            self.bridge = nn.Linear(width, decoder.width)
            self.mask_token = nn.Parameter(torch.zeros(decoder.width))
            self.decoder = nn.ModuleList(
                PaddedBlock(decoder.width, decoder.heads, decoder.hidden, eps) for _ in range(decoder.depth)
            )
            self.register_buffer("decoder_frequencies", axis_frequencies(config, decoder.width, decoder.heads))
        head_width, n_outputs = (decoder.width, config.n_predicted) if outputs is None else (width, outputs)
        self.head_norm, self.head = PaddedNorm(head_width, eps), nn.Linear(head_width, n_outputs)

    @classmethod
    def from_model(cls, model: rm.RoMAEForPreTraining | rm.RoMAEForPrediction) -> Self:
        """Return a reference with a copy of the weights of ``model``."""
        reference = cls(model.config, None if isinstance(model, rm.RoMAEForPreTraining) else model.outputs)
        counterparts = reference.counterparts()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                copies = counterparts.pop(name)
                for copy, source in zip(copies, parameter.chunk(len(copies)), strict=True):
                    copy.copy_(source)
        if counterparts:
            raise ValueError(f"the model has no {sorted(counterparts)}")
        return reference

    def counterparts(self) -> dict[str, list[Tensor]]:
        """Return the parameters of this model by the name of the packed model's parameter that concatenates them."""
        pairs: dict[str, list[Tensor]] = {
            "encoder.projection.weight": [self.projection.weight],
            "encoder.projection.bias": [self.projection.bias],
            "head.norm": [self.head_norm.weight],
            "head.linear.weight": [self.head.weight],
            "head.linear.bias": [self.head.bias],
        }
        if self.cls is not None:
            pairs["encoder.cls"] = [self.cls]
        stacks = {"encoder.stack": self.encoder}
        if self.is_pretraining:
            pairs["bridge.weight"], pairs["bridge.bias"] = [self.bridge.weight], [self.bridge.bias]
            pairs["mask_token"] = [self.mask_token]
            stacks["decoder"] = self.decoder
        for stack, blocks in stacks.items():
            for i, block in enumerate(blocks):
                assert isinstance(block, PaddedBlock)
                inside = block.counterparts()
                pairs.update({f"{stack}.blocks.{i}.{name}": own for name, own in inside.items()})
        return pairs

    def forward(self, batch: PaddedBatch) -> Tensor:
        """Return (B, masked per row, V) reconstructions including padding, or (B, outputs)."""
        visible = self._visible(batch)
        x, positions, is_padding = self._encode(*visible)
        if self.is_pretraining:
            return self.head(self.head_norm(self._decode(x, positions, is_padding, batch)))
        if self.cls is not None:
            pooled = x[:, 0]
        else:
            is_real = ~is_padding.unsqueeze(-1)
            pooled = (x * is_real).sum(1) / is_real.sum(1)
        return self.head(self.head_norm(pooled))

    def loss(self, batch: PaddedBatch) -> Tensor:
        """Return the mean squared error over masked values that are not padding."""
        assert batch.is_hidden is not None
        prediction = self(batch)
        n_samples = len(prediction)
        targets = batch.values[batch.is_hidden].view(n_samples, -1, batch.values.shape[-1])
        is_real = ~batch.is_padding[batch.is_hidden].view(n_samples, -1, 1)
        errors = (prediction - targets[..., : self.config.n_predicted]).square() * is_real
        return errors.sum() / (is_real.sum() * self.config.n_predicted)

    def _visible(self, batch: PaddedBatch) -> tuple[Tensor, Tensor, Tensor]:
        values, positions, is_padding = batch.values, batch.positions, batch.is_padding
        if batch.is_hidden is not None:
            n_samples, is_visible = len(values), ~batch.is_hidden
            values = values[is_visible].view(n_samples, -1, values.shape[-1])
            positions = positions[is_visible].view(n_samples, -1, positions.shape[-1])
            is_padding = is_padding[is_visible].view(n_samples, -1)
        return values, positions, is_padding

    def _encode(self, values: Tensor, positions: Tensor, is_padding: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return states (B, N, W), positions and padding of the visible tokens, with CLS first."""
        x = self.projection(values)
        if self.cls is not None:
            x = torch.cat((self.cls.expand(len(x), 1, -1), x), dim=1)
            positions, is_padding = F.pad(positions, (0, 0, 1, 0)), F.pad(is_padding, (1, 0))
        mask = dense_mask(is_padding)
        for block in self.encoder:
            x = block(x, positions, self.encoder_frequencies, mask)
        return x, positions, is_padding

    def _decode(self, x: Tensor, positions: Tensor, is_padding: Tensor, batch: PaddedBatch) -> Tensor:
        """Return states (B, masked per row, decoder width) of the masked tokens."""
        assert batch.is_hidden is not None
        n_samples, n_visible = x.shape[:2]
        hidden_positions = batch.positions[batch.is_hidden].view(n_samples, -1, positions.shape[-1])
        hidden_padding = batch.is_padding[batch.is_hidden].view(n_samples, -1)
        tokens = self.mask_token.expand(n_samples, hidden_positions.shape[1], -1)
        x = torch.cat((self.bridge(x), tokens), dim=1)
        positions = torch.cat((positions, hidden_positions), dim=1)
        mask = dense_mask(torch.cat((is_padding, hidden_padding), dim=1))
        for block in self.decoder:
            x = block(x, positions, self.decoder_frequencies, mask)
        return x[:, n_visible:]
