"""Several processes train as one, and a training leaves the caller's accelerate and process as they were."""

import json
import os
import subprocess
import sys
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState, PartialState
from safetensors.torch import load_file

import rotary_mae as rm
from rotary_mae.training.distributed import training_accelerator
from rotary_mae.training.run_folder import RunFolder
from tests.training.run_in_processes import PLAIN, WEIGHT
from tests.training.runs import (
    LENGTHS,
    WatchedSource,
    assert_same_weights,
    autoencoder,
    classifier,
    quiet,
    waves,
    with_dropout,
    without_clocks,
)

VALIDATION = waves(LENGTHS[:7], seed=1)


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """Runs of two processes, started by torchrun as accelerate does on GPUs (on CPUs it would need MPI)."""
    out = tmp_path_factory.mktemp("two")
    launcher = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [sys.executable, "-m", *launcher, "-m", "tests.training.run_in_processes", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        command, cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True, timeout=240
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return out


RUNS = {
    "autoencoder": (autoencoder, {}, {"validation": VALIDATION}),
    "one-to-validate": (classifier, {}, {"validation": VALIDATION[:1]}),
    "accumulated": (classifier, {"accumulate": 2}, {"sample_weight": WEIGHT}),
    "budget": (classifier, {"max_tokens": 20}, {"validation": VALIDATION}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_two_processes_reach_the_weights_and_metrics_of_one(two_processes, name):
    make, changes, given = RUNS[name]
    model = make()
    result = rm.train(model, waves(), quiet(**PLAIN, **changes), **given)
    part = "best" if "validation" in given else "last"
    assert_same_weights(two_processes / name / part, model, atol=1e-5)
    assert json.loads((two_processes / name / "last" / "training.json").read_text())["is_finished"]
    lines = without_clocks(RunFolder(two_processes / name).history())
    assert len(lines) == len(result.history) == 4
    for line, expected in zip(lines, without_clocks(result.history), strict=True):
        assert line == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
def test_processes_draw_different_dropout(two_processes):
    first, second = (json.loads((two_processes / f"rank{rank}.json").read_text())["draws"] for rank in range(2))
    assert len(first) == len(second) == 4
    assert not set(first) & set(second)


@pytest.mark.slow
def test_two_processes_stop_together_and_resume_to_the_bit(two_processes):
    messages = [json.loads((two_processes / f"rank{rank}.json").read_text())["message"] for rank in range(2)]
    # requested at update 24, and agreed on at the next multiple of 16
    assert all("interrupted at update 32" in message for message in messages), messages
    for part in ("best", "last"):
        assert_same_weights(two_processes / "stopped" / part, two_processes / "whole" / part)
    stopped, whole = (
        load_file(two_processes / name / "last" / "training.safetensors") for name in ("stopped", "whole")
    )
    assert stopped.keys() == whole.keys()
    assert all(torch.equal(stopped[key], whole[key]) for key in whole)
    assert {"random.0", "random.1"} <= set(whole)
    for line, expected in zip(
        without_clocks(RunFolder(two_processes / "stopped").history()),
        without_clocks(RunFolder(two_processes / "whole").history()),
        strict=True,
    ):
        assert line == pytest.approx(expected, abs=1e-12)


@pytest.mark.slow
def test_in_two_processes_the_callers_accelerator_is_left_as_it_was(two_processes):
    observed = [json.loads((two_processes / f"rank{rank}.json").read_text())["accelerator"] for rank in range(2)]
    assert observed == [{"is_same": True, "sum": 3.0, "n_processes": 2}] * 2


# -- one process ----------------------------------------------------------------------------------------------

STATES = (PartialState, AcceleratorState, GradientState)


@pytest.fixture
def no_accelerator():
    """Accelerate's state as in a new process, put back at the end."""
    before = [dict(cls._shared_state) for cls in STATES]
    for cls in STATES:
        cls._shared_state.clear()
    yield
    for cls, state in zip(STATES, before, strict=True):
        cls._shared_state.clear()
        cls._shared_state.update(state)


def state_of_accelerate():
    return [(id(cls._shared_state), dict(cls._shared_state)) for cls in STATES]


@pytest.mark.usefixtures("no_accelerator")
@pytest.mark.parametrize("failure", [None, RuntimeError("gone"), KeyboardInterrupt()])
def test_the_callers_accelerator_is_left_as_it_was_and_works(failure):
    # of another precision, and with settings that would change how a training accumulates
    accelerator = Accelerator(cpu=True, mixed_precision="bf16", gradient_accumulation_steps=7)
    model = torch.nn.Linear(2, 1)
    prepared, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=0.1))
    before = state_of_accelerate()

    def fail():
        if failure is not None:
            raise failure

    source = WatchedSource(waves(), 3, fail)
    if failure is None:
        rm.train(classifier(), source, quiet(precision="fp32"))
    else:
        with pytest.raises(type(failure)):
            rm.train(classifier(), source, quiet(precision="fp32"))
    assert state_of_accelerate() == before
    assert accelerator.mixed_precision == "bf16"
    assert accelerator.gradient_accumulation_steps == 7
    with accelerator.accumulate(prepared):
        assert not accelerator.sync_gradients
        loss = prepared(torch.ones(4, 2)).sum()
        accelerator.backward(loss)
        optimizer.step()
    torch.testing.assert_close(model.weight.grad, torch.full((1, 2), 4 / 7), rtol=0.01, atol=0.0)


@pytest.mark.usefixtures("no_accelerator")
def test_a_training_leaves_no_state_where_there_was_none():
    rm.train(classifier(), waves(), quiet(max_steps=1))
    assert [cls._shared_state for cls in STATES] == [{}, {}, {}]


@pytest.mark.usefixtures("no_accelerator")
def test_trainings_of_one_process_may_differ_in_precision_and_device():
    def accelerated(**changes):
        with training_accelerator(quiet(**changes)) as accelerator:
            return accelerator.mixed_precision, accelerator.device.type

    assert accelerated(precision="fp32") == ("no", "cpu")
    assert accelerated(precision="bf16") == ("bf16", "cpu")
    assert accelerated(precision="fp32", device="auto")[0] == "no"
    # a training within another one
    with training_accelerator(quiet(precision="bf16")) as outer:
        assert accelerated(precision="fp32") == ("no", "cpu")
        assert AcceleratorState().mixed_precision == outer.mixed_precision == "bf16"


@pytest.mark.usefixtures("no_accelerator")
def test_trainings_in_threads_may_end_in_any_order():
    caller = Accelerator(cpu=True)
    before = state_of_accelerate()
    has_started, may_end = threading.Event(), threading.Event()
    precisions = []

    def long_training():
        with training_accelerator(quiet(precision="bf16")) as accelerator:
            has_started.set()
            may_end.wait(60)
            precisions.append((accelerator.mixed_precision, AcceleratorState().mixed_precision))

    thread = threading.Thread(target=long_training)
    with training_accelerator(quiet(precision="fp32")):
        thread.start()
        assert has_started.wait(60)
    # the first training has ended, the second one still needs its state
    may_end.set()
    thread.join()
    assert precisions == [("bf16", "bf16")]
    assert state_of_accelerate() == before
    assert caller.mixed_precision == "no"


def test_environment_threads_and_randomness_are_left_as_they_were():
    def process():
        return dict(os.environ), torch.get_num_threads(), torch.get_rng_state().tolist(), torch.get_default_dtype()

    before = process()
    rm.train(with_dropout("classifier"), waves(), quiet(precision="bf16"))
    assert process() == before


def open_accelerator(**changes):
    with training_accelerator(quiet(**changes)):
        pass


def test_a_numbered_gpu_is_the_one_that_trains(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    # torch cannot make this GPU the current one here
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    with training_accelerator(quiet(device="cuda:1")) as accelerator:
        assert accelerator.device == torch.device("cuda:1")
    assert "ACCELERATE_TORCH_DEVICE" not in os.environ
    with training_accelerator(quiet(device="cpu")) as accelerator:
        assert accelerator.device == torch.device("cpu")
    with pytest.raises(ValueError, match=r"'cuda:2' is set, but torch finds 2 GPUs; choose one of them"):
        open_accelerator(device="cuda:2")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match=r"'cuda:1' is one GPU, but several processes train"):
        open_accelerator(device="cuda:1")


@pytest.mark.parametrize("device", ["gpu", "cuda1", "cuda:", "cuda:first"])
def test_an_unknown_device_is_a_clear_error(device):
    with pytest.raises(ValueError, match="device must be 'auto', 'cpu', 'cuda' or 'cuda:N'"):
        rm.train(classifier(), waves(), quiet(device=device))
