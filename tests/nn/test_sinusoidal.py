"""Absolute positions, for comparison."""

import torch

from rotary_mae.nn.sinusoidal import sinusoidal_embedding


def test_defect_13_positions_given_are_used_and_any_number_of_them_works():
    positions = torch.rand(5000, 1) * 1e4
    waves = sinusoidal_embedding(positions, 24)
    assert waves.shape == (5000, 24)
    assert torch.isfinite(waves).all()
    assert torch.allclose(waves[:, 0], positions[:, 0].sin())
    assert not torch.allclose(waves, sinusoidal_embedding(positions + 0.5, 24))


def test_axes_get_slices_of_their_own_and_the_rest_is_zero():
    positions = torch.rand(7, 3)
    waves = sinusoidal_embedding(positions, 20)
    assert not waves[:, 18:].any()
    moved = positions.clone()
    moved[:, 2] += 1
    changed = (waves != sinusoidal_embedding(moved, 20)).any(0)
    assert not changed[:12].any()
    assert changed[12:18].any()
