"""The speed benchmark: its data are as it says, its result adds up, its table is made from it."""

import json

import numpy as np
import pytest
from benchmarks.contenders import CONTENDERS, Trainer
from benchmarks.record import RESULTS
from benchmarks.speed import one_round, summarised
from benchmarks.tables import ROOT, filled, speed
from benchmarks.workloads import WORKLOADS

COMMITTED = RESULTS / "speed.json"


@pytest.mark.parametrize(("name", "mean"), [("light-curves", 80), ("icu-stays", 417), ("icu-stays-2012", 437)])
def test_lengths_have_the_mean_that_the_text_says(name: str, mean: int) -> None:
    workload = WORKLOADS[name]
    assert f"mean {mean}" in workload.text
    assert workload.lengths(np.random.default_rng(0), 50_000).mean() == pytest.approx(mean, rel=0.02)


def test_the_eager_contenders_train_on_the_same_samples() -> None:
    workload = WORKLOADS["light-curves"].reduced(32)
    trainers = {name: Trainer(workload, name) for name in ("padded", "packed")}
    found = one_round(trainers, workload, seed=3)
    assert found["n_samples"] == 4
    assert all(seconds > 0 for seconds in found["seconds"].values())
    tokens = workload.draw(3)
    losses = {name: trainer.step(tokens) for name, trainer in trainers.items()}
    assert losses["packed"] == pytest.approx(losses["padded"], rel=0.5)


def test_medians_are_of_the_rounds_of_the_ratio_too() -> None:
    rounds = [
        {
            "n_samples": 6,
            "n_tokens": 60,
            "seconds": {"padded": p, "packed": 1.0},
            "cpu_seconds": {"padded": p, "packed": 1},
        }
        for p in (2.0, 9.0, 3.0)
    ]
    summary = summarised(rounds)
    assert summary["packed"] == {"samples_per_second": 6, "tokens_per_second": 60, "ratio": 3, "cpu_ratio": 3}
    assert summary["padded"]["samples_per_second"] == 2


@pytest.mark.skipif(not COMMITTED.exists(), reason="python -m benchmarks.speed was not run")
def test_the_committed_result_adds_up_and_is_the_table() -> None:
    result = json.loads(COMMITTED.read_text())
    assert set(result["workloads"]) == set(WORKLOADS)
    for found in result["workloads"].values():
        assert set(found["median"]) == set(CONTENDERS)
        assert found["median"] == summarised(found["rounds"])
        assert len(found["rounds"]) == result["n_rounds"]
    page = (ROOT / "benchmarks/README.md").read_text()
    assert speed(result) in page
    assert page == filled(page)
