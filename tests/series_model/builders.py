"""Small series models and series with known properties."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

import rotary_mae as rm
from rotary_mae.data.schema import Schema
from rotary_mae.series_model.mixture import Mixture
from rotary_mae.series_model.model import SeriesModel, SeriesModelConfig


def small_model(seed: int = 0) -> SeriesModel:
    """Return a small model whose predictions depend on all of its inputs."""
    torch.manual_seed(seed)
    model = SeriesModel(SeriesModelConfig(width=32, heads=2, depth=2, decoder_depth=2, components=3)).eval()
    torch.nn.init.normal_(model.blend.linear.weight, std=0.05)
    torch.nn.init.normal_(model.head.linear.weight, std=0.05)
    return model


def measurements(
    times: Sequence[float] | np.ndarray,
    channels: Sequence[int] | np.ndarray,
    values: Sequence[float] | np.ndarray,
    errors: Sequence[float] | np.ndarray | None = None,
    lengths: Sequence[int] | None = None,
    n_channels: int = 6,
) -> rm.TokenSet:
    """Return measurements of channels 0 to ``n_channels`` - 1, one sample if ``lengths`` is None."""
    columns = [np.asarray(values, np.float64)]
    roles: tuple[str, ...] = ("value",)
    if errors is not None:
        columns.append(np.asarray(errors, np.float64))
        roles = ("value", "error")
    return rm.TokenSet(
        np.column_stack(columns),
        np.column_stack([np.asarray(times, np.float64), np.asarray(channels, np.float64)]),
        [len(columns[0])] if lengths is None else lengths,
        schema=Schema(("time", "channel"), tuple(f"c{i}" for i in range(n_channels)), roles),
    )


def largest_difference(one: Mixture, other: Mixture) -> float:
    """Return the largest difference of weights, means and standard deviations, relative to the mean std."""
    scale = one.std.mean().item()
    differences = (
        (one.log_weight.exp() - other.log_weight.exp()).abs().max().item(),
        (one.mean - other.mean).abs().max().item() / scale,
        (one.std - other.std).abs().max().item() / scale,
    )
    return max(differences)
