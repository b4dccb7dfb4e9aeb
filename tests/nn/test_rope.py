"""Rotary positions: scores depend on differences of positions, norms stay, axes are independent."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rotary_mae.nn.rope import (
    apply_rotary,
    check_head_width,
    pairs_adjacent,
    rope_angles,
    rope_frequencies,
    rotate,
    timescale_frequencies,
)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def rotated(x, positions, **frequency_settings):
    n_axes = positions.shape[1]
    frequencies = rope_frequencies(x.shape[-1] // n_axes, **frequency_settings).repeat(n_axes, 1)
    return rotate(x, *rope_angles(positions, frequencies))


def test_a_hand_readable_rotation():
    # width 4, one axis: components 0 and 2 have frequency 1, components 1 and 3 have frequency 1/100
    x = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    y = rotated(x, torch.tensor([[math.pi / 2]]), base=10_000.0, fraction=1.0)
    angle = math.pi / 2 / 100
    assert torch.allclose(y, torch.tensor([[0.0, math.cos(angle), 1.0, math.sin(angle)]]), atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(n_axes=st.integers(1, 3), shift=st.floats(-50, 50), seed=st.integers(0, 99))
def test_scores_depend_only_on_differences_of_positions_and_norms_stay(n_axes, shift, seed):
    generator = torch.Generator().manual_seed(seed)
    q, k = torch.randn(2, 5, n_axes * 8, generator=generator)
    m, n = torch.rand(2, 5, n_axes, generator=generator) * 10
    score = (rotated(q, m) * rotated(k, n)).sum(-1)
    shifted = (rotated(q, m + shift) * rotated(k, n + shift)).sum(-1)
    assert torch.allclose(score, shifted, atol=1e-3)
    assert torch.allclose(rotated(q, m).norm(dim=-1), q.norm(dim=-1), rtol=1e-5)


@pytest.mark.parametrize("n_axes", [1, 2, 3])
@pytest.mark.parametrize("is_compiling", [False, True])
@pytest.mark.parametrize("n_tokens", [0, 5])
def test_rotation_of_adjacent_pairs_equals_the_definition(n_tokens, is_compiling, n_axes, monkeypatch):
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: is_compiling)
    n_heads, head_width = 3, 12
    x, weight = torch.randn(n_tokens, 7), torch.randn(n_heads * head_width, 7, requires_grad=True)
    angles = rope_angles(torch.rand(n_tokens, n_axes) * 9, rope_frequencies(head_width // n_axes).repeat(n_axes, 1))
    expected = rotate((x @ weight.T).unflatten(-1, (n_heads, head_width)), *angles)
    adjacent = pairs_adjacent(weight, n_axes, head_width)
    got = apply_rotary((x @ adjacent.T).unflatten(-1, (n_heads, head_width)), *angles)
    # the same components in another order
    expected = expected.unflatten(-1, (n_axes, 2, head_width // n_axes // 2)).transpose(-1, -2).flatten(-3)
    assert torch.allclose(expected, got, atol=1e-5)
    probe = torch.linspace(-1, 1, expected.numel()).view_as(expected)
    gradients = [torch.autograd.grad((y * probe).sum(), weight)[0] for y in (expected, got)]
    assert torch.allclose(*gradients, atol=1e-5)


def test_fraction_0_rotates_nothing_to_the_bit():
    x = torch.randn(6, 2, 24)
    assert torch.equal(rotated(x, torch.rand(6, 3) * 100, fraction=0.0), x)


def test_position_0_rotates_nothing():
    x = torch.randn(6, 24)
    assert torch.equal(rotated(x, torch.zeros(6, 3), fraction=1.0), x)


def test_an_axis_rotates_only_its_slice():
    x, positions = torch.randn(4, 24), torch.rand(4, 3)
    moved = positions.clone()
    moved[:, 1] += 3
    is_changed = (rotated(x, positions, fraction=1.0) != rotated(x, moved, fraction=1.0)).any(0)
    assert is_changed[8:16].all()
    assert not is_changed[:8].any()
    assert not is_changed[16:].any()


def test_only_the_fastest_pairs_rotate():
    frequencies = rope_frequencies(16, fraction=0.75)
    assert (frequencies[:6] > 0).all()
    assert not frequencies[6:].any()
    assert frequencies[0] == 1.0
    assert (frequencies.diff()[:5] < 0).all()


def test_the_base_and_timescales_can_be_set():
    """The official code has a fixed base."""
    assert rope_frequencies(8, base=100.0)[1] == pytest.approx(100.0**-0.25)
    assert timescale_frequencies(8, (0.5, 4.0)).tolist() == [2.0, 0.25, 0.0, 0.0]


def test_angles_are_float32_under_autocast():
    positions = torch.tensor([[1000.0], [1000.5]])
    with torch.autocast("cpu", torch.bfloat16):
        cos, sin = rope_angles(positions, torch.ones(1, 1))
    assert cos.dtype == sin.dtype == torch.float32
    assert torch.allclose(cos.flatten(), positions.cos().flatten(), atol=1e-5)


def test_rotated_bf16_is_bf16():
    assert rotated(torch.randn(3, 8, dtype=torch.bfloat16), torch.rand(3, 1)).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rope_frequencies(8, fraction=1.5), r"fraction must be in \[0, 1\], got 1.5"),
        (lambda: rope_frequencies(8, base=1.0), "base must be above 1, got 1.0"),
        (lambda: timescale_frequencies(4, (1.0, 2.0, 3.0)), "at most 2 positive numbers"),
        (lambda: timescale_frequencies(4, (0.0,)), "positive numbers"),
        (
            lambda: check_head_width(180, 3, 4),
            "head width 60 needs a multiple of 2 * axes = 8; try width 192 with 3 heads",
        ),
        (
            lambda: check_head_width(60, 4, 1),
            "head width 15 needs a multiple of 2 * axes = 2; try width 64 with 4 heads",
        ),
        (lambda: check_head_width(342, 8, 1), "head width 342 / 8 needs a multiple of 2 * axes = 2; try width 336"),
    ],
)
def test_invalid_settings_raise_errors_that_name_a_correction(call, message):
    with pytest.raises(ValueError, match=message if "\\" in message else re.escape(message)):
        call()


@given(width=st.integers(1, 2000), heads=st.integers(1, 16), axes=st.integers(1, 5))
def test_a_width_is_valid_or_the_error_names_one_that_is(width, heads, axes):
    """The official code accepts odd head widths, and rounds a width that heads do not divide."""
    try:
        check_head_width(width, heads, axes)
    except ValueError as error:
        suggested = int(re.search(r"try width (\d+)", str(error)).group(1))
        check_head_width(suggested, heads, axes)
    else:
        assert width % heads == 0
        assert width // heads % (2 * axes) == 0
