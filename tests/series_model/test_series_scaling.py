"""Scaling of views: level, deviation, errors and unit of time."""

from __future__ import annotations

import numpy as np
import pytest

from rotary_mae.series_model.series_scaling import MAX_SPAN, ScaledViews, group_medians, scale_views
from rotary_mae.series_model.views import Views, make_views


def view(
    times: list[float], values: list[float], channels: list[int] | None = None, errors: list[float] | None = None
) -> Views:
    n = len(times)
    return make_views(
        np.array(values, np.float64),
        np.zeros(n) if errors is None else np.array(errors, np.float64),
        np.array(times, np.float64),
        np.zeros(n, np.int64) if channels is None else np.array(channels),
        np.zeros(n, np.int64),
        np.array([0.5]),
        np.array([0]),
        1,
        np.array([0.0]),
    )


def scale(*arguments: object) -> tuple[float, float, ScaledViews]:
    scaled = scale_views(view(*arguments))  # type: ignore[arg-type]
    return float(scaled.level[0]), float(scaled.deviation[0]), scaled


def test_normal_values_have_their_standard_deviation() -> None:
    rng = np.random.default_rng(0)
    level, deviation, scaled = scale(list(range(4000)), (5 + 3 * rng.normal(size=4000)).tolist())
    assert level == pytest.approx(5, abs=0.2)
    assert deviation == pytest.approx(3, rel=0.05)
    assert np.std(scaled.values) == pytest.approx(1, rel=0.05)


def test_an_outlier_changes_the_deviation_less_than_the_standard_deviation() -> None:
    values = np.random.default_rng(0).normal(size=100)
    values[0] = 50.0
    _, deviation, _ = scale(list(range(100)), values.tolist())
    assert deviation < 2 < np.std(values)


def test_one_channel_is_not_shrunk() -> None:
    _, deviation, _ = scale([0.0, 1.0], [7.0, 9.0])
    assert deviation == pytest.approx(np.sqrt(np.pi / 2) * np.sqrt(2))


def test_few_values_are_shrunk_towards_the_other_channels() -> None:
    rng = np.random.default_rng(0)
    others = rng.normal(size=200).tolist()
    close = [3.0, 3.001]
    _, deviation, _ = scale(list(range(202)), close + others, [0] * 2 + [1] * 200)
    _, alone, _ = scale([0.0, 1.0], close)
    assert 10 * alone < deviation < 1


def test_channels_of_other_units_do_not_change_a_channel_of_many_values() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=200)
    _, alone, _ = scale(list(range(200)), values.tolist())
    _, beside, _ = scale(list(range(400)), [*values, *(1000 * rng.normal(size=200))], [0] * 200 + [1] * 200)
    assert beside == pytest.approx(alone, rel=0.05)


@pytest.mark.parametrize(
    ("values", "errors", "deviation"),
    [
        ([200.0], None, 60.0),
        ([200.0], [90.0], 90.0),
        ([0.0], None, 1.0),
        ([-8.0] * 5, None, 2.4),
        ([0.1] * 3, None, 0.03),
    ],
)
def test_constants_have_a_deviation_by_their_level_or_error(
    values: list[float], errors: list[float] | None, deviation: float
) -> None:
    level, found, _ = scale([float(i) for i in range(len(values))], values, None, errors)
    assert level == values[0]
    assert found == pytest.approx(deviation)


def test_a_channel_without_values_has_the_level_of_the_others() -> None:
    level, deviation, _ = scale([0.0, 1.0, 2.0], [7.0, 9.0, 11.0], [1, 1, 1])
    assert level == 9.0
    assert deviation > 1.0


def test_errors_are_scaled_like_values() -> None:
    _, deviation, scaled = scale([0.0, 1.0, 2.0], [1.0, 2.0, 4.0], None, [0.5, 0.0, 0.25])
    np.testing.assert_allclose(scaled.errors, np.array([0.5, 0.0, 0.25]) / deviation)


def test_the_deviation_is_at_least_half_the_known_error() -> None:
    _, deviation, _ = scale([0.0, 1.0, 2.0], [1.0, 1.1, 0.9], None, [10.0] * 3)
    assert deviation == 5.0


def test_the_unit_of_time_is_the_median_gap_of_the_predicted_channel() -> None:
    _, _, scaled = scale([10.0, 12.0, 14.0, 18.0, 10.5, 10.7], [1.0] * 6, [0, 0, 0, 0, 1, 1])
    np.testing.assert_allclose(scaled.times[:4], [0, 1, 2, 4])


def test_equal_times_are_no_gaps() -> None:
    _, _, scaled = scale([0.0, 0.0, 0.0, 4.0, 4.0, 8.0], [1.0] * 6)
    assert scaled.times.max() == 2.0


def test_bursts_do_not_make_the_span_arbitrarily_large() -> None:
    times = [day + 1e-7 * i for day in range(5) for i in range(4)]
    _, _, scaled = scale(times, [1.0] * 20)
    assert scaled.times.max() == pytest.approx(MAX_SPAN)


def test_queries_beside_equal_times_lie_one_unit_away() -> None:
    times = view([3.0, 3.0], [1.0, 2.0])
    for at, expected in ((1e-9, -1.0), (3.0, 0.0), (1e9, 1.0)):
        moved = Views(**{**times.__dict__, "query_times": np.array([at])})
        assert scale_views(moved).query_times[0] == expected


def test_medians_of_groups_are_those_of_numpy() -> None:
    rng = np.random.default_rng(0)
    values, group = rng.normal(size=100), rng.integers(0, 9, 100)
    group[group == 4] = 5
    median, count = group_medians(values, group, 10)
    for i in range(10):
        expected = np.median(values[group == i]) if (group == i).any() else 0.0
        assert median[i] == pytest.approx(expected)
        assert count[i] == (group == i).sum()
