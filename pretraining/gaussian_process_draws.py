"""Draws of single Gaussian processes with the scores of predictors that know more than the model.

Three predictors bound what is possible. The oracle knows the process that drew the series. The second knows only the
law of the processes: it averages over 1000 draws of the law, weighted by their evidence (importance sampling). The
third does not know level and amplitude either, which the model, by its scaling, does not know.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rotary_mae.series_model.views import Floats, Ints, Views, make_views

SIZES = (1, 2, 5, 10, 20, 50)
"""Numbers of visible values."""

N_SERIES, N_QUERIES, N_LAWS = 100, 20, 1000
"""Series of each size, queries of a series, and draws of the law for the predictors that do not know the process."""

LENGTHS, NOISES = (0.05, 1.0), (0.03, 0.5)
"""Ranges of the length, in windows, and of the standard deviation of the noise; logarithms are uniform."""

LEVEL_STD, LOG_AMPLITUDE_STD = 3.0, 0.5
"""Law of level and amplitude that the third predictor averages over. The series have level 0 and amplitude 1."""


@dataclass(frozen=True, eq=False)
class Laws:
    """J Gaussian processes: kernel (0 RBF, 1 to 3 Matérn-1/2 to 5/2), length, noise and amplitude, (J,) each."""

    kernel: Ints
    length: Floats
    noise: Floats
    amplitude: Floats

    @classmethod
    def draw(cls, n: int, generator: np.random.Generator, log_amplitude_std: float = 0.0) -> Laws:
        """Draw n processes."""
        length, noise = (np.exp(generator.uniform(np.log(low), np.log(high), n)) for low, high in (LENGTHS, NOISES))
        amplitude = np.exp(log_amplitude_std * generator.normal(size=n))
        return cls(generator.integers(4, size=n), length, noise, amplitude)

    def __getitem__(self, index: slice) -> Laws:
        return Laws(self.kernel[index], self.length[index], self.noise[index], self.amplitude[index])

    def covariance(self, lags: Floats) -> Floats:
        """Return the covariances (J, N, M) of values without noise at lags (N, M)."""
        ratio = lags / self.length[:, None, None]
        result = np.empty_like(ratio)
        for kernel in range(4):
            rows = self.kernel == kernel
            result[rows] = _correlation(kernel, ratio[rows])
        return result * self.amplitude[:, None, None] ** 2


def _correlation(kernel: int, ratio: Floats) -> Floats:
    if kernel == 0:
        return np.asarray(np.exp(-0.5 * ratio * ratio))
    if kernel == 1:
        return np.asarray(np.exp(-ratio))
    scaled = np.sqrt(3.0 if kernel == 2 else 5.0) * ratio
    return np.asarray((1 + scaled + (scaled * scaled / 3 if kernel == 3 else 0.0)) * np.exp(-scaled))


def predictions(
    laws: Laws, times: Floats, values: Floats, queries: Floats, level_std: float = 0.0
) -> tuple[Floats, Floats, Floats]:
    """Return means (J, Q) and standard deviations (J, Q) of measurements at queries, and log evidences (J,)."""
    noise = (laws.amplitude * laws.noise)[:, None] ** 2
    covariance = laws.covariance(np.abs(times[:, None] - times)) + level_std**2
    covariance = covariance + noise[:, :, None] * np.eye(len(times))
    factor = np.linalg.cholesky(covariance)
    to_queries = laws.covariance(np.abs(times[:, None] - queries)) + level_std**2
    right = np.concatenate([np.broadcast_to(values[:, None], (len(factor), len(values), 1)), to_queries], axis=2)
    solved = np.linalg.solve(factor, right)
    residual, gain = solved[:, :, :1], solved[:, :, 1:]
    variance = laws.amplitude[:, None] ** 2 + level_std**2 + noise - (gain * gain).sum(1)
    log_det = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(1)
    evidence = -0.5 * (residual * residual).sum((1, 2)) - log_det
    return (residual * gain).sum(1), np.sqrt(np.maximum(variance, noise)), evidence


def log_normal(y: Floats, mean: Floats, std: Floats) -> Floats:
    """Return the log density of a normal distribution."""
    return np.asarray(-0.5 * ((y - mean) / std) ** 2 - np.log(std) - 0.5 * np.log(2 * np.pi))


def averaged_log_prob(
    laws: Laws, level_std: float, times: Floats, values: Floats, queries: Floats, y: Floats
) -> Floats:
    """Return log densities (Q,) under the average over laws, weighted by their evidence."""
    mean, std, evidence = predictions(laws, times, values, queries, level_std)
    log_weight = evidence - np.logaddexp.reduce(evidence)
    return np.asarray(np.logaddexp.reduce(log_normal(y, mean, std) + log_weight[:, None], axis=0))


def draw_gaussian_processes(n_values: int, seed: int, n_series: int = N_SERIES) -> tuple[Views, dict[str, Floats]]:
    """Return series of single Gaussian processes as views, and the log densities of their queries.

    Parameters
    ----------
    n_values : int
        Visible values of a series.
    seed : int
        Seed of the draws.
    n_series : int
        Number of series.

    Returns
    -------
    views : Views
        Views with ``N_QUERIES`` queries each.
    log_probs : dict of str to ndarray, shape (M,)
        ``oracle``, ``law`` (kernel, length and noise unknown) and ``law_and_scale`` (level and amplitude too).
    """
    generator = np.random.default_rng((seed, n_values))
    laws = Laws.draw(N_LAWS, generator)
    scaled_laws = Laws.draw(N_LAWS, generator, LOG_AMPLITUDE_STD)
    total = n_values + N_QUERIES
    times, values = generator.random((n_series, total)), np.empty((n_series, total))
    log_probs: dict[str, list[Floats]] = {"oracle": [], "law": [], "law_and_scale": []}
    for i, at in enumerate(times):
        law = Laws.draw(1, generator)
        covariance = law.covariance(np.abs(at[:, None] - at))[0] + 1e-9 * np.eye(total)
        smooth = np.linalg.cholesky(covariance) @ generator.normal(size=total)
        values[i] = smooth + law.noise * generator.normal(size=total)
        given = (at[:n_values], values[i, :n_values], at[n_values:])
        y = values[i, n_values:]
        mean, std, _ = predictions(law, *given)
        log_probs["oracle"].append(log_normal(y, mean[0], std[0]))
        log_probs["law"].append(averaged_log_prob(laws, 0.0, *given, y))
        log_probs["law_and_scale"].append(averaged_log_prob(scaled_laws, LEVEL_STD, *given, y))
    n = n_series * n_values
    views = make_views(
        values[:, :n_values].ravel(),
        np.zeros(n),
        times[:, :n_values].ravel(),
        np.zeros(n, np.int64),
        np.repeat(np.arange(n_series), n_values),
        times[:, n_values:].ravel(),
        np.repeat(np.arange(n_series), N_QUERIES),
        n_series,
        values[:, n_values:].ravel(),
    )
    return views, {name: np.concatenate(parts) for name, parts in log_probs.items()}
