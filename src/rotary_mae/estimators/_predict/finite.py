"""Predictions that are NaN or infinite: an error or a warning that names the samples and the likely cause."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from rotary_mae.data.overflow import describe_extreme
from rotary_mae.data.scaling import Scaling
from rotary_mae.data.sources import Source
from rotary_mae.models.pretrained import Pretrained

N_NAMED = 3
"""Number of samples that a message names."""

Ints = npt.NDArray[np.int64]


def is_finite(rows: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return (N,) True where all numbers of a row (N, ...) are finite."""
    finite: npt.NDArray[np.bool_] = np.isfinite(rows.reshape(len(rows), -1)).all(axis=1)
    return finite


def describe_not_finite(models: Sequence[Pretrained], source: Source, scaling: Scaling | None, samples: Ints) -> str:
    """Return a text about predictions that are not finite.

    Parameters
    ----------
    models : sequence of Pretrained
        Models that predicted.
    source : Source
        B samples.
    scaling : Scaling or None
        Scaling of the samples; None if they are scaled already.
    samples : array of int, shape (n,)
        The samples with such predictions.

    Returns
    -------
    str
        The ids of some samples; and a weight that is not finite, else their most extreme value.
    """
    names = ", ".join(repr(name) for name in np.asarray(source.ids)[samples[:N_NAMED]].tolist())
    more = f" and {len(samples) - N_NAMED} others" if len(samples) > N_NAMED else ""
    plural = "s" if len(samples) > 1 else ""
    cause = _cause(models, source, scaling, samples)
    return f"predictions for the sample{plural} {names}{more} are NaN or infinite: {cause}"


def _cause(models: Sequence[Pretrained], source: Source, scaling: Scaling | None, samples: Ints) -> str:
    for model in models:
        for name, weight in model.named_parameters():
            if not bool(torch.isfinite(weight).all()):
                return f"the weight {name!r} of the model is NaN or infinite; train again, or load an intact checkpoint"
    tokens = source[samples[:N_NAMED]]
    scaled = tokens if scaling is None else scaling.apply(tokens)
    return f"{describe_extreme(tokens, scaled.values)[1]}; correct or leave out values that are wrong"
