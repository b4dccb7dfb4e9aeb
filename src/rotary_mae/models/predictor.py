"""RoMAEForPrediction: classes or numbers for each sample or for each token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from rotary_mae._torch_state import float32_weights
from rotary_mae.batches.batch import TokenBatch
from rotary_mae.models.config import RoMAEConfig
from rotary_mae.models.encoder import Encoder, EncoderOutput
from rotary_mae.models.heads import Head, mean_and_std
from rotary_mae.models.pretrained import Pretrained


@dataclass(frozen=True)
class PredictionOutput:
    """Output of prediction. N is B for ``per="sample"`` and T for ``per="token"``.

    Attributes
    ----------
    logits : Tensor
        (N, outputs) logits of classes, or predicted numbers.
    std : Tensor or None
        (N, outputs) standard deviations of a Gaussian head.
    pooled : Tensor
        (N, W) states that the head was applied to.
    per : {"sample", "token"}
        What a row belongs to.
    """

    logits: Tensor
    std: Tensor | None
    pooled: Tensor
    per: Literal["sample", "token"] = "sample"


class RoMAEForPrediction(Pretrained):
    """Encoder with a head for each sample, on CLS or on the mean of the tokens (``config.pooling``), or for each token.

    Parameters
    ----------
    config : RoMAEConfig
        Configuration of the encoder; the decoder is not used.
    outputs : int
        Number of classes, or of numbers to predict.
    per : {"sample", "token"}
        Predict for each sample, or for each token in token order.

    Attributes
    ----------
    config : RoMAEConfig
        Configuration of the encoder.
    outputs : int
        Number of classes, or of numbers to predict.
    per : str
        "sample" or "token".
    encoder : Encoder
        Encoder of the visible tokens.
    scaling : Scaling or None
        Scaling of raw data, if training fitted one.

    Raises
    ------
    ValueError
        If ``outputs`` is below 1 or ``per`` has another value.
    """

    def __init__(self, config: RoMAEConfig, outputs: int, per: Literal["sample", "token"] = "sample") -> None:
        super().__init__(config)
        if per not in ("sample", "token"):
            raise ValueError(f"per must be 'sample' or 'token', got {per!r}")
        if outputs < 1:
            raise ValueError(f"outputs must be at least 1, got {outputs}")
        self.outputs, self.per = outputs, per
        with float32_weights():
            self.encoder = Encoder(config)
            self.head = Head(config.width, outputs * (2 if config.distribution == "gaussian" else 1), config.norm_eps)

    def forward(self, batch: TokenBatch) -> PredictionOutput:
        """Predict for a batch.

        Parameters
        ----------
        batch : TokenBatch
            Tokens of B samples. Masked tokens are ignored.

        Returns
        -------
        PredictionOutput
            Logits or numbers for each sample or token.

        Raises
        ------
        ValueError
            If the batch does not have the model's values and axes, or has masked tokens with ``per="token"``.
        """
        if self.per == "token":
            if batch.is_hidden is not None and bool(batch.is_hidden.any()):
                raise ValueError("per='token' predicts for every token: give a batch in which nothing is hidden")
            pooled = self.encoder(batch).tokens
        else:
            pooled = self.pool(batch)
        outputs = self.head(pooled)
        if self.config.distribution == "gaussian":
            return PredictionOutput(*mean_and_std(outputs), pooled, self.per)
        return PredictionOutput(outputs, None, pooled, self.per)

    def pool(self, batch: TokenBatch) -> Tensor:
        """Return one state for each sample: that of CLS, or the mean of its visible tokens.

        Parameters
        ----------
        batch : TokenBatch
            Tokens of B samples. Masked tokens are ignored.

        Returns
        -------
        Tensor
            (B, W).
        """
        is_cls = self.config.pooling == "cls"
        encoded: EncoderOutput = self.encoder(batch, cls_only=is_cls)
        return encoded.cls if is_cls and encoded.cls is not None else encoded.mean_of_tokens

    def compile_parts(self) -> None:
        """Compile the token-wise parts of the encoder."""
        self.encoder.stack.compile_parts()

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the constructor besides ``config``.

        Returns
        -------
        dict
            ``outputs`` and ``per``.
        """
        return {"outputs": self.outputs, "per": self.per}
