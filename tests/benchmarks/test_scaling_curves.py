"""The curves: a point holds what its table and picture need, and series on disk are what they say."""

from pathlib import Path

import numpy as np
import pytest

import rotary_mae as rm
from benchmarks import scaling
from benchmarks.curves import draw
from benchmarks.disk import short_series
from benchmarks.profiles import kind_of
from benchmarks.speed_tables import lengths, spreads
from benchmarks.workloads import N_TOKENS, named


def test_points_fill_tables_and_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.workloads.N_TOKENS", 128)
    monkeypatch.setattr(scaling, "measured_apart", lambda *_: 12.0)
    monkeypatch.setattr(scaling, "LENGTHS", (64, 128))
    monkeypatch.setattr(scaling, "LONGEST_PADDED", 64)
    monkeypatch.setattr(scaling, "SPREADS", ())
    result = {"lengths": scaling.measured_lengths(1), "spreads": scaling.measured_spreads(1), "window": 64.0}
    assert [set(point["seconds"]) for point in result["lengths"]] == [
        {"packed", "windowed", "padded"},
        {"packed", "windowed"},
    ]
    assert lengths(result).count("(12)") == 5
    assert "rotary-mae" in spreads(result)
    draw(result, tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").stat().st_size > 10_000


def test_workloads_of_the_curves() -> None:
    assert named("length-1024").draw(0).lengths.tolist() == [1024] * (N_TOKENS // 1024)
    uneven = named("spread-0.8")
    assert uneven.lengths(np.random.default_rng(0), 50_000).mean() == pytest.approx(128, rel=0.03)
    assert set(named("spread-0.0").draw(0).lengths) == {128}


def test_short_series_are_written_in_parts_and_are_as_many_as_asked(tmp_path: Path) -> None:
    cache = rm.write_cache(short_series(150), tmp_path / "cache")
    assert len(cache) == 150
    assert set(np.unique(cache.lengths)) == set(range(4, 13))


def test_operators_are_of_the_first_kind_that_fits() -> None:
    assert kind_of("aten::_scaled_dot_product_flash_attention_for_cpu_backward") == "attention, backward"
    assert kind_of("aten::mm") == "matrix products"
    assert kind_of("aten::mul") == "products and sums by element"
    assert kind_of("aten::empty") == "all else"
