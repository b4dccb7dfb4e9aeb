"""Small training runs that tests, and processes that tests start, share."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

import rotary_mae as rm
from rotary_mae.training.run_folder import fingerprint_indices
from tests.builders import small_config

LENGTHS = (7, 3, 12, 5, 9, 2, 8, 6, 4, 11, 10, 5, 7, 3, 8, 6, 9, 4, 12, 5, 7)


def waves(lengths: Any = LENGTHS, *, seed: int = 0) -> rm.TokenSet:
    """Return sines of two phases at random times, with the phase as target; no single value determines it."""
    rng = np.random.default_rng(seed)
    n = int(np.sum(lengths))
    labels = np.arange(len(lengths)) % 2
    times = rng.uniform(1.0, 12.0, n)
    phase = np.repeat(labels * np.pi, lengths)
    values = np.stack([np.sin(times + phase), np.cos(times + phase)], axis=1) + 0.05 * rng.normal(size=(n, 2))
    return rm.TokenSet(values, times, lengths, targets=labels)


def quiet(**changes: Any) -> rm.TrainingConfig:
    """Return settings of four epochs in batches of five on the CPU, without a progress bar."""
    given: dict[str, Any] = {"epochs": 4, "batch_size": 5, "learning_rate": 3e-3, "device": "cpu", "progress": False}
    return rm.TrainingConfig(**{**given, **changes})


def autoencoder(seed: int = 0, **changes: Any) -> rm.RoMAEForPreTraining:
    """Return a tiny autoencoder with seeded weights."""
    torch.manual_seed(seed)
    return rm.RoMAEForPreTraining(small_config(**changes))


def classifier(seed: int = 0, **changes: Any) -> rm.RoMAEForPrediction:
    """Return a tiny classifier of two classes with seeded weights."""
    torch.manual_seed(seed)
    return rm.RoMAEForPrediction(small_config(**changes), outputs=2)


def with_dropout(kind: str) -> Any:
    """Return a model that draws random numbers in training, for "pre-training" or as "classifier"."""
    make = autoencoder if kind == "pre-training" else classifier
    return make(dropout=0.2, drop_path=0.3)


class WatchedSource:
    """A source that calls ``action`` at the ``n``-th reading, in whichever process reads.

    The reading of the fingerprint, before training, does not count.
    """

    is_on_disk = False

    def __init__(self, tokens: rm.TokenSet, n: int, action: Callable[[], None]) -> None:
        self.tokens, self.action = tokens, action
        self.left = multiprocessing.Value("i", n)
        self.schema, self.ids, self.lengths, self.targets = tokens.schema, tokens.ids, tokens.lengths, tokens.targets

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: Any) -> rm.TokenSet:
        with self.left.get_lock():
            is_counted = not np.array_equal(index, fingerprint_indices(len(self)))
            self.left.value -= is_counted
            is_due = is_counted and self.left.value == 0
        if is_due:
            self.action()
        return self.tokens[index]


def request_shutdown() -> None:
    """Send SIGTERM to this process."""
    os.kill(os.getpid(), signal.SIGTERM)


def weights_of(model: torch.nn.Module | Path) -> dict[str, torch.Tensor]:
    """Return the weights by name, of a model or of a checkpoint folder."""
    if isinstance(model, Path):
        return load_file(model / "model.safetensors")
    return {name: weight.detach().clone() for name, weight in model.state_dict().items()}


def assert_same_weights(one: Any, other: Any, atol: float = 0.0) -> None:
    """Assert that weights are equal to the bit, or within ``atol``."""
    mine, theirs = weights_of(one), weights_of(other)
    assert mine.keys() == theirs.keys()
    for name, weight in mine.items():
        torch.testing.assert_close(weight, theirs[name], atol=atol, rtol=0.0, msg=lambda m, n=name: f"{n}: {m}")


def without_clocks(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return lines of metrics without the numbers that depend on the speed of the machine."""
    return [{k: v for k, v in line.items() if k not in ("seconds", "samples_per_second")} for line in history]
