"""Augmentation of series: random transforms, as a pure function of (seed, epoch, sample)."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from rotary_mae._settings import check_types
from rotary_mae.batches.keyed_random import keyed_uniform
from rotary_mae.data.tokens import TokenSet

# Last keys of the random numbers of a sample. They are negative, and masks use other keys, from 0.
_SCALE_KEY, _NOISE_KEY, _STRETCH_KEY, _SHIFT_KEY, _THINNING_KEY, _FRACTION_KEY = -1, -2, -3, -4, -5, -6


@dataclass(frozen=True)
class Augmentation:
    """Strengths of random transforms of scaled tokens, 0 for none.

    Parameters
    ----------
    scale : float
        The values of a sample are multiplied by a log-normal factor. This is the standard deviation of its logarithm.
    noise : float
        Standard deviation of normal noise that is added to every value, in units of the standard deviation of its
        channel within its sample.
    shift : float
        Largest shift of the positions of a sample on a continuous axis, in the unit of the scaled positions.
    stretch : float
        Largest logarithm of the factor that multiplies distances on a continuous axis, up or down.
    thinning : float
        Largest fraction of the tokens of a sample that is removed, below 1. The fraction of each sample is drawn
        uniformly.

    Raises
    ------
    ValueError
        If a strength is out of range.
    """

    scale: float = 0.0
    noise: float = 0.0
    shift: float = 0.0
    stretch: float = 0.0
    thinning: float = 0.0

    def __post_init__(self) -> None:
        check_types(self)
        for field in fields(self):
            strength = getattr(self, field.name)
            if strength < 0 or (field.name == "thinning" and strength >= 1):
                raise ValueError(f"{field.name} must be at least 0 (thinning below 1), got {strength}")

    def __bool__(self) -> bool:
        """Return True if any strength is above 0."""
        return any(getattr(self, field.name) > 0 for field in fields(self))

    def apply(self, tokens: TokenSet, keys: npt.NDArray[np.int64], seed: int, epoch: int) -> TokenSet:
        """Transform tokens.

        Static covariates and flags of observed values do not change.

        Parameters
        ----------
        tokens : TokenSet
            B scaled samples.
        keys : array
            (B,) integers that identify the samples. A sample is transformed in the same way in every batch.
        seed, epoch : int
            Different numbers give different transforms.

        Returns
        -------
        TokenSet
            The same samples, transformed.
        """
        if self.thinning > 0:
            tokens = self._thin(tokens, keys, seed, epoch)
        return tokens.replace(
            values=self._augment_values(tokens, keys, seed, epoch),
            positions=self._augment_positions(tokens, keys, seed, epoch),
        )

    def _augment_values(
        self, tokens: TokenSet, keys: npt.NDArray[np.int64], seed: int, epoch: int
    ) -> npt.NDArray[np.floating]:
        """Return the values (T, V) with scale and noise."""
        sample, schema, values = tokens.sample_idx, tokens.schema, tokens.values
        can_change = ~tokens.is_static[:, None]
        is_value = np.array([role == "value" for role in schema.roles])
        if self.scale > 0:
            factor = np.exp(self.scale * _normal(seed, epoch, keys, _SCALE_KEY))[sample, None]
            is_scaled = np.array([role in ("value", "error") for role in schema.roles])
            values = np.where(can_change & is_scaled, values * factor, values)
        if self.noise > 0:
            # the noise of a value depends on its index in the sample and on its column
            place = np.arange(tokens.n_tokens) - tokens.starts[sample]
            draw = _normal(seed, epoch, keys[sample][:, None], _NOISE_KEY, place[:, None], np.arange(len(is_value)))
            std = _series_std(tokens.replace(values=values))
            values = np.where(can_change & is_value, values + self.noise * std * draw, values)
        if observed := schema.columns("observed"):
            values = values.copy()
            values[:, : schema.n_predicted] *= values[:, observed] > 0
        return values

    def _augment_positions(
        self, tokens: TokenSet, keys: npt.NDArray[np.int64], seed: int, epoch: int
    ) -> npt.NDArray[np.float64]:
        """Return the positions (T, D) with shift and stretch."""
        sample, schema, positions = tokens.sample_idx, tokens.schema, tokens.positions
        for axis in schema.continuous_axes:
            slope = np.exp(self.stretch * (2 * keyed_uniform(seed, epoch, keys, _STRETCH_KEY, axis) - 1))[sample]
            offset = (self.shift * (2 * keyed_uniform(seed, epoch, keys, _SHIFT_KEY, axis) - 1))[sample]
            first = positions[tokens.starts, axis][sample]
            positions = positions.copy()
            positions[:, axis] = first + (positions[:, axis] - first) * slope + offset
        return positions

    def _thin(self, tokens: TokenSet, keys: npt.NDArray[np.int64], seed: int, epoch: int) -> TokenSet:
        """Remove a random fraction of the tokens of every sample."""
        sample = tokens.sample_idx
        place = np.arange(tokens.n_tokens) - tokens.starts[sample]
        draw = keyed_uniform(seed, epoch, keys[sample], _THINNING_KEY, place)
        # the token with the largest draw always stays, so that no sample becomes empty
        largest = np.maximum.reduceat(draw, tokens.starts)[sample]
        fraction = (self.thinning * keyed_uniform(seed, epoch, keys, _FRACTION_KEY))[sample]
        return tokens.select_tokens((draw >= fraction) | (draw == largest) | tokens.is_static)


def _normal(*keys: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return standard normal random numbers; see ``keyed_uniform``."""
    # uniform numbers are multiples of 2**-53 and can be 0, whose normal quantile is infinite
    return ndtri(np.maximum(keyed_uniform(*keys), 2.0**-54))


def _series_std(tokens: TokenSet) -> npt.NDArray[np.float64]:
    """(T, V) standard deviation of the observed values of each value's channel within its sample."""
    schema, series = tokens.schema, tokens.sample_idx
    if schema.channel_axis is not None:
        channel = tokens.positions[:, schema.channel_axis].astype(np.int64)
        series = series * (channel.max(initial=0) + 1) + channel
    std = np.zeros(tokens.values.shape)
    flags = schema.flags
    for column, role in enumerate(schema.roles):
        if role != "value":
            continue
        is_observed = tokens.values[:, flags[column]] > 0 if column in flags else np.ones(len(series), bool)
        values = np.where(is_observed, tokens.values[:, column], 0.0).astype(np.float64)
        n_observed = np.maximum(np.bincount(series, is_observed), 1)
        centred = np.where(is_observed, values - (np.bincount(series, values) / n_observed)[series], 0.0)
        std[:, column] = np.sqrt(np.bincount(series, centred**2) / n_observed)[series]
    return std
