"""Predictions do not depend on orders, shifts, scales or other queries, and are finite for every series."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import rotary_mae as rm
from rotary_mae.data.schema import Schema
from rotary_mae.series_model.mixture import Mixture
from rotary_mae.series_model.model import SeriesModel
from rotary_mae.series_model.predict_series import predict_series
from tests.series_model.builders import largest_difference, measurements, small_model

ROUNDING = 2e-4


@pytest.fixture(scope="module")
def model() -> SeriesModel:
    return small_model()


@pytest.fixture(scope="module")
def series() -> dict[str, np.ndarray]:
    """40 values of 5 channels whose dyadic numbers are exact in float32, also when shifted and scaled."""
    rng = np.random.default_rng(0)
    channels = rng.integers(0, 5, 40)
    return {
        "times": rng.integers(0, 4096, 40) / 4096,
        "channels": channels,
        "values": rng.integers(-512, 512, 40) / 256 + 3.0 * channels,
        "errors": np.where(channels == 1, 0.25, 0.0),
    }


QUERIES = np.array([[0.11, 0], [0.5, 1], [0.52, 1], [1.3, 0], [-0.2, 4], [0.7, 5], [0.9, 2]])


def predict(
    model: SeriesModel, series: dict[str, np.ndarray], queries: np.ndarray = QUERIES, **changes: np.ndarray
) -> Mixture:
    return predict_series(model, measurements(**{**series, **changes}), [queries])


def test_predictions_do_not_depend_on_the_order_of_channels(model: SeriesModel, series: dict[str, np.ndarray]) -> None:
    new = np.array([3, 0, 5, 2, 4, 1])
    queries = QUERIES.copy()
    queries[:, 1] = new[QUERIES[:, 1].astype(int)]
    other = predict(model, series, queries, channels=new[series["channels"]])
    assert largest_difference(predict(model, series), other) < ROUNDING


def test_predictions_do_not_depend_on_the_order_of_tokens_to_the_bit(
    model: SeriesModel, series: dict[str, np.ndarray]
) -> None:
    series = {**series, "times": np.round(series["times"] * 8) / 8}  # with many equal times
    order = np.random.default_rng(1).permutation(40)
    one, other = predict(model, series), predict(model, {name: array[order] for name, array in series.items()})
    for name in ("log_weight", "mean", "std"):
        assert torch.equal(getattr(one, name), getattr(other, name))


def test_predictions_do_not_depend_on_the_origin_and_unit_of_time(
    model: SeriesModel, series: dict[str, np.ndarray]
) -> None:
    queries = QUERIES * [1024, 1] + [65_536, 0]
    other = predict(model, series, queries, times=series["times"] * 1024 + 65_536)
    assert largest_difference(predict(model, series), other) < ROUNDING


def test_predictions_scale_and_shift_with_the_values(model: SeriesModel, series: dict[str, np.ndarray]) -> None:
    one = predict(model, series)
    other = predict(model, series, values=series["values"] * 1024 + 8192, errors=series["errors"] * 1024)
    back = Mixture(other.log_weight, (other.mean - 8192) / 1024, other.std / 1024)
    is_seen = torch.tensor(QUERIES[:, 1] != 5)  # the scale of a channel without values depends on the level
    assert largest_difference(one[is_seen], back[is_seen]) < ROUNDING


def test_a_query_does_not_depend_on_the_other_queries(model: SeriesModel, series: dict[str, np.ndarray]) -> None:
    together = predict(model, series)
    alone = Mixture.concatenate([predict(model, series, QUERIES[i : i + 1]) for i in range(len(QUERIES))])
    assert largest_difference(together, alone) < ROUNDING
    dense = np.concatenate([QUERIES, np.column_stack([np.linspace(-1, 2, 300), np.zeros(300)])])
    assert largest_difference(together, predict(model, series, dense)[: len(QUERIES)]) < ROUNDING


def test_a_sample_does_not_depend_on_the_others(model: SeriesModel) -> None:
    rng = np.random.default_rng(2)
    lengths = [5, 1, 60, 17]
    n = sum(lengths)
    tokens = measurements(rng.random(n), rng.integers(0, 3, n), rng.normal(size=n), lengths=lengths, n_channels=3)
    queries = [np.column_stack([rng.random(q), rng.integers(0, 3, q)]) for q in (3, 2, 0, 40)]
    together = predict_series(model, tokens, queries, max_batch_tokens=64)
    alone = Mixture.concatenate([predict_series(model, tokens[i], [queries[i]]) for i in range(4)])
    assert largest_difference(together, alone) < ROUNDING


def test_far_queries_are_predicted_as_the_farthest_ones(model: SeriesModel, series: dict[str, np.ndarray]) -> None:
    far = predict(model, series, np.array([[1e3, 0], [1e12, 0], [-1e3, 0], [-1e12, 0]]))
    assert torch.equal(far.mean[0], far.mean[1])
    assert torch.equal(far.mean[2], far.mean[3])


FEW = {
    "one value": ([3.0], [0], [5.0], None, 5.0),
    "one value of zero": ([3.0], [0], [0.0], None, 0.0),
    "one value with an error": ([3.0], [0], [5.0], [2.0], 5.0),
    "two values": ([0.0, 1.0], [0, 0], [7.0, 9.0], None, 8.0),
    "constants": ([0.0, 1.0, 2.0, 3.0], [0] * 4, [7.0] * 4, None, 7.0),
    "constants that are not sums of powers of two": ([0.0, 1.0, 2.0], [0] * 3, [0.1] * 3, None, 0.1),
    "zeros": ([0.0, 1.0, 2.0], [0] * 3, [0.0] * 3, None, 0.0),
    "no value of the channel": ([0.0, 1.0], [1, 1], [7.0, 9.0], None, 8.0),
    "one value of another channel": ([0.0], [1], [7.0], None, 7.0),
    "equal times": ([1.0] * 3, [0] * 3, [1.0, 2.0, 3.0], None, 2.0),
    "equal tokens": ([1.0] * 3, [0] * 3, [2.0] * 3, None, 2.0),
    "milliseconds of modified Julian days": (59_000 + np.arange(4) * 1e-8, [0] * 4, [1.0, 2.0, 3.0, 2.0], None, 2.0),
    "large values": ([0.0, 1.0, 2.0], [0] * 3, [1e30, 2e30, 3e30], None, 2e30),
    "small values": ([0.0, 1.0, 2.0], [0] * 3, [1e-30, 2e-30, 3e-30], None, 2e-30),
    "one outlier": (np.arange(50.0), [0] * 50, [0.0] * 49 + [1e6], None, 0.0),
    "errors larger than the values": ([0.0, 1.0, 2.0], [0] * 3, [1.0, 2.0, 3.0], [1e6] * 3, 2.0),
    "errors of zero": ([0.0, 1.0, 2.0], [0] * 3, [1.0, 2.0, 3.0], [0.0] * 3, 2.0),
}


@pytest.mark.parametrize("name", FEW)
def test_predictions_are_finite_and_positive_around_the_level(model: SeriesModel, name: str) -> None:
    times, channels, values, errors, level = FEW[name]
    tokens = measurements(times, channels, values, errors)
    queries = np.column_stack([[-1e9, 0.0, 0.5, 1.0, 59_000 + 1.5e-8, 1e9], np.zeros(6)])
    mixture = predict_series(model, tokens, [queries])
    mean, std = mixture.mean_and_std()
    assert torch.isfinite(mean).all()
    assert torch.isfinite(std).all()
    assert (std > 0).all()
    assert torch.isfinite(mixture.quantiles([0.01, 0.5, 0.99])).all()
    assert ((mean - level).abs() < 30 * std + 1e-9).all()


def test_one_value_has_an_uncertainty_of_its_own_size_and_not_zero(model: SeriesModel) -> None:
    _, std = predict_series(model, measurements([0.0], [0], [200.0]), [np.array([[1.0, 0.0]])]).mean_and_std()
    assert 1.0 < std.item() < 2000.0


def test_errors_of_zero_are_unknown_errors(model: SeriesModel, series: dict[str, np.ndarray]) -> None:
    without = predict_series(model, measurements(series["times"], series["channels"], series["values"]), [QUERIES])
    zeros = predict(model, series, errors=np.zeros(40))
    assert torch.equal(without.mean, zeros.mean)
    assert not torch.allclose(zeros.mean, predict(model, series).mean)


def test_steps_and_measurements_of_the_same_values_have_the_same_predictions(model: SeriesModel) -> None:
    rng = np.random.default_rng(3)
    times, values, seen = np.sort(rng.random(12)), rng.normal(size=(12, 3)), rng.random((12, 3)) < 0.7
    seen[0] = True
    schema = Schema(("time",), ("a", "b", "c"), ("value",) * 3 + ("observed",) * 3)
    steps = rm.TokenSet(np.concatenate([np.where(seen, values, 0), seen], 1), times[:, None], [12], schema=schema)
    token, channel = np.nonzero(seen)
    long = measurements(times[token], channel, values[token, channel], n_channels=3)
    at = np.array([0.2, 0.8])
    queries = np.column_stack([np.repeat(at, 3), np.tile(np.arange(3), 2)])
    assert largest_difference(predict_series(model, steps, [at]), predict_series(model, long, [queries])) < ROUNDING


def test_long_series_are_predicted_from_the_tokens_around_a_query(model: SeriesModel) -> None:
    n = 3000
    times, values = np.arange(n) / 10, np.sin(np.arange(n) / 10)
    tokens = measurements(times, np.arange(n) % 2, values, n_channels=2)
    at = np.column_stack([np.linspace(-5, 310, 60), np.arange(60) % 2])
    together = predict_series(model, tokens, [at])
    alone = Mixture.concatenate([predict_series(model, tokens, [at[i : i + 1]]) for i in (0, 7, 31, 59)])
    assert largest_difference(together[torch.tensor([0, 7, 31, 59])], alone) < ROUNDING
    far = values.copy()
    far[2000:] += 100.0
    changed = predict_series(model, measurements(times, np.arange(n) % 2, far, n_channels=2), [at])
    is_before = torch.from_numpy(at[:, 0] < 150)
    assert torch.equal(together.mean[is_before], changed.mean[is_before])


def test_no_queries_give_an_empty_mixture(model: SeriesModel, series: dict[str, np.ndarray]) -> None:
    assert len(predict(model, series, np.empty((0, 2)))) == 0


def test_unusable_tokens_and_queries_raise_errors_that_say_what_is_wrong(
    model: SeriesModel, series: dict[str, np.ndarray]
) -> None:
    tokens = measurements(**series)
    with pytest.raises(ValueError, match="one array of positions a sample"):
        predict_series(model, tokens, [])
    with pytest.raises(ValueError, match="index in"):
        predict_series(model, tokens, [np.array([[0.0, 9.0]])])
    with pytest.raises(ValueError, match="finite"):
        predict_series(model, tokens, [np.array([[np.nan, 0.0]])])
    with pytest.raises(ValueError, match="shape"):
        predict_series(model, tokens, [np.array([0.0, 0.5])])
    images = rm.TokenSet(np.ones((4, 1)), np.ones((4, 2)), [4], axes=("row", "column"))
    with pytest.raises(ValueError, match="axes"):
        predict_series(model, images, [np.ones((1, 2))])
    static = rm.TokenSet(np.ones((1, 1)), [[0.0, 1.0]], [1], schema=Schema(("time", "channel"), ("a",), statics=("z",)))
    with pytest.raises(ValueError, match="no value"):
        predict_series(model, static, [np.array([[0.0, 0.0]])])
