"""Answers with their calibrated spread, in the user's units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rotary_mae.data.scaling import Scaling
from rotary_mae.data.tokens import TokenSet
from rotary_mae.estimators._predict.queries import Queries
from rotary_mae.evaluation.conformal import Calibration
from rotary_mae.evaluation.conformal_scores import typical_errors

Array = npt.NDArray[Any]

Of = Literal["measurement", "value"]


@dataclass(frozen=True)
class PredictiveDistribution:
    """Q answers in scaled units, and what is needed to say them in the user's.

    mean, spread: (Q, n_predicted). channel: (Q,) where channels are an axis, else None.
    """

    mean: Array
    spread: Array
    channel: npt.NDArray[np.int64] | None
    scaling: Scaling
    calibration: Calibration

    def value(self) -> Array:
        """(Q, n_predicted)"""
        return self.scaling.undo(self.mean, channel=self.channel)

    def std(self) -> Array:
        """(Q, n_predicted) of the normal distribution whose central 90 % is as wide as the calibrated one."""
        wide = self.spread * self._of_channel(self.calibration.scale)
        return self.scaling.undo(wide, channel=self.channel, is_spread=True)

    def quantile(self, probability: float) -> Array:
        """(Q, n_predicted)"""
        moved = self.mean + self.spread * self._of_channel(self.calibration.standard_quantile(probability))
        return self.scaling.undo(moved, channel=self.channel)

    def _of_channel(self, numbers: Array) -> Array:
        if self.channel is not None:
            return numbers.reshape(-1, self.mean.shape[1])[self.channel]
        # all values of a patch of an image are one channel
        return np.broadcast_to(numbers, (self.mean.shape[1],))


def errors_at(queries: Queries, observed: TokenSet, calibration: Calibration) -> Array:
    """(Q,) error, in scaled units, that a measurement at each query is expected to have; 0 where none are known.

    observed: scaled.
    """
    axis, column, n = observed.schema.channel_axis, observed.schema.columns("error"), observed.schema.n_predicted
    if axis is None or not column:
        return np.zeros(len(queries.positions))
    return typical_errors(
        np.asarray(calibration.error),
        observed.sample_idx,
        observed.positions[:, axis].astype(np.int64) * n,
        observed.values[:, column[0]].astype(np.float64),
        np.repeat(np.arange(len(observed)), queries.lengths),
        queries.positions[:, axis].astype(np.int64) * n,
    )


def quantile_name(quantile: float) -> str:
    """``q05`` for 0.05, ``q2.5`` for 0.025: the column of a quantile."""
    percent = round(100 * quantile, 9)
    return f"q{percent:02.0f}" if percent == round(percent) else f"q{percent:g}"
