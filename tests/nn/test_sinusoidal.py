"""Sinusoidal embedding of absolute positions."""

import torch

from rotary_mae.nn.sinusoidal import sinusoidal_embedding


def test_given_positions_are_embedded_in_any_number():
    """The official code ignores the positions given, and fails with more than 1500 tokens."""
    positions = torch.rand(5000, 1, generator=torch.Generator().manual_seed(0)) * 1e4
    embedding = sinusoidal_embedding(positions, 24)
    assert embedding.shape == (5000, 24)
    assert torch.isfinite(embedding).all()
    assert torch.allclose(embedding[:, 0], positions[:, 0].sin())
    assert not torch.allclose(embedding, sinusoidal_embedding(positions + 0.5, 24))


def test_every_axis_has_a_slice_of_its_own_and_the_rest_is_zero():
    positions = torch.rand(7, 3, generator=torch.Generator().manual_seed(0))
    embedding = sinusoidal_embedding(positions, 20)
    assert not embedding[:, 18:].any()
    moved = positions.clone()
    moved[:, 2] += 1
    is_changed = (embedding != sinusoidal_embedding(moved, 20)).any(0)
    assert not is_changed[:12].any()
    assert is_changed[12:18].any()
