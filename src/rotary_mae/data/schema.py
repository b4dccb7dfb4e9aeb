"""What the columns of tokens mean: axes, channels, roles."""

from __future__ import annotations

from dataclasses import dataclass

INDEX_AXES = frozenset({"channel", "row", "column", "mel"})
"""Axes that count things: their positions are whole numbers and are never scaled."""

ROLES = ("value", "error", "observed", "static")
"""What a value column is: predicted (``value``), or an input only (the others)."""


@dataclass(frozen=True)
class Schema:
    """What the columns of a TokenSet mean; frozen at fit, so that later data can be brought to it.

    axes: names of the D position axes. channels: names of the real channels. roles: one of ROLES for each of
    the V value columns, the predicted ones first. statics: names of the static covariates. times: None for
    numbers, else the data frame type of the time stamps (positions are then seconds since 1970-01-01 UTC).
    patch: the shape (p1, p2, p3, values) of a flattened patch of an image, or None. anchored: axes whose
    positions are counted from the sample's first visible token, which lies at 1 (scaling makes them so).
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
        for what in ("channels", "statics"):
            names = getattr(self, what)
            if twice := sorted({n for n in names if names.count(n) > 1}):
                raise ValueError(f"{what} must differ, got {twice} twice; rename one of them")
        if unknown := set(self.roles) - set(ROLES):
            raise ValueError(f"roles must be among {ROLES}, got {sorted(unknown)}")
        if sorted(self.roles, key=lambda r: r != "value") != list(self.roles) or "value" not in self.roles:
            raise ValueError(f"roles must start with the predicted values, got {self.roles}")

    def __repr__(self) -> str:
        roles = ", ".join(f"{self.roles.count(role)} {role}" for role in ROLES if role in self.roles)
        named = "".join(f", {what}={getattr(self, what)}" for what in ("channels", "statics") if getattr(self, what))
        return f"Schema(axes={self.axes}, columns: {roles}{named})"

    @property
    def n_predicted(self) -> int:
        """Number of value columns that are predicted; they come first."""
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
        """Indices of the axes whose positions are measured, not counted."""
        return tuple(i for i, name in enumerate(self.axes) if name not in INDEX_AXES)

    @property
    def time_axis(self) -> int:
        """Index of the axis along which tokens follow each other: "time", else the first continuous one, else 0."""
        return self.axes.index("time") if "time" in self.axes else next(iter(self.continuous_axes), 0)

    def columns(self, role: str) -> list[int]:
        """Indices of the value columns with this role."""
        return [i for i, r in enumerate(self.roles) if r == role]

    @property
    def flags(self) -> dict[int, int]:
        """The column that says whether a value was observed, by the value's column; empty where all always are."""
        observed = self.columns("observed")
        return dict(zip(self.columns("value"), observed, strict=True)) if observed else {}
