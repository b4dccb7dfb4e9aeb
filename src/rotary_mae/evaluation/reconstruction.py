"""How well hidden values are filled in, against the mean of their channel and straight lines between neighbours."""

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
    """(T, n_predicted) each: the values, whether they were observed, and their channels (of several values that a
    channel has, each counts as one: see ``count_channels``).

    is_normalized: values are patches; take off their own mean and divide by their deviation, as their targets are.
    """
    schema = batch.schema
    values = batch.values.cpu().numpy().astype(np.float64)
    truth = values[:, : schema.n_predicted]
    if is_normalized:
        spread = truth.var(1, ddof=1, keepdims=True)
        truth = (truth - truth.mean(1, keepdims=True)) / np.sqrt(spread + 1e-6)
    is_known = np.ones(truth.shape, bool)
    if schema.channel_axis is not None:
        n = schema.n_predicted
        channel = batch.positions[:, schema.channel_axis].cpu().numpy().astype(np.int64)[:, None] * n + np.arange(n)
        return truth, channel < count_channels(schema), channel
    if observed := schema.columns("observed"):
        is_known = values[:, observed] > 0
    return truth, is_known, np.broadcast_to(np.arange(schema.n_predicted), truth.shape)


class ReconstructionMetrics:
    """Gathers hidden values and answers, batch by batch.

    is_normalized: answers are patches with their own mean taken off and divided by their deviation.
    """

    def __init__(self, schema: Schema, is_normalized: bool = False) -> None:
        self.schema, self.is_normalized = schema, is_normalized
        self.parts: list[dict[str, Array]] = []
        n_channels = schema.n_predicted if schema.channel_axis is None else count_channels(schema)
        self.visible = np.zeros((3, n_channels))  # count, sum and sum of squares of what is visible
        time = schema.continuous_axes
        # between values at one place in time there are straight lines; between patches there are none
        self.has_lines = len(time) == 1 and schema.patch is None
        self.time_axis = time[0] if time else 0

    def add(
        self, batch: TokenBatch, prediction: Array, std: Array | None, also: Mapping[str, Array] | None = None
    ) -> None:
        """A batch with hidden tokens, and the answers (M, n_predicted) for them.

        also: further columns of ``rows``, each (M, n_predicted).
        """
        hidden = batch.split.hidden_idx.cpu().numpy()
        values = batch.values.cpu().numpy().astype(np.float64)
        truth, is_known, channel = observed_targets(batch, self.is_normalized)
        is_hidden = np.zeros(len(values), bool)
        is_hidden[hidden] = True
        self._count_visible(truth, channel, is_known & ~is_hidden[:, None])
        kept = is_known[hidden]
        error = self.schema.columns("error")
        part = {
            "truth": truth[hidden][kept],
            "answer": prediction[kept].astype(np.float64),
            "channel": channel[hidden][kept],
            "error": np.broadcast_to(values[hidden][:, error] if error else 0.0, kept.shape)[kept],
        }
        part |= {name: column[kept] for name, column in (also or {}).items()}
        if std is not None:
            part["std"] = std[kept].astype(np.float64)
        if self.has_lines:
            line, last = self._neighbours(batch, truth, is_known, channel, is_hidden)
            part["line"], part["last"] = line[hidden][kept], last[hidden][kept]
        self.parts.append(part)

    def _count_visible(self, truth: Array, channel: Array, is_visible: Array) -> None:
        mine, value = channel[is_visible], truth[is_visible]
        for row, weights in enumerate((np.ones(len(value)), value, value**2)):
            self.visible[row] += np.bincount(mine, weights=weights, minlength=self.visible.shape[1])

    def _neighbours(
        self, batch: TokenBatch, truth: Array, is_known: Array, channel: Array, is_hidden: Array
    ) -> tuple[Array, Array]:
        """(T, n_predicted) each: straight lines between the visible values of the same sample and channel, and the
        last visible one before (the next one after, at the start); NaN where there is none."""
        time = batch.positions[:, self.time_axis].cpu().numpy().astype(np.float64)
        sample = batch.sample_idx.cpu().numpy()
        series = sample[:, None] * self.visible.shape[1] + np.where(is_known, channel, 0)
        lines, lasts = np.full(truth.shape, np.nan), np.full(truth.shape, np.nan)
        row, column = np.nonzero(is_known)
        order = np.lexsort((time[row], series[row, column]))
        row, column = row[order], column[order]
        starts = np.flatnonzero(np.diff(series[row, column], prepend=-1))
        for rows, columns in zip(np.split(row, starts[1:]), np.split(column, starts[1:]), strict=True):
            seen = ~is_hidden[rows]
            if seen.any() and not seen.all():
                known, when, asked = truth[rows[seen], columns[seen]], time[rows[seen]], time[rows[~seen]]
                lines[rows[~seen], columns[~seen]] = np.interp(asked, when, known)
                before = np.searchsorted(when, asked, side="right") - 1
                lasts[rows[~seen], columns[~seen]] = known[before.clip(min=0)]
        return lines, lasts

    def rows(self) -> dict[str, Array]:
        """A row a hidden value, in scaled units: truth, answer, channel, error of the measurement, mean of the visible
        values of the channel; std, line and last where there are such; and what was added to them."""
        whole = {name: np.concatenate([part[name] for part in self.parts]) for name in self.parts[0]}
        whole["mean"] = (self.visible[1] / np.maximum(self.visible[0], 1.0))[whole["channel"]]
        return whole

    def metrics(self, calibration: Calibration | None = None) -> dict[str, float]:
        """Of the hidden values: n_hidden, and in scaled units

        mse of the answers; mse_mean, of the mean of their channel's visible values; mse_linear, of straight lines
        between the visible neighbours in time, and mse_last, of the last visible value before (both the channel's
        mean, where there is none); for models that answer
        with a spread log_likelihood (a value) and coverage_90, the share inside the central 90 % interval (calibrated,
        with a ``calibration``), and log_likelihood_mean, of the channel's mean and standard deviation.
        """
        whole = self.rows()
        truth, channel, mean = whole["truth"], whole["channel"], whole["mean"]
        if not truth.size:
            raise ValueError("no value could be hidden: every sample has a single token")
        count = np.maximum(self.visible[0], 1.0)
        found = {
            "n_hidden": float(len(truth)),
            "mse": float(np.square(whole["answer"] - truth).mean()),
            "mse_mean": float(np.square(mean - truth).mean()),
        }
        if "line" in whole:
            for name, of in (("mse_linear", "line"), ("mse_last", "last")):
                answer = np.where(np.isnan(whole[of]), mean, whole[of])
                found[name] = float(np.square(answer - truth).mean())
        if "std" in whole:
            variance = np.square(whole["std"]) + np.square(whole["error"])
            of_channel = np.maximum(self.visible[2] / count - np.square(self.visible[1] / count), 1e-12)[channel]
            found["log_likelihood"] = _log_likelihood(truth, whole["answer"], variance)
            found["log_likelihood_mean"] = _log_likelihood(truth, mean, of_channel)
            calibration = calibration or Calibration.none(count_channels(self.schema))
            row = np.zeros_like(channel) if self.schema.patch is not None else channel
            low, high = (calibration.standard_quantile(p)[row] for p in (0.05, 0.95))
            score = (truth - whole["answer"]) / np.sqrt(variance)
            found["coverage_90"] = float(((low <= score) & (score <= high)).mean())
        return found


def _log_likelihood(truth: Array, mean: Array, variance: Array) -> float:
    return float(-0.5 * (np.log(variance) + np.square(truth - mean) / variance + _LOG_2PI).mean())
