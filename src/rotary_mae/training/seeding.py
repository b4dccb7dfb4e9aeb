"""Seeding of torch for a training run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

SEED_LOCK = threading.RLock()
"""Held while torch is seeded for something: its randomness is one for all threads."""


@contextmanager
def seeded_training(seed: int, rank: int) -> Iterator[None]:
    """Seed torch for one training, differently in each process, and leave the caller's randomness as it was."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with SEED_LOCK:
        before = torch.get_rng_state()
        others = [torch.cuda.get_rng_state(device) for device in devices]
        torch.manual_seed(seed * 1_000_003 + rank)
    try:
        yield
    finally:
        with SEED_LOCK:
            torch.set_rng_state(before)
            for device, state in zip(devices, others, strict=True):
                torch.cuda.set_rng_state(state, device)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from torch's randomness as it is after this seed; other threads wait, and the caller's is left as it was."""
    with SEED_LOCK, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def random_state() -> Tensor:
    """Torch's random state of this process (CPU, and the current GPU if there is one), as bytes."""
    parts = [torch.get_rng_state()]
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_rng_state())
    return torch.cat(parts)


def set_random_state(state: Tensor) -> None:
    """Put back what ``random_state`` gave."""
    n_cpu = len(torch.get_rng_state())
    torch.set_rng_state(state[:n_cpu])
    if torch.cuda.is_available() and len(state) > n_cpu:
        torch.cuda.set_rng_state(state[n_cpu:])
