"""A run that was stopped, softly or not, and went on is to the bit one that never stopped."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import rotary_mae as rm
from rotary_mae.training.run_folder import RunFolder
from tests.builders import small_config
from tests.training.runs import (
    LENGTHS,
    Watched,
    assert_same_weights,
    autoencoder,
    noisy,
    quiet,
    stop_softly,
    waves,
    weights_of,
    without_clocks,
)

KINDS = ("pre-training", "classifier")
CONFIG = {"evaluate_every": 1, "save_seconds": 0.0, "average": 0.3}
VALIDATION = waves(LENGTHS[:6], seed=1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Runs that never stopped, one a kind."""
    runs = {}
    for kind in KINDS:
        out = tmp_path_factory.mktemp(kind) / "run"
        model = noisy(kind)
        runs[kind] = (model, out, rm.train(model, waves(), quiet(**CONFIG), validation=VALIDATION, out=out))
    return runs


def assert_is_whole(model, out: Path, result, whole) -> None:
    """Weights, checkpoints, optimizer, random state, counters and lines of metrics are those of ``whole``."""
    whole_model, whole_out, whole_result = whole
    assert_same_weights(model, whole_model)
    for part in ("best", "last"):
        assert_same_weights(out / part, whole_out / part)
    states = [load_file(folder / "last" / "training.safetensors") for folder in (out, whole_out)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    assert (result.best, result.best_epoch, result.steps) == (
        whole_result.best,
        whole_result.best_epoch,
        whole_result.steps,
    )
    for lines in (result.history, RunFolder(out).history()):
        assert without_clocks(lines) == without_clocks(whole_result.history)


def go_on(kind, out, **changes):
    # other weights and another random state: everything has to come from the folder
    model = noisy(kind)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.1)
    torch.manual_seed(99)
    return model, rm.train(model, waves(), quiet(**{**CONFIG, **changes}), validation=VALIDATION, out=out, resume=True)


# readings of training and no others: the 3rd of 5 in an epoch, the last of one, the very first, and the last of all
@pytest.mark.parametrize("reading", [1, 8, 10, 20])
@pytest.mark.parametrize("kind", KINDS)
def test_stopped_softly(kind, reading, whole, tmp_path, capfd):
    out = tmp_path / "run"
    watched = Watched(waves(), reading, stop_softly)
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    message = rf"interrupted (at update {reading}|after epoch \d+); its state is in .*last, go on with resume"
    with pytest.raises(KeyboardInterrupt, match=message):
        rm.train(noisy(kind), watched, quiet(**CONFIG), validation=VALIDATION, out=out)
    assert {s: signal.getsignal(s) for s in before} == before
    model, result = go_on(kind, out)
    assert_is_whole(model, out, result, whole[kind])


