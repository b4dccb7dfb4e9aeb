"""RoMAEForPreTraining: hide, encode what is visible, reconstruct what is hidden; and so interpolate."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.batches.local_context import N_CANDIDATES, QueryContext, query_context, query_width
from rotary_mae.models.attention_plan import TokenOrder, plan_attention, sample_major
from rotary_mae.models.config import RoMAEConfig
from rotary_mae.models.encoder import EncoderOutput, Encoder, axis_frequencies
from rotary_mae.models.heads import Head, mean_and_std, undo_arcsinh
from rotary_mae.models.pretrained import Pretrained
from rotary_mae.nn.init import init_token_, init_weight_
from rotary_mae.nn.sinusoidal import sinusoidal_embedding
from rotary_mae.nn.transformer import Angles, Stack


@dataclass(frozen=True)
class PreTrainingOutput:
    """What pre-training gives.

    loss: mean over hidden values (0 if none): squared error (of inverse hyperbolic sines, with ``compress``), or
        negative log likelihood of a Gaussian head.
    loss_sum, loss_count: its parts, for a mean over several batches or processes.
    prediction: (M, n_predicted) of every hidden token, in token order, in the space of the targets.
    std: (M, n_predicted) or None. encoded: (visible tokens, W), without CLS. cls: (B, W) or None.
    """

    loss: Tensor
    loss_sum: Tensor
    loss_count: Tensor
    prediction: Tensor
    std: Tensor | None
    encoded: Tensor
    cls: Tensor | None


class RoMAEForPreTraining(Pretrained):
    """The masked autoencoder (paper, section 3).

    Call it with a batch after ``hide``; hidden tokens need positions, and values only for the loss.

    config: of encoder and decoder.
    """

    def __init__(self, config: RoMAEConfig) -> None:
        super().__init__(config)
        decoder = config.decoder
        self.encoder = Encoder(config)
        self.bridge = nn.Linear(config.width, decoder.width)
        # not zero: RMSNorm of a zero vector has a gradient of 1 / eps
        self.mask_token = nn.Parameter(torch.empty(decoder.width))
        self.decoder = Stack(decoder.width, decoder.heads, decoder.hidden, decoder.depth, eps=config.norm_eps)
        n_outputs = config.n_predicted * (2 if config.distribution == "gaussian" else 1)
        self.head = Head(decoder.width, n_outputs, config.norm_eps)
        frequencies = axis_frequencies(config, decoder.width, decoder.heads)
        self.register_buffer("decoder_frequencies", frequencies, persistent=False)
        # with local context: what a query is told of its surroundings, and how an answer is blended from them
        self.query_context = self.blend = None
        if config.context:
            self.query_context = nn.Linear(query_width(config.n_predicted), decoder.width, bias=False)
            self.blend = Head(decoder.width, N_CANDIDATES * config.n_predicted, config.norm_eps)
            init_weight_(self.query_context.weight)
            # from nothing, so that the model begins as one without a blend
            nn.init.zeros_(self.blend.linear.weight)
        init_weight_(self.bridge.weight)
        nn.init.zeros_(self.bridge.bias)
        init_token_(self.mask_token)

    decoder_frequencies: Tensor

    def forward(self, batch: TokenBatch) -> PreTrainingOutput:
        """Reconstruct the hidden tokens of ``batch``."""
        encoded = self.encoder(batch)
        around = self._surroundings(batch)
        states = self._decode(encoded, batch, around)
        answers, std = self.head(states), None
        if self.config.distribution == "gaussian":
            answers, std = mean_and_std(answers)
        if self.blend is not None and around is not None:
            shares = self.blend(states).float().unflatten(1, (N_CANDIDATES, -1))
            answers = answers + (shares * around.candidates).sum(1)
        if self.config.compress:
            answers, std = undo_arcsinh(answers, std)
        loss_sum, loss_count = self._loss(answers, std, batch)
        if not len(batch.split.hidden_idx):
            # every parameter takes part, so that processes stay in step
            loss_sum = loss_sum + 0.0 * torch.stack([p.sum() for p in self.parameters()]).sum()
        # not clamp(min=1): samples may weigh less than one together
        loss = loss_sum / torch.where(loss_count > 0, loss_count, 1.0)
        return PreTrainingOutput(loss, loss_sum, loss_count, answers, std, encoded.tokens, encoded.cls)

    @property
    def _is_asked_alike(self) -> bool:
        """Whether all queries are the same before they are rotated."""
        return self.query_context is None and self.config.positions == "rope"

    def _surroundings(self, batch: TokenBatch) -> QueryContext | None:
        if self.query_context is None:
            return None
        visible, hidden = batch.split.visible_idx, batch.split.hidden_idx
        values, sample_idx = batch.values[visible, : self.config.n_predicted], batch.sample_idx
        if self.config.compress:
            values = torch.asinh(values)
        return query_context(
            values,
            batch.positions[visible],
            sample_idx[visible],
            batch.positions[hidden],
            sample_idx[hidden],
            batch.schema.time_axis,
        )

    def _decode(self, encoded: EncoderOutput, batch: TokenBatch, around: QueryContext | None) -> Tensor:
        """(M, decoder width) states of the hidden tokens."""
        hidden_idx = batch.split.hidden_idx
        memory = self.bridge(encoded.states)
        queries = self.mask_token.to(memory.dtype).expand(len(hidden_idx), -1)
        if self.query_context is not None and around is not None:
            queries = queries + self.query_context(around.features)
        query_positions = batch.positions[hidden_idx]
        angles = self.encoder.angles(torch.cat((encoded.positions, query_positions)), self.decoder_frequencies)
        if self.config.positions == "absolute":
            memory = memory + sinusoidal_embedding(encoded.positions, memory.shape[1]).to(memory.dtype)
            queries = queries + sinusoidal_embedding(query_positions, memory.shape[1]).to(memory.dtype)
        sample_idx = torch.cat((encoded.sample_idx, batch.sample_idx[hidden_idx]))
        decode = self._decode_joint if self.config.queries == "joint" else self._decode_independent
        return decode(memory, queries, angles, sample_idx, encoded, batch)

    def _decode_joint(
        self,
        memory: Tensor,
        queries: Tensor,
        angles: Angles,
        sample_idx: Tensor,
        encoded: EncoderOutput,
        batch: TokenBatch,
    ) -> Tensor:
        """Hidden tokens attend to the visible ones and to each other."""
        n_memory, hidden_lengths = len(memory), batch.split.hidden_lengths
        cls_lengths = (encoded.lengths - batch.split.visible_lengths,) if encoded.n_cls else ()
        lengths, order = sample_major(*cls_lengths, batch.split.visible_lengths, hidden_lengths)
        x = torch.cat((memory, queries))
        query_positions = batch.positions[batch.split.hidden_idx]
        everyone = TokenOrder(lengths, order, torch.cat((encoded.positions, query_positions)), encoded.n_cls)
        *first, last = self.decoder.blocks
        if first:
            everything = plan_attention(self.config, everyone, n_uses=len(first))
            for i, block in enumerate(first):
                x = block(x, angles, everything, sample_idx, n_memory if i == 0 and self._is_asked_alike else None)
        asked = plan_attention(self.config, everyone, TokenOrder(hidden_lengths, None, query_positions))
        # the last layer computes only what is read
        return last.forward_subset(x, slice(n_memory, None), angles, asked, sample_idx)

    def _decode_independent(
        self,
        memory: Tensor,
        queries: Tensor,
        angles: Angles,
        sample_idx: Tensor,
        encoded: EncoderOutput,
        batch: TokenBatch,
    ) -> Tensor:
        """Each hidden token attends to the visible ones and to itself."""
        n_memory = len(memory)
        memory_angles, query_angles = angles[slice(0, n_memory)], angles[slice(n_memory, None)]
        seen = TokenOrder(encoded.lengths, encoded.order, encoded.positions, encoded.n_cls)
        query_positions = batch.positions[batch.split.hidden_idx]
        asked = plan_attention(self.config, seen, TokenOrder(batch.split.hidden_lengths, None, query_positions))
        last = len(self.decoder.blocks) - 1
        for i, block in enumerate(self.decoder.blocks):
            before = memory
            if i < last:
                memory = block(memory, memory_angles, encoded.ragged, sample_idx[:n_memory])
            n_distinct = 0 if i == 0 and self._is_asked_alike else None
            queries = block.forward_queries(
                before, queries, memory_angles, query_angles, asked, sample_idx[n_memory:], n_distinct
            )
        return queries

    def _loss(self, prediction: Tensor, std: Tensor | None, batch: TokenBatch) -> tuple[Tensor, Tensor]:
        """Sum of the losses of hidden values, and how many there are (weighted, if the samples are)."""
        hidden_idx, schema = batch.split.hidden_idx, batch.schema
        values = batch.values[hidden_idx].float()
        # a model may be told to answer with all columns of its input: errors, flags and covariates are no targets
        is_described = len(schema.roles) == values.shape[1]
        n_targets = min(self.config.n_predicted, schema.n_predicted) if is_described else self.config.n_predicted
        targets, prediction = values[:, :n_targets], prediction[:, :n_targets]
        std = None if std is None else std[:, :n_targets]
        if self.config.normalize_targets:
            variance, mean = torch.var_mean(targets, dim=1, keepdim=True)
            targets = (targets - mean) / (variance + 1e-6).sqrt()
        if std is None:
            if self.config.compress:
                # squared errors of values that span orders of magnitude are those of the largest alone
                prediction, targets = torch.asinh(prediction), torch.asinh(targets)
            losses = (prediction - targets).square()
        else:
            variance = std.square()
            if error := schema.columns("error"):
                # what is known of the measurement is not the model's to explain
                variance = variance + values[:, error].square()
            losses = 0.5 * (variance.log() + (prediction - targets).square() / variance)
        weights = torch.ones_like(losses)
        if observed := schema.columns("observed"):
            weights = (values[:, observed] > 0).to(losses.dtype)
        if batch.weights is not None:
            weights = weights * batch.weights[batch.sample_idx[hidden_idx]].unsqueeze(1)
        return (losses * weights).sum(), weights.sum()

    def _compile_parts(self) -> None:
        self.encoder.stack.compile_parts()
        self.decoder.compile_parts()
