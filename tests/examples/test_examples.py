"""The examples as a reader runs them, made short: they end, say how good they are, and write their picture."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import has_data

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def run(name: str, out: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", "--out", out, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    return done.stdout


def accuracies(said: str) -> list[float]:
    """Those of the model and of what it is compared with."""
    return [float(number) for number in re.findall(r"(\d\.\d{3})", said.split("held-out accuracy")[1])]


@pytest.mark.slow
def test_digits(tmp_path: Path) -> None:
    ours, baseline = accuracies(run("digits", tmp_path, "--epochs", "12"))
    assert ours > 0.5  # of ten classes, in far fewer updates than it takes
    assert baseline > 0.9


@pytest.mark.slow
@pytest.mark.skipif(not has_data("esc10"), reason="needs esc10/ under ROMAE_DATA")
def test_audio(tmp_path: Path) -> None:
    ours, baseline = accuracies(run("audio", tmp_path, "--folds", "1", "--epochs", "1"))
    assert 0 < ours < 1
    assert baseline > 0.3


@pytest.mark.slow
@pytest.mark.skipif(not has_data("tiny-imagenet"), reason="needs tiny-imagenet/ under ROMAE_DATA")
def test_images(tmp_path: Path) -> None:
    ours, baseline = accuracies(run("images", tmp_path, "--n-per-class", "20", "--epochs", "1"))
    assert 0 < ours < 1
    assert baseline > 0.1
