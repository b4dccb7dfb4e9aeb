"""Predictive distributions in the user's units, and the statistics of them that are returned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rotary_mae.data.scaling import Scaling
from rotary_mae.evaluation.conformal import Calibration

Array = npt.NDArray[Any]

Of = Literal["measurement", "value"]


def mixture_moments(means: Array, stds: Array) -> tuple[Array, Array]:
    """Return the mean and standard deviation (...) of equally weighted normal distributions (members, ...).

    The variance is the mean of the members' variances plus the variance of their means (law of total variance).
    """
    mean = means.mean(0)
    return mean, np.sqrt((np.square(stds) + np.square(means - mean)).mean(0))


@dataclass(frozen=True)
class PredictiveDistribution:
    """Calibrated distributions of the values at Q queries.

    Attributes
    ----------
    mean, model_std : array of shape (Q, n_predicted)
        Mean and standard deviation that the models predict, in scaled units.
    error : array of shape (Q,)
        Expected error of a measurement at each query, in scaled units; 0 where errors are not known.
    channel : array of int, shape (Q,), or None
        Channel of each query; None where channels are not an axis.
    scaling : Scaling
        Scaling from the user's units.
    calibration : Calibration
        Calibrated quantiles of standardised residuals.
    place : array of shape (Q, n_predicted), or None
        Places of the predictions among the groups of the calibration; None if it has no groups.
    """

    mean: Array
    model_std: Array
    error: Array
    channel: npt.NDArray[np.int64] | None
    scaling: Scaling
    calibration: Calibration
    place: Array | None = None

    def value(self) -> Array:
        """Return the predicted values (Q, n_predicted) in the user's units."""
        return self.scaling.undo(self.mean, channel=self.channel)

    def std(self, of: Of) -> Array:
        """Return the standard deviation (Q, n_predicted) in the user's units.

        It is that of the normal distribution whose central 90 % interval is as wide as the calibrated one.
        """
        calibrated = self._scaled_std(of) * self._by_query(self.calibration.scale_of_queries)
        return self.scaling.undo(calibrated, channel=self.channel, is_std=True)

    def quantile(self, probability: float, of: Of) -> Array:
        """Return the calibrated quantile (Q, n_predicted) in the user's units."""
        distance = self._by_query(partial(self.calibration.quantile_of_queries, probability))
        return self.scaling.undo(self.mean + self._scaled_std(of) * distance, channel=self.channel)

    def _scaled_std(self, of: Of) -> Array:
        return self.model_std if of == "value" else np.hypot(self.model_std, self.error[:, None])

    def _by_query(self, calibrated: Callable[[npt.NDArray[np.int64], Array | None], Array]) -> Array:
        """Return numbers (Q, n_predicted) that a function returns for calibrated channels (N,) and places (N,)."""
        n_predicted = self.mean.shape[1]
        if self.channel is not None:
            channel = self.channel[:, None] * n_predicted + np.arange(n_predicted)
        else:
            channel = np.broadcast_to(np.arange(n_predicted), self.mean.shape)
        # all values of a patch of an image are one channel
        channel = np.minimum(channel, len(self.calibration.table) - 1)
        place = None if self.place is None else self.place.ravel()
        return calibrated(channel.ravel(), place).reshape(self.mean.shape)


@dataclass(frozen=True)
class Statistics:
    """The statistics of a predictive distribution that ``RoMAEInterpolator.predict`` returns.

    Attributes
    ----------
    return_std : bool
        True returns the standard deviation beside the value.
    quantiles : sequence of float, or None
        Probabilities in (0, 1) of the quantiles that are returned instead of the value.
    of : {"measurement", "value"}
        Quantity that standard deviation and quantiles belong to: a measurement with its error, or the value behind it.

    Raises
    ------
    ValueError
        If a setting is not valid, or ``return_std`` and ``quantiles`` are both given.
    """

    return_std: bool = False
    quantiles: Sequence[float] | None = None
    of: Of = "measurement"

    def __post_init__(self) -> None:
        if self.of not in ("measurement", "value"):
            raise ValueError(f"of must be 'measurement' or 'value', got {self.of!r}")
        if self.quantiles is None:
            return
        if self.return_std:
            raise ValueError("give return_std or quantiles, not both")
        if np.ndim(self.quantiles) == 0:
            raise ValueError(f"quantiles must be a list of them, got {self.quantiles!r}")
        if not all(0.0 < q < 1.0 for q in self.quantiles):
            raise ValueError(f"quantiles must be in (0, 1), got {list(self.quantiles)}")

    @property
    def are_calibrated(self) -> bool:
        """True if one of the statistics depends on the calibration."""
        return self.return_std or self.quantiles is not None

    @property
    def names(self) -> list[str]:
        """Name of each statistic, as in the columns of a frame."""
        if self.quantiles is not None:
            return [quantile_name(q) for q in self.quantiles]
        return ["value", "std"] if self.return_std else ["value"]

    def compute(self, distribution: PredictiveDistribution) -> list[Array]:
        """Return each statistic, (Q, n_predicted), in the order of ``names``."""
        if self.quantiles is not None:
            return [distribution.quantile(q, self.of) for q in self.quantiles]
        return [distribution.value(), distribution.std(self.of)] if self.return_std else [distribution.value()]


def quantile_name(quantile: float) -> str:
    """Return the name of a quantile's column: ``q05`` for 0.05, ``q2.5`` for 0.025."""
    percent = round(100 * quantile, 9)
    return f"q{percent:02.0f}" if percent == round(percent) else f"q{percent:g}"
