"""RoMAEForPreTraining: encode the visible tokens of a batch and reconstruct the masked ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rotary_mae._torch_state import float32_weights
from rotary_mae.batches.batch import TokenBatch
from rotary_mae.batches.local_context import N_CANDIDATES, QueryContext, query_context, query_context_width
from rotary_mae.models.attention_plan import TokenOrder, plan_attention, sample_major
from rotary_mae.models.config import RoMAEConfig
from rotary_mae.models.encoder import Encoder, EncoderOutput, axis_frequencies
from rotary_mae.models.heads import Head, mean_and_std, undo_arcsinh
from rotary_mae.models.pretrained import Pretrained
from rotary_mae.nn.init import init_token_, init_weight_
from rotary_mae.nn.sinusoidal import sinusoidal_embedding
from rotary_mae.nn.transformer import Angles, Stack


@dataclass(frozen=True)
class PreTrainingOutput:
    """Output of pre-training on a batch with M masked tokens.

    Attributes
    ----------
    loss : Tensor
        () mean over masked values, 0 if there are none. It is the squared error (of inverse hyperbolic sines with
        ``compress``), or the negative log-likelihood of a Gaussian head up to a constant.
    loss_sum, loss_count : Tensor
        () sum and number of the losses of single values, for a mean over several batches or processes.
    prediction : Tensor
        (M, n_predicted) predictions of the masked tokens, in token order, in the unit of the targets.
    std : Tensor or None
        (M, n_predicted) standard deviations of a Gaussian head.
    encoded : Tensor
        (visible tokens, W) states of the visible tokens, without CLS.
    cls : Tensor or None
        (B, W) states of CLS, or None without CLS.
    """

    loss: Tensor
    loss_sum: Tensor
    loss_count: Tensor
    prediction: Tensor
    std: Tensor | None
    encoded: Tensor
    cls: Tensor | None


class RoMAEForPreTraining(Pretrained):
    """Masked autoencoder (paper, section 3).

    Call it with a batch after ``TokenBatch.hide``. Masked tokens need positions; only the loss uses their values.

    Parameters
    ----------
    config : RoMAEConfig
        Configuration of encoder and decoder.

    Attributes
    ----------
    config : RoMAEConfig
        As given.
    encoder : Encoder
        Encoder of the visible tokens.
    scaling : Scaling or None
        Scaling of raw data, if training fitted one.
    """

    def __init__(self, config: RoMAEConfig) -> None:
        super().__init__(config)
        with float32_weights():
            self._make_layers(config)

    def _make_layers(self, config: RoMAEConfig) -> None:
        decoder = config.decoder
        self.encoder = Encoder(config)
        self.bridge = nn.Linear(config.width, decoder.width)
        self.mask_token = nn.Parameter(torch.empty(decoder.width))
        self.decoder = Stack(decoder.width, decoder.heads, decoder.hidden, decoder.depth, eps=config.norm_eps)
        n_outputs = config.n_predicted * (2 if config.distribution == "gaussian" else 1)
        self.head = Head(decoder.width, n_outputs, config.norm_eps)
        frequencies = axis_frequencies(config, decoder.width, decoder.heads)
        self.register_buffer("decoder_frequencies", frequencies, persistent=False)
        # With local context, queries have features of the visible values next to them, and ``blend`` predicts weights
        # to interpolate between those values.
        self.query_context = self.blend = None
        if config.context:
            self.query_context = nn.Linear(query_context_width(config.n_predicted), decoder.width, bias=False)
            self.blend = Head(decoder.width, N_CANDIDATES * config.n_predicted, config.norm_eps)
            init_weight_(self.query_context.weight)
            # with weights of zero, initial predictions are those of a model without interpolation
            nn.init.zeros_(self.blend.linear.weight)
        init_weight_(self.bridge.weight)
        nn.init.zeros_(self.bridge.bias)
        init_token_(self.mask_token)

    decoder_frequencies: Tensor

    def forward(self, batch: TokenBatch) -> PreTrainingOutput:
        """Reconstruct the masked tokens of a batch.

        Parameters
        ----------
        batch : TokenBatch
            Tokens of B samples, some of them masked.

        Returns
        -------
        PreTrainingOutput
            Loss, predictions of the masked tokens, and states of the visible tokens.

        Raises
        ------
        ValueError
            If the batch does not have the model's values and axes.
        """
        encoded = self.encoder(batch)
        context = self._query_context(batch)
        states = self._decode(encoded, batch, context)
        prediction, std = self.head(states), None
        if self.config.distribution == "gaussian":
            prediction, std = mean_and_std(prediction)
        if self.blend is not None and context is not None:
            interpolation_weights = self.blend(states).float().unflatten(1, (N_CANDIDATES, -1))
            prediction = prediction + (interpolation_weights * context.candidates).sum(1)
        if self.config.compress:
            prediction, std = undo_arcsinh(prediction, std)
        loss_sum, loss_count = self._loss(prediction, std, batch)
        if not len(batch.split.hidden_idx):
            # training on several processes requires a gradient, here 0, for every parameter
            loss_sum = loss_sum + 0.0 * torch.stack([p.sum() for p in self.parameters()]).sum()
        # not clamp(min=1): the weights of the samples can sum to less than 1
        loss = loss_sum / torch.where(loss_count > 0, loss_count, 1.0)
        return PreTrainingOutput(loss, loss_sum, loss_count, prediction, std, encoded.tokens, encoded.cls)

    @property
    def _has_equal_queries(self) -> bool:
        """True if all queries are equal before rotation."""
        return self.query_context is None and self.config.positions == "rope"

    def _query_context(self, batch: TokenBatch) -> QueryContext | None:
        """Return the visible values around the masked tokens, or None without local context."""
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

    def _decode(self, encoded: EncoderOutput, batch: TokenBatch, context: QueryContext | None) -> Tensor:
        """Return the states (M, decoder width) of the masked tokens."""
        hidden_idx = batch.split.hidden_idx
        memory = self.bridge(encoded.states)
        queries = self.mask_token.to(memory.dtype).expand(len(hidden_idx), -1)
        if self.query_context is not None and context is not None:
            queries = queries + self.query_context(context.features)
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
        """Decode masked tokens that attend to the visible ones and to each other."""
        n_memory, hidden_lengths = len(memory), batch.split.hidden_lengths
        cls_lengths = (encoded.lengths - batch.split.visible_lengths,) if encoded.n_cls else ()
        lengths, order = sample_major(*cls_lengths, batch.split.visible_lengths, hidden_lengths)
        x = torch.cat((memory, queries))
        query_positions = batch.positions[batch.split.hidden_idx]
        tokens = TokenOrder(lengths, order, torch.cat((encoded.positions, query_positions)), encoded.n_cls)
        *blocks, last = self.decoder.blocks
        if blocks:
            plan = plan_attention(self.config, tokens, n_uses=len(blocks))
            for i, block in enumerate(blocks):
                n_distinct = n_memory if i == 0 and self._has_equal_queries else None
                x = block(x, angles, plan, sample_idx, n_distinct)
        # the last layer computes only the states of the masked tokens
        query_plan = plan_attention(self.config, tokens, TokenOrder(hidden_lengths, None, query_positions))
        return last.forward_subset(x, slice(n_memory, None), angles, query_plan, sample_idx)

    def _decode_independent(
        self,
        memory: Tensor,
        queries: Tensor,
        angles: Angles,
        sample_idx: Tensor,
        encoded: EncoderOutput,
        batch: TokenBatch,
    ) -> Tensor:
        """Decode masked tokens that each attend to the visible ones and to itself."""
        n_memory = len(memory)
        memory_angles, query_angles = angles[slice(0, n_memory)], angles[slice(n_memory, None)]
        visible = TokenOrder(encoded.lengths, encoded.order, encoded.positions, encoded.n_cls)
        query_positions = batch.positions[batch.split.hidden_idx]
        query_plan = plan_attention(self.config, visible, TokenOrder(batch.split.hidden_lengths, None, query_positions))
        last = len(self.decoder.blocks) - 1
        for i, block in enumerate(self.decoder.blocks):
            keys = memory
            if i < last:
                memory = block(memory, memory_angles, encoded.plan, sample_idx[:n_memory])
            n_distinct = 0 if i == 0 and self._has_equal_queries else None
            queries = block.forward_queries(
                keys, queries, memory_angles, query_angles, query_plan, sample_idx[n_memory:], n_distinct
            )
        return queries

    def _loss(self, prediction: Tensor, std: Tensor | None, batch: TokenBatch) -> tuple[Tensor, Tensor]:
        """Return the sum and the number of the losses of masked values, both weighted by the weights of samples."""
        hidden_idx, schema = batch.split.hidden_idx, batch.schema
        values = batch.values[hidden_idx].float()
        # a model may predict all columns of its input, but errors, flags and covariates are not targets
        has_roles = len(schema.roles) == values.shape[1]
        n_targets = min(self.config.n_predicted, schema.n_predicted) if has_roles else self.config.n_predicted
        targets, prediction = values[:, :n_targets], prediction[:, :n_targets]
        std = None if std is None else std[:, :n_targets]
        if self.config.normalize_targets:
            variance, mean = torch.var_mean(targets, dim=1, keepdim=True)
            targets = (targets - mean) / (variance + 1e-6).sqrt()
        if std is None:
            if self.config.compress:
                # with values that span orders of magnitude, the largest ones would dominate the squared errors
                prediction, targets = torch.asinh(prediction), torch.asinh(targets)
            losses = (prediction - targets).square()
        else:
            variance = std.square()
            if error := schema.columns("error"):
                # the measurement error is known, so the predicted standard deviation does not include it
                variance = variance + values[:, error].square()
            losses = 0.5 * (variance.log() + (prediction - targets).square() / variance)
        weights = torch.ones_like(losses)
        if observed := schema.columns("observed"):
            weights = (values[:, observed] > 0).to(losses.dtype)
        if batch.weights is not None:
            weights = weights * batch.weights[batch.sample_idx[hidden_idx]].unsqueeze(1)
        return (losses * weights).sum(), weights.sum()

    def compile_parts(self) -> None:
        """Compile the token-wise parts of encoder and decoder."""
        self.encoder.stack.compile_parts()
        self.decoder.compile_parts()
