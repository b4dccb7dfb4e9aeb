"""RoMAEForPrediction: classes or numbers, one answer a sample or one a token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.models.config import RoMAEConfig
from rotary_mae.models.encoder import Encoder
from rotary_mae.models.heads import Head, mean_and_std
from rotary_mae.models.pretrained import Pretrained


@dataclass(frozen=True)
class PredictionOutput:
    """logits: (B, outputs), or (T, outputs) for per="token"; std: the same from a Gaussian head, or None.

    pooled: (B, W) what the head read, or (T, W). per: what each row is of, "sample" or "token".
    """

    logits: Tensor
    std: Tensor | None
    pooled: Tensor
    per: Literal["sample", "token"] = "sample"


class RoMAEForPrediction(Pretrained):
    """The encoder with a head on CLS or on the mean of the tokens (``config.pooling``), or on each token.

    Args:
        config: of the model; its decoder is not made.
        outputs: classes, or numbers to predict.
        per: "sample" or "token" (one answer for each token, in token order).
    """

    def __init__(self, config: RoMAEConfig, outputs: int, per: Literal["sample", "token"] = "sample") -> None:
        super().__init__(config)
        if per not in ("sample", "token"):
            raise ValueError(f"per must be 'sample' or 'token', got {per!r}")
        if outputs < 1:
            raise ValueError(f"outputs must be at least 1, got {outputs}")
        self.outputs, self.per = outputs, per
        self.encoder = Encoder(config)
        self.head = Head(config.width, outputs * (2 if config.distribution == "gaussian" else 1), config.norm_eps)

    def forward(self, batch: TokenBatch) -> PredictionOutput:
        """Answers for a batch; hidden tokens, if any, are not looked at."""
        if self.per == "token":
            if batch.is_hidden is not None and bool(batch.is_hidden.any()):
                raise ValueError("per='token' answers every token: give a batch in which nothing is hidden")
            pooled = self.encoder(batch).tokens
        else:
            pooled = self.pool(batch)
        answers = self.head(pooled)
        if self.config.distribution == "gaussian":
            return PredictionOutput(*mean_and_std(answers), pooled, self.per)
        return PredictionOutput(answers, None, pooled, self.per)

    def pool(self, batch: TokenBatch) -> Tensor:
        """(B, W) the CLS state, or the mean of the visible tokens' states."""
        return pool_samples(self.encoder, batch)

    def _compile_parts(self) -> None:
        self.encoder.stack.compile_parts()

    def _arguments(self) -> dict[str, Any]:
        return {"outputs": self.outputs, "per": self.per}


def pool_samples(encoder: Encoder, batch: TokenBatch) -> Tensor:
    """(B, W) one vector a sample: CLS, or the mean of its visible tokens."""
    is_cls = encoder.config.pooling == "cls"
    encoded = encoder(batch, cls_only=is_cls)
    return encoded.cls if is_cls and encoded.cls is not None else encoded.mean_of_tokens
