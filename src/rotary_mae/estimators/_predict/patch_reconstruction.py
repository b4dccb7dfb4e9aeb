"""Reconstruction of masked patches of images and audio, and the pictures of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.batches.masking import Masking
from rotary_mae.data.audio import spectrograms_from_tokens
from rotary_mae.data.images import images_from_tokens
from rotary_mae.data.tokens import TokenSet
from rotary_mae.estimators._predict.batched import TrainedModels, predict_masked

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Reconstruction:
    """Samples of patches, and the same samples with the masked patches replaced by their predictions.

    Attributes
    ----------
    original : TokenSet
        B samples with T patches, in the user's units.
    is_hidden : array of bool, shape (T,)
        True for masked patches.
    filled : TokenSet
        The samples with the predictions in place of the masked patches, in the user's units.
    """

    original: TokenSet
    is_hidden: npt.NDArray[np.bool_]
    filled: TokenSet

    def pictures(self) -> tuple[list[Array], list[Array], list[Array]]:
        """Return the samples as pictures.

        Returns
        -------
        original : list of array
            One picture a sample: an image (height, width, colours), a video (frames, height, width, colours) or a
            spectrogram (frames, 128).
        visible : list of array
            The same pictures with NaN in place of the masked patches.
        filled : list of array
            The same pictures with predictions in place of the masked patches.
        """
        original, filled = _pictures(self.original), _pictures(self.filled)
        flags = np.broadcast_to(self.is_hidden[:, None], self.original.values.shape)
        masks = _pictures(self.original.replace(values=flags))
        visible = [np.where(mask > 0, np.nan, picture) for picture, mask in zip(original, masks, strict=True)]
        return original, visible, filled


def reconstruct(trained: TrainedModels, tokens: TokenSet, masking: Masking, seed: int) -> Reconstruction:
    """Mask patches and predict them from the others.

    Models of normalised patches predict neither mean nor standard deviation of a patch. Both are then taken from the
    true patch, as is usual for pictures (He et al. 2022, arXiv 2111.06377).

    Parameters
    ----------
    trained : TrainedModels
        Autoencoder of patches.
    tokens : TokenSet
        Patches of images, videos or audio, in the user's units.
    masking : Masking
        Fraction and strategy of the mask.
    seed : int
        Seed of the mask, which depends on nothing else.

    Raises
    ------
    ValueError
        If the tokens are not patches.
    """
    if tokens.schema.patch is None:
        raise ValueError(f"only patches of images and audio make pictures, got {tokens!r}; series can be interpolated")
    scaled = trained.scaling.apply(tokens)
    batch = TokenBatch.collate(scaled.with_targets(None)).hide(masking.fraction, strategy=masking.strategy, seed=seed)
    is_masked = np.zeros(tokens.n_tokens, bool)
    is_masked[batch.split.hidden_idx.numpy()] = True
    prediction, _ = predict_masked(trained, scaled, is_masked)
    values = scaled.values.astype(np.float64)
    values[is_masked] = _denormalized(prediction, values[is_masked]) if trained.is_normalized else prediction
    return Reconstruction(tokens, is_masked, tokens.replace(values=trained.scaling.undo(values)))


def _denormalized(prediction: Array, truth: Array) -> Array:
    return prediction * np.sqrt(truth.var(1, ddof=1, keepdims=True) + 1e-6) + truth.mean(1, keepdims=True)


def _pictures(tokens: TokenSet) -> list[Array]:
    if "mel" in tokens.axes:
        return list(spectrograms_from_tokens(tokens))
    return [images_from_tokens(sample)[0] for sample in tokens]
