"""A run resumes exactly, decays on request, and exports a model with its provenance."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pretraining.__main__ import main
from pretraining.export import export_run
from pretraining.optimizers import MuonAdamW
from pretraining.run_state import RunFolder
from pretraining.settings import Settings
from pretraining.stream import ChunkSource, StreamPlace, stream
from pretraining.trainer import Limits, train
from rotary_mae.series_model.model import SeriesModel, SeriesModelConfig

ROOT = Path(__file__).parent.parent.parent
N_STEPS = 11
SMALL = Settings(
    model=SeriesModelConfig(width=16, heads=1, depth=1, decoder_depth=1, components=2),
    batch_size=4,
    chunk_size=16,
    warm_up=3,
    bf16=False,
)


def started(path: Path, settings: Settings = SMALL) -> RunFolder:
    folder = RunFolder(path)
    folder.start(settings)
    return folder


def tensors(folder: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(folder.state / "state.safetensors")


def assert_same_state(one: RunFolder, other: RunFolder) -> None:
    first, second = tensors(one), tensors(other)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    for name in ("step", "series", "place", "loss_total", "loss_count", "n_lines"):
        assert getattr(one.counters(), name) == getattr(other.counters(), name)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = started(tmp_path_factory.mktemp("run") / "whole")
    train(folder, Limits(steps=N_STEPS))
    return folder


def test_a_run_in_several_calls_equals_one_call_to_the_bit(uninterrupted: RunFolder, tmp_path: Path) -> None:
    folder = started(tmp_path / "run")
    for steps in (2, 4, 5, N_STEPS):  # a chunk has 4 batches
        train(folder, Limits(steps=steps))
    assert_same_state(uninterrupted, folder)
    assert folder.counters().sessions == 4


def test_processes_that_draw_ahead_change_nothing(uninterrupted: RunFolder, tmp_path: Path) -> None:
    folder = started(tmp_path / "run")
    train(folder, Limits(steps=N_STEPS), n_processes=1)
    assert_same_state(uninterrupted, folder)


@pytest.mark.slow
def test_a_killed_and_resumed_run_equals_the_uninterrupted_one_to_the_bit(
    uninterrupted: RunFolder, tmp_path: Path
) -> None:
    folder = started(tmp_path / "run")
    command = [sys.executable, "-m", "pretraining", "train", "--run", str(folder.path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    # every step is saved, so that the kill meets training, saving or the renames of a save
    process = subprocess.Popen(
        [*command, "--save-seconds", "0"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    deadline = time.monotonic() + 120
    while folder.counters().step < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    step = folder.counters().step
    assert step >= 3
    # the target lies behind the kill, however far the killed run came
    n_steps = max(N_STEPS, step + 2)
    subprocess.run([*command, "--steps", str(n_steps)], cwd=ROOT, env=environment, check=True, capture_output=True)
    whole = uninterrupted
    if n_steps > N_STEPS:
        whole = started(tmp_path / "whole")
        train(whole, Limits(steps=n_steps))
    assert_same_state(whole, folder)


def test_a_signal_ends_training_with_a_saved_state(uninterrupted: RunFolder, tmp_path: Path) -> None:
    folder = started(tmp_path / "run")
    previous = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        counters = train(folder, Limits(minutes=2.0))
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert counters.step > 0
    assert folder.counters().step == counters.step


def test_the_stream_is_the_same_from_any_place_and_shows_each_series_once() -> None:
    source = ChunkSource(seed=1, chunk_size=12, batch_size=5)
    batches = stream(source, StreamPlace())
    first = [next(batches) for _ in range(6)]
    assert [len(views) for views, _ in first[:3]].count(5) == 2
    assert sum(len(views) for views, _ in first[:3]) == 12
    again = stream(source, first[1][1])
    for views, place in first[2:]:
        other, other_place = next(again)
        assert place == other_place
        np.testing.assert_array_equal(views.values, other.values)
        np.testing.assert_array_equal(views.targets, other.targets)


def test_lines_of_the_log_after_the_saved_state_are_removed_on_resume(tmp_path: Path) -> None:
    folder = started(tmp_path / "run")
    train(folder, Limits(steps=1))
    folder.log({"step": 999})
    with folder.log_path.open("a") as file:
        file.write('{"step": 10')  # as a killed process leaves it
    train(folder, Limits(steps=2))
    assert folder.lines() == []


def test_the_rate_warms_up_stays_and_decays() -> None:
    settings = replace(SMALL, learning_rate=1.0, warm_up=4, decay_start=10, decay_steps=5)
    rates = [settings.rate(step) for step in range(16)]
    assert rates[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rates[4:11] == [1.0] * 7
    np.testing.assert_allclose(rates[10:], [1.0, 0.8, 0.6, 0.4, 0.2, 0.0])
    assert SMALL.rate(10**6) == SMALL.learning_rate


def test_a_decayed_copy_ends_and_leaves_the_run_as_it_was(uninterrupted: RunFolder, tmp_path: Path) -> None:
    before = tensors(uninterrupted)
    path = tmp_path / "decayed"
    main(["train", "--run", str(path), "--from", str(uninterrupted.path), "--decay", "3"])
    copy = RunFolder(path)
    assert copy.counters().step == N_STEPS + 3
    last = {k.removeprefix("model."): v for k, v in tensors(copy).items() if k.startswith("model.")}
    assert all(torch.equal(copy.weights()[name], weight) for name, weight in last.items())
    main(["train", "--run", str(path)])
    assert copy.counters().step == N_STEPS + 3
    assert all(torch.equal(tensors(uninterrupted)[name], tensor) for name, tensor in before.items())


def test_every_parameter_is_in_one_optimizer_and_matrices_of_layers_in_muon() -> None:
    model = SeriesModel(SMALL.model)
    muon, adam = ([p for g in o.param_groups for p in g["params"]] for o in MuonAdamW(model, 0.0).optimizers)
    assert len(muon) + len(adam) == len(list(model.parameters()))
    assert {id(p) for p in muon}.isdisjoint(id(p) for p in adam)
    assert len(muon) == 4 * 2  # qkv, out, up and down of two layers


def test_the_average_is_a_plain_copy_first_and_reaches_back_a_fraction_of_the_run() -> None:
    assert SMALL.average_weight(1) == 1.0
    assert SMALL.average_weight(1000) == pytest.approx(1 / 100)
    assert SMALL.average_weight(10**7) == 1 / SMALL.average_max


def test_an_export_is_the_averaged_model_in_float16_with_its_provenance(
    uninterrupted: RunFolder, tmp_path: Path
) -> None:
    about = export_run(uninterrupted, tmp_path / "model")
    model = SeriesModel.from_pretrained(tmp_path / "model")
    for name, weight in uninterrupted.weights().items():
        assert torch.equal(model.state_dict()[name], weight.half().float())
    assert about == json.loads((tmp_path / "model" / "provenance.json").read_text())
    assert about["series"] == uninterrupted.counters().series
    assert about["seed"] == SMALL.seed
    assert len(about["sha256"]) == 64


def test_another_version_of_the_prior_is_refused(uninterrupted: RunFolder) -> None:
    given = {**SMALL.to_dict(), "prior_version": 0}
    with pytest.raises(ValueError, match="version 0 of the prior"):
        Settings.from_dict(given)
    with pytest.raises(FileExistsError, match="holds a run"):
        uninterrupted.start(SMALL)


def test_status_prints_progress(uninterrupted: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    main(["status", "--run", str(uninterrupted.path)])
    assert f"step {N_STEPS}" in capsys.readouterr().out
