"""Scores of masked values: what counts, how often series are masked, and measurement errors."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import rotary_mae as rm
from rotary_mae.batches.masking import Masking
from rotary_mae.evaluation.conformal import Calibration, HeldOut
from rotary_mae.evaluation.conformal_scores import (
    Predictor,
    calibration_series,
    fit_on_masked_values,
    typical_errors,
    withhold_values,
)


def test_the_error_of_a_new_measurement_is_the_median_of_its_series_and_channel() -> None:
    errors = typical_errors(
        np.array([7.0, 8.0]),
        series=np.array([0, 0, 0, 0, 1, 1]),
        channel=np.array([0, 0, 0, 1, 0, 2]),
        error=np.array([0.1, 9.0, 0.3, 2.0, 5.0, 0.0]),
        query_series=np.array([0, 0, 1, 1, 2]),
        query_channel=np.array([0, 1, 0, 1, 0]),
    )
    # that of the channel where the series has no measurement of it; channel 2 is a static covariate
    np.testing.assert_array_equal(errors, [0.3, 2.0, 5.0, 8.0, 7.0])


def measured(n: int = 60, noise: float = 0.5) -> rm.TokenSet:
    """Return values that are 0 plus their measurement errors, in two channels."""
    rng = np.random.default_rng(0)
    error = noise * rng.uniform(0.8, 1.2, n * 20)
    return rm.TokenSet(
        np.column_stack([error * rng.normal(size=n * 20), error]),
        np.column_stack([np.tile(np.arange(20.0), n), np.tile([0.0, 1.0], 10 * n)]),
        [20] * n,
        schema=rm.simulate_light_curves(1).schema,
    )


def fitted(
    predictor: Predictor,
    data: rm.TokenSet,
    hiding: Masking,
    held_out: HeldOut = "series",
    is_scored: Any = None,
    samples_per_batch: int = 1_000,
) -> Calibration:
    def batches() -> Iterator[tuple[np.ndarray, rm.TokenBatch]]:
        order = np.argsort(data.lengths, kind="stable")
        for start in range(0, len(order), samples_per_batch):
            indices = order[start : start + samples_per_batch]
            yield indices, rm.TokenBatch.collate(data[indices].with_targets(None), keys=indices)

    return fit_on_masked_values(predictor, data, batches, hiding, 0, held_out, is_scored)


def test_measurement_errors_are_part_of_the_std() -> None:
    def exact(batch: rm.TokenBatch) -> tuple[torch.Tensor, torch.Tensor]:
        n = len(batch.split.hidden_idx)
        return torch.zeros(n, 1), torch.full((n, 1), 1e-3)

    calibration = fitted(exact, measured(), Masking("uniform", 0.5))
    np.testing.assert_allclose(calibration.scale[:2], 1.0, atol=0.1)
    np.testing.assert_allclose(calibration.error[:2], 0.5, atol=0.05)


def test_an_overconfident_std_is_corrected_and_a_missing_one_counts_as_1() -> None:
    def overconfident(batch: rm.TokenBatch) -> tuple[torch.Tensor, torch.Tensor | None]:
        masked = batch.split.hidden_idx
        return batch.values[masked, :1] + torch.randn(len(masked), 1), torch.full((len(masked), 1), 0.25)

    def without_std(batch: rm.TokenBatch) -> tuple[torch.Tensor, torch.Tensor | None]:
        return overconfident(batch)[0], None

    torch.manual_seed(0)
    data = measured(noise=1e-6)
    assert fitted(overconfident, data, Masking("times", 0.5)).scale[0] == pytest.approx(4.0, rel=0.1)
    assert fitted(without_std, data, Masking("future", 0.5)).scale[0] == pytest.approx(1.0, rel=0.15)


def test_only_withheld_values_count_where_no_series_is_held_out() -> None:
    data = measured(n=8)
    is_withheld = withhold_values(data, seed=3)
    assert is_withheld.reshape(8, 20).sum(1).tolist() == [3] * 8

    def wrong_on_others(batch: rm.TokenBatch) -> tuple[torch.Tensor, torch.Tensor]:
        masked = batch.split.hidden_idx
        keys = batch.keys.numpy()[batch.sample_idx]
        known = torch.from_numpy(is_withheld[keys * 20 + batch.positions[:, 0].long().numpy()])
        return torch.where(known[masked, None], batch.values[masked, :1], 100.0), torch.ones(len(masked), 1)

    calibration = fitted(wrong_on_others, data, Masking("uniform", 0.5), "values", is_withheld)
    assert 0 < sum(calibration.n_values) <= is_withheld.sum()
    assert max(calibration.scale) < 1e-3
    assert calibration.held_out == "values"


def test_the_calibration_does_not_depend_on_batch_composition() -> None:
    def shifted(batch: rm.TokenBatch) -> tuple[torch.Tensor, torch.Tensor]:
        masked = batch.split.hidden_idx
        return batch.positions[masked, :1] / 40, torch.ones(len(masked), 1)

    one, many = (fitted(shifted, measured(n=9), Masking("uniform", 0.5), samples_per_batch=n) for n in (1, 100))
    assert one == many


@pytest.mark.parametrize(
    ("hiding", "n_draws"),
    [
        (Masking("uniform", 0.5), 8),
        (Masking("future", 0.5), 1),
        (Masking("future", 0.5, least_fraction=0.2), 8),
        (Masking("future", 0.5, then=Masking("uniform", 0.3)), 8),
    ],
)
def test_few_series_are_masked_several_times_unless_every_mask_is_the_same(hiding: Masking, n_draws: int) -> None:
    masks = []

    def recorded(batch: rm.TokenBatch) -> tuple[torch.Tensor, torch.Tensor]:
        masks.append(batch.split.hidden_idx.tolist())
        return torch.zeros(len(masks[-1]), 1), torch.ones(len(masks[-1]), 1)

    fitted(recorded, measured(n=5), hiding)
    assert len(masks) == n_draws
    assert len({tuple(mask) for mask in masks}) == n_draws


def test_many_series_are_masked_once() -> None:
    n_calls = []

    def counted(batch: rm.TokenBatch) -> tuple[torch.Tensor, torch.Tensor]:
        n = len(batch.split.hidden_idx)
        n_calls.append(n)
        return torch.zeros(n, 1), torch.ones(n, 1)

    fitted(counted, measured(n=2_100), Masking("uniform", 0.5), samples_per_batch=10_000)
    assert n_calls == [21_000]


def test_calibration_reads_some_series_evenly_spaced(monkeypatch: pytest.MonkeyPatch) -> None:
    data = measured(n=30)
    assert len(calibration_series(data, np.arange(5, 25))) == 20
    monkeypatch.setattr("rotary_mae.evaluation.conformal_scores.MAX_CALIBRATION_SERIES", 7)
    assert calibration_series(data, np.arange(5, 25)).ids.tolist() == [5, 8, 11, 15, 18, 21, 24]
    monkeypatch.setattr("rotary_mae.evaluation.conformal_scores.MAX_CALIBRATION_TOKENS", 60)
    assert calibration_series(data, np.arange(5, 25)).ids.tolist() == [5, 15, 24]
