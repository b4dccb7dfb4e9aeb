"""Columns with the usual names need no flags."""

from pathlib import Path

import pytest

import rotary_mae as rm
from rotary_mae.cli.parser import run


def test_a_file_with_the_usual_names_means_the_same_without_flags(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "curves.csv"
    rm.simulate_light_curves(6, seed=0).to_frame("pandas").to_csv(path, index=False)
    run(["info", str(path)])
    plain = capsys.readouterr().out
    run(["info", str(path), "--channel", "channel", "--error", "error"])
    assert plain == capsys.readouterr().out
    assert "layout measurements" in " ".join(plain.split())
