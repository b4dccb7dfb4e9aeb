"""Model configurations, as frozen dataclasses that a JSON file can hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from rotary_mae._settings import as_settings, check_keys, check_types, did_you_mean, is_number, is_sequence
from rotary_mae.nn.rope import check_head_width


@dataclass(frozen=True)
class Size:
    """A named size.

    Attributes
    ----------
    width : int
        Width of the tokens. The hidden layer of the MLP is four times as wide.
    heads : int
        Attention heads.
    depth : int
        Layers.
    """

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
"""Sizes of the paper (Table 8), and ``large`` of the official code."""


class _Sized:
    """Fields of a size, each 0 if the named size decides it."""

    size: str
    width: int
    heads: int
    depth: int
    hidden: int

    def _resolve(self) -> None:
        """Replace fields that are 0 by those of the named size, and check them."""
        check_types(self)
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
        """Make a configuration from a dictionary of its fields.

        Parameters
        ----------
        given : dict
            As ``to_dict`` returns it; fields left out have their defaults.

        Returns
        -------
        RoMAEConfig or DecoderConfig
            The checked configuration.

        Raises
        ------
        ValueError
            If a key is not a field (the message suggests a similar one) or a value is not valid.
        """
        check_keys(cls, given)
        return cls(**given)


@dataclass(frozen=True)
class DecoderConfig(_Sized):
    """Configuration of the small decoder of pre-training.

    Parameters
    ----------
    size : str
        Named size: "tiny-shallow", "tiny", "small", "base" or "large".
    width, heads, depth, hidden : int
        Width of the tokens, attention heads, layers, and width of the hidden layer of the MLP. Each replaces that of
        the named size; 0 means that of the named size.
    """

    size: str = "tiny-shallow"
    width: int = 0
    heads: int = 0
    depth: int = 0
    hidden: int = 0

    def __post_init__(self) -> None:
        self._resolve()


def _timescales(given: Any) -> tuple[tuple[float, ...], ...]:
    """Return timescales given as lists, tuples or arrays as tuples of floats; raise ValueError for anything else."""
    if not is_sequence(given) or not all(is_sequence(axis) for axis in given):
        raise ValueError(f"timescales must be a tuple of numbers for each axis, got {given!r}")
    if wrong := [scale for axis in given for scale in axis if not is_number(scale)]:
        raise ValueError(f"timescales must be numbers, got {wrong[0]!r}")
    return tuple(tuple(float(scale) for scale in axis) for axis in given)


@dataclass(frozen=True)
class RoMAEConfig(_Sized):
    """Configuration of a RoMAE model.

    Parameters
    ----------
    n_values : int
        Values of a token, V; for images, those of a flattened patch.
    n_axes : int
        Position axes, D. The width of an attention head must be a multiple of 2 D.
    size : str
        Named size: "tiny-shallow", "tiny", "small", "base" or "large".
    width, heads, depth, hidden : int
        Width of the tokens, W, attention heads, layers, and width of the hidden layer of the MLP. Each replaces that of
        the named size; 0 means that of the named size.
    n_predicted : int
        Number of values that are reconstructed, the first ones of a token; 0 = all.
    cls : bool
        Add a learned token (CLS) at position 0 to every sample.
    pooling : {"cls", "mean"}
        State that represents a sample in prediction: that of CLS (the paper), or the mean of its other tokens. Without
        CLS it is always the mean.
    positions : {"rope", "absolute"}
        Rotary positions, or absolute sinusoids for comparison.
    rope_base, rope_fraction : float
        Base of the rotation frequencies base^(-2 i / axis width), and fraction of the frequencies that are used.
    timescales : tuple of tuple of float, optional
        Timescales of each axis, in the unit of the positions. They replace ``rope_base`` and ``rope_fraction``; see
        ``timescale_frequencies``.
    queries : {"joint", "independent"}
        In the decoder, masked tokens attend to each other ("joint", the paper), or each attends only to the visible
        tokens and to itself ("independent"). A prediction of independent queries does not depend on the other queries.
    distribution : {"point", "gaussian"}
        Predict values, or values and their standard deviations.
    normalize_targets : bool
        Reconstruct every patch less its own mean, divided by its own standard deviation.
    compress : bool
        For values that span orders of magnitude. The model computes with inverse hyperbolic sines of the values. Its
        inputs and predictions are still in the unit of the values.
    context : int
        Number of neighbours on each side whose differences of value and time are features of a token, together with
        the mean, standard deviation and skewness of its channel; see ``local_context``. The first four are the nearest
        tokens. Each further one is twice as far, so that the eighth is the 64th token. Features of queries are then
        the visible values next to them. 0 is the paper's model.
    window : float, optional
        Largest distance between tokens that attend to each other along ``window_axis``, in the unit of the model's
        positions. CLS attends to every token, and every token to CLS. The cost is then linear in the length of a
        sample. None: every token attends to every token.
    window_axis : int
        Axis of the window.
    dropout : float
        Dropout rate of attention weights and of the hidden layer of the MLP.
    drop_path : float
        Stochastic depth of the last layer; it grows linearly from 0 in the first layer.
    norm_eps : float
        Epsilon of RMSNorm.
    decoder : DecoderConfig
        Decoder of pre-training.

    Raises
    ------
    ValueError
        If a setting is not valid, or if settings do not fit together.
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
        object.__setattr__(self, "decoder", as_settings(DecoderConfig, self.decoder, "decoder"))
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
        for name in ("context", "compress"):
            if self.normalize_targets and getattr(self, name):
                raise ValueError(f"{name} is for series and cannot be combined with normalize_targets (for patches)")
        if self.normalize_targets and self.n_predicted == 1:
            raise ValueError("normalize_targets needs several values per token: one value has no standard deviation")
        if self.timescales is not None and len(self.timescales) != self.n_axes:
            raise ValueError(f"timescales needs one tuple per axis ({self.n_axes}), got {len(self.timescales)}")
        check_head_width(self.width, self.heads, self.n_axes)
        try:
            check_head_width(self.decoder.width, self.decoder.heads, self.n_axes)
        except ValueError as error:
            hint = "set it by decoder=DecoderConfig(width=..., heads=...)"
            raise ValueError(f"decoder: {error}; {hint}") from error

    def to_dict(self) -> dict[str, Any]:
        """Return all settings as JSON can hold them.

        Returns
        -------
        dict
            Settings by name, with a dictionary for ``decoder``.
        """
        return asdict(self)
