"""The demo, on few objects: what it writes is whole and says what was measured."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rotary_mae.cli import demo as story
from rotary_mae.cli.parser import run
from rotary_mae.data.tokens import TokenSet
from rotary_mae.evaluation.features import distribution_features


@pytest.mark.slow
def test_the_demo_writes_numbers_a_picture_and_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = story._simulated(0)
    small = replace(
        whole, tokens=whole.tokens[:140], n_test=40, n_labelled=40, pretrain_epochs=2, classify_epochs=2, seeds=(0, 1)
    )
    monkeypatch.setattr(story, "_simulated", lambda seed: small)
    run(["demo", "--out", str(tmp_path / "demo")])
    results = json.loads((tmp_path / "demo" / "results.json").read_text())
    assert set(results["scores"]) == {"RoMAE, pre-trained", "RoMAE, from scratch", "random forest"}
    assert all(len(scores) == 2 and all(0 <= s <= 1 for s in scores) for scores in results["scores"].values())
    assert results["interpolation"]["n_hidden"] > 100
    assert (tmp_path / "demo" / "interpolation.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "demo" / "demo.html").read_text()
    assert f"{np.mean(results['scores']['random forest']):.3f}" in page
    # one file that needs no network
    ours, plotly, _ = page.partition('<script type="application/json" id="figures">')
    assert plotly
    assert not re.findall(r'(?:src|href)="(?!data:)', ours)
    for title in ("Which class is it?", "Object by object", "How samples lie to each other", "How it learned"):
        assert title in ours
    assert "truth without noise" in page
    assert not list((tmp_path / "demo").glob("*.partial"))


def test_simple_features_are_those_of_numpy_and_scipy() -> None:
    from scipy.stats import skew

    rng = np.random.default_rng(0)
    lengths = np.array([30, 25, 2])
    channel = rng.integers(0, 2, 57)
    channel[55:] = 0
    values = rng.normal(size=57).astype(np.float32)
    tokens = TokenSet(
        values,
        np.column_stack([rng.uniform(0, 9, 57), channel]),
        lengths,
        axes=("time", "channel"),
        channels=("g", "r"),
    )
    features = distribution_features(tokens).reshape(3, 2, 4)
    for i, one in enumerate(tokens):
        for c in range(2):
            mine = one.values[one.positions[:, 1] == c, 0].astype(float)
            if not len(mine):
                assert np.isnan(features[i, c, 3])
                continue
            expected = [mine.std(), np.ptp(np.quantile(mine, [0.05, 0.95])), skew(mine), np.median(mine)]
            np.testing.assert_allclose(features[i, c], expected, rtol=1e-5, atol=1e-6)
