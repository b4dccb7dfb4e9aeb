"""Errors of reconstructed masked values, beside the mean of the channel and linear interpolation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.data.schema import Schema
from rotary_mae.evaluation.conformal import Calibration, count_channels

Array = npt.NDArray[Any]

_LOG_2PI = float(np.log(2 * np.pi))


def observed_targets(batch: TokenBatch, is_normalized: bool = False) -> tuple[Array, Array, Array]:
    """Return the values that predictions are compared with.

    Parameters
    ----------
    batch : TokenBatch
        T tokens.
    is_normalized : bool
        True to normalise each patch by its own mean and standard deviation, as the targets of the model are.

    Returns
    -------
    values : array of float, shape (T, n_predicted)
    is_observed : array of bool, shape (T, n_predicted)
        False for static covariates and for values that were not observed.
    channel : array of int, shape (T, n_predicted)
        Channel of each value; of several values that a channel has, each counts as one (see ``count_channels``).
    """
    schema = batch.schema
    columns = batch.values.cpu().numpy().astype(np.float64)
    values = columns[:, : schema.n_predicted]
    if is_normalized:
        variance = values.var(1, ddof=1, keepdims=True)
        values = (values - values.mean(1, keepdims=True)) / np.sqrt(variance + 1e-6)
    is_observed = np.ones(values.shape, bool)
    if schema.channel_axis is not None:
        n = schema.n_predicted
        channel = batch.positions[:, schema.channel_axis].cpu().numpy().astype(np.int64)[:, None] * n + np.arange(n)
        return values, channel < count_channels(schema), channel
    if flags := schema.columns("observed"):
        is_observed = columns[:, flags] > 0
    return values, is_observed, np.broadcast_to(np.arange(schema.n_predicted), values.shape)


class ReconstructionMetrics:
    """Masked values and their predictions, collected batch by batch, and metrics of them.

    Parameters
    ----------
    schema : Schema
        Schema of the scaled samples.
    is_normalized : bool
        True if the predictions are patches normalised by their own mean and standard deviation.
    """

    def __init__(self, schema: Schema, is_normalized: bool = False) -> None:
        self.schema, self.is_normalized = schema, is_normalized
        self._parts: list[dict[str, Array]] = []
        n_channels = schema.n_predicted if schema.channel_axis is None else count_channels(schema)
        # number, sum and sum of squares of the visible values of each channel
        self._visible_sums = np.zeros((3, n_channels))
        continuous = schema.continuous_axes
        # values at one time can be interpolated linearly; patches cannot
        self._has_neighbours = len(continuous) == 1 and schema.patch is None
        self._time_axis = continuous[0] if continuous else 0

    def add(
        self, batch: TokenBatch, prediction: Array, std: Array | None, extra: Mapping[str, Array] | None = None
    ) -> None:
        """Add the masked tokens of a batch.

        Parameters
        ----------
        batch : TokenBatch
            Batch with M masked tokens.
        prediction : array of float, shape (M, n_predicted)
            Predictions of the masked tokens, in scaled units.
        std : array of float, shape (M, n_predicted), or None
            Standard deviations of the predictions; None for a model without them.
        extra : mapping of str to array, shape (M, n_predicted), optional
            Further columns of ``rows``.
        """
        masked = batch.split.hidden_idx.cpu().numpy()
        columns = batch.values.cpu().numpy().astype(np.float64)
        truth, is_observed, channel = observed_targets(batch, self.is_normalized)
        is_masked = np.zeros(len(columns), bool)
        is_masked[masked] = True
        self._add_visible(truth, channel, is_observed & ~is_masked[:, None])
        is_known = is_observed[masked]
        error = self.schema.columns("error")
        part = {
            "truth": truth[masked][is_known],
            "prediction": prediction[is_known].astype(np.float64),
            "channel": channel[masked][is_known],
            "error": np.broadcast_to(columns[masked][:, error] if error else 0.0, is_known.shape)[is_known],
        }
        part |= {name: column[is_known] for name, column in (extra or {}).items()}
        if std is not None:
            part["std"] = std[is_known].astype(np.float64)
        if self._has_neighbours:
            linear, last = self._from_neighbours(batch, truth, is_observed, channel, is_masked)
            part["linear"], part["last"] = linear[masked][is_known], last[masked][is_known]
        self._parts.append(part)

    def _add_visible(self, truth: Array, channel: Array, is_visible: Array) -> None:
        own_channel, value = channel[is_visible], truth[is_visible]
        for row, weights in enumerate((np.ones(len(value)), value, value**2)):
            self._visible_sums[row] += np.bincount(own_channel, weights=weights, minlength=self._visible_sums.shape[1])

    def _from_neighbours(
        self, batch: TokenBatch, truth: Array, is_observed: Array, channel: Array, is_masked: Array
    ) -> tuple[Array, Array]:
        """Return linear interpolation and last visible value, (T, n_predicted) each, of every masked value.

        Both use the visible values of the same sample and channel, and are NaN where there are none. The last visible
        value is the next one at the start of a series.
        """
        time = batch.positions[:, self._time_axis].cpu().numpy().astype(np.float64)
        sample = batch.sample_idx.cpu().numpy()
        series = sample[:, None] * self._visible_sums.shape[1] + np.where(is_observed, channel, 0)
        linear, last = np.full(truth.shape, np.nan), np.full(truth.shape, np.nan)
        row, column = np.nonzero(is_observed)
        order = np.lexsort((time[row], series[row, column]))
        row, column = row[order], column[order]
        starts = np.flatnonzero(np.diff(series[row, column], prepend=-1))
        for rows, columns in zip(np.split(row, starts[1:]), np.split(column, starts[1:]), strict=True):
            is_visible = ~is_masked[rows]
            if is_visible.any() and not is_visible.all():
                known_values, known_times = truth[rows[is_visible], columns[is_visible]], time[rows[is_visible]]
                masked = rows[~is_visible], columns[~is_visible]
                linear[masked] = np.interp(time[masked[0]], known_times, known_values)
                before = np.searchsorted(known_times, time[masked[0]], side="right") - 1
                last[masked] = known_values[before.clip(min=0)]
        return linear, last

    def rows(self) -> dict[str, Array]:
        """Return all masked values, in scaled units.

        Returns
        -------
        dict of str to array, shape (N,)
            truth, prediction, channel, error (of the measurement) and mean (of the visible values of the channel). With
            one axis in time also linear (interpolation) and last (visible value), NaN where there is none; std if the
            model has one; and the extra columns that were added.
        """
        rows = {name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]}
        rows["mean"] = (self._visible_sums[1] / np.maximum(self._visible_sums[0], 1.0))[rows["channel"]]
        return rows

    def metrics(self, calibration: Calibration | None = None) -> dict[str, float]:
        """Return metrics of the masked values, in scaled units.

        Parameters
        ----------
        calibration : Calibration, optional
            Calibration of the intervals that ``coverage_90`` counts; None for the model's own intervals. Values that
            were added with a column ``place`` are in those groups of it.

        Returns
        -------
        dict of str to float
            n_hidden, the number of masked values; mse of the predictions; mse_mean, of the mean of the visible values
            of the channel; mse_linear, of linear interpolation, and mse_last, of the last visible value (the mean of
            the channel where there is none). For a model with a standard deviation log_likelihood of a value,
            log_likelihood_mean, of the normal distribution of the channel, and coverage_90, the fraction inside of the
            central 90 % interval.

        Raises
        ------
        ValueError
            If no value was masked.
        """
        rows = self.rows()
        truth, mean = rows["truth"], rows["mean"]
        if not truth.size:
            raise ValueError(
                "no value could be masked: every sample has a single token; give samples of two tokens or more"
            )
        metrics = {
            "n_hidden": float(len(truth)),
            "mse": float(np.square(rows["prediction"] - truth).mean()),
            "mse_mean": float(np.square(mean - truth).mean()),
        }
        if self._has_neighbours:
            for name in ("linear", "last"):
                estimate = np.where(np.isnan(rows[name]), mean, rows[name])
                metrics[f"mse_{name}"] = float(np.square(estimate - truth).mean())
        if "std" in rows:
            metrics |= self._distribution_metrics(rows, calibration)
        return metrics

    def _distribution_metrics(self, rows: dict[str, Array], calibration: Calibration | None) -> dict[str, float]:
        """Return log_likelihood, log_likelihood_mean and coverage_90 (see ``metrics``)."""
        truth, channel = rows["truth"], rows["channel"]
        n_visible, total, squares = self._visible_sums
        count = np.maximum(n_visible, 1.0)
        variance = np.square(rows["std"]) + np.square(rows["error"])
        channel_variance = np.maximum(squares / count - np.square(total / count), 1e-12)[channel]
        calibration = calibration or Calibration.uncalibrated(count_channels(self.schema))
        calibrated_channel = np.zeros_like(channel) if self.schema.patch is not None else channel
        place = rows.get("place")
        low, high = (calibration.quantile_of_queries(p, calibrated_channel, place) for p in (0.05, 0.95))
        score = (truth - rows["prediction"]) / np.sqrt(variance)
        return {
            "log_likelihood": _log_likelihood(truth, rows["prediction"], variance),
            "log_likelihood_mean": _log_likelihood(truth, rows["mean"], channel_variance),
            "coverage_90": float(((low <= score) & (score <= high)).mean()),
        }


def _log_likelihood(truth: Array, mean: Array, variance: Array) -> float:
    return float(-0.5 * (np.log(variance) + np.square(truth - mean) / variance + _LOG_2PI).mean())
