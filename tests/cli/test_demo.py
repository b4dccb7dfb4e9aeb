"""The demo on few objects: its files are complete and agree with its measurements."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rotary_mae.cli import demo as demo_command
from rotary_mae.cli.demo_data import DemoData, DemoResults, simulated_light_curves
from rotary_mae.cli.parser import run


@pytest.fixture(scope="module")
def small_data() -> DemoData:
    data = simulated_light_curves(0)
    return replace(
        data, tokens=data.tokens[:140], n_test=40, n_labelled=40, pretrain_epochs=2, classify_epochs=2, seeds=(0, 1)
    )


@pytest.mark.slow
def test_the_demo_writes_numbers_a_picture_and_a_page(
    small_data: DemoData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_command, "simulated_light_curves", lambda seed: small_data)
    run(["demo", "--out", str(tmp_path / "demo")])
    results = json.loads((tmp_path / "demo" / "results.json").read_text())
    assert list(results) == ["data", "seeds", "scores", "interpolation", "curves", "counts", "seconds"]
    assert set(results["scores"]) == {"RoMAE, pre-trained", "RoMAE, from scratch", "random forest"}
    assert list(results["curves"]) == ["pre-training", "RoMAE, pre-trained", "RoMAE, from scratch"]
    assert results["counts"] == {"pre-training": 100, "labelled": 40, "test": 40}
    assert all(len(scores) == 2 for scores in results["scores"].values())
    assert results["interpolation"]["n_hidden"] > 100
    assert (tmp_path / "demo" / "interpolation.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "demo" / "demo.html").read_text()
    for scores in results["scores"].values():
        assert f"{np.mean(scores):.3f}" in page
    # one file that needs no network
    html, plotly, _ = page.partition('<script type="application/json" id="figures">')
    assert plotly
    assert not re.findall(r'(?:src|href)="(?!data:)', html)
    titles = ["Classification", "Confusion matrix and calibration", "Prediction of masked values"]
    titles += ["Predictions for single samples", "Map of the embeddings", "Learning curves"]
    assert re.findall(r"<h2>(.*?)</h2>", html) == [*titles[:4], "Coverage of the prediction intervals", *titles[4:]]
    assert "truth without noise" in page
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == [
        "demo.html",
        "interpolation.png",
        "results.json",
    ]


def test_results_are_saved_with_the_name_and_seeds_of_the_data(small_data: DemoData, tmp_path: Path) -> None:
    DemoResults(scores={"forest": [0.5]}, seconds=2.0).save(tmp_path / "results.json", small_data)
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["data"] == "Simulated light curves"
    assert results["seeds"] == [0, 1]
    assert results["scores"] == {"forest": [0.5]}
    assert results["seconds"] == 2.0
