"""Splits of light curves are disjoint, and both profiles run on small files of their formats."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rotary_mae as rm
from reproduce.light_curves import data, experiment
from reproduce.run import measure
from tests.conftest import has_data
from tests.reproduce.archives import write_atat

TOY = {"width": 24, "heads": 2, "depth": 1, "decoder": {"width": 24, "heads": 2, "depth": 1}}


def simulated(n: int = 400) -> tuple[rm.TokenSet, np.ndarray]:
    """Replacement of SNPCC: flux grows with the type, every ninth is spectroscopic."""
    rng = np.random.default_rng(0)
    types = np.arange(n) % len(data.TYPES)
    flux = rng.normal(np.repeat(10.0 * types, 6), 1)
    positions = np.stack([np.tile(np.arange(6.0), n), rng.integers(0, 4, 6 * n)], 1)
    values = np.stack([flux, rng.uniform(1, 2, 6 * n)], 1)
    tokens = rm.TokenSet(values, positions, [6] * n, axes=("time", "channel"), channels=("g", "r", "i", "z"))
    return tokens.with_targets(types), np.arange(n) % 9 == 0


def test_training_and_test_set_are_disjoint_and_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "all_supernovae", simulated)
    for which, n_training in ((data.RANDOM, 40), (data.SPECTROSCOPIC, 45)):
        split = data.supernovae(which, seed=0)
        assert len(split.training) == n_training
        assert sorted([*split.training.ids, *split.test.ids]) == list(range(400))
    random = [set(data.supernovae(data.RANDOM, seed).training.ids) for seed in (0, 0, 1)]
    assert random[0] == random[1] != random[2]
    counts = np.bincount(np.asarray(data.supernovae(data.RANDOM, 0).training.targets))
    assert counts.tolist() == [5] * 8, "stratified by type"
    with pytest.raises(ValueError, match="the spectroscopic part"):
        data.supernovae("half", 0)


def test_asinh_magnitudes_keep_order_and_relative_errors() -> None:
    flux, error = np.array([-20.0, -1, 0, 3, 4000]), np.full(5, 2.0)
    tokens = rm.TokenSet(np.stack([flux, error], 1), np.arange(5.0), [5])
    made = data.asinh_magnitudes(tokens, softening=5.0).values
    assert (np.diff(made[:, 0]) > 0).all()
    assert made[2].tolist() == pytest.approx([0, 2 / 5])
    assert made[4, 1] == pytest.approx(2 / 4000, rel=1e-3), "relative, far above the softening"
    nudged = data.asinh_magnitudes(tokens.replace(values=np.stack([flux + 1e-2 * error, error], 1)), 5.0).values
    assert np.allclose((nudged - made)[:, 0] / made[:, 1], 1e-2, rtol=0.05), "one error is as many as before"
    assert data.typical_error(tokens) == 2


def test_quick_profile_runs_on_a_small_snpcc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "all_supernovae", simulated)
    published = experiment.EXPERIMENT
    small = {"model": {**experiment.QUICK["model"], **TOY}, "sets": ["SNPCC, a random 10 %"], "n_samples": None}
    result = json.loads(measure(replace(published, trial=small), "quick", 0, runs=tmp_path, is_trial=True).read_text())
    rows = {(m["dataset"], m["metric"], m["method"]): m["value"] for m in result["measures"]}
    types, ia = (f"SNPCC, {name}, trained on a random 10 %" for name in ("8 types", "Ia against the rest"))
    scores = ((types, "macro F1"), (ia, "macro F1"), (ia, "AUC"))
    assert set(rows) == {(*score, method) for score in scores for method in ("RoMAE", experiment.TREES)}
    # chance is 0.5; the flux separates the types
    assert rows[ia, "AUC", experiment.TREES] > 0.75


def test_paper_profile_runs_on_a_small_atat_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atat(tmp_path / "elasticc" / "elasticc_final.h5", n=24)
    monkeypatch.setenv("ROMAE_DATA", str(tmp_path))
    published = experiment.EXPERIMENT
    result = json.loads(
        measure(replace(published, trial={"model": TOY}), "paper", 0, runs=tmp_path, is_trial=True).read_text()
    )
    assert {(m["dataset"], m["metric"]) for m in result["measures"]} == {
        (r.dataset, r.metric) for r in published.references
    }
    for kind, size in (("pretraining", 16384), ("fine_tuning", 4096)):
        chosen = experiment.PAPER[kind]
        assert chosen["batch_size"] * chosen["accumulate"] == size


@pytest.mark.slow
def test_real_snpcc_has_all_types_and_1103_spectroscopic_supernovae() -> None:
    if not has_data("snpcc"):
        pytest.skip("snpcc is not under ROMAE_DATA")
    tokens, is_spectroscopic = data.all_supernovae()
    assert (np.bincount(np.asarray(tokens.targets), minlength=8) > 0).all()
    assert is_spectroscopic.sum() == 1103
