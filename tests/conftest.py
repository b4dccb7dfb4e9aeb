"""Fixtures shared by the tests."""

import os
from pathlib import Path

import pytest
import torch

# models of tests are too small for more threads, and test processes share the machine
torch.set_num_threads(1)

PARITY = Path(__file__).parent / "parity"


@pytest.fixture(scope="session")
def parity() -> Path:
    """Folder of small checkpoints of the official code with its inputs, outputs and gradients."""
    return PARITY


def has_data(folder: str) -> bool:
    """Return True if the original files of a data set are under ROMAE_DATA."""
    root = os.environ.get("ROMAE_DATA")
    return root is not None and (Path(root) / folder).is_dir()
