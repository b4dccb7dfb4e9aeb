"""Augmentation of series: random transforms that are a pure function of (seed, epoch, sample)."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from rotary_mae._settings import check_kinds
from rotary_mae.batches.keyed_random import keyed_uniform
from rotary_mae.data.tokens import TokenSet


@dataclass(frozen=True)
class Augmentation:
    """Strengths of the transforms; 0 does nothing. Values and positions are those of scaled tokens.

    scale: standard deviation of the logarithm of a factor a sample on its values. noise: standard deviation of what
    is added to every value, in units of the spread of its channel within its sample. shift: a sample's positions on
    continuous axes move by up to this much, stretch: and their distances grow or shrink by up to this factor's
    logarithm. thinning: every sample loses a share of its tokens drawn from 0 to this.
    """

    scale: float = 0.0
    noise: float = 0.0
    shift: float = 0.0
    stretch: float = 0.0
    thinning: float = 0.0

    def __post_init__(self) -> None:
        check_kinds(self)
        for field in fields(self):
            strength = getattr(self, field.name)
            if strength < 0 or (field.name == "thinning" and strength >= 1):
                raise ValueError(f"{field.name} must be at least 0 (thinning below 1), got {strength}")

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) > 0 for field in fields(self))

    def apply(self, tokens: TokenSet, keys: npt.NDArray[np.int64], seed: int, epoch: int) -> TokenSet:
        """Transformed tokens; ``keys`` (B,) name the samples. Static covariates and flags are left alone."""
        if self.thinning > 0:
            tokens = self._thin(tokens, keys, seed, epoch)
        sample, schema = tokens.sample_idx, tokens.schema
        moves = ~tokens.is_static[:, None]
        is_value = np.array([role == "value" for role in schema.roles])
        values, positions = tokens.values, tokens.positions
        if self.scale > 0:
            factor = np.exp(self.scale * _normal(seed, epoch, keys, -1))[sample, None]
            grows = np.array([role in ("value", "error") for role in schema.roles])
            values = np.where(moves & grows, values * factor, values)
        if self.noise > 0:
            # keyed by place in the sample and column
            place = np.arange(tokens.n_tokens) - tokens.starts[sample]
            draw = _normal(seed, epoch, keys[sample][:, None], -2, place[:, None], np.arange(len(is_value)))
            values = np.where(
                moves & is_value, values + self.noise * _spread(tokens.replace(values=values)) * draw, values
            )
        if observed := schema.columns("observed"):
            values = values.copy()
            values[:, : schema.n_predicted] *= values[:, observed] > 0
        for axis in schema.continuous_axes:
            slope = np.exp(self.stretch * (2 * keyed_uniform(seed, epoch, keys, -3, axis) - 1))[sample]
            offset = (self.shift * (2 * keyed_uniform(seed, epoch, keys, -4, axis) - 1))[sample]
            first = positions[tokens.starts, axis][sample]
            positions = positions.copy()
            positions[:, axis] = first + (positions[:, axis] - first) * slope + offset
        return tokens.replace(values=values, positions=positions)

    def _thin(self, tokens: TokenSet, keys: npt.NDArray[np.int64], seed: int, epoch: int) -> TokenSet:
        sample = tokens.sample_idx
        place = np.arange(tokens.n_tokens) - tokens.starts[sample]
        draw = keyed_uniform(seed, epoch, keys[sample], -5, place)
        # the luckiest token of a sample always stays, so that none becomes empty
        luckiest = np.maximum.reduceat(draw, tokens.starts)[sample]
        share = (self.thinning * keyed_uniform(seed, epoch, keys, -6))[sample]
        return tokens.select_tokens((draw >= share) | (draw == luckiest) | tokens.is_static)


def _normal(*keys: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return ndtri(np.maximum(keyed_uniform(*keys), 2.0**-54))


def _spread(tokens: TokenSet) -> npt.NDArray[np.float64]:
    """(T, V) standard deviation of each value's column (and channel) within its sample, over what was observed."""
    schema, line = tokens.schema, tokens.sample_idx
    if schema.channel_axis is not None:
        channel = tokens.positions[:, schema.channel_axis].astype(np.int64)
        line = line * (channel.max(initial=0) + 1) + channel
    spread = np.zeros(tokens.values.shape)
    observed = schema.flags
    for column, role in enumerate(schema.roles):
        if role != "value":
            continue
        seen = tokens.values[:, observed[column]] > 0 if column in observed else np.ones(len(line), bool)
        values = np.where(seen, tokens.values[:, column], 0.0).astype(np.float64)
        n_seen = np.maximum(np.bincount(line, seen), 1)
        centred = np.where(seen, values - (np.bincount(line, values) / n_seen)[line], 0.0)
        spread[:, column] = np.sqrt(np.bincount(line, centred**2) / n_seen)[line]
    return spread
