"""Fitted scaling of values (a channel) and positions (an axis), stored with the weights."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rotary_mae.data.alignment import conform
from rotary_mae.data.schema import Schema
from rotary_mae.data.sources import Source
from rotary_mae.data.tokens import TokenSet

FIRST_POSITION = 1.0
"""Where a sample's first visible token comes to lie; position 0 is left to the CLS token."""

FAR = 10.0
"""Scales from the centre."""

ValueScaling = Literal["auto", "robust", "standard", "none"]

Origin = Literal["first", "global", "none"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scaling:
    """Centres and scales of values, origins and units of positions, fitted on training data.

    schema: what the data looked like at fit; other data is brought to it first (``TokenSet.conform``).
    center, scale: for "measurements" one number a channel (static ones last) and predicted column of it, else one a
    value column.
    origin: "first" counts a continuous axis from the sample's first token, "global" from ``start``, "none"
    from 0. unit, start: one number an axis, in the user's units; 1 and 0 on index axes. tails: the share of the values
    of the fit that are farther than 10 scales from their centre; of normally distributed ones none is.
    """

    schema: Schema
    center: tuple[float, ...]
    scale: tuple[float, ...]
    origin: Origin
    unit: tuple[float, ...]
    start: tuple[float, ...]
    tails: float = 0.0

    @classmethod
    def fit(
        cls,
        tokens: Source,
        *,
        values: ValueScaling = "auto",
        origin: Origin = "first",
        unit: float | Sequence[float] | Literal["auto"] = "auto",
        max_samples: int = 10_000,
    ) -> Scaling:
        """Fit centres, scales and units to data.

        Args:
            tokens: a TokenSet or another Source.
            values: "robust" centres on the median and scales by the interquartile range (as a standard
                deviation), "standard" uses mean and standard deviation, "none" leaves values alone; "auto" is
                "standard" for patches of images and sound (paper, T3), else "robust".
            origin: see the class.
            unit: what becomes a distance of 1, one number or one a continuous axis; "auto" takes the typical
                distance of a sample's distinct positions.
            max_samples: fit to at most so many samples, evenly spread.
        """
        _one_of("values", values, ("auto", "robust", "standard", "none"))
        _one_of("origin", origin, ("first", "global", "none"))
        if len(tokens) == 0:
            raise ValueError("scaling needs at least one sample to be fitted, got none")
        chosen = np.linspace(0, len(tokens) - 1, min(len(tokens), max_samples)).round().astype(np.int64)
        sample = tokens[chosen]
        schema = sample.schema
        if values == "auto":
            values = "robust" if schema.patch is None else "standard"
        center, scale = _fit_values(sample, values)
        units, starts = _fit_units(sample, unit), np.zeros(len(schema.axes))
        continuous = schema.continuous_axes
        if origin == "global":
            for axis in continuous:
                starts[axis] = sample.positions[:, axis].min()
        fitted = cls(
            schema,
            tuple(center.tolist()),
            tuple(scale.tolist()),
            origin,
            tuple(units.tolist()),
            tuple(starts.tolist()),
        )
        return replace(fitted, tails=_tails(fitted.apply(sample)))

    # -- values ---------------------------------------------------------------------------------------------

    def _columns(self, tokens_channel: npt.NDArray[np.int64] | None) -> tuple[Array, Array]:
        """Centre and scale of the predicted values: (T, n_predicted) by channel, or (1, n_predicted) for all."""
        center, scale, n = np.asarray(self.center), np.asarray(self.scale), self.schema.n_predicted
        if self.schema.channel_axis is None:
            return center[None, :n], scale[None, :n]
        if tokens_channel is None:
            raise ValueError("values of this layout are scaled by channel: give channel=, their channel indices")
        return center.reshape(-1, n)[tokens_channel], scale.reshape(-1, n)[tokens_channel]

    def conform(self, tokens: TokenSet) -> TokenSet:
        """Tokens as at fit, in their own units; where steps lack what they had at fit, see ``conform.conform``."""
        return conform(tokens, self.schema, self.center)

    def apply(self, tokens: TokenSet) -> TokenSet:
        """Tokens in the model's units: conformed, values scaled, positions counted from their origin."""
        if tokens.schema.anchored and not self.schema.anchored:
            raise ValueError("these tokens are scaled already; give them as they were before scaling")
        tokens, schema = self.conform(tokens), self.schema
        values = tokens.values.astype(np.float64)
        if schema.channel_axis is None:
            center, scale = np.asarray(self.center), np.asarray(self.scale)
            values = (values - center) / scale
            observed = schema.columns("observed")
            if observed:
                # not observed is the channel's centre, whatever the number there was
                values[:, : schema.n_predicted] *= tokens.values[:, observed] > 0
        else:
            center, scale = self._columns(tokens.positions[:, schema.channel_axis].astype(np.int64))
            n, errors = schema.n_predicted, schema.columns("error")
            values[:, :n] = (values[:, :n] - center) / scale
            # as many errors as values, or one for all of them
            values[:, errors] /= scale if len(errors) == n else scale[:, :1]
        positions = self.apply_positions(tokens.positions, tokens.lengths, self.starts(tokens))
        anchored = schema.continuous_axes if self.origin == "first" else ()
        return tokens.replace(values=values, positions=positions, schema=replace(schema, anchored=anchored))

    def undo(
        self, values: npt.ArrayLike, *, channel: npt.ArrayLike | None = None, is_spread: bool = False
    ) -> npt.NDArray[np.float64]:
        """Predicted values (T, n_predicted) back in the user's units.

        channel: (T,) channel index of each row, needed where scaling is by channel. is_spread: they are
        standard deviations: scale them without moving them.
        """
        predicted = self._predicted(values)
        center, scale = self._columns(None if channel is None else np.asarray(channel).astype(np.int64))
        return predicted * scale + (0.0 if is_spread else center)

    def _predicted(self, values: npt.ArrayLike) -> Array:
        n = self.schema.n_predicted
        if isinstance(values, TokenSet) or np.ndim(values) != 2 or np.shape(values)[1] != n:
            what = "a TokenSet" if isinstance(values, TokenSet) else f"shape {np.shape(values)}"
            raise ValueError(f"values must be (T, {n}), those that a model predicts, got {what}")
        return np.asarray(values, np.float64)

    def apply_targets(self, values: npt.ArrayLike, *, channel: npt.ArrayLike | None = None) -> npt.NDArray[np.float64]:
        """The inverse of ``undo``: values (T, n_predicted) in the user's units to the model's.

        channel: (T,) channel index of each row, needed where scaling is by channel.
        """
        predicted = self._predicted(values)
        center, scale = self._columns(None if channel is None else np.asarray(channel).astype(np.int64))
        return (predicted - center) / scale

    # -- positions ------------------------------------------------------------------------------------------

    def starts(self, tokens: TokenSet) -> Array:
        """(B, D) the position, in the user's units, that comes to lie at the model's origin."""
        starts = np.tile(np.asarray(self.start), (len(tokens), 1))
        if self.origin == "first" and len(tokens):
            for axis in self.schema.continuous_axes:
                axis_positions = np.where(tokens.is_static, np.inf, tokens.positions[:, axis])
                first = np.minimum.reduceat(axis_positions, tokens.starts)
                # a sample of static covariates alone has no time of its own
                starts[:, axis] = np.where(np.isfinite(first), first, tokens.positions[tokens.starts, axis])
        return starts

    def apply_positions(self, positions: Array, lengths: npt.NDArray[np.int64], starts: Array) -> Array:
        """Positions (T, D) in the user's units to the model's.

        lengths: (B,) positions of each sample. starts: (B, D) what comes to lie at the origin, see ``starts``.
        float64 until the origin is gone: float32 cannot tell MJD 59000.001 from 59000.002.
        """
        moved = (positions - np.repeat(starts, lengths, axis=0)) / np.asarray(self.unit)
        if self.origin != "none":
            moved[:, list(self.schema.continuous_axes)] += FIRST_POSITION
        return moved

    # -- on disk --------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write to a JSON file, whole or not at all."""
        partial = Path(f"{path}.partial")
        partial.write_text(json.dumps(asdict(self), indent=1))
        os.replace(partial, path)

    @classmethod
    def load(cls, path: str | Path) -> Scaling:
        """Read what ``save`` wrote."""
        return cls.from_dict(json.loads(Path(path).read_text()))

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Scaling:
        """From the dictionary that ``save`` writes as JSON."""
        lists = {k: tuple(v) for k, v in fields.items() if isinstance(v, list)}
        return cls(**{**fields, **lists, "schema": Schema(**fields["schema"])})


def _one_of(name: str, got: str, allowed: tuple[str, ...]) -> None:
    if got not in allowed:
        raise ValueError(f"{name} must be one of {allowed}, got {got!r}")


def _fit_values(tokens: TokenSet, how: ValueScaling) -> tuple[Array, Array]:
    schema = tokens.schema
    if schema.channel_axis is not None:
        channel = tokens.positions[:, schema.channel_axis].astype(np.int64)
        n = len(schema.channels) + len(schema.statics)
        by_channel = np.argsort(channel, kind="stable")
        ordered = tokens.values[by_channel, : schema.n_predicted]
        parts = np.split(ordered, np.cumsum(np.bincount(channel, minlength=n))[:-1])
        fitted = [_center_and_scale(column, how) for part in parts for column in part.T]
    elif schema.patch is not None:
        # every pixel of a patch is the same quantity
        fitted = [_center_and_scale(tokens.values.ravel(), how)] * tokens.values.shape[1]
    else:
        observed = schema.flags
        fitted = []
        for column, role in enumerate(schema.roles):
            values = tokens.values[:, column]
            if column in observed:
                values = values[tokens.values[:, observed[column]] > 0]
            fitted.append((0.0, 1.0) if role == "observed" else _center_and_scale(values, how))
    return np.array([f[0] for f in fitted]), np.array([f[1] for f in fitted])


def _center_and_scale(values: npt.NDArray[np.float32], how: ValueScaling) -> tuple[float, float]:
    if how == "none" or not values.size:
        return 0.0, 1.0
    values64 = values.astype(np.float64)
    if how == "standard":
        return float(values64.mean()), float(values64.std()) or 1.0
    low, middle, high = np.quantile(values64, (0.25, 0.5, 0.75))
    # 1.349: the interquartile range of a normal distribution of standard deviation 1;
    # a channel that is mostly one number has no range, so the standard deviation must do
    return float(middle), float((high - low) / 1.349) or float(values64.std()) or 1.0


def _tails(scaled: TokenSet) -> float:
    schema, real = scaled.schema, ~scaled.is_static
    values = np.abs(scaled.values[real, : schema.n_predicted])
    observed = schema.columns("observed")
    is_seen = scaled.values[real][:, observed] > 0 if observed else np.ones(values.shape, bool)
    return float((values[is_seen] > FAR).mean()) if is_seen.any() else 0.0


def _fit_units(tokens: TokenSet, unit: float | Sequence[float] | str) -> Array:
    """(D,) units of the axes; 1 on index axes."""
    units, continuous = np.ones(len(tokens.axes)), list(tokens.schema.continuous_axes)
    if isinstance(unit, str):
        if unit != "auto":
            raise ValueError(f"unit must be one of 'auto' or a positive number, in the unit of the times, got {unit!r}")
        units[continuous] = [_typical_distance(tokens, axis) for axis in continuous]
        return units
    given = np.asarray(unit, np.float64)
    if given.shape not in ((), (len(continuous),)):
        raise ValueError(f"unit must be one number, or one a continuous axis ({len(continuous)}), got {unit}")
    if not (np.isfinite(given).all() and (given > 0).all()):
        raise ValueError(f"the unit of an axis must be positive, got {unit}")
    units[continuous] = given
    return units


def _typical_distance(tokens: TokenSet, axis: int) -> float:
    """Median over the samples of span / (distinct positions - 1); 1 if no sample has two."""
    sample, positions = tokens.sample_idx[~tokens.is_static], tokens.positions[~tokens.is_static, axis]
    order = np.lexsort((positions, sample))
    sample, positions = sample[order], positions[order]
    is_new = (np.diff(sample) == 0) & (np.diff(positions) > 0)
    n_gaps = np.bincount(sample[1:][is_new], minlength=len(tokens))
    spans = np.bincount(sample[1:][is_new], weights=np.diff(positions)[is_new], minlength=len(tokens))
    has_gaps = n_gaps > 0
    return float(np.median(spans[has_gaps] / n_gaps[has_gaps])) if has_gaps.any() else 1.0
