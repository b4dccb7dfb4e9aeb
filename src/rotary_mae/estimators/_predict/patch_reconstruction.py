"""Hiding patches of images or sound from a fitted embedder, and what it makes of them, as pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.batches.masking import Masking
from rotary_mae.data.audio import spectrograms_from_tokens
from rotary_mae.data.images import images_from_tokens
from rotary_mae.data.scaling import Scaling
from rotary_mae.data.tokens import TokenSet, token_indices
from rotary_mae.estimators._predict.batched import batches_by_length, pick_device
from rotary_mae.models.autoencoder import RoMAEForPreTraining
from rotary_mae.training.validation import evaluation_mode

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Reconstruction:
    """Samples, which of their patches were hidden, and the same samples with these filled in by the model.

    original, filled: in the user's units. is_hidden: (T,) True = hidden.
    """

    original: TokenSet
    is_hidden: npt.NDArray[np.bool_]
    filled: TokenSet

    def pictures(self) -> tuple[list[Array], list[Array], list[Array]]:
        """The originals, the originals with NaN where they were hidden, and the reconstructions, one a sample.

        Images (height, width, colours), videos (frames, height, width, colours), spectrograms (frames, 128).
        """
        original, filled = _pictures(self.original), _pictures(self.filled)
        flags = np.broadcast_to(self.is_hidden[:, None], self.original.values.shape)
        is_hidden = _pictures(self.original.replace(values=flags))
        seen = [np.where(hidden > 0, np.nan, picture) for picture, hidden in zip(original, is_hidden, strict=True)]
        return original, seen, filled


def reconstruct(
    model: RoMAEForPreTraining, tokens: TokenSet, scaling: Scaling, hiding: Masking, seed: int, device: str = "auto"
) -> Reconstruction:
    """Hide patches of ``tokens`` and fill them in; which are hidden depends on ``seed`` alone.

    A model that was trained on patches each brought to mean 0 and deviation 1 says nothing of these two numbers:
    for the picture they are taken from the true patch, as is usual (He et al. 2022, arXiv 2111.06377).
    """
    if tokens.schema.patch is None:
        raise ValueError(f"only patches of images and sound make pictures, got {tokens!r}; series can be interpolated")
    where = pick_device(device)
    model.to(where)
    scaled = scaling.apply(tokens)
    values, is_hidden = scaled.values.astype(np.float64), np.zeros(tokens.n_tokens, bool)
    with evaluation_mode(model):
        for chosen in batches_by_length(tokens.lengths):
            batch = TokenBatch.collate(scaled[chosen].with_targets(None), keys=chosen)
            batch = batch.hide(hiding.fraction, strategy=hiding.strategy, seed=seed)
            hidden = token_indices(tokens.starts[chosen], tokens.lengths[chosen])[batch.split.hidden_idx.numpy()]
            answers = model(batch.to(where)).prediction.float().cpu().numpy()
            is_hidden[hidden] = True
            values[hidden] = _denormalized(answers, values[hidden]) if model.config.normalize_targets else answers
    return Reconstruction(tokens, is_hidden, tokens.replace(values=scaling.undo(values)))


def _denormalized(answers: Array, truth: Array) -> Array:
    return answers * np.sqrt(truth.var(1, ddof=1, keepdims=True) + 1e-6) + truth.mean(1, keepdims=True)


def _pictures(tokens: TokenSet) -> list[Array]:
    if "mel" in tokens.axes:
        return list(spectrograms_from_tokens(tokens))
    return [images_from_tokens(sample)[0] for sample in tokens]
