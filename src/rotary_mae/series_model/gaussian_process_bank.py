"""Bank of Gaussian processes with fixed kernels, conditioned on the predicted channel and weighted by their evidence.

Process j has the covariance s² (1 + k_j(|t - t'|) + (noise_j² + e²) [t = t']) of scaled values y at scaled times,
where 1 is an unknown level, e the known error of a value and k_j a Matérn kernel of fixed length in units of time. The
amplitude s² has an inverse gamma prior with the weight of ``PRIOR_VALUES`` values of variance 1. With C_j the matrix
in brackets and n values, q_j = yᵀ C_j⁻¹ y + PRIOR_VALUES, the evidence up to a constant is

    -(n + PRIOR_VALUES) / 2 log q_j - 1/2 log det C_j,

and s² is estimated by q_j / (n + PRIOR_VALUES). The weights are the normalised evidences. Mean and standard deviation
of a query are those of the weighted mixture. They are inputs of the model, which is trained on top of them; the bank
itself has no trained parameter, and its kernels are not tuned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rotary_mae.series_model.series_features import SOFT_LIMIT, compress
from rotary_mae.series_model.series_scaling import ScaledViews
from rotary_mae.series_model.views import Bools, Floats, Ints, Views

PROCESSES = (
    ("matern12", 4.0, 0.1),
    ("matern12", 20.0, 0.1),
    ("matern32", 1.5, 0.05),
    ("matern32", 1.5, 0.35),
    ("matern32", 5.0, 0.05),
    ("matern32", 5.0, 0.35),
    ("matern32", 15.0, 0.05),
    ("matern32", 15.0, 0.35),
    ("matern32", 50.0, 0.05),
    ("matern32", 50.0, 0.35),
    ("matern52", 3.0, 0.01),
    ("matern52", 12.0, 0.01),
    ("matern52", 40.0, 0.01),
    ("white", 1.0, 1.0),
)
"""Kernel, length in units of time and standard deviation of the noise of each process, relative to the amplitude."""

N_PROCESSES = len(PROCESSES)
"""Number of processes."""

PRIOR_VALUES = 2.0
"""Weight of the prior of the amplitude, in values."""

JITTER = 1e-6
"""Added to the diagonal of a covariance. It keeps the matrix positive definite in float64."""

LENGTH_GROUPS = np.array([0, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384])
"""Views are padded to the longest of their group; group i has more values than entry i - 1 and at most entry i."""

MAX_ENTRIES = 2**21
"""Entries of the covariances that are computed at a time. It limits memory and keeps them in cache; not tuned."""

MAX_COMPRESSED = 60.0
"""Largest compressed mean: some millions of deviations. It prevents overflow."""


@dataclass(frozen=True, eq=False)
class BankPredictions:
    """Predictions of the bank.

    Attributes
    ----------
    mean, std : ndarray of float, shape (M,)
        Of each query, in scaled units. The standard deviation is that of compressed values.
    weights : ndarray of float, shape (B, J)
        Weight of each process in each view; the rows sum to 1.
    """

    mean: Floats
    std: Floats
    weights: Floats


@dataclass(frozen=True, eq=False)
class _Padded:
    """Views of one length group: times (R, N), values, variances of known errors, and times of queries (R, Q)."""

    times: Tensor
    values: Tensor
    variances: Tensor
    is_value: Tensor
    query_times: Tensor


@torch.no_grad()
def bank_predictions(views: Views, scaled: ScaledViews) -> BankPredictions:
    """Predict the queries of views by the bank.

    Parameters
    ----------
    views : Views
        The views.
    scaled : ScaledViews
        The same, scaled.

    Returns
    -------
    BankPredictions
        In the order of the queries.
    """
    own = np.flatnonzero(views.channels == 0)  # sorted by view and time
    n_values = np.bincount(views.view_idx[own], minlength=len(views))
    values, times, errors = compress(scaled.values[own]), scaled.times[own], scaled.errors[own]
    mean, std = np.zeros(len(scaled.query_times)), np.ones(len(scaled.query_times))
    weights = np.zeros((len(views), N_PROCESSES))
    group = np.searchsorted(LENGTH_GROUPS, n_values)
    slices: list[Ints] = []
    for number in np.unique(group):
        members = np.flatnonzero(group == number)
        longest, most = int(n_values[members].max()), int(views.query_lengths[members].max())
        size = max(MAX_ENTRIES // max(longest * (longest + most), 1), 1)
        slices += [members[i : i + size] for i in range(0, len(members), size)]
    for rows in slices:
        token, is_value = _places(n_values, rows)
        query, is_query = _places(views.query_lengths, rows)
        padded = _Padded(
            _padded(times, token, is_value),
            _padded(values, token, is_value),
            _padded(errors**2, token, is_value),
            torch.from_numpy(is_value),
            _padded(scaled.query_times, query, is_query),
        )
        weight, predicted_mean, predicted_std = _predict(padded)
        weights[rows] = weight.numpy()
        mean[query[is_query]] = predicted_mean.numpy()[is_query]
        std[query[is_query]] = predicted_std.numpy()[is_query]
    mean = SOFT_LIMIT * np.sinh(mean.clip(-MAX_COMPRESSED, MAX_COMPRESSED) / SOFT_LIMIT)
    return BankPredictions(mean, std, weights)


def _places(lengths: Ints, rows: Ints) -> tuple[Ints, Bools]:
    """Indices (R, N) of the items of some views in flat arrays, and which of them exist; N is at least 1."""
    longest = max(int(lengths[rows].max()), 1)
    starts = np.cumsum(lengths) - lengths
    exists = np.arange(longest) < lengths[rows, None]
    return np.where(exists, starts[rows, None] + np.arange(longest), 0), exists


def _padded(array: Floats, places: Ints, exists: npt.NDArray[np.bool_]) -> Tensor:
    if not len(array):
        return torch.zeros(places.shape, dtype=torch.float64)
    return torch.from_numpy(np.where(exists, array[places], 0.0))


def _predict(padded: _Padded) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (R, J), means and standard deviations (R, Q)."""
    exists = padded.is_value
    both = exists[:, :, None] & exists[:, None]
    lags = (padded.times[:, :, None] - padded.times[:, None]).abs()
    query_lags = (padded.times[:, :, None] - padded.query_times[:, None]).abs()
    evidences, means, variances = [], [], []
    n = exists.sum(1).double() + PRIOR_VALUES
    previous: tuple[str, float] | None = None
    for kernel, length, noise in PROCESSES:
        if (kernel, length) != previous:  # neighbours in the bank may differ in noise alone
            signal = torch.where(both, 1.0 + correlation(kernel, lags / length), 0.0)
            to_queries = torch.where(exists[:, :, None], 1.0 + correlation(kernel, query_lags / length), 0.0)
            previous = (kernel, length)
        # padding has variance 1 and no correlation, so that it changes neither determinant nor solution
        diagonal = torch.where(exists, noise**2 + padded.variances + JITTER, 1.0)
        covariance = signal + torch.diag_embed(diagonal)
        factor = torch.linalg.cholesky(covariance)
        right = torch.cat((padded.values[:, :, None], to_queries), 2)
        solved = torch.linalg.solve_triangular(factor, right, upper=False)
        residual, gain = solved[:, :, :1], solved[:, :, 1:]
        quadratic = residual.square().sum((1, 2)) + PRIOR_VALUES
        log_det = factor.diagonal(dim1=1, dim2=2).log().sum(1)
        evidences.append(-0.5 * n * quadratic.log() - log_det)
        means.append((residual * gain).sum(1))
        variance = (2.0 + noise**2 - gain.square().sum(1)).clamp(min=noise**2)
        variances.append((quadratic / n)[:, None] * variance)
    weight = torch.stack(evidences, 1).softmax(1)
    mean_of_each, variance_of_each = torch.stack(means, 1), torch.stack(variances, 1)
    mean = (weight[:, :, None] * mean_of_each).sum(1)
    variance = (weight[:, :, None] * (variance_of_each + (mean_of_each - mean[:, None]).square())).sum(1)
    return weight, mean, variance.sqrt()


def correlation(kernel: str, ratio: Tensor) -> Tensor:
    """Return the correlation of a process at lags divided by its length."""
    if kernel == "matern12":
        return torch.exp(-ratio)
    if kernel == "matern32":
        scaled = 3**0.5 * ratio
        return (1 + scaled) * torch.exp(-scaled)
    if kernel == "matern52":
        scaled = 5**0.5 * ratio
        return (1 + scaled + scaled.square() / 3) * torch.exp(-scaled)
    if kernel == "white":
        return torch.zeros_like(ratio)
    raise ValueError(f"kernel must be matern12, matern32, matern52 or white, got {kernel!r}")
