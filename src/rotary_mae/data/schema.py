"""Meaning of the columns of tokens: axes, channels, roles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

INDEX_AXES = frozenset({"channel", "row", "column", "mel"})
"""Axes that count: their positions are whole numbers and are never scaled."""

ROLES = ("value", "error", "observed", "static")
"""Roles of a value column: predicted (``value``), or an input only (the others)."""


@dataclass(frozen=True)
class Schema:
    """Meaning of the columns of a TokenSet; frozen at fit, so that later data can be aligned with it.

    Attributes
    ----------
    axes : tuple of str
        Names of the D position axes.
    channels : tuple of str
        Names of the channels, without static covariates.
    roles : tuple of str
        Role of each of the V value columns, one of ``ROLES``; the predicted columns come first.
    statics : tuple of str
        Names of the static covariates.
    times : str or None
        Data frame type of the time stamps, such as "timestamp[us, tz=UTC]"; positions are then seconds since
        1970-01-01 UTC. None for times that are numbers.
    patch : tuple of int or None
        Shape (p1, p2, p3, values) of a flattened patch of an image, video or spectrogram.
    anchored : tuple of int
        Axes with positions relative to the sample's first visible token, which lies at 1. Scaling sets them.

    Raises
    ------
    ValueError
        If a name occurs twice, a role is unknown, or the roles do not start with the predicted values.
    """

    axes: tuple[str, ...]
    channels: tuple[str, ...] = ()
    roles: tuple[str, ...] = ("value",)
    statics: tuple[str, ...] = ()
    times: str | None = None
    patch: tuple[int, ...] | None = None
    anchored: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("axes", "channels", "roles", "statics", "anchored"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.patch is not None:
            object.__setattr__(self, "patch", tuple(self.patch))
        if not self.axes or len(set(self.axes)) != len(self.axes):
            raise ValueError(f"axes need at least one name and no name twice, got {self.axes}")
        for what, names in (("channels", self.channels), ("statics", self.statics)):
            if twice := sorted({n for n in names if names.count(n) > 1}):
                raise ValueError(f"{what} must differ, got {twice} twice; rename one of them")
        if unknown := set(self.roles) - set(ROLES):
            raise ValueError(f"roles must be among {ROLES}, got {sorted(unknown)}")
        if sorted(self.roles, key=lambda r: r != "value") != list(self.roles) or "value" not in self.roles:
            raise ValueError(f"roles must start with the predicted values, got {self.roles}")

    def __repr__(self) -> str:
        roles = ", ".join(f"{self.roles.count(role)} {role}" for role in ROLES if role in self.roles)
        named = (("channels", self.channels), ("statics", self.statics))
        return f"Schema(axes={self.axes}, columns: {roles}{''.join(f', {k}={names}' for k, names in named if names)})"

    @property
    def n_predicted(self) -> int:
        """Number of predicted value columns; they come first."""
        return self.roles.count("value")

    @property
    def layout(self) -> str:
        """``measurements`` (a token a measurement) or ``steps`` (a token a time step or patch)."""
        return "measurements" if "channel" in self.axes else "steps"

    @property
    def channel_axis(self) -> int | None:
        """Index of the axis ``channel``, or None."""
        return self.axes.index("channel") if "channel" in self.axes else None

    @property
    def continuous_axes(self) -> tuple[int, ...]:
        """Indices of the axes with measured positions, as opposed to index axes."""
        return tuple(i for i, name in enumerate(self.axes) if name not in INDEX_AXES)

    @property
    def time_axis(self) -> int:
        """Index of the axis along which tokens follow each other: "time", else the first continuous one, else 0."""
        return self.axes.index("time") if "time" in self.axes else next(iter(self.continuous_axes), 0)

    def columns(self, role: str) -> list[int]:
        """Return the indices of the value columns with a role.

        Parameters
        ----------
        role : {"value", "error", "observed", "static"}
            Role of the columns.

        Returns
        -------
        list of int
            Indices in ascending order.
        """
        return [i for i, r in enumerate(self.roles) if r == role]

    @property
    def flags(self) -> dict[int, int]:
        """Index of the observed flag of each value column, by the column; empty if all values are always observed."""
        observed = self.columns("observed")
        return dict(zip(self.columns("value"), observed, strict=True)) if observed else {}

    def static_tokens(self, positions: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return which tokens are static covariates.

        Parameters
        ----------
        positions : array, shape (T, D)
            Positions of the tokens.

        Returns
        -------
        array of bool, shape (T,)
            True for the token of a static covariate.
        """
        if self.channel_axis is None:
            return np.zeros(len(positions), bool)
        is_static: npt.NDArray[np.bool_] = positions[:, self.channel_axis] >= len(self.channels)
        return is_static
