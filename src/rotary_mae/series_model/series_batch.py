"""SeriesBatch: views as the tensors that the model takes."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rotary_mae.series_model.gaussian_process_bank import N_PROCESSES, bank_predictions
from rotary_mae.series_model.series_features import N_SUMMARY, channel_relation, view_summary
from rotary_mae.series_model.series_scaling import scale_views
from rotary_mae.series_model.views import Floats, Ints, Views

SUMMARY_WIDTH = N_SUMMARY + N_PROCESSES
"""Features of a view: its summary and the weights of the Gaussian processes."""


@dataclass(frozen=True, eq=False)
class SeriesBatch:
    """B views in scaled units: T visible tokens and M queries, view after view.

    Attributes
    ----------
    values, errors, relation : Tensor, shape (T,)
        Scaled values, known errors (0 if unknown), and relation of the channel to the predicted one.
    positions : Tensor, shape (T, 2)
        Scaled time, and number of the channel within the view: 0 for the predicted one.
    view_idx : Tensor of int, shape (T,)
        View of each token.
    summary : Tensor, shape (B, 22)
        Features of whole views.
    query_times, process_mean, process_std : Tensor, shape (M,)
        Scaled times, and predictions of the bank of Gaussian processes.
    query_view_idx : Tensor of int, shape (M,)
        View of each query.
    targets, target_errors : Tensor, shape (M,)
        Scaled values and known errors at the queries; NaN and 0 in prediction.
    lengths, query_lengths : ndarray of int, shape (B,)
        Tokens and queries of each view.
    level, deviation : ndarray of float, shape (B,)
        Scale of the predicted channel, in the units of the values.
    """

    values: Tensor
    errors: Tensor
    relation: Tensor
    positions: Tensor
    view_idx: Tensor
    summary: Tensor
    query_times: Tensor
    process_mean: Tensor
    process_std: Tensor
    query_view_idx: Tensor
    targets: Tensor
    target_errors: Tensor
    lengths: Ints
    query_lengths: Ints
    level: Floats
    deviation: Floats

    def __len__(self) -> int:
        return len(self.lengths)

    @classmethod
    def from_views(cls, views: Views) -> SeriesBatch:
        """Scale views and compute their features.

        Parameters
        ----------
        views : Views
            In the user's units, each with at least one visible token.

        Returns
        -------
        SeriesBatch
            On the CPU.
        """
        scaled = scale_views(views)
        bank = bank_predictions(views, scaled)
        return cls(
            values=_float(scaled.values),
            errors=_float(scaled.errors),
            relation=_float(channel_relation(views, scaled)),
            positions=_float(np.stack([scaled.times, views.channels], axis=1)),
            view_idx=torch.from_numpy(views.view_idx),
            summary=_float(np.concatenate([view_summary(views, scaled), bank.weights], axis=1)),
            query_times=_float(scaled.query_times),
            process_mean=_float(bank.mean),
            process_std=_float(bank.std),
            query_view_idx=torch.from_numpy(views.query_view_idx),
            targets=_float(scaled.targets),
            target_errors=_float(scaled.target_errors),
            lengths=views.lengths,
            query_lengths=views.query_lengths,
            level=scaled.level,
            deviation=scaled.deviation,
        )

    def to(self, device: torch.device | str) -> SeriesBatch:
        """Return the batch with its tensors on a device."""
        tensors = {f.name: getattr(self, f.name) for f in fields(self) if f.type == "Tensor"}
        return replace(self, **{name: tensor.to(device) for name, tensor in tensors.items()})


def _float(array: npt.NDArray[Any]) -> Tensor:
    # a new array: a view of the user's data must not share memory with a tensor
    return torch.from_numpy(np.array(array, np.float32, order="C"))
