"""Gaussian processes: covariances of draws equal the kernels, for every kernel, sum and product."""

import numpy as np
import pytest

from rotary_mae.prior.gaussian_processes import (
    KERNELS,
    NUGGET,
    PRODUCT,
    SINGLE,
    SUM,
    GaussianProcesses,
    Kernels,
    draw_gaussian_process,
    draw_processes,
    draw_values,
)
from rotary_mae.prior.random_streams import Floats, Streams

N = 4000
FAR = 6.0  # standard errors; 36 entries a kernel, each beyond with a probability of 2e-9


def kernels(name: str, n: int, length: float = 0.3, period: float = 0.4, shape: float = 0.8) -> Kernels:
    kind = list(KERNELS).index(name)
    return Kernels(np.full(n, kind), np.full(n, length), np.full(n, period), np.full(n, shape))


def processes(first: str, n: int, operation: int = SINGLE, second: str = "matern12") -> GaussianProcesses:
    return GaussianProcesses(kernels(first, n), kernels(second, n, 0.7), np.full(n, operation), np.full(n, 0.3))


def assert_covariance(values: Floats, covariance: Floats) -> None:
    """The empirical covariance differs by its own sampling error: var = (k_ii k_jj + k_ij^2) / n."""
    n = len(values)
    error = np.sqrt((np.outer(np.diag(covariance), np.diag(covariance)) + covariance**2) / n)
    assert (np.abs(values.T @ values / n - covariance) < FAR * error).all()


CASES = [
    *((name, SINGLE, "matern12") for name in KERNELS),
    ("periodic", SUM, "matern32"),
    ("quasi_periodic", PRODUCT, "matern12"),
]


@pytest.mark.parametrize(("first", "operation", "second"), CASES)
def test_covariance_of_draws_equals_the_kernel(first: str, operation: int, second: str) -> None:
    process = processes(first, N, operation, second)
    times = np.tile([0.3, 0.0, 0.05, 0.9, 0.3, 1.3], (N, 1))
    values = draw_values(process, Streams.for_series(1, np.arange(N)), times)
    assert_covariance(values, process.take(slice(0, 1)).covariance(times[:1])[0])


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_are_positive_definite_with_variance_one(name: str) -> None:
    times = np.linspace(0, 1.5, 60)[None]
    covariance = processes(name, 1).covariance(times)[0]
    np.testing.assert_allclose(np.diag(covariance), 1.0, atol=1e-12)
    assert np.linalg.eigvalsh(covariance).min() > -1e-10
    assert np.abs(covariance).max() <= 1 + 1e-12


def test_kernels_have_their_textbook_values() -> None:
    lag = np.array([[0.3]])  # one length

    def value(name: str) -> float:
        return float(kernels(name, 1).correlation(lag)[0, 0])

    assert value("rbf") == pytest.approx(np.exp(-0.5))
    assert value("matern12") == pytest.approx(np.exp(-1))
    assert value("matern32") == pytest.approx((1 + np.sqrt(3)) * np.exp(-np.sqrt(3)))
    assert value("matern52") == pytest.approx((1 + np.sqrt(5) + 5 / 3) * np.exp(-np.sqrt(5)))
    assert value("rational_quadratic") == pytest.approx((1 + 1 / 1.6) ** -0.8)
    sine = np.sin(np.pi * 0.3 / 0.4)
    assert value("periodic") == pytest.approx(np.exp(-2 * sine**2 / 0.64))
    assert value("quasi_periodic") == pytest.approx(np.exp(-2 * sine**2 / 0.64 - 0.5))


def test_the_harmonic_oscillator_solves_its_equation() -> None:
    """Its correlation k obeys k'' + (w / Q) k' + w^2 k = 0 for positive lags, with k'(0) = 0."""
    step, quality, frequency = 1e-4, 0.8, 2 * np.pi / 0.4
    lags = np.arange(0, 0.5, step)[None]
    k = kernels("harmonic_oscillator", 1).correlation(lags)[0]
    first = (k[2:] - k[:-2]) / (2 * step)
    second = (k[2:] - 2 * k[1:-1] + k[:-2]) / step**2
    residual = second + frequency / quality * first + frequency**2 * k[1:-1]
    assert np.abs(residual).max() < 1e-3 * frequency**2
    assert abs(k[1] - k[0]) < frequency**2 * step**2


def test_sums_and_products_combine_their_kernels() -> None:
    lags = np.linspace(0, 1, 9)[None]
    rbf, other = kernels("rbf", 1).correlation(lags), kernels("matern12", 1, 0.7).correlation(lags)
    np.testing.assert_allclose(processes("rbf", 1, SUM).correlation(lags), 0.3 * rbf + 0.7 * other)
    np.testing.assert_allclose(processes("rbf", 1, PRODUCT).correlation(lags), rbf * other)


def test_groups_are_independent_functions_of_the_same_process() -> None:
    process = processes("rbf", N)
    times, groups = np.tile([0.1, 0.2, 0.1, 0.2], (N, 1)), np.tile([0, 0, 1, 1], (N, 1))
    values = draw_values(process, Streams.for_series(2, np.arange(N)), times, groups)
    block = process.take(slice(0, 1)).covariance(times[:1, :2])[0]
    assert_covariance(values, np.kron(np.eye(2), block))


def test_equal_times_have_equal_values_up_to_the_nugget() -> None:
    values = draw_values(processes("matern32", 500), Streams.for_series(3, np.arange(500)), np.full((500, 2), 0.4))
    # the difference has variance 2 NUGGET
    assert np.abs(values[:, 0] - values[:, 1]).max() < FAR * np.sqrt(2 * NUGGET)


def test_later_times_do_not_change_earlier_values() -> None:
    streams = Streams.for_series(4, np.arange(40))
    times = streams.uniform("t", shape=(30,))
    part = draw_gaussian_process(streams, times[:, :20])
    np.testing.assert_allclose(draw_gaussian_process(streams, times)[:, :20], part, atol=1e-6)


def test_random_processes_have_the_stated_ranges_and_can_be_drawn_at_512_times() -> None:
    streams = Streams.for_series(5, np.arange(3000))
    drawn = draw_processes(streams)
    names = np.array(list(KERNELS))
    for kernel in (drawn.first, drawn.second):
        is_quasi = names[kernel.kind] == "quasi_periodic"
        assert set(kernel.kind) == set(range(len(KERNELS)))
        assert kernel.length[~is_quasi].min() > 0.02
        assert kernel.length[~is_quasi].max() < 5
        ratio = kernel.length[is_quasi] / kernel.period[is_quasi]
        assert ratio.min() > 1
        assert ratio.max() < 10
        assert kernel.period.min() > 0.02
        assert kernel.period.max() < 2
        assert kernel.shape[names[kernel.kind] == "harmonic_oscillator"].min() > 0.5
    assert set(drawn.operation) == {SINGLE, SUM, PRODUCT}
    few = streams.take(slice(0, 12))
    assert np.isfinite(draw_gaussian_process(few, few.uniform("t", shape=(512,)))).all()
