"""Torch's randomness is seeded for a while and then as the caller left it."""

import pytest
import torch

from rotary_mae.training.seeding import random_state, seeded, seeded_training, set_random_state


@pytest.mark.parametrize("context", [lambda seed: seeded(seed), lambda seed: seeded_training(seed, rank=0)])
def test_equal_seeds_give_equal_draws_and_the_global_random_state_is_restored(context):
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    draws = []
    for seed in (1, 1, 2):
        with context(seed):
            draws.append(torch.rand(4))
    with pytest.raises(RuntimeError, match="gone"), context(3):
        raise RuntimeError(f"gone after {torch.rand(4)}")
    assert torch.equal(torch.rand(4), expected)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_a_short_seeding_draws_what_manual_seed_does():
    with seeded(7):
        draw = torch.rand(4)
    torch.manual_seed(7)
    assert torch.equal(torch.rand(4), draw)


def test_processes_of_a_training_draw_different_numbers():
    draws = []
    for rank in (0, 1):
        with seeded_training(0, rank):
            draws.append(torch.rand(4))
    assert not torch.equal(draws[0], draws[1])


def test_a_random_state_can_be_restored():
    state = random_state()
    first = torch.rand(3)
    set_random_state(state)
    assert torch.equal(torch.rand(3), first)


def test_other_gpus_are_not_seeded(monkeypatch):
    states, seeds = [torch.tensor([1, 2], dtype=torch.uint8)], []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda: states[-1])
    monkeypatch.setattr(torch.cuda, "set_rng_state", states.append)
    monkeypatch.setattr(torch.cuda, "manual_seed", seeds.append)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail("all GPUs were seeded"))
    with seeded_training(3, rank=1):
        assert seeds == [3 * 1_000_003 + 1]
    assert torch.equal(states[-1], states[0])
    with seeded(3):
        torch.rand(2)
    assert len(seeds) == 1
