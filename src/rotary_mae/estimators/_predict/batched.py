"""A model over many samples: batches of similar length under a budget of tokens, answers in the order given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.data.scaling import Scaling
from rotary_mae.data.sources import Source
from rotary_mae.models.pretrained import Pretrained
from rotary_mae.training.distributed import check_device
from rotary_mae.training.progress import progress_bar
from rotary_mae.training.validation import evaluation_mode

MAX_TOKENS = 16_384

CHUNK = 4_096


def batches_by_length(lengths: npt.NDArray[np.int64], max_tokens: int = MAX_TOKENS) -> Iterator[npt.NDArray[np.int64]]:
    """Indices of samples, similar lengths together, at most ``max_tokens`` a batch (or one sample)."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    ends = np.cumsum(lengths[order])
    while start < len(order):
        before = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, before + max_tokens, side="right")), start + 1)
        yield order[start:stop]
        start = stop


def pick_device(device: str) -> torch.device:
    """The device that "auto" means here, or the one named; raises ValueError if it is not there."""
    check_device(device)
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def predict_batched(
    model: Pretrained,
    source: Source,
    scaling: Scaling,
    answer: Callable[[TokenBatch], Tensor],
    device: str = "auto",
    is_shown: bool = False,
) -> npt.NDArray[Any]:
    """(B, ...) one answer a sample, from ``answer(batch)`` (b, ...) on scaled batches with nothing hidden.

    A sample's answer does not depend on which others are asked about. is_shown: show progress on a terminal.
    """
    where = pick_device(device)
    model.to(where)
    results: npt.NDArray[Any] | None = None
    with evaluation_mode(model), progress_bar("answer", len(source), is_shown) as done:
        for first in range(0, len(source), CHUNK):
            chunk = source[first : min(first + CHUNK, len(source))]
            scaled = scaling.apply(chunk)
            for indices in batches_by_length(scaled.lengths):
                batch = TokenBatch.collate(scaled[indices].with_targets(None)).to(where)
                answers = answer(batch).float().cpu().numpy()
                if results is None:
                    results = np.zeros((len(source), *answers.shape[1:]), answers.dtype)
                results[first + indices] = answers
                done(len(indices))
    if results is None:
        raise ValueError("there are no samples to answer for")
    return results
