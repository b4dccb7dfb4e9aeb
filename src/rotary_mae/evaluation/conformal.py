"""Split conformal calibration of predictive distributions, by channel and by group of queries.

A score is a signed, standardised residual, (value - mean) / std, of a masked value. std is the root of the sum of two
variances: that of the model and that of the expected measurement error. The calibrated quantile p of a prediction is
mean + z_p * std, where z_p is the finite-sample quantile p of the n scores: the score of rank (n + 1) p (Vovk et al.
2005; Lei et al. 2018). Outside of the range of the scores, quantiles are those of a normal distribution of that scale.

Quantiles of all scores have the right coverage on average only: it is too high near a measurement and too low far from
one. Therefore scores are calibrated a second time in groups of similar queries (Mondrian conformal prediction, Vovk et
al. 2005): the quantiles of a channel transform them to a standard normal distribution, and the quantiles of a group are
those of the transformed scores in it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from rotary_mae.data.schema import Schema
from rotary_mae.evaluation.query_groups import QueryFeatures, at_places, group_places, interp_rows

Array = npt.NDArray[Any]

HeldOut = Literal["series", "values", "nothing"]

_LOWER_LEVELS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.025, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)

LEVELS: Array = np.array([*_LOWER_LEVELS, 0.5, *(1.0 - p for p in reversed(_LOWER_LEVELS))])
"""Probabilities whose quantiles are stored. Between them, quantiles are interpolated linearly against those of a normal
distribution. Not tuned."""

_LOW, _HIGH = float(LEVELS[_LOWER_LEVELS.index(0.05)]), float(LEVELS[-1 - _LOWER_LEVELS.index(0.05)])

MIN_VALUES = 4
"""Minimum number of masked values to fit a calibration; not tuned."""

MIN_VALUES_BEYOND = 5
"""Minimum number of values beyond an empirical quantile. Where there are fewer, a normal tail is used. Not tuned."""

MIN_SERIES_NO_POOLING = 40
"""Minimum number of series for a channel to be calibrated only by its own scores. With fewer series, its quantiles are
shrunk towards those of all channels. Not tuned."""

MIN_SCALE = 1e-6
"""Smallest factor of a std, so that no interval is empty."""
ROWS_AT_ONCE = 65_536
"""Number of scores that are transformed together, each by a table of its own; it limits the memory."""


@dataclass(frozen=True)
class Calibration:
    """Calibrated quantiles of a model's standardised residuals, fitted on masked values.

    Attributes
    ----------
    levels : tuple of float, length K
        Probabilities.
    table : tuple of tuples of float, shape (C, K)
        Quantiles of the scores at ``levels``, one increasing row for each channel.
    error : tuple of float, length C
        Typical error of a measurement of each channel, in scaled units; 0 where errors are not known.
    n_values : tuple of int, length C
        Number of masked values of each channel that were predicted.
    n_series : tuple of int, length C
        Number of series that these values came from.
    held_out : {"series", "values", "nothing"}
        Origin of the scores. "series": series that were held out of training. "values": values of the training series
        that were held out of training. "nothing": the training series themselves with new masks.
    knots : tuple of tuples of float, one a kind of ``KINDS``
        Distances from the nearest visible value, in scaled units, at which queries of the kind are calibrated; each is
        a group. Empty where queries are not grouped, as in folders of earlier versions.
    group_table : tuple of tuples of float, shape (G, K)
        Quantiles, at ``levels``, of the scores of each group after the transform of their channel to a standard normal
        distribution. Groups are numbered kind after kind. Between two groups their quantiles are interpolated.
    group_n_values, group_n_series : tuple of int, length G
        As ``n_values`` and ``n_series``, of the values that are next to the knot of each group.
    farthest : tuple of float, one a kind
        Largest distance that was met, in scaled units; 0 for a kind that did not occur.
    reach : float
        For a model that was trained to forecast: longest time from the first visible value of a series to a forecast
        value, in scaled units. Forecasts use as much of the history as lies within it. 0 for no limit.
    horizon : float
        For such a model: longest time from the last visible value of a series to a forecast value, in scaled units.
    """

    levels: tuple[float, ...]
    table: tuple[tuple[float, ...], ...]
    error: tuple[float, ...]
    n_values: tuple[int, ...]
    n_series: tuple[int, ...]
    held_out: HeldOut
    knots: tuple[tuple[float, ...], ...] = ()
    group_table: tuple[tuple[float, ...], ...] = ()
    group_n_values: tuple[int, ...] = ()
    group_n_series: tuple[int, ...] = ()
    farthest: tuple[float, ...] = ()
    reach: float = 0.0
    horizon: float = 0.0

    @classmethod
    def uncalibrated(cls, n_channels: int) -> Calibration:
        """Return a calibration that leaves the model's normal distributions as they are."""
        zeros = (0,) * n_channels
        normal = tuple(ndtri(LEVELS).tolist())
        return cls(tuple(LEVELS.tolist()), (normal,) * n_channels, (0.0,) * n_channels, zeros, zeros, "nothing")

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Calibration:
        """Return the calibration that ``to_dict`` wrote."""
        lists = {name: tuple(value) for name, value in fields.items() if isinstance(value, list | tuple)}
        tables = ("table", "knots", "group_table")
        nested = {name: tuple(tuple(row) for row in fields[name]) for name in tables if name in fields}
        return cls(**{**fields, **lists, **nested})

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as types of JSON."""
        return asdict(self)

    @property
    def is_fitted(self) -> bool:
        """True if there were enough masked values to calibrate on."""
        return sum(self.n_values) >= MIN_VALUES

    @property
    def scale(self) -> Array:
        """Factor from a model's std to a calibrated one, (C,).

        The calibrated std is that of the normal distribution whose central 90 % interval is as wide as the calibrated
        interval.
        """
        return _scales(np.asarray(self.table), self.levels)

    def standard_quantile(self, probability: float) -> Array:
        """Return the calibrated quantile of a standardised residual.

        Parameters
        ----------
        probability : float
            Probability of the quantile, in (0, 1).

        Returns
        -------
        array of float, shape (C,)
            Distance of the quantile from the mean in each channel, in units of the model's std.
        """
        normal, table = ndtri(np.asarray(self.levels)), np.asarray(self.table)
        normal_quantile = float(ndtri(probability))
        inside = np.array([np.interp(normal_quantile, normal, row) for row in table])
        return inside + self.scale * (normal_quantile - np.clip(normal_quantile, normal[0], normal[-1]))

    def places(self, features: QueryFeatures | None) -> Array | None:
        """Return the places (N,) of queries among the groups (see ``group_places``); None if there are no groups.

        Parameters
        ----------
        features : QueryFeatures or None
            Features of N queries; None for patches.
        """
        return None if features is None or not self.knots else group_places(features, self.knots)

    def quantile_of_queries(
        self, probability: float, channel: npt.NDArray[np.int64], place: Array | None = None
    ) -> Array:
        """Return the calibrated quantile of the standardised residual of each query.

        Parameters
        ----------
        probability : float
            Probability of the quantile, in (0, 1).
        channel : array of int, shape (N,)
            Channel of each query.
        place : array of float, shape (N,), optional
            Places of the queries among the groups; None for no groups.

        Returns
        -------
        array of float, shape (N,)
            Distance of the quantile from the mean, in units of the model's std.
        """
        if place is None:
            return self.standard_quantile(probability)[channel]
        normal, normal_quantile = ndtri(np.asarray(self.levels)), float(ndtri(probability))
        inside = np.clip(normal_quantile, normal[0], normal[-1])
        tables, scales = self._group_tables()
        of_group = np.array([np.interp(inside, normal, row) for row in tables])
        score = at_places(of_group + scales * (normal_quantile - inside), place)
        quantile = np.empty(len(score))
        for c in np.unique(channel):
            is_own = channel == c
            inside = np.clip(score[is_own], normal[0], normal[-1])
            table = np.asarray(self.table[c])
            quantile[is_own] = np.interp(inside, normal, table) + self.scale[c] * (score[is_own] - inside)
        return quantile

    def scale_of_queries(self, channel: npt.NDArray[np.int64], place: Array | None = None) -> Array:
        """Return the factor (N,) from a model's std to a calibrated one for each query (see ``scale``).

        Parameters
        ----------
        channel, place : array
            As in ``quantile_of_queries``.
        """
        if place is None:
            return self.scale[channel]
        low, high = (self.quantile_of_queries(p, channel, place) for p in (_LOW, _HIGH))
        return np.maximum((high - low) / (ndtri(_HIGH) - ndtri(_LOW)), MIN_SCALE)

    def to_standard_normal(self, score: Array, channel: npt.NDArray[np.int64], place: Array | None = None) -> Array:
        """Transform scores into those of a standard normal distribution, the inverse of ``quantile_of_queries``.

        Parameters
        ----------
        score : array of float, shape (N,)
            Standardised residuals.
        channel : array of int, shape (N,)
            Channel of each score.
        place : array of float, shape (N,), optional
            Places of the scores among the groups; None for no groups.

        Returns
        -------
        array of float, shape (N,)
            For example 2.0 for a score at the calibrated quantile 0.977.
        """
        normal, table, scale = ndtri(np.asarray(self.levels)), np.asarray(self.table), self.scale
        transformed = np.empty(len(score))
        for c in np.unique(channel):
            is_own = channel == c
            inside = np.clip(score[is_own], table[c, 0], table[c, -1])
            transformed[is_own] = np.interp(inside, table[c], normal) + (score[is_own] - inside) / scale[c]
        if place is None:
            return transformed
        tables, scales = self._group_tables()
        for start in range(0, len(transformed), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            own = at_places(tables, place[rows])
            transformed[rows] = interp_rows(transformed[rows], own, normal, at_places(scales, place[rows]))
        return transformed

    def _group_tables(self) -> tuple[Array, Array]:
        """Return the tables (G + 1, K) and the scales (G + 1,) of the groups; the last is that of queries in none."""
        tables = np.array([*self.group_table, ndtri(np.asarray(self.levels))])
        return tables, _scales(tables, self.levels)


def _scales(table: Array, levels: tuple[float, ...]) -> Array:
    """Return the scale (rows,) of each row of quantiles: that of the normal distribution of the same 90 % interval."""
    low, high = (table[:, levels.index(p)] for p in (_LOW, _HIGH))
    return np.maximum((high - low) / (ndtri(_HIGH) - ndtri(_LOW)), MIN_SCALE)


def count_channels(schema: Schema) -> int:
    """Return C, the number of channels that are calibrated separately.

    These are the named channels (times the values that each has) or the values of a step; patches of an image are one
    channel.
    """
    if schema.patch is not None:
        return 1
    return (len(schema.channels) if schema.channel_axis is not None else 1) * schema.n_predicted


# -- fitting ------------------------------------------------------------------------------------------------


def fit_calibration(
    score: Array,
    channel: npt.NDArray[np.int64],
    series: npt.NDArray[np.int64],
    value: npt.NDArray[np.int64],
    errors: Array,
    held_out: HeldOut,
    min_series_no_shrinkage: int = 0,
) -> Calibration:
    """Fit a calibration to the scores of masked values.

    Series are exchangeable, values of one series are not. Therefore the quantiles of a channel of few series are shrunk
    towards the quantiles of all channels. These are shrunk towards a normal distribution if there are few series.

    Parameters
    ----------
    score : array of float, shape (N,)
        Standardised residuals.
    channel, series : array of int, shape (N,)
        Channel of each score, and the series it came from.
    value : array of int, shape (N,)
        Identity of the masked value. A value that was masked several times has several scores, but is one value in the
        decision where the normal tails begin.
    errors : array of float, shape (C,)
        Typical error of a measurement of each channel, in scaled units.
    held_out : {"series", "values", "nothing"}
        Origin of the scores (see ``Calibration``).
    min_series_no_shrinkage : int
        Minimum number of series for the scores of all channels not to be shrunk towards a normal distribution.
    """
    n_channels = len(errors)
    normal, n_all_series = ndtri(LEVELS), len(np.unique(series))
    own_of_all = score_quantiles(score, len(np.unique(value)))
    pooled = normal if own_of_all is None else shrink(own_of_all, normal, n_all_series, min_series_no_shrinkage)
    table = np.tile(pooled, (n_channels, 1))
    n_values, n_series = np.zeros(n_channels, np.int64), np.zeros(n_channels, np.int64)
    for c in range(n_channels):
        is_own = channel == c
        n_values[c], n_series[c] = len(np.unique(value[is_own])), len(np.unique(series[is_own]))
        own = score_quantiles(score[is_own], n_values[c])
        if own is not None:
            table[c] = shrink(own, pooled, n_series[c], MIN_SERIES_NO_POOLING)
    return Calibration(
        tuple(LEVELS.tolist()),
        tuple(tuple(row) for row in table.tolist()),
        tuple(errors.tolist()),
        tuple(n_values.tolist()),
        tuple(n_series.tolist()),
        held_out,
    )


def shrink(own: Array, target: Array, n_series: int, min_series: int) -> Array:
    """Return a weighted mean of quantiles.

    Parameters
    ----------
    own, target : array of float, shape (K,)
        Quantiles of few scores, and those of more.
    n_series : int
        Number of series that the few scores came from.
    min_series : int
        Number of series from which on the result is ``own``.

    Returns
    -------
    array of float, shape (K,)
    """
    # the weight reaches 1 instead of approaching it, so that a channel of many series is not changed by other channels
    weight = min(1.0, n_series / min_series) if min_series else 1.0
    return weight * own + (1.0 - weight) * target


def score_quantiles(scores: Array, n_values: int, weights: Array | None = None) -> Array | None:
    """Return the quantiles of scores at ``LEVELS``.

    Parameters
    ----------
    scores : array of float, shape (N,)
        Scores.
    n_values : int
        Number of different values. Where they are too few for an empirical quantile, a normal tail is used.
    weights : array of float, shape (N,), optional
        Weights of the scores; equal by default.

    Returns
    -------
    array of float, shape (K,), or None
        None if there are too few values.
    """
    normal = ndtri(LEVELS)
    n_beyond = np.minimum(LEVELS, 1.0 - LEVELS) * (n_values + 1)
    known = np.flatnonzero(n_beyond >= min(MIN_VALUES_BEYOND, n_values / 4))
    if n_values < MIN_VALUES or len(known) < 2:
        return None
    # "weibull" takes the score of rank (n + 1) p: a new score is below it with probability p
    quantiles = np.quantile(scores, LEVELS, method="weibull") if weights is None else _weighted(scores, weights)
    first, last = known[0], known[-1]
    slope = (quantiles[last] - quantiles[first]) / (normal[last] - normal[first])
    quantiles[:first] = quantiles[first] + slope * (normal[:first] - normal[first])
    quantiles[last + 1 :] = quantiles[last] + slope * (normal[last + 1 :] - normal[last])
    return quantiles


def _weighted(scores: Array, weights: Array) -> Array:
    """Return weighted quantiles (K,), with equal weights those of the method "weibull"."""
    order = np.argsort(scores)
    total = np.cumsum(weights[order])
    quantiles: Array = np.interp(LEVELS, total / (total[-1] + weights.mean()), scores[order])
    return quantiles
