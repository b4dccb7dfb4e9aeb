"""Several models that answer as one: the mixture of their normal distributions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.estimators._predict.batched import pick_device
from rotary_mae.evaluation.conformal_scores import Predictor
from rotary_mae.models.pretrained import Pretrained
from rotary_mae.training.validation import evaluation_mode

Array = npt.NDArray[np.float64]


@contextmanager
def ensemble_predictor(models: Sequence[Pretrained], device: str) -> Iterator[Predictor]:
    """What autoencoders say together of the hidden tokens of a batch, in scaled units, on the CPU.

    Mean and standard deviation (M, n_predicted) of their mixture; the deviation is None where they give none.
    """
    where = pick_device(device)

    def answer(batch: TokenBatch) -> tuple[Tensor, Tensor | None]:
        outputs = [model(batch.to(where)) for model in models]
        means = [output.prediction.float().cpu() for output in outputs]
        stds = [output.std.float().cpu() for output in outputs if output.std is not None]
        if len(models) == 1:
            return means[0], stds[0] if stds else None
        if not stds:
            return torch.stack(means).mean(0), None
        mean, std = mixture_moments(torch.stack(means).double().numpy(), torch.stack(stds).double().numpy())
        return torch.from_numpy(mean), torch.from_numpy(std)

    with ExitStack() as stack:
        for model in models:
            model.to(where)
            stack.enter_context(evaluation_mode(model))
        yield answer


def mixture_moments(means: Array, stds: Array) -> tuple[Array, Array]:
    """Mean and standard deviation (...) of equal shares of normal distributions (members, ...).

    The variance is the mean of theirs and the variance of their means (law of total variance).
    """
    mean = means.mean(0)
    return mean, np.sqrt((np.square(stds) + np.square(means - mean)).mean(0))
