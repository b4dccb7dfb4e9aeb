"""Two processes are one with the same global batches."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import rotary_mae as rm
from rotary_mae.batches.sampler import rank_share
from rotary_mae.training.run_folder import RunFolder
from tests.training.run_many import PLAIN, WEIGHT
from tests.training.runs import (
    LENGTHS,
    assert_same_weights,
    autoencoder,
    classifier,
    quiet,
    waves,
    without_clocks,
)

VALIDATION = waves(LENGTHS[:7], seed=1)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What two processes left; torchrun starts them, as accelerate does on GPUs (on CPUs it would need MPI)."""
    out = tmp_path_factory.mktemp("two")
    launcher = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [sys.executable, "-m", *launcher, "-m", "tests.training.run_many", str(out)]
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
def test_the_same_weights_and_metrics_as_one_process(two, name):
    make, changes, given = RUNS[name]
    model = make()
    result = rm.train(model, waves(), quiet(**PLAIN, **changes), **given)
    part = "best" if "validation" in given else "last"
    assert_same_weights(two / name / part, model, atol=1e-5)
    assert json.loads((two / name / "last" / "training.json").read_text())["is_finished"]
    lines = without_clocks(RunFolder(two / name).history())
    assert len(lines) == len(result.history) == 4
    for line, expected in zip(lines, without_clocks(result.history), strict=True):
        assert line == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
def test_processes_draw_different_dropout(two):
    first, second = (json.loads((two / f"rank{rank}.json").read_text())["draws"] for rank in range(2))
    assert len(first) == len(second) == 4
    assert not set(first) & set(second)


@pytest.mark.slow
def test_stopped_in_the_middle_of_an_epoch_and_gone_on(two):
    messages = [json.loads((two / f"rank{rank}.json").read_text())["message"] for rank in range(2)]
    # asked at update 24, and agreed upon at the next multiple of 16
    assert all("interrupted at update 32" in message for message in messages), messages
    for part in ("best", "last"):
        assert_same_weights(two / "stopped" / part, two / "whole" / part)
    stopped, whole = (load_file(two / name / "last" / "training.safetensors") for name in ("stopped", "whole"))
    assert stopped.keys() == whole.keys()
    assert all(torch.equal(stopped[key], whole[key]) for key in whole)
    assert {"random.0", "random.1"} <= set(whole)
    for line, expected in zip(
        without_clocks(RunFolder(two / "stopped").history()),
        without_clocks(RunFolder(two / "whole").history()),
        strict=True,
    ):
        assert line == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("world", [1, 2, 3, 7])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_shares_of_a_batch_are_all_of_it(world, n):
    batch = np.arange(n) + 10
    shares = [rank_share(batch, rank, world) for rank in range(world)]
    assert sorted(np.concatenate([share for share, counts in shares if counts]).tolist()) == batch.tolist()
    assert all(len(share) == 1 for share, counts in shares if not counts)


def test_a_numbered_gpu_is_the_one_that_trains(monkeypatch):
    from rotary_mae.training.distributed import make_accelerator

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    try:
        accelerator = make_accelerator(quiet(device="cuda:1"), None)
        assert accelerator.device == torch.device("cuda:1")
    finally:
        assert make_accelerator(quiet(device="cpu"), None).device == torch.device("cpu")
    assert "ACCELERATE_TORCH_DEVICE" not in os.environ
    with pytest.raises(ValueError, match=r"'cuda:2' was asked for, but torch sees 2 GPUs"):
        make_accelerator(quiet(device="cuda:2"), None)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match=r"'cuda:1' is one GPU, but several processes train"):
        make_accelerator(quiet(device="cuda:1"), None)


@pytest.mark.parametrize("device", ["gpu", "cuda1", "cuda:", "cuda:first"])
def test_a_device_that_is_none_is_a_clear_error(device):
    with pytest.raises(ValueError, match="device must be 'auto', 'cpu', 'cuda' or 'cuda:N'"):
        rm.train(classifier(), waves(), quiet(device=device))
