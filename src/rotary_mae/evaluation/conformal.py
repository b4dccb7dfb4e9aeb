"""Split conformal calibration: what share of held-out values really lies below each quantile, channel by channel.

A score is a signed, standardised residual, (value - mean) / spread, of a value that was hidden; the spread joins the
model's standard deviation and the error that a measurement there would have. The calibrated quantile p of an answer
is mean + z_p * spread, with z_p the finite-sample quantile of the scores: the (n + 1) p-th of n (Vovk et al. 2005;
Lei et al. 2018). Where the scores end, a normal tail of their scale goes on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from rotary_mae.data.schema import Schema

Array = npt.NDArray[Any]

HeldOut = Literal["series", "values", "nothing"]

_HALF = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.025, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)

LEVELS: Array = np.array([*_HALF, 0.5, *(1.0 - p for p in reversed(_HALF))])
"""Probabilities whose quantiles are kept; between them lines, in units of a normal distribution."""

N_LEAST = 4
"""Values that say anything at all."""

N_BEYOND = 5
"""Values that must lie beyond a quantile for it to be read off them."""

MIN_SERIES_NO_POOLING = 40
"""From so many series on, a channel's own scores alone count; before, those of all channels do their part."""


@dataclass(frozen=True)
class Calibration:
    """How the spread of answers is to be read, fitted on what was hidden.

    levels: (K,) probabilities. table: (C, K) their quantiles of the scores, a row a channel, each rising.
    error: (C,) typical error of a measurement, in scaled units (0 where errors are not known).
    n_values, n_series: (C,) values of each channel that were asked for, and series they came from.
    held_out: what the scores came from: "series" that training did not learn from, "values" of the training
        series that it did not learn from, or "nothing" of the kind: the training series themselves, hidden anew.
    """

    levels: tuple[float, ...]
    table: tuple[tuple[float, ...], ...]
    error: tuple[float, ...]
    n_values: tuple[int, ...]
    n_series: tuple[int, ...]
    held_out: HeldOut

    @classmethod
    def none(cls, n_channels: int) -> Calibration:
        """Takes a model's spread at its word."""
        zeros = (0,) * n_channels
        normal = tuple(ndtri(LEVELS).tolist())
        return cls(tuple(LEVELS.tolist()), (normal,) * n_channels, (0.0,) * n_channels, zeros, zeros, "nothing")

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Calibration:
        """From the JSON form."""
        table = tuple(tuple(row) for row in fields["table"])
        lists = {name: tuple(of) for name, of in fields.items() if isinstance(of, list)}
        return cls(**{**fields, **lists, "table": table})

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return asdict(self)

    @property
    def is_fitted(self) -> bool:
        """Whether there was anything to calibrate on."""
        return sum(self.n_values) >= N_LEAST

    def standard_quantile(self, probability: float) -> Array:
        """(C,) how many spreads above the mean the quantile ``probability`` in (0, 1) lies, in each channel."""
        normal, table = ndtri(np.asarray(self.levels)), np.asarray(self.table)
        asked = float(ndtri(probability))
        inside = np.array([np.interp(asked, normal, row) for row in table])
        return inside + self.scale * (asked - np.clip(asked, normal[0], normal[-1]))

    @property
    def scale(self) -> Array:
        """(C,) standard deviations a spread: of the normal distribution whose central 90 % is as wide."""
        low, high = (np.asarray(self.table)[:, self.levels.index(p)] for p in (_LOW, _HIGH))
        return np.maximum((high - low) / (ndtri(_HIGH) - ndtri(_LOW)), 1e-6)

    def to_standard_normal(self, score: Array, channel: npt.NDArray[np.int64]) -> Array:
        """Scores as those of a standard normal distribution: +2 is as far above the mean as 2 deviations would be.

        score, channel: (N,) each. The inverse of ``standard_quantile``.
        """
        normal, table, scale = ndtri(np.asarray(self.levels)), np.asarray(self.table), self.scale
        found = np.empty(len(score))
        for c in np.unique(channel):
            mine = channel == c
            inside = np.clip(score[mine], table[c, 0], table[c, -1])
            found[mine] = np.interp(inside, table[c], normal) + (score[mine] - inside) / scale[c]
        return found


_LOW, _HIGH = float(LEVELS[_HALF.index(0.05)]), float(LEVELS[-1 - _HALF.index(0.05)])


def count_channels(schema: Schema) -> int:
    """C, the channels that are calibrated apart: named ones (times the values that each has), or values of a step; one
    for patches of an image."""
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
    n_own: int = 0,
) -> Calibration:
    """From scores, their channels, series and values, (N,) each, and the channels' typical errors (C,).

    A value that was hidden several times has several scores, but tells as much of tails as one.

    Series, not values, are what is exchangeable. So a channel of few series is drawn towards the scores of all, and
    these, if they are of few, towards a normal distribution, below ``n_own`` of them.
    """
    n_channels = len(errors)
    normal, n = ndtri(LEVELS), len(np.unique(series))
    pooled = _quantiles(score, len(np.unique(value)))
    pooled = normal if pooled is None else _drawn(pooled, normal, n, n_own)
    table = np.tile(pooled, (n_channels, 1))
    n_values, n_series = np.zeros(n_channels, np.int64), np.zeros(n_channels, np.int64)
    for c in range(n_channels):
        mine = channel == c
        n_values[c], n_series[c] = len(np.unique(value[mine])), len(np.unique(series[mine]))
        own = _quantiles(score[mine], n_values[c])
        if own is not None:
            table[c] = _drawn(own, pooled, n_series[c], MIN_SERIES_NO_POOLING)
    return Calibration(
        tuple(LEVELS.tolist()),
        tuple(tuple(row) for row in table.tolist()),
        tuple(errors.tolist()),
        tuple(n_values.tolist()),
        tuple(n_series.tolist()),
        held_out,
    )


def _drawn(own: Array, others: Array, n: int, n_enough: int) -> Array:
    """Quantiles between ``own``, of n series, and ``others``, which ``n_enough`` series have no need of."""
    # not a share that only fades: a channel known exactly would still be spread by what others are
    weight = min(1.0, n / n_enough) if n_enough else 1.0
    return weight * own + (1.0 - weight) * others


def _quantiles(scores: Array, n_values: int) -> Array | None:
    """(K,) quantiles, with normal tails beyond what so many values can tell; None if they tell nothing."""
    normal = ndtri(LEVELS)
    n_beyond = np.minimum(LEVELS, 1.0 - LEVELS) * (n_values + 1)
    known = np.flatnonzero(n_beyond >= min(N_BEYOND, n_values / 4))
    if n_values < N_LEAST or len(known) < 2:
        return None
    # "weibull" is the (n + 1) p-th, which a new score is below with probability p
    found: Array = np.quantile(scores, LEVELS, method="weibull")
    first, last = known[0], known[-1]
    slope = (found[last] - found[first]) / (normal[last] - normal[first])
    found[:first] = found[first] + slope * (normal[:first] - normal[first])
    found[last + 1 :] = found[last] + slope * (normal[last + 1 :] - normal[last])
    return found
