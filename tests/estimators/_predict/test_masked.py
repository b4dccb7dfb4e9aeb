"""Predictions of masked values, their metrics, and the summary of a fit."""

from typing import Any

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.batches.masking import Masking
from rotary_mae.estimators._predict import masked as module
from rotary_mae.estimators._predict.masked import MaskedPredictions, masked_summary, reconstruction_metrics
from tests.estimators.small import COLUMNS, light_curves, quick, series

HALF = Masking("uniform", 0.5)


@pytest.fixture
def tokens() -> rm.TokenSet:
    return rm.from_frame(light_curves(10, seed=1), **COLUMNS)


def test_the_same_values_are_masked_at_each_call(fitted: dict[str, Any], tokens: rm.TokenSet) -> None:
    for kind in ("embedder", "interpolator"):
        trained = fitted[kind].trained_models
        first, second = (MaskedPredictions(trained, tokens, HALF) for _ in range(2))
        np.testing.assert_array_equal(first.is_masked, second.is_masked)
        assert first.metrics() == second.metrics()
        assert reconstruction_metrics(trained, tokens, HALF) == reconstruction_metrics(trained, tokens, HALF)
        other = reconstruction_metrics(trained, tokens, HALF, seed=1)
        assert other["mse_mean"] != reconstruction_metrics(trained, tokens, HALF)["mse_mean"]


def test_masked_and_visible_tokens_partition_the_samples(fitted: dict[str, Any], tokens: rm.TokenSet) -> None:
    found = MaskedPredictions(fitted["interpolator"].trained_models, tokens, HALF)
    n_masked = np.bincount(tokens.sample_idx[found.is_masked], minlength=len(tokens))
    assert n_masked.tolist() == np.ceil(tokens.lengths / 2).tolist()
    np.testing.assert_array_equal(found.visible.values, tokens.values[~found.is_masked])
    table = found.table(np.array(tokens.channels, object))
    assert table.num_rows == found.is_masked.sum()
    np.testing.assert_allclose(np.sort(table["truth"]), np.sort(tokens.values[found.is_masked, 0]), rtol=1e-5)


def test_an_interpolator_predicts_masked_values_as_predict_does(fitted: dict[str, Any], tokens: rm.TokenSet) -> None:
    itp = fitted["interpolator"]
    found = MaskedPredictions(itp.trained_models, tokens, HALF)
    table = found.table(np.array(tokens.channels, object))
    n_masked = np.bincount(tokens.sample_idx[found.is_masked], minlength=len(tokens))
    at = np.split(tokens.positions[found.is_masked], np.cumsum(n_masked)[:-1])
    np.testing.assert_allclose(table["answer"], np.concatenate(itp.predict(found.visible, at))[:, 0], rtol=1e-6)
    for k, quantile in enumerate(itp.predict(found.visible, at, quantiles=found.quantiles)):
        np.testing.assert_allclose(table[f"q{k}"], np.concatenate(quantile)[:, 0], rtol=1e-6)
    low, high, truth = (table[name].to_numpy() for name in ("q1", "q6", "truth"))
    assert found.metrics()["coverage_90"] == np.mean((low <= truth) & (truth <= high))


def test_a_model_without_intervals_has_no_quantiles(fitted: dict[str, Any], tokens: rm.TokenSet) -> None:
    found = MaskedPredictions(fitted["embedder"].trained_models, tokens, HALF)
    assert found.quantiles == ()
    assert "coverage_90" not in found.metrics()
    assert not [name for name in found.table(np.array(tokens.channels, object)).column_names if name.startswith("q")]


def test_the_summary_of_many_validation_samples_uses_some_and_names_their_number(
    fitted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_VALIDATION_SAMPLES", 4)
    tokens = rm.from_frame(light_curves(24), **COLUMNS)
    trained = fitted["interpolator"].trained_models
    summary = masked_summary(trained, tokens, np.arange(3, 12), HALF)
    assert summary.n_validation == 3
    assert summary.note == "the validation set has 9 samples"
    metrics = reconstruction_metrics(trained, tokens[[3, 6, 9]], HALF)
    assert summary.scores == {name: metrics[name] for name in ("mse", "coverage_90")}
    assert summary.baselines == {
        "linear interpolation": {"mse": metrics["mse_linear"]},
        "mean of the channel": {"mse": metrics["mse_mean"]},
    }


def test_nothing_is_evaluated_without_validation_samples_or_values_to_mask() -> None:
    X, _ = series(24)
    trained = rm.RoMAEInterpolator(**quick(epochs=1)).fit(X[:, 0]).trained_models
    tokens = rm.from_arrays(X[:, :1])
    assert masked_summary(trained, tokens, np.arange(0), HALF).n_validation == 0
    single = tokens.select_tokens(np.arange(tokens.n_tokens) % 9 == 0)
    summary = masked_summary(trained, single, np.arange(5), HALF)
    assert summary.scores == {}
    assert summary.note == "every validation sample has a single token, so no value could be masked"
