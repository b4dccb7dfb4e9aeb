"""Torch's randomness: seeded for a training run, saved with it, and left to the caller as it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

SEED_LOCK = threading.RLock()
"""Lock to hold while torch is seeded, because all threads share its randomness."""


@contextmanager
def seeded_training(seed: int, rank: int) -> Iterator[None]:
    """Seed torch for one training, differently in each process, and restore the caller's random state at the end.

    Parameters
    ----------
    seed : int
        Seed of the training.
    rank : int
        Index of the process.
    """
    with SEED_LOCK:
        before = random_state()
        _seed(seed * 1_000_003 + rank)
    try:
        yield
    finally:
        with SEED_LOCK:
            set_random_state(before)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch for a short piece of work on the CPU while other threads wait, and restore the random state."""
    with SEED_LOCK, torch.random.fork_rng(devices=[]):
        # the generator of the CPU alone: torch.manual_seed would seed those of GPUs too
        torch.default_generator.manual_seed(seed)
        yield


def random_state() -> Tensor:
    """Return torch's random state of this process, on the CPU and on the current GPU if there is one, as bytes."""
    states = [torch.get_rng_state()]
    if torch.cuda.is_available():
        states.append(torch.cuda.get_rng_state())
    return torch.cat(states)


def set_random_state(state: Tensor) -> None:
    """Restore a state that ``random_state`` returned."""
    n_cpu = len(torch.get_rng_state())
    torch.set_rng_state(state[:n_cpu])
    if torch.cuda.is_available() and len(state) > n_cpu:
        torch.cuda.set_rng_state(state[n_cpu:])


def _seed(seed: int) -> None:
    if torch.cuda.is_available():
        # the CPU and the current GPU, whose states are restored; torch.manual_seed would seed all GPUs
        torch.default_generator.manual_seed(seed)
        torch.cuda.manual_seed(seed)
    else:
        torch.manual_seed(seed)
