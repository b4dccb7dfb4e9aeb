"""Continuous, axial, truncated rotary positions (p-RoPE), as pure functions.

The head width is cut into D equal slices, one a position axis. Within a slice of width a, component i is
paired with component i + a/2, and pair i of a token at position m is rotated by the angle m * frequency[i].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def check_head_width(width: int, n_heads: int, n_axes: int) -> None:
    """Raise ValueError unless ``width`` divides into heads and every head into pairs of ``n_axes`` axes."""
    multiple = 2 * n_axes
    if width % n_heads == 0 and (width // n_heads) % multiple == 0:
        return
    fitting = max(multiple, round(width / n_heads / multiple) * multiple) * n_heads
    got = f"{width // n_heads}" if width % n_heads == 0 else f"{width} / {n_heads}"
    raise ValueError(
        f"head width {got} needs a multiple of 2 * axes = {multiple}; try width {fitting} with {n_heads} heads"
    )


def rope_frequencies(axis_width: int, base: float = 10_000.0, fraction: float = 0.75) -> Tensor:
    """(P,) radians a unit of position for the P = ``axis_width`` / 2 pairs of one axis.

    Pair i gets base^(-2 i / axis_width). Only the first int(fraction * axis_width // 2) pairs, the fastest,
    rotate; the others get 0.

    NOTE[PAPER] the text of section 3 says the smallest frequencies are kept; the official code keeps the
    largest, as the p-RoPE it cites does, and so do we.
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
    """(P,) frequencies 1 / timescale; pairs beyond the given timescales do not rotate.

    Timescales are in the unit of the positions: a pair turns by one radian over its timescale.
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
    """Cosine and sine of every rotation, each (T, D, P), from positions (T, D) and frequencies (D, P).

    Made once a batch and shared by all layers.
    """
    # float32 even under autocast: bf16 cannot tell t = 1000.0 from t = 1000.5
    with torch.autocast(positions.device.type, enabled=False):
        angles = positions.float().unsqueeze(-1) * frequencies
        return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate queries or keys (T, ..., head width) by the angles of their tokens, (T, D, P) each.

    The definition; layers use ``apply_rotary`` on components that ``pairs_adjacent`` has reordered.
    """
    n_tokens, n_axes, n_pairs = cos.shape
    pairs = x.unflatten(-1, (n_axes, 2, n_pairs))
    between = (1,) * (x.dim() - 2)
    cos, sin = cos.view(n_tokens, *between, n_axes, n_pairs), sin.view(n_tokens, *between, n_axes, n_pairs)
    first, second = pairs.unbind(-2)
    rotated = torch.stack((first * cos - second * sin, first * sin + second * cos), dim=-2)
    return rotated.flatten(-3).to(x.dtype)


def pairs_adjacent(weight: Tensor, n_axes: int, head_width: int) -> Tensor:
    """Rows (n * head width, W) of a projection to n heads, reordered so that the components of a pair are neighbours.

    Scores are the same as long as queries and keys are reordered alike.
    """
    by_pair = weight.unflatten(0, (-1, n_axes, 2, head_width // n_axes // 2))
    return by_pair.transpose(2, 3).flatten(0, 3)


def apply_rotary(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """``rotate`` for (T, heads, head width) whose pairs are neighbours."""
    cos, sin = cos.flatten(1).unsqueeze(1), sin.flatten(1).unsqueeze(1)
    pairs = x.to(torch.promote_types(x.dtype, torch.float32)).unflatten(-1, (-1, 2))
    if torch.compiler.is_compiling():
        # compilers and exporters know no complex numbers
        first, second = pairs.unbind(-1)
        turned = torch.stack((first * cos - second * sin, first * sin + second * cos), dim=-1)
    else:
        # one pass over the data, where real arithmetic takes six over short rows
        turned = torch.view_as_real(torch.view_as_complex(pairs) * torch.complex(cos, sin))
    return turned.flatten(-2).to(x.dtype)
