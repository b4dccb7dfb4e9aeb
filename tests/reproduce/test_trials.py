"""Two updates of every experiment and profile, as ``python -m reproduce run --trial`` runs them."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reproduce.experiment import NAMES, PROFILES, Experiment, load
from reproduce.run import measure
from tests.conftest import has_data

DATA = {
    "uea": "uea",
    "light_curves": "snpcc",
    "audio": "esc10",
    "tinyimagenet": "tiny-imagenet",
    "physionet": "physionet2012",
    "ablations": "uea",
}
ELSEWHERE = {("light_curves", "paper"): "test_light_curves.py", ("audio", "paper"): "test_audio.py"}
# the trial of positions has one size of three; the other datasets may not be available
NOT_IN_EVERY_TRIAL = "small|base|Heartbeat|ELAsTiCC|ESC-50|Tiny ImageNet, (RoPE|abs)"
TOY = {"width": 24, "heads": 2, "depth": 1, "decoder": {"width": 24, "heads": 2, "depth": 1}}


def check(experiment: Experiment, profile: str, runs: Path) -> None:
    result = json.loads(measure(experiment, profile, 0, runs=runs, is_trial=True).read_text())
    assert result["measures"]
    assert all(np.isfinite(m["value"]) for m in result["measures"])
    known = {(m["dataset"], m["metric"]) for m in result["measures"]}
    named = {(r.dataset, r.metric) for r in experiment.references if not re.search(NOT_IN_EVERY_TRIAL, r.dataset)}
    assert named <= known, "a published number has no row"
    if experiment.figures is not None:
        assert experiment.figures([result])


@pytest.mark.parametrize("name", ["spirals", "synthetic", "pendulum", "speed", "positions"])
def test_experiments_on_generated_data_run_at_toy_size(name: str, tmp_path: Path) -> None:
    experiment = load(name)
    small = {"model": {**experiment.profiles["quick"].settings.get("model", {}), **TOY}}
    if name == "pendulum":
        small["model"].pop("decoder")
    trial = {**experiment.trial, **({} if name in ("speed", "positions") else small)}
    check(replace(experiment, trial=trial), "quick", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", NAMES)
def test_trial_of_every_profile_runs(name: str, profile: str, tmp_path: Path) -> None:
    if (name, profile) in ELSEWHERE:
        pytest.skip(f"the data are not available; see {ELSEWHERE[name, profile]}")
    if name in DATA and not has_data(DATA[name]):
        pytest.skip(f"{DATA[name]} is not under ROMAE_DATA")
    check(load(name), profile, tmp_path)
