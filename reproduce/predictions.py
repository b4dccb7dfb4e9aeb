"""Predictions of a model for many samples, in evaluation mode and without gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import rotary_mae as rm

Array = npt.NDArray[Any]

BATCH_SIZE = 64
"""Samples predicted at once. Not tuned: it changes the speed alone."""


def predict(model: rm.RoMAEForPrediction, tokens: rm.Source) -> Array:
    """Return the outputs of a prediction model.

    Parameters
    ----------
    model : RoMAEForPrediction
        Trained model.
    tokens : Source
        B samples with T tokens in total, scaled as in training.

    Returns
    -------
    array
        (B, outputs), or (T, outputs) if the model predicts per token.
    """
    with _inference(model) as device:
        return np.concatenate([model(batch.to(device)).logits.cpu().numpy() for batch, _ in _batches(tokens)])


def predict_masked(model: rm.RoMAEForPreTraining, tokens: rm.TokenSet, is_hidden: Array) -> Array:
    """Return the predicted values of masked tokens.

    Parameters
    ----------
    model : RoMAEForPreTraining
        Trained model.
    tokens : TokenSet
        Samples with T tokens in total, scaled as in training.
    is_hidden : array
        (T,) True at the tokens to mask; the model is given the others.

    Returns
    -------
    array
        (M, V) predictions of the masked tokens, in token order.
    """
    predicted = []
    with _inference(model) as device:
        for batch, span in _batches(tokens):
            masked = batch.hide(is_hidden=is_hidden[span]).to(device)
            predicted.append(model(masked).prediction.cpu().numpy())
    return np.concatenate(predicted)


@contextmanager
def _inference(model: torch.nn.Module) -> Iterator[torch.device]:
    """Evaluation mode without gradients; gives the device of the model."""
    model.eval()
    with torch.no_grad():
        yield next(model.parameters()).device


def _batches(tokens: rm.Source) -> Iterator[tuple[rm.TokenBatch, slice]]:
    """Batches in order, each with the slice of tokens that it holds."""
    before = 0
    for first in range(0, len(tokens), BATCH_SIZE):
        chunk = tokens[first : min(first + BATCH_SIZE, len(tokens))]
        yield rm.TokenBatch.collate(chunk.with_targets(None)), slice(before, before + chunk.n_tokens)
        before += chunk.n_tokens
