"""Moving average of a model's weights, which generalises better than the weights after a single update."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Average of the trainable weights after each update: the plain mean at first, then an exponential moving average.

    Parameters
    ----------
    model : Module
        Model whose weights are averaged.
    horizon : float
        Number of updates that the moving average reaches back over; below 1 the average is the weights themselves.
    """

    def __init__(self, model: nn.Module, horizon: float) -> None:
        self.horizon = horizon
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.weights = {name: p.detach().clone() for name, p in self.parameters.items()}

    def update(self, n_updates: int) -> None:
        """Add the model's current weights, which are those after ``n_updates`` updates."""
        # the weight of a plain mean at first, so that the initial weights do not stay in the average
        weight = 1.0 / max(1.0, min(float(n_updates), self.horizon))
        torch._foreach_lerp_(list(self.weights.values()), [p.detach() for p in self.parameters.values()], weight)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model the averaged weights, and its own to the bit afterwards."""
        own = {name: p.detach().clone() for name, p in self.parameters.items()}
        self.apply()
        try:
            yield
        finally:
            _copy(own, self._tensors())

    def apply(self) -> None:
        """Replace the model's weights by the averaged weights."""
        _copy(self.weights, self._tensors())

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Restore the averaged weights of a checkpoint."""
        _copy(weights, self.weights)

    def _tensors(self) -> dict[str, Tensor]:
        return {name: p.detach() for name, p in self.parameters.items()}


def _copy(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    for name, weight in target.items():
        weight.copy_(source[name])
