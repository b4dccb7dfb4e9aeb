"""Scaling of values by channel and of positions by axis, fitted on training data and stored with the weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rotary_mae._atomic import replacing_file, user_path
from rotary_mae.data.alignment import align
from rotary_mae.data.overflow import describe_too_large, is_too_large
from rotary_mae.data.resolution import describe_merged
from rotary_mae.data.scaling_statistics import ValueScaling, fit_centers_and_scales, fit_gaps, fit_units, tail_fraction
from rotary_mae.data.schema import Schema
from rotary_mae.data.sources import MinimalSource
from rotary_mae.data.tokens import TokenSet

FIRST_POSITION = 1.0
"""Scaled position of a sample's first visible token; position 0 belongs to the CLS token."""

Origin = Literal["first", "global", "none"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scaling:
    """Centres and scales of values, origins and units of positions, fitted on training data.

    Attributes
    ----------
    schema : Schema
        Schema of the data at fit. Other data is aligned with it first.
    center, scale : tuple of float
        With a channel axis one number a channel (static covariates last) and predicted value of it; else one a value
        column. In the user's units.
    origin : {"first", "global", "none"}
        Origin of continuous axes: the sample's first token, ``start``, or 0.
    unit : tuple of float
        Distance that becomes 1, one an axis, in the user's units; 1 on index axes.
    start : tuple of float
        Global origin, one an axis, in the user's units; 0 on index axes.
    tails : float
        Fraction of the fitted values that are more than 10 scales from their centre; 0 for a normal distribution.
    gap, span : tuple of float
        Typical gap between tokens of any channel, and distance between the first and the last token of a long sample,
        one an axis, in the model's units; 0 on index axes. Empty if they were not measured.
    unobserved : tuple of str
        Channels that had no value in the training set, for which nothing can be predicted.
    """

    schema: Schema
    center: tuple[float, ...]
    scale: tuple[float, ...]
    origin: Origin
    unit: tuple[float, ...]
    start: tuple[float, ...]
    tails: float = 0.0
    gap: tuple[float, ...] = ()
    span: tuple[float, ...] = ()
    unobserved: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls,
        tokens: MinimalSource,
        *,
        values: ValueScaling = "auto",
        origin: Origin = "first",
        unit: float | Sequence[float] | Literal["auto"] = "auto",
        max_samples: int = 10_000,
    ) -> Scaling:
        """Fit centres, scales and units to data.

        Parameters
        ----------
        tokens : TokenSet or another source
            Training samples.
        values : {"auto", "robust", "standard", "none"}, default "auto"
            "robust" centres on the median and scales by the interquartile range, expressed as a standard deviation;
            "standard" uses mean and standard deviation; "none" leaves values as they are. "auto" is "standard" for
            patches of images and audio (paper, T3), else "robust".
        origin : {"first", "global", "none"}, default "first"
            Origin of continuous axes: the sample's first token, the smallest position of all samples, or 0.
        unit : float, sequence of float, or "auto", default "auto"
            Distance that becomes 1, one number or one a continuous axis. "auto" takes the typical gap between
            neighbouring measurements of a channel: the median over the samples of their median gaps. Equal positions
            and static covariates do not count.
        max_samples : int, default 10_000
            Largest number of samples to fit to, spaced evenly over the data.

        Returns
        -------
        Scaling
            The fitted scaling.

        Raises
        ------
        ValueError
            If there are no samples, or an argument is none of its choices.

        Examples
        --------
        >>> import rotary_mae as rm
        >>> tokens = rm.simulate_light_curves(20)
        >>> scaling = rm.Scaling.fit(tokens)
        >>> scaled = scaling.apply(tokens)
        """
        _check_choice("values", values, ("auto", "robust", "standard", "none"))
        _check_choice("origin", origin, ("first", "global", "none"))
        if len(tokens) == 0:
            raise ValueError("scaling needs at least one sample to be fitted, got none")
        chosen = np.linspace(0, len(tokens) - 1, min(len(tokens), max_samples)).round().astype(np.int64)
        sample = tokens[chosen]
        schema = sample.schema
        if values == "auto":
            values = "robust" if schema.patch is None else "standard"
        center, scale = fit_centers_and_scales(sample, values)
        units, (gaps, spans), starts = fit_units(sample, unit), fit_gaps(sample), np.zeros(len(schema.axes))
        if origin == "global":
            for axis in schema.continuous_axes:
                starts[axis] = sample.positions[:, axis].min()
        fitted = cls(
            schema,
            tuple(center.tolist()),
            tuple(scale.tolist()),
            origin,
            tuple(units.tolist()),
            tuple(starts.tolist()),
            gap=tuple((gaps / units).tolist()),
            span=tuple((spans / units).tolist()),
        )
        return replace(fitted, tails=tail_fraction(fitted.apply(sample)))

    # -- values ---------------------------------------------------------------------------------------------

    def align(self, tokens: TokenSet) -> TokenSet:
        """Align tokens with the schema of the fit, in their own units.

        Parameters
        ----------
        tokens : TokenSet
            Samples with any subset of the channels.

        Returns
        -------
        TokenSet
            Samples with the channels and columns of ``schema``. Missing channels of steps without observed flags are
            filled by linear interpolation, or with the channel's centre, with a warning.

        Raises
        ------
        ValueError
            For data of another kind, or with a channel that was not there at fit.
        """
        return tokens if tokens.schema == self.schema else align(tokens, self.schema, self.center)

    def apply(self, tokens: TokenSet) -> TokenSet:
        """Convert tokens to the model's units.

        Parameters
        ----------
        tokens : TokenSet
            Samples in the user's units.

        Returns
        -------
        TokenSet
            Aligned samples with scaled values, and positions relative to their origin.

        Raises
        ------
        ValueError
            As for ``align``, and for tokens that are scaled already or too large once scaled.
        """
        if tokens.schema.anchored and not self.schema.anchored:
            raise ValueError("these tokens are scaled already; give them as they were before scaling")
        tokens, schema = self.align(tokens), self.schema
        values = tokens.values.astype(np.float64)
        if schema.channel_axis is None:
            center, scale = np.asarray(self.center), np.asarray(self.scale)
            values = (values - center) / scale
            observed = schema.columns("observed")
            if observed:
                # a value that was not observed becomes the channel's centre, whatever its number was
                values[:, : schema.n_predicted] *= tokens.values[:, observed] > 0
        else:
            center, scale = self._center_and_scale(tokens.positions[:, schema.channel_axis].astype(np.int64))
            n, errors = schema.n_predicted, schema.columns("error")
            values[:, :n] = (values[:, :n] - center) / scale
            # one error a value, or one for all values of a token
            values[:, errors] /= scale if len(errors) == n else scale[:, :1]
        positions = self.apply_positions(tokens.positions, tokens.lengths, self.starts(tokens))
        if is_too_large(values) or is_too_large(positions):
            raise ValueError(describe_too_large(tokens, values, positions))
        anchored = schema.continuous_axes if self.origin == "first" else ()
        return tokens.replace(values=values, positions=positions, schema=replace(schema, anchored=anchored), copy=False)

    def undo(
        self, values: npt.ArrayLike, *, channel: npt.ArrayLike | None = None, is_std: bool = False
    ) -> npt.NDArray[np.float64]:
        """Convert predicted values to the user's units.

        Parameters
        ----------
        values : array of shape (T, n_predicted)
            Values in the model's units.
        channel : int array of shape (T,), optional
            Channel index of each row; required for tokens with a channel axis.
        is_std : bool, default False
            True for standard deviations, which are scaled but not shifted.

        Returns
        -------
        array of shape (T, n_predicted)
            Values in the user's units.

        Raises
        ------
        ValueError
            If the shape is another, or ``channel`` is missing.
        """
        predicted = self._check_predicted(values)
        center, scale = self._center_and_scale(channel)
        return predicted * scale + (0.0 if is_std else center)

    def apply_targets(self, values: npt.ArrayLike, *, channel: npt.ArrayLike | None = None) -> npt.NDArray[np.float64]:
        """Convert values to the model's units: the inverse of ``undo``.

        Parameters
        ----------
        values : array of shape (T, n_predicted)
            Values in the user's units.
        channel : int array of shape (T,), optional
            Channel index of each row; required for tokens with a channel axis.

        Returns
        -------
        array of shape (T, n_predicted)
            Values in the model's units.

        Raises
        ------
        ValueError
            If the shape is another, or ``channel`` is missing.
        """
        predicted = self._check_predicted(values)
        center, scale = self._center_and_scale(channel)
        return (predicted - center) / scale

    def _center_and_scale(self, channel: npt.ArrayLike | None) -> tuple[Array, Array]:
        """Centre and scale of predicted values: (T, n_predicted) by channel (T,), or (1, n_predicted) for all."""
        center, scale, n = np.asarray(self.center), np.asarray(self.scale), self.schema.n_predicted
        if self.schema.channel_axis is None:
            return center[None, :n], scale[None, :n]
        if channel is None:
            raise ValueError("values of this layout are scaled by channel: give channel=, their channel indices")
        index = np.asarray(channel).astype(np.int64)
        return center.reshape(-1, n)[index], scale.reshape(-1, n)[index]

    def _check_predicted(self, values: npt.ArrayLike) -> Array:
        n = self.schema.n_predicted
        if isinstance(values, TokenSet) or np.ndim(values) != 2 or np.shape(values)[1] != n:
            given = "a TokenSet" if isinstance(values, TokenSet) else f"shape {np.shape(values)}"
            raise ValueError(f"values must be (T, {n}), those that a model predicts, got {given}")
        return np.asarray(values, np.float64)

    # -- positions ------------------------------------------------------------------------------------------

    def starts(self, tokens: TokenSet) -> Array:
        """Return the origin of each sample's positions.

        Parameters
        ----------
        tokens : TokenSet
            Samples in the user's units.

        Returns
        -------
        array of shape (B, D)
            Position that becomes the model's origin, in the user's units.
        """
        starts = np.tile(np.asarray(self.start), (len(tokens), 1))
        if self.origin == "first" and len(tokens):
            for axis in self.schema.continuous_axes:
                axis_positions = np.where(tokens.is_static, np.inf, tokens.positions[:, axis])
                first = np.minimum.reduceat(axis_positions, tokens.starts)
                # a sample of static covariates alone has no other time
                starts[:, axis] = np.where(np.isfinite(first), first, tokens.positions[tokens.starts, axis])
        return starts

    def apply_positions(self, positions: Array, lengths: npt.NDArray[np.int64], starts: Array) -> Array:
        """Convert positions to the model's units.

        Parameters
        ----------
        positions : array of shape (T, D)
            Positions in the user's units.
        lengths : array of shape (B,)
            Number of positions of each sample.
        starts : array of shape (B, D)
            Origins, from ``starts``.

        Returns
        -------
        array of shape (T, D)
            Positions in the model's units.
        """
        # float64 until the origin is subtracted: float32 cannot tell MJD 59000.001 from 59000.002
        moved = (positions - np.repeat(starts, lengths, axis=0)) / np.asarray(self.unit)
        if self.origin != "none":
            moved[:, list(self.schema.continuous_axes)] += FIRST_POSITION
        return moved

    def describe_merged(
        self, tokens: TokenSet, queries: Array | None = None, n_queries: npt.NDArray[np.int64] | None = None
    ) -> str | None:
        """Return the text of a warning if positions of a sample that differ are equal for the model.

        Parameters
        ----------
        tokens : TokenSet
            Samples in the user's units.
        queries : array of shape (Q, D), optional
            Positions to predict at. The text is then about them.
        n_queries : int array of shape (B,), optional
            Number of queries of each sample.

        Returns
        -------
        str or None
            None if there are no such positions, and for tokens with other axes.
        """
        if tokens.axes != self.schema.axes or not len(tokens):
            return None
        starts, is_measured = self.starts(tokens), ~tokens.is_static
        sample, position = tokens.sample_idx[is_measured], tokens.positions[is_measured]
        scaled = self.apply_positions(tokens.positions, tokens.lengths, starts)[is_measured]
        if queries is not None and n_queries is not None:
            sample = np.concatenate([sample, np.repeat(np.arange(len(tokens)), n_queries)])
            position = np.concatenate([position, queries])
            scaled = np.concatenate([scaled, self.apply_positions(queries, n_queries, starts)])
        n_asked = 0 if queries is None else len(queries)
        return describe_merged(tokens.schema, self.unit, tokens.ids, sample, position, scaled, n_asked)

    # -- files ----------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write a JSON file, whole or not at all.

        Parameters
        ----------
        path : path
            File to write.
        """
        with replacing_file(user_path(path)) as partial:
            partial.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, path: str | Path) -> Scaling:
        """Read a file that ``save`` wrote.

        Parameters
        ----------
        path : path
            File to read.

        Returns
        -------
        Scaling
            The saved scaling.
        """
        return cls.from_dict(json.loads(user_path(path).read_text()))

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Scaling:
        """Make a scaling of the dictionary that ``save`` writes as JSON.

        Parameters
        ----------
        fields : dict
            Values of the attributes by name.

        Returns
        -------
        Scaling
            The scaling with these attributes.
        """
        lists = {k: tuple(v) for k, v in fields.items() if isinstance(v, list)}
        return cls(**{**fields, **lists, "schema": Schema(**fields["schema"])})


def _check_choice(name: str, given: str, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        raise ValueError(f"{name} must be one of {allowed}, got {given!r}")
