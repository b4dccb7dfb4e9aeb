"""Fixtures shared by the tests."""

import os
from pathlib import Path

import pytest
import torch

# the models of tests are too small for more, and processes of tests share the machine
torch.set_num_threads(1)

PARITY = Path(__file__).parent / "parity"


@pytest.fixture(scope="session")
def parity() -> Path:
    """Small checkpoints of the official code with its inputs, outputs and gradients."""
    return PARITY


def has_data(folder: str) -> bool:
    """Whether the original files of a set are at hand under ROMAE_DATA."""
    root = os.environ.get("ROMAE_DATA")
    return root is not None and (Path(root) / folder).is_dir()
