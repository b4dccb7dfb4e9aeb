"""Continuous, axial, truncated rotary positions (p-RoPE), as pure functions.

The head width is divided into D equal slices, one for each position axis. Within a slice of width a, component i forms
a pair with component i + a/2. Pair i of a token at position m is rotated by the angle m * frequency[i].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def check_head_width(width: int, n_heads: int, n_axes: int) -> None:
    """Raise ValueError unless ``width`` divides into heads, and every head into pairs for each axis.

    Parameters
    ----------
    width : int
        Width of the tokens.
    n_heads : int
        Attention heads.
    n_axes : int
        Position axes, D. The width of a head must be a multiple of 2 D.

    Raises
    ------
    ValueError
        If it is not; the message names a width that fits.
    """
    multiple = 2 * n_axes
    if width % n_heads == 0 and (width // n_heads) % multiple == 0:
        return
    fitting = max(multiple, round(width / n_heads / multiple) * multiple) * n_heads
    got = f"{width // n_heads}" if width % n_heads == 0 else f"{width} / {n_heads}"
    raise ValueError(
        f"head width {got} needs a multiple of 2 * axes = {multiple}; try width {fitting} with {n_heads} heads"
    )


def rope_frequencies(axis_width: int, base: float = 10_000.0, fraction: float = 0.75) -> Tensor:
    """Return the rotation frequencies of one axis.

    Pair i has the frequency base^(-2 i / axis_width). Only the first int(fraction * axis_width // 2) pairs rotate, the
    fastest ones; the frequency of the others is 0.

    NOTE[PAPER] Section 3 says that the smallest frequencies are kept. The official code keeps the largest, as p-RoPE
    does, which it cites. This library follows the code.

    Parameters
    ----------
    axis_width : int
        Components of a head that belong to one axis.
    base : float
        Ratio of the largest to the smallest frequency, nearly. Must be above 1.
    fraction : float
        Fraction of the pairs that rotate, in [0, 1].

    Returns
    -------
    Tensor
        (P,) radians for each unit of position, for P = ``axis_width`` / 2 pairs.

    Raises
    ------
    ValueError
        If base or fraction is out of range.
    """
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"the RoPE fraction must be in [0, 1], got {fraction}")
    if base <= 1.0:
        raise ValueError(f"the RoPE base must be above 1, got {base}")
    n_pairs = axis_width // 2
    frequencies = base ** (-2.0 * torch.arange(n_pairs, dtype=torch.float32) / axis_width)
    frequencies[int(fraction * axis_width // 2) :] = 0.0
    return frequencies


def timescale_frequencies(axis_width: int, timescales: Sequence[float]) -> Tensor:
    """Return the rotation frequencies 1 / timescale of one axis.

    Parameters
    ----------
    axis_width : int
        Components of a head that belong to one axis.
    timescales : sequence of float
        At most P positive timescales, in the unit of the positions. A pair rotates by one radian over its timescale;
        pairs without a timescale do not rotate.

    Returns
    -------
    Tensor
        (P,) radians for each unit of position, for P = ``axis_width`` / 2 pairs.

    Raises
    ------
    ValueError
        If there are too many timescales or one is not positive.
    """
    n_pairs = axis_width // 2
    if len(timescales) > n_pairs or any(not t > 0 for t in timescales):
        raise ValueError(
            f"timescales of an axis must be at most {n_pairs} positive numbers (half of the axis width "
            f"{axis_width}), got {len(timescales)}: {tuple(timescales)[:8]}"
        )
    frequencies = torch.zeros(n_pairs)
    frequencies[: len(timescales)] = 1.0 / torch.tensor(list(timescales), dtype=torch.float32)
    return frequencies


def rope_angles(positions: Tensor, frequencies: Tensor) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of every rotation. They are computed once for a batch and shared by all layers.

    Parameters
    ----------
    positions : Tensor
        (T, D).
    frequencies : Tensor
        (D, P).

    Returns
    -------
    cos, sin : Tensor
        (T, D, P) float32 each.
    """
    # float32 even under autocast: bf16 cannot tell t = 1000.0 from t = 1000.5
    with torch.autocast(positions.device.type, enabled=False):
        angles = positions.float().unsqueeze(-1) * frequencies
        return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate queries or keys by the angles of their tokens.

    This is the definition. Layers use the faster ``apply_rotary``, for components reordered by ``pairs_adjacent``.

    Parameters
    ----------
    x : Tensor
        (T, ..., head width).
    cos, sin : Tensor
        (T, D, P) each.

    Returns
    -------
    Tensor
        (T, ..., head width), of the type of x.
    """
    n_tokens, n_axes, n_pairs = cos.shape
    pairs = x.unflatten(-1, (n_axes, 2, n_pairs))
    between = (1,) * (x.dim() - 2)
    cos, sin = cos.view(n_tokens, *between, n_axes, n_pairs), sin.view(n_tokens, *between, n_axes, n_pairs)
    first, second = pairs.unbind(-2)
    rotated = torch.stack((first * cos - second * sin, first * sin + second * cos), dim=-2)
    return rotated.flatten(-3).to(x.dtype)


def pairs_adjacent(weight: Tensor, n_axes: int, head_width: int) -> Tensor:
    """Reorder a projection to queries or keys so that the two components of every pair are neighbours.

    Attention scores stay the same if queries and keys are reordered in the same way.

    Parameters
    ----------
    weight : Tensor
        (n * head width, W), for n heads.
    n_axes : int
        Position axes, D.
    head_width : int
        Width of a head.

    Returns
    -------
    Tensor
        (n * head width, W), with reordered rows.
    """
    by_pair = weight.unflatten(0, (-1, n_axes, 2, head_width // n_axes // 2))
    return by_pair.transpose(2, 3).flatten(0, 3)


def apply_rotary(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate queries or keys whose pairs are neighbours.

    Parameters
    ----------
    x : Tensor
        (T, heads, head width), from a projection reordered by ``pairs_adjacent``.
    cos, sin : Tensor
        (T, D, P) each.

    Returns
    -------
    Tensor
        (T, heads, head width), of the type of x.
    """
    cos, sin = cos.flatten(1).unsqueeze(1), sin.flatten(1).unsqueeze(1)
    pairs = x.to(torch.promote_types(x.dtype, torch.float32)).unflatten(-1, (-1, 2))
    if torch.compiler.is_compiling():
        # compilers and exporters do not support complex numbers
        first, second = pairs.unbind(-1)
        rotated = torch.stack((first * cos - second * sin, first * sin + second * cos), dim=-1)
    else:
        # complex arithmetic reads the data once, real arithmetic reads short rows six times
        rotated = torch.view_as_real(torch.view_as_complex(pairs) * torch.complex(cos, sin))
    return rotated.flatten(-2).to(x.dtype)
