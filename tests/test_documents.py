"""What README and docs say is true: their code runs, their tables are those of the committed results."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_tables_are_those_of_the_committed_results() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.tables", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_links_and_pictures_are_there() -> None:
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


@pytest.mark.slow
def test_the_code_of_the_readme_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        subprocess.run([sys.executable, "-c", block], cwd=tmp_path, check=True)


@pytest.mark.slow
def test_the_commands_of_the_readme_run(tmp_path: Path) -> None:
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    rows = [
        {"stay": f"s{i}", "minute": float(m), "variable": v, "value": rng.normal(), "died": i % 2}
        for i in range(24)
        for m in range(0, 60, 7)
        for v in ("heart rate", "glucose")
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "stays.csv", index=False)
    pd.DataFrame(rows).to_csv(tmp_path / "new.csv", index=False)
    blocks = re.findall(r"```\n(romae .*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    small = " --size tiny-shallow --epochs 1 --model.width 24 --model.heads 2 --model.depth 1"
    for line in "".join(blocks).splitlines():
        trains = re.match(r"romae (pretrain|classify|fit-interpolator)", line)
        command = line + (small if trains and "--init" not in line else " --epochs 1" if trains else "")
        romae = Path(sys.executable).parent
        subprocess.run(f"{romae}/{command}", shell=True, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    assert (tmp_path / "filled.csv").exists()
    assert (tmp_path / "probabilities.csv").exists()
