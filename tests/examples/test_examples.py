"""Short runs of the examples: they print the held-out accuracies and write their plot."""

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


def accuracies(output: str, n_test: int) -> list[float]:
    """Return the accuracies of the model and of the baseline, which are fractions of ``n_test`` samples."""
    found = [float(number) for number in re.findall(r"(\d\.\d{3})", output.split("held-out accuracy")[1])]
    for accuracy in found:
        assert accuracy * n_test == pytest.approx(round(accuracy * n_test), abs=5e-4 * n_test + 1e-9)
    return found


@pytest.mark.slow
def test_digits_example_prints_accuracies_and_writes_the_plot(tmp_path: Path) -> None:
    accuracy, baseline = accuracies(run("digits", tmp_path, "--epochs", "12"), 450)
    assert accuracy > 0.5  # chance is 0.1
    assert baseline > 0.9


@pytest.mark.slow
@pytest.mark.skipif(not has_data("esc10"), reason="needs esc10/ under ROMAE_DATA")
def test_audio_example_prints_accuracies_and_writes_the_plot(tmp_path: Path) -> None:
    _, baseline = accuracies(run("audio", tmp_path, "--folds", "1", "--epochs", "1"), 80)
    assert baseline > 0.3  # chance is 0.1


@pytest.mark.slow
@pytest.mark.skipif(not has_data("tiny-imagenet"), reason="needs tiny-imagenet/ under ROMAE_DATA")
def test_images_example_prints_accuracies_and_writes_the_plot(tmp_path: Path) -> None:
    _, baseline = accuracies(run("images", tmp_path, "--n-per-class", "20", "--epochs", "1"), 500)
    assert baseline > 0.1  # chance is 0.1
