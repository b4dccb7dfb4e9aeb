"""Results of benchmarks.scaling fill the tables and the plot; series on disk have the documented lengths."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

import rotary_mae as rm
from benchmarks import scaling
from benchmarks.curves import draw
from benchmarks.disk import short_series
from benchmarks.profiles import operator_kind
from benchmarks.speed_tables import lengths, unequal_lengths
from benchmarks.workloads import N_TOKENS, workload_by_name


def test_scaling_results_fill_the_tables_and_the_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.workloads.N_TOKENS", 128)
    monkeypatch.setattr(scaling, "measure_peak_memory", lambda *_: 12.0)
    monkeypatch.setattr(scaling, "LENGTHS", (64, 128))
    monkeypatch.setattr(scaling, "LONGEST_PADDED", 64)
    monkeypatch.setattr(scaling, "SIGMAS", ())
    result = {"lengths": scaling.measure_lengths(1), "spreads": scaling.measure_unequal_lengths(1), "window": 64.0}
    assert [set(point["seconds"]) for point in result["lengths"]] == [
        {"packed", "windowed", "padded"},
        {"packed", "windowed"},
    ]
    assert lengths(result).count("(12)") == 5
    assert "rotary-mae" in unequal_lengths(result)
    draw(result, tmp_path / "scaling.png")
    height, width, _ = plt.imread(tmp_path / "scaling.png").shape
    assert (width, height) == (990, 660)


def test_workloads_of_the_scaling_benchmark_have_the_named_lengths() -> None:
    assert workload_by_name("length-1024").draw(0).lengths.tolist() == [1024] * (N_TOKENS // 1024)
    uneven = workload_by_name("sigma-0.8")
    assert uneven.lengths(np.random.default_rng(0), 50_000).mean() == pytest.approx(128, rel=0.03)
    assert set(workload_by_name("sigma-0.0").draw(0).lengths) == {128}


def test_short_series_have_the_given_number_and_lengths(tmp_path: Path) -> None:
    cache = rm.write_cache(short_series(150), tmp_path / "cache")
    assert len(cache) == 150
    assert set(np.unique(cache.lengths)) == set(range(4, 13))


def test_operator_is_of_the_first_matching_kind() -> None:
    assert operator_kind("aten::_scaled_dot_product_flash_attention_for_cpu_backward") == "attention, backward"
    assert operator_kind("aten::mm") == "matrix products"
    assert operator_kind("aten::mul") == "element-wise products and sums"
    assert operator_kind("aten::empty") == "other"