def test_stopped_several_times(whole, tmp_path):
    out, readings = tmp_path / "run", 0
    for reading in (3, 4, 9):
        with pytest.raises(KeyboardInterrupt):
            rm.train(
                noisy("classifier"),
                Watched(waves(), reading, stop_softly),
                quiet(**CONFIG),
                validation=VALIDATION,
                out=out,
                resume=readings > 0,
            )
        readings += reading
    model, result = go_on("classifier", out, num_workers=2)
    assert_is_whole(model, out, result, whole["classifier"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_signals_save(number, tmp_path):
    watched = Watched(waves(), 3, lambda: os.kill(os.getpid(), number))
    with pytest.raises(KeyboardInterrupt, match="update 3"):
        rm.train(autoencoder(), watched, quiet(save_seconds=1e9), out=tmp_path / "run")
    assert (tmp_path / "run" / "last" / "training.json").exists()


def test_a_second_signal_does_not_wait(tmp_path):
    def twice():
        stop_softly()
        stop_softly()

    with pytest.raises(KeyboardInterrupt, match="twice"):
        rm.train(autoencoder(), Watched(waves(), 3, twice), quiet(save_seconds=1e9), out=tmp_path / "run")
    assert not (tmp_path / "run" / "last").exists()


def test_a_run_without_a_folder_stops_too():
    with pytest.raises(KeyboardInterrupt, match=r"at update 3$"):
        rm.train(autoencoder(), Watched(waves(), 3, stop_softly), quiet())


@pytest.mark.slow
@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_killed(kind, num_workers, whole, tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "tests.training.run_and_die", kind, str(out), str(num_workers), "13"]
    ended = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    model, result = go_on(kind, out, num_workers=num_workers)
    assert_is_whole(model, out, result, whole[kind])


@pytest.mark.slow
def test_a_signal_to_all_processes_of_a_group_saves(tmp_path):
    # Ctrl-C in a terminal and a cluster's scheduler reach the processes that read batches too
    program = (
        "import os, signal, rotary_mae as rm; from tests.training.runs import *;"
        "from rotary_mae.training.trainer import Trainer; update = Trainer._update\n"
        "def watched(self, batches):\n"
        "    if self.counters.step == 7: os.killpg(0, signal.SIGTERM)\n"
        "    update(self, batches)\n"
        "Trainer._update = watched\n"
        f"rm.train(autoencoder(), waves(), quiet(num_workers=2, save_seconds=1e9), out={str(tmp_path / 'run')!r})"
    )
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, timeout=120, start_new_session=True
    )
    assert b"interrupted at update 8" in ended.stderr, ended.stderr.decode()
    assert (tmp_path / "run" / "last" / "training.json").exists()


# -- what cannot go on, and what must not be touched ------------------------------------------------------


def test_a_finished_run_is_not_trained_again(whole):
    _, out, result = whole["classifier"]
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    model, again = go_on("classifier", out)
    assert again.steps == result.steps
    assert_same_weights(model, out / "best")
    changed = {p.name for p, at in before.items() if p.stat().st_mtime_ns != at}
    assert changed <= {"run", "metrics.jsonl"}


def test_a_run_killed_before_its_first_state_begins_anew(tmp_path):
    out = tmp_path / "run"
    config = quiet(save_seconds=1e9, evaluate_every=1)

    def fail():
        raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        rm.train(autoencoder(), Watched(waves(), 12, fail), config, validation=VALIDATION, out=out)
    assert len(RunFolder(out).history()) == 2
    model, whole = autoencoder(), autoencoder()
    result = rm.train(model, waves(), config, validation=VALIDATION, out=out, resume=True)
    assert len(RunFolder(out).history()) == len(result.history) == 4
    rm.train(whole, waves(), config, validation=VALIDATION)
    assert_same_weights(model, whole)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"learning_rate": 1e-2}, r"training: learning_rate = 0.003 \(now 0.01\)"), ({"seed": 1}, "seed")],
)
def test_other_settings_are_an_error(changes, message, whole):
    with pytest.raises(ValueError, match=message):
        go_on("classifier", whole["classifier"][1], **changes)


def test_another_model_or_other_data_are_an_error(whole):
    out = whole["classifier"][1]
    other = rm.RoMAEForPrediction(small_config(width=16, hidden=20), outputs=2)
    with pytest.raises(ValueError, match=r"settings of model: .*width"):
        rm.train(other, waves(), quiet(**CONFIG), validation=VALIDATION, out=out, resume=True)
    with pytest.raises(ValueError, match=r"settings of data: n_samples = 21 \(now 20\)"):
        rm.train(noisy("classifier"), waves(LENGTHS[:20]), quiet(**CONFIG), validation=VALIDATION, out=out, resume=True)


def test_resume_needs_a_folder():
    with pytest.raises(ValueError, match="resume needs out="):
        rm.train(autoencoder(), waves(), quiet(), resume=True)


def test_a_folder_with_a_run_is_not_written_over(whole):
    _, out, _ = whole["pre-training"]
    before = weights_of(out / "last")
    with pytest.raises(FileExistsError, match="not empty: go on with that run"):
        rm.train(noisy("pre-training"), waves(), quiet(**CONFIG), out=out)
    assert all(torch.equal(before[k], w) for k, w in weights_of(out / "last").items())
