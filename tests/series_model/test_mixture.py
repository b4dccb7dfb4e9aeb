"""Mixtures: density, moments, quantiles and CRPS agree with scipy and with numerical integrals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import norm

from rotary_mae.series_model.mixture import Mixture, mean_absolute

M, K = 7, 3


@pytest.fixture(scope="module")
def mixture() -> Mixture:
    generator = torch.Generator().manual_seed(0)
    logits, mean, log_std = torch.randn(3, M, K, generator=generator, dtype=torch.float64)
    return Mixture((2 * logits).log_softmax(1), 3 * mean, (1.5 * log_std).exp())


@pytest.fixture(scope="module")
def y() -> torch.Tensor:
    return torch.linspace(-6, 6, M, dtype=torch.float64)


def scipy_cdf(mixture: Mixture, i: int, y: float) -> float:
    return float(mixture.log_weight[i].exp().numpy() @ norm.cdf(y, mixture.mean[i], mixture.std[i]))


def test_density_and_distribution_function_are_those_of_scipy(mixture: Mixture, y: torch.Tensor) -> None:
    weight = mixture.log_weight.exp().numpy()
    density = (weight * norm.pdf(y.numpy()[:, None], mixture.mean, mixture.std)).sum(1)
    np.testing.assert_allclose(mixture.log_prob(y), np.log(density), rtol=1e-10)
    expected = [[scipy_cdf(mixture, i, float(at)) for at in y] for i in range(M)]
    np.testing.assert_allclose(mixture.cdf(y.expand(M, -1)), expected, atol=1e-12)


def test_quantiles_invert_the_distribution_function(mixture: Mixture) -> None:
    probabilities = [1e-6, 0.05, 0.5, 0.95, 1 - 1e-6]
    quantiles = mixture.quantiles(probabilities)
    expected = [
        [brentq(lambda v, i=i, p=p: scipy_cdf(mixture, i, v) - p, -90, 90) for p in probabilities] for i in range(M)
    ]
    np.testing.assert_allclose(quantiles, expected, rtol=1e-8, atol=1e-8)
    assert (quantiles.diff(dim=1) > 0).all()


def test_quantiles_of_components_far_apart_are_exact() -> None:
    mixture = Mixture(
        torch.tensor([[0.5, 0.5], [0.9, 0.1]], dtype=torch.float64).log(),
        torch.tensor([[-1e6, 1e6], [0.0, 1e9]], dtype=torch.float64),
        torch.tensor([[1.0, 1.0], [1e-3, 1e-3]], dtype=torch.float64),
    )
    quantiles = mixture.quantiles([0.25, 0.75])
    np.testing.assert_allclose(quantiles[0], [-1e6, 1e6], atol=1e-6)
    assert abs(quantiles[1, 0].item()) < 1e-2


def test_mean_and_std_are_those_of_the_integrals(mixture: Mixture) -> None:
    mean, std = mixture.mean_and_std()
    for i in range(M):
        weight, center, width = mixture.log_weight[i].exp(), mixture.mean[i], mixture.std[i]
        second = (weight * (width**2 + center**2)).sum()
        assert mean[i].item() == pytest.approx((weight * center).sum().item())
        assert std[i].item() == pytest.approx((second - mean[i] ** 2).sqrt().item())


def test_crps_is_the_integral_of_squared_differences(mixture: Mixture, y: torch.Tensor) -> None:
    crps = mixture.crps(y)
    for i in range(M):
        at = float(y[i])
        low = quad(lambda v, i=i: scipy_cdf(mixture, i, v) ** 2, -80, at, limit=500)[0]
        high = quad(lambda v, i=i: (1 - scipy_cdf(mixture, i, v)) ** 2, at, 80, limit=500)[0]
        assert crps[i].item() == pytest.approx(low + high, rel=1e-5)


def test_shift_and_scale_act_on_every_statistic(mixture: Mixture, y: torch.Tensor) -> None:
    level, deviation = torch.full((M,), 5.0, dtype=torch.float64), torch.full((M,), 3.0, dtype=torch.float64)
    moved = mixture.rescaled(level, deviation)
    np.testing.assert_allclose(moved.quantiles([0.1, 0.9]), 5 + 3 * mixture.quantiles([0.1, 0.9]), rtol=1e-9)
    np.testing.assert_allclose(moved.crps(5 + 3 * y), 3 * mixture.crps(y), rtol=1e-9)
    np.testing.assert_allclose(moved.log_prob(5 + 3 * y), mixture.log_prob(y) - np.log(3), rtol=1e-9)


def test_known_errors_add_variance(mixture: Mixture) -> None:
    error = torch.linspace(0, 2, M, dtype=torch.float64)
    mean, std = mixture.mean_and_std()
    wide_mean, wide_std = mixture.widened(error).mean_and_std()
    np.testing.assert_allclose(wide_mean, mean)
    np.testing.assert_allclose(wide_std**2, std**2 + error**2)


def test_mean_absolute_value_of_a_normal_variable() -> None:
    mean, std = torch.tensor([-2.0, 0.0, 0.5]).double(), torch.tensor([1.0, 2.0, 0.1]).double()
    for m, s, value in zip(mean, std, mean_absolute(mean, std), strict=True):
        expected = quad(
            lambda v, m=m, s=s: abs(v) * norm.pdf(v, m, s), float(m - 12 * s), float(m + 12 * s), points=[0]
        )[0]
        assert value.item() == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("probabilities", [[0.0], [1.0], [0.5, float("nan")], 0.5])
def test_probabilities_outside_of_zero_and_one_raise_an_error(mixture: Mixture, probabilities: object) -> None:
    with pytest.raises(ValueError, match="probabilities"):
        mixture.quantiles(probabilities)  # type: ignore[arg-type]
