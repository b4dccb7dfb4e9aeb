"""What a model is, as frozen dataclasses that a JSON file can hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from rotary_mae._settings import check_keys, check_kinds, did_you_mean, is_number, is_sequence, nested
from rotary_mae.nn.rope import check_head_width


@dataclass(frozen=True)
class Size:
    """Width of the tokens, attention heads, and layers; the MLP is four times as wide."""

    width: int
    heads: int
    depth: int


SIZES: dict[str, Size] = {
    "tiny-shallow": Size(180, 3, 2),
    "tiny": Size(180, 3, 12),
    "small": Size(432, 6, 12),
    "base": Size(720, 12, 12),
    "large": Size(960, 16, 24),
}
"""The sizes of the paper (Table 8), and the official code's large."""


class _Sized:
    """Fills in what was not given from the named size, and checks what was."""

    size: str
    width: int
    heads: int
    depth: int
    hidden: int

    def _resolve(self) -> None:
        check_kinds(self)
        if self.size not in SIZES:
            raise ValueError(
                f"size must be one of {', '.join(SIZES)}, got {self.size!r}{did_you_mean(self.size, SIZES)}"
            )
        named = SIZES[self.size]
        for name in ("width", "heads", "depth"):
            if getattr(self, name) == 0:
                object.__setattr__(self, name, getattr(named, name))
        if self.hidden == 0:
            object.__setattr__(self, "hidden", 4 * self.width)
        for name in ("width", "heads", "depth", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Self:
        """From a dictionary of exactly these fields; an unknown key is an error that suggests."""
        check_keys(cls, given)
        return cls(**given)


@dataclass(frozen=True)
class DecoderConfig(_Sized):
    """The small decoder of pre-training; 0 means as the size says."""

    size: str = "tiny-shallow"
    width: int = 0
    heads: int = 0
    depth: int = 0
    hidden: int = 0

    def __post_init__(self) -> None:
        self._resolve()


def _timescales(given: Any) -> tuple[tuple[float, ...], ...]:
    """Of lists, tuples or arrays, as JSON and people have them."""
    if not is_sequence(given) or not all(is_sequence(axis) for axis in given):
        raise ValueError(f"timescales must be a tuple of numbers for each axis, got {given!r}")
    if wrong := [scale for axis in given for scale in axis if not is_number(scale)]:
        raise ValueError(f"timescales must be numbers, got {wrong[0]!r}")
    return tuple(tuple(float(scale) for scale in axis) for axis in given)


@dataclass(frozen=True)
class RoMAEConfig(_Sized):
    """A RoMAE model.

    Attributes:
        n_values: V, values of a token (of a flattened patch, for images).
        n_axes: D, position axes. The width of a head must divide by 2 D.
        size: one of SIZES; width, heads, depth and hidden replace parts of it (0 = as the size says).
        n_predicted: how many of the values, the first ones, are reconstructed; 0 = all.
        cls: whether a learned token at position 0 comes before every sample.
        pooling: what prediction reads of a sample: "cls", its state (the paper), or "mean", that of its other tokens;
            without CLS always the mean.
        positions: "rope", or "absolute" sinusoids for comparison.
        rope_base, rope_fraction: frequencies base^(-2 i / axis width), and the fraction of them that rotate.
        timescales: instead, for each axis its timescales in units of position, see ``timescale_frequencies``.
        queries: "joint", hidden tokens attend to each other in the decoder (the paper), or "independent",
            each sees the visible tokens and itself alone, so that no answer depends on what else is asked.
        distribution: "point" or "gaussian", which predicts a standard deviation beside each value.
        normalize_targets: reconstruct every patch with its own mean taken off and divided by its deviation.
        compress: values enter as their inverse hyperbolic sine, and are answered so (a Gaussian's deviation in
            proportion), for values that span orders of magnitude; what the model takes and gives is as without.
        context: k neighbours on each side (the nearest four, from there on each twice as far, so that the eighth is the
            64th), and the level, spread and skewness of its channel, that a token is projected with (see
            ``local_context``; queries are told of their surroundings too); 0 is the paper.
        window: a token sees the tokens at most so far from it along ``window_axis`` (in the unit of the positions that
            the model sees), and CLS, which sees all: cost linear in the length. None: every token sees every token.
        dropout: on attention scores and the MLP's hidden layer. drop_path: stochastic depth (last layer).
        norm_eps: of RMSNorm.
        decoder: see DecoderConfig; used in pre-training only.
    """

    n_values: int
    n_axes: int
    size: str = "tiny"
    width: int = 0
    heads: int = 0
    depth: int = 0
    hidden: int = 0
    n_predicted: int = 0
    cls: bool = True
    pooling: Literal["cls", "mean"] = "cls"
    positions: Literal["rope", "absolute"] = "rope"
    rope_base: float = 10_000.0
    rope_fraction: float = 0.75
    timescales: tuple[tuple[float, ...], ...] | None = None
    queries: Literal["joint", "independent"] = "joint"
    distribution: Literal["point", "gaussian"] = "point"
    normalize_targets: bool = False
    compress: bool = False
    context: int = 0
    window: float | None = None
    window_axis: int = 0
    dropout: float = 0.0
    drop_path: float = 0.0
    norm_eps: float = 1e-6
    decoder: DecoderConfig = field(default_factory=DecoderConfig)

    def __post_init__(self) -> None:
        self._resolve()
        object.__setattr__(self, "decoder", nested(DecoderConfig, self.decoder, "decoder"))
        if self.timescales is not None:
            object.__setattr__(self, "timescales", _timescales(self.timescales))
        if self.n_predicted == 0:
            object.__setattr__(self, "n_predicted", self.n_values)
        self._check()

    def _check(self) -> None:
        if self.n_values < 1 or self.n_axes < 1 or not 1 <= self.n_predicted <= self.n_values:
            raise ValueError(
                f"n_values and n_axes must be at least 1 and n_predicted at most n_values, got n_values="
                f"{self.n_values}, n_axes={self.n_axes}, n_predicted={self.n_predicted}"
            )
        for name, allowed in (
            ("pooling", ("cls", "mean")),
            ("positions", ("rope", "absolute")),
            ("queries", ("joint", "independent")),
            ("distribution", ("point", "gaussian")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}")
        if not 0.0 <= self.rope_fraction <= 1.0:
            raise ValueError(f"rope_fraction must be in [0, 1], got {self.rope_fraction}")
        for name in ("dropout", "drop_path"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} must be at least 0 and below 1, got {getattr(self, name)}")
        if self.context < 0 or self.context != int(self.context):
            raise ValueError(f"context must be a whole number of at least 0, got {self.context}")
        if self.window is not None and not self.window > 0:
            raise ValueError(f"window must be above 0, or None for no window, got {self.window}")
        if not 0 <= self.window_axis < self.n_axes:
            raise ValueError(f"window_axis must be in 0..{self.n_axes - 1}, got {self.window_axis}")
        if self.normalize_targets and self.context:
            raise ValueError("context is for series; it does not go with normalize_targets, which is for patches")
        if self.normalize_targets and self.compress:
            raise ValueError("compress is for series; it does not go with normalize_targets, which is for patches")
        if self.normalize_targets and self.n_predicted == 1:
            raise ValueError("normalize_targets needs more than one value a token: one value has no deviation")
        if self.timescales is not None and len(self.timescales) != self.n_axes:
            raise ValueError(f"timescales needs one tuple an axis ({self.n_axes}), got {len(self.timescales)}")
        check_head_width(self.width, self.heads, self.n_axes)
        try:
            check_head_width(self.decoder.width, self.decoder.heads, self.n_axes)
        except ValueError as error:
            hint = "set it by decoder=DecoderConfig(width=..., heads=...)"
            raise ValueError(f"decoder: {error}; {hint}") from error

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return asdict(self)
