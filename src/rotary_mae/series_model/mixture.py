"""Predictive distributions: mixtures of K normal distributions for each query."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

N_BISECTIONS = 60
"""Halvings of the bracket of a quantile: to the last bits of float64, whatever the width of the bracket."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """M mixtures of K normal distributions.

    Attributes
    ----------
    log_weight, mean, std : Tensor, shape (M, K)
        Logarithms of the weights of the components, which sum to 1, their means and their standard deviations.
    """

    log_weight: Tensor
    mean: Tensor
    std: Tensor

    def __len__(self) -> int:
        return len(self.mean)

    def __getitem__(self, index: Tensor | slice) -> Mixture:
        """Return some of the mixtures."""
        return Mixture(self.log_weight[index], self.mean[index], self.std[index])

    @staticmethod
    def concatenate(parts: Sequence[Mixture]) -> Mixture:
        """Join mixtures of equal K, part after part."""
        return Mixture(*(torch.cat([getattr(part, n) for part in parts]) for n in ("log_weight", "mean", "std")))

    def double(self) -> Mixture:
        """Return the mixtures in float64, with weights that sum to 1 to its precision."""
        return Mixture(self.log_weight.double().log_softmax(1), self.mean.double(), self.std.double())

    def rescaled(self, level: Tensor, deviation: Tensor) -> Mixture:
        """Return the distributions of ``level + deviation * y``; level and deviation (M,)."""
        return Mixture(self.log_weight, level[:, None] + deviation[:, None] * self.mean, deviation[:, None] * self.std)

    def widened(self, error: Tensor) -> Mixture:
        """Return the distributions of values with independent normal noise of standard deviation ``error`` (M,)."""
        return Mixture(self.log_weight, self.mean, torch.hypot(self.std, error[:, None]))

    def log_prob(self, y: Tensor) -> Tensor:
        """Return the logarithm of the density at y.

        Parameters
        ----------
        y : Tensor
            (M,).

        Returns
        -------
        Tensor
            (M,).
        """
        z = (y[:, None] - self.mean) / self.std
        return torch.logsumexp(self.log_weight - 0.5 * z.square() - self.std.log(), 1) - 0.5 * math.log(2 * math.pi)

    def cdf(self, y: Tensor) -> Tensor:
        """Return the probability of a value below y.

        Parameters
        ----------
        y : Tensor
            (M, n), n values for each mixture.

        Returns
        -------
        Tensor
            (M, n).
        """
        z = (y[:, :, None] - self.mean[:, None]) / self.std[:, None]
        return (self.log_weight.exp()[:, None] * torch.special.ndtr(z)).sum(2)

    def mean_and_std(self) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of each mixture, (M,) each."""
        weight = self.log_weight.exp()
        mean = (weight * self.mean).sum(1)
        variance = (weight * (self.std.square() + (self.mean - mean[:, None]).square())).sum(1)
        return mean, variance.sqrt()

    def crps(self, y: Tensor) -> Tensor:
        """Return the continuous ranked probability score, in closed form (Grimit et al. 2006).

        Parameters
        ----------
        y : Tensor
            (M,) values.

        Returns
        -------
        Tensor
            (M,) scores in the unit of y; lower is better.
        """
        weight, variance = self.log_weight.exp(), self.std.square()
        distance = (weight * mean_absolute(y[:, None] - self.mean, self.std)).sum(1)
        pair_std = (variance[:, :, None] + variance[:, None]).sqrt()
        pair = mean_absolute(self.mean[:, :, None] - self.mean[:, None], pair_std)
        return distance - 0.5 * (weight[:, :, None] * weight[:, None] * pair).sum((1, 2))

    def quantiles(self, probabilities: Sequence[float] | Tensor) -> Tensor:
        """Return quantiles by bisection, for all mixtures at once.

        Parameters
        ----------
        probabilities : sequence of float or Tensor
            (n,) numbers above 0 and below 1.

        Returns
        -------
        Tensor
            (M, n), ascending with the probability.

        Raises
        ------
        ValueError
            For a probability that is not above 0 and below 1.
        """
        p = torch.as_tensor(probabilities, dtype=self.mean.dtype)
        if p.ndim != 1 or not ((p > 0) & (p < 1)).all():
            raise ValueError(f"probabilities must be a list of numbers above 0 and below 1, got {probabilities}")
        # the quantile of a mixture lies between the smallest and the largest of its components
        of_component = self.mean[:, :, None] + self.std[:, :, None] * torch.special.ndtri(p)
        low, high = of_component.amin(1), of_component.amax(1)
        for _ in range(N_BISECTIONS):
            middle = low + 0.5 * (high - low)
            is_below = self.cdf(middle) < p
            low, high = torch.where(is_below, middle, low), torch.where(is_below, high, middle)
        return low + 0.5 * (high - low)


def mean_absolute(mean: Tensor, std: Tensor) -> Tensor:
    """Return E|X| of normal X."""
    z = mean / std
    return std * (math.sqrt(2 / math.pi) * torch.exp(-0.5 * z.square()) + z * (2 * torch.special.ndtr(z) - 1))
