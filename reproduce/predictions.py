"""Answers of a model for many samples, in evaluation mode and without gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import rotary_mae as rm

Array = npt.NDArray[Any]

SAMPLES_AT_ONCE = 64


def predictions(model: rm.RoMAEForPrediction, tokens: rm.Source) -> Array:
    """(B, outputs), or (T, outputs) of a model with an answer for every token."""
    with _asking(model) as device:
        return np.concatenate([model(batch.to(device)).logits.cpu().numpy() for batch, _ in _batches(tokens)])


def predict_masked(model: rm.RoMAEForPreTraining, tokens: rm.TokenSet, is_hidden: Array) -> Array:
    """(M, V) what the model answers at the tokens where ``is_hidden`` (T,) is True, from the others alone."""
    answers = []
    with _asking(model) as device:
        for batch, part in _batches(tokens):
            asked = batch.hide(is_hidden=is_hidden[part]).to(device)
            answers.append(model(asked).prediction.cpu().numpy())
    return np.concatenate(answers)


@contextmanager
def _asking(model: torch.nn.Module) -> Iterator[torch.device]:
    model.eval()
    with torch.no_grad():
        yield next(model.parameters()).device


def _batches(tokens: rm.Source) -> Iterator[tuple[rm.TokenBatch, slice]]:
    """Batches in order, and the tokens that each holds."""
    before = 0
    for first in range(0, len(tokens), SAMPLES_AT_ONCE):
        part = tokens[first : min(first + SAMPLES_AT_ONCE, len(tokens))]
        yield rm.TokenBatch.collate(part.with_targets(None)), slice(before, before + part.n_tokens)
        before += part.n_tokens
