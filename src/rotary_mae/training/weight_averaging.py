"""A running mean of a model's weights, which generalises better than the weights of one update."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Mean of the learned weights after each update: plain over the first ``horizon`` updates, then exponential.

    horizon: updates that the exponential mean reaches back over; below 1 the mean is the weights themselves.
    """

    def __init__(self, model: nn.Module, horizon: float) -> None:
        self.horizon = horizon
        self.learned = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.weights = {name: p.detach().clone() for name, p in self.learned.items()}

    def update(self, n_updates: int) -> None:
        """Take in the weights as they are after ``n_updates`` updates, this one included."""
        # the same weight as in a plain mean, so that the random start is forgotten at once
        weight = 1.0 / max(1.0, min(float(n_updates), self.horizon))
        torch._foreach_lerp_(list(self.weights.values()), [p.detach() for p in self.learned.values()], weight)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the mean weights inside, and its own to the bit afterwards."""
        own = {name: p.detach().clone() for name, p in self.learned.items()}
        self.put_in()
        try:
            yield
        finally:
            self._copy(own, {name: p.detach() for name, p in self.learned.items()})

    def put_in(self) -> None:
        """Give the model the mean weights for good."""
        self._copy(self.weights, {name: p.detach() for name, p in self.learned.items()})

    def load(self, weights: dict[str, Tensor]) -> None:
        """Go on from weights that a state holds."""
        self._copy(weights, self.weights)

    @staticmethod
    def _copy(source: dict[str, Tensor], target: dict[str, Tensor]) -> None:
        for name, weight in target.items():
            weight.copy_(source[name])
