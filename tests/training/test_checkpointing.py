"""A resumed run, after a shutdown or a kill, is to the bit an uninterrupted run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import rotary_mae as rm
from rotary_mae.training.checkpointing import load_state
from rotary_mae.training.optimizer import make_optimizer
from rotary_mae.training.run_folder import RunFolder
from tests.builders import small_config
from tests.training.runs import (
    LENGTHS,
    WatchedSource,
    assert_same_weights,
    autoencoder,
    quiet,
    request_shutdown,
    waves,
    weights_of,
    with_dropout,
    without_clocks,
)

KINDS = ("pre-training", "classifier")
CONFIG = {"evaluate_every": 1, "save_seconds": 0.0, "average": 0.3}
VALIDATION = waves(LENGTHS[:6], seed=1)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """One uninterrupted run of each kind."""
    runs = {}
    for kind in KINDS:
        out = tmp_path_factory.mktemp(kind) / "run"
        model = with_dropout(kind)
        runs[kind] = (model, out, rm.train(model, waves(), quiet(**CONFIG), validation=VALIDATION, out=out))
    return runs


def assert_same_run(model, out: Path, result, expected) -> None:
    """Assert that weights, checkpoints, optimizer, random state, counters and metrics are those of another run."""
    expected_model, expected_out, expected_result = expected
    assert_same_weights(model, expected_model)
    for part in ("best", "last"):
        assert_same_weights(out / part, expected_out / part)
    states = [load_file(folder / "last" / "training.safetensors") for folder in (out, expected_out)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    assert (result.best, result.best_epoch, result.steps) == (
        expected_result.best,
        expected_result.best_epoch,
        expected_result.steps,
    )
    for lines in (result.history, RunFolder(out).history()):
        assert without_clocks(lines) == without_clocks(expected_result.history)


def resume(kind, out, **changes):
    # other weights and another random state, so that everything has to come from the folder
    model = with_dropout(kind)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.1)
    torch.manual_seed(99)
    return model, rm.train(model, waves(), quiet(**{**CONFIG, **changes}), validation=VALIDATION, out=out, resume=True)


# readings of batches: the first, one within an epoch, the last of an epoch, and the last of all
@pytest.mark.parametrize("reading", [1, 8, 10, 20])
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_resumed_after_a_shutdown_is_the_uninterrupted_run(kind, reading, uninterrupted, tmp_path, capfd):
    out = tmp_path / "run"
    watched = WatchedSource(waves(), reading, request_shutdown)
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    message = rf"interrupted (at update {reading}|after epoch \d+); its state is in .*last, continue with resume"
    with pytest.raises(KeyboardInterrupt, match=message):
        rm.train(with_dropout(kind), watched, quiet(**CONFIG), validation=VALIDATION, out=out)
    assert {s: signal.getsignal(s) for s in before} == before
    model, result = resume(kind, out)
    assert_same_run(model, out, result, uninterrupted[kind])


def test_a_run_resumed_several_times_is_the_uninterrupted_run(uninterrupted, tmp_path):
    out, readings = tmp_path / "run", 0
    for reading in (3, 4, 9):
        with pytest.raises(KeyboardInterrupt):
            rm.train(
                with_dropout("classifier"),
                WatchedSource(waves(), reading, request_shutdown),
                quiet(**CONFIG),
                validation=VALIDATION,
                out=out,
                resume=readings > 0,
            )
        readings += reading
    model, result = resume("classifier", out, num_workers=2)
    assert_same_run(model, out, result, uninterrupted["classifier"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_signals_save_the_state(number, tmp_path):
    watched = WatchedSource(waves(), 3, lambda: os.kill(os.getpid(), number))
    with pytest.raises(KeyboardInterrupt, match="update 3"):
        rm.train(autoencoder(), watched, quiet(save_seconds=1e9), out=tmp_path / "run")
    assert (tmp_path / "run" / "last" / "training.json").exists()


def test_a_second_signal_stops_at_once_without_saving(tmp_path):
    def twice():
        request_shutdown()
        request_shutdown()

    with pytest.raises(KeyboardInterrupt, match="twice"):
        rm.train(autoencoder(), WatchedSource(waves(), 3, twice), quiet(save_seconds=1e9), out=tmp_path / "run")
    assert not (tmp_path / "run" / "last").exists()


def test_a_run_without_a_folder_can_be_stopped():
    with pytest.raises(KeyboardInterrupt, match=r"at update 3$"):
        rm.train(autoencoder(), WatchedSource(waves(), 3, request_shutdown), quiet())


@pytest.mark.slow
@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_resumed_after_a_kill_is_the_uninterrupted_run(kind, num_workers, uninterrupted, tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "tests.training.killed_run", kind, str(out), str(num_workers), "13"]
    ended = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    model, result = resume(kind, out, num_workers=num_workers)
    assert_same_run(model, out, result, uninterrupted[kind])


@pytest.mark.slow
def test_a_signal_to_a_whole_process_group_saves_the_state(tmp_path):
    # as from Ctrl-C in a terminal and from a cluster's scheduler, which reach the processes that read batches too
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


# -- runs that cannot be resumed ----------------------------------------------------------------------------


def test_a_finished_run_is_not_trained_again(uninterrupted):
    _, out, result = uninterrupted["classifier"]
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    model, again = resume("classifier", out)
    assert again.steps == result.steps
    assert_same_weights(model, out / "best")
    changed = {p.name for p, at in before.items() if p.stat().st_mtime_ns != at}
    assert changed <= {"run", "metrics.jsonl"}


def test_a_run_killed_before_its_first_checkpoint_starts_anew(tmp_path):
    out = tmp_path / "run"
    config = quiet(save_seconds=1e9, evaluate_every=1)

    def fail():
        raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        rm.train(autoencoder(), WatchedSource(waves(), 12, fail), config, validation=VALIDATION, out=out)
    assert len(RunFolder(out).history()) == 2
    model, uninterrupted = autoencoder(), autoencoder()
    result = rm.train(model, waves(), config, validation=VALIDATION, out=out, resume=True)
    assert len(RunFolder(out).history()) == len(result.history) == 4
    rm.train(uninterrupted, waves(), config, validation=VALIDATION)
    assert_same_weights(model, uninterrupted)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"learning_rate": 1e-2}, r"training: learning_rate = 0.003 \(now 0.01\)"), ({"seed": 1}, "seed")],
)
def test_resuming_with_other_settings_is_an_error(changes, message, uninterrupted):
    with pytest.raises(ValueError, match=message):
        resume("classifier", uninterrupted["classifier"][1], **changes)


def test_resuming_another_model_or_with_other_data_is_an_error(uninterrupted):
    out = uninterrupted["classifier"][1]
    other = rm.RoMAEForPrediction(small_config(width=16, hidden=20), outputs=2)
    with pytest.raises(ValueError, match=r"settings of model: .*width"):
        rm.train(other, waves(), quiet(**CONFIG), validation=VALIDATION, out=out, resume=True)
    with pytest.raises(ValueError, match=r"settings of data: n_samples = 21 \(now 20\)"):
        rm.train(
            with_dropout("classifier"),
            waves(LENGTHS[:20]),
            quiet(**CONFIG),
            validation=VALIDATION,
            out=out,
            resume=True,
        )


def test_resume_needs_a_folder():
    with pytest.raises(ValueError, match="resume needs out="):
        rm.train(autoencoder(), waves(), quiet(), resume=True)


def test_a_folder_with_a_run_is_not_overwritten(uninterrupted):
    _, out, _ = uninterrupted["pre-training"]
    before = weights_of(out / "last")
    with pytest.raises(FileExistsError, match="not empty: resume that run"):
        rm.train(with_dropout("pre-training"), waves(), quiet(**CONFIG), out=out)
    assert all(torch.equal(before[k], w) for k, w in weights_of(out / "last").items())


def test_a_folder_without_a_training_state_is_a_clear_error(tmp_path):
    model, config = autoencoder(), quiet()
    model.save_pretrained(tmp_path / "last")
    with pytest.raises(ValueError, match=r"holds no training state to resume from \(no training\.json\)"):
        load_state(tmp_path / "last", model, make_optimizer(model, config), rank=0)


def test_a_state_of_fewer_processes_is_a_clear_error(uninterrupted):
    _, out, _ = uninterrupted["classifier"]
    other = with_dropout("classifier")
    with pytest.raises(ValueError, match="was written by fewer processes; resume with the same number"):
        load_state(out / "last", other, make_optimizer(other, quiet(**CONFIG)), rank=1)
