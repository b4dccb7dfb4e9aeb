"""The speed benchmark: lengths, work, medians, and the table of the committed result."""

import json
from dataclasses import replace

import numpy as np
import pytest
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.flops import task_flops
from benchmarks.implementations import IMPLEMENTATIONS, TASKS, TaskRunner
from benchmarks.record import RESULTS
from benchmarks.speed import one_round, summarise
from benchmarks.speed_tables import pretraining
from benchmarks.tables import ROOT, fill_tables
from benchmarks.workloads import WORKLOADS
from rotary_mae.nn import linear as product

COMMITTED = RESULTS / "speed.json"


@pytest.mark.parametrize(("name", "mean"), [("light-curves", 80), ("icu-stays", 417), ("icu-stays-2012", 437)])
def test_lengths_have_the_mean_of_the_description(name: str, mean: int) -> None:
    workload = WORKLOADS[name]
    assert f"mean {mean}" in workload.text
    assert workload.lengths(np.random.default_rng(0), 50_000).mean() == pytest.approx(mean, rel=0.02)


@pytest.mark.parametrize("task", TASKS)
def test_eager_implementations_have_the_same_loss_on_the_same_samples(task: str) -> None:
    workload = replace(WORKLOADS["light-curves"].reduced(32), size="tiny-shallow")
    runners = {name: TaskRunner(workload, name, task) for name in ("padded", "packed")}
    found = one_round(runners, workload, seed=3, task=task)
    assert found["n_samples"] == 4
    assert all(seconds > 0 for seconds in found["seconds"].values())
    tokens = workload.draw(3)
    losses = {name: runner.step(tokens) for name, runner in runners.items()}
    # in pre-training the masks are random and differ
    assert losses["packed"] == pytest.approx(losses["padded"], rel=0.5 if task == "pretraining" else 1e-3)


@pytest.mark.parametrize("task", TASKS)
def test_counted_operations_are_those_the_task_needs(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = replace(WORKLOADS["even-series"], n_samples=4, batch_size=4, size="tiny-shallow")
    runner, tokens = TaskRunner(workload, "packed", task), workload.draw(0)
    # as plain matrix products, which are counted
    monkeypatch.setattr(product, "HAS_ONEDNN", False)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        runner.step(tokens)
    expected = task_flops(workload.config(), tokens.lengths, task, workload.fraction)
    # what is saved: a gradient of the input, and mask tokens that are projected once
    assert 0.88 < counter.get_total_flops() / expected < 1.01


def test_summary_has_medians_over_the_rounds() -> None:
    rounds = [
        {
            "n_samples": 6,
            "n_tokens": 60,
            "seconds": {"padded": p, "packed": 1.0},
            "cpu_seconds": {"padded": p, "packed": 1},
            "gflop": 5.0,
            "gflops": 10.0,
        }
        for p in (2.0, 9.0, 3.0)
    ]
    summary = summarise(rounds)
    rates = {"samples_per_second": 6, "tokens_per_second": 60, "ratio": 3, "cpu_ratio": 3, "peak_share": 0.5}
    assert summary["packed"] == rates
    assert summary["padded"]["samples_per_second"] == 2


@pytest.mark.skipif(not COMMITTED.exists(), reason="python -m benchmarks.speed was not run")
def test_committed_result_is_consistent_and_fills_the_table() -> None:
    result = json.loads(COMMITTED.read_text())
    assert set(result["tasks"]) <= set(TASKS)
    assert set(result["tasks"]["pretraining"]) == set(WORKLOADS)
    for found in (workload for of_task in result["tasks"].values() for workload in of_task.values()):
        assert set(found["median"]) == set(IMPLEMENTATIONS)
        assert found["median"] == summarise(found["rounds"])
        assert len(found["rounds"]) == result["n_rounds"]
    page = (ROOT / "benchmarks/README.md").read_text()
    assert pretraining(result) in page
    assert page == fill_tables(page)
