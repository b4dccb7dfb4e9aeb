"""Batches of similar length: what they contain, and that predictions do not depend on them."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

import rotary_mae as rm
from rotary_mae.data.sources import adapt_source
from rotary_mae.estimators._predict import batched
from rotary_mae.estimators._predict.batched import (
    TrainedModels,
    in_order,
    length_sorted_batches,
    predict_batched,
    predict_masked,
)
from tests.builders import loud, small_config, some_tokens
from tests.estimators.small import light_curves, predictions

LENGTHS = (7, 1, 12, 3, 9, 2, 30, 4, 4, 5)


class Counted:
    """A source that counts how often each sample is read; it has no lengths if ``tells_lengths`` is False."""

    def __init__(self, tokens: rm.TokenSet, tells_lengths: bool) -> None:
        self.tokens, self.n_reads = tokens, np.zeros(len(tokens), int)
        self.schema, self.ids, self.targets, self.is_on_disk = tokens.schema, tokens.ids, tokens.targets, False
        self.lengths = tokens.lengths if tells_lengths else None

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: Any) -> rm.TokenSet:
        self.n_reads[index] += 1
        return self.tokens[index]


@pytest.fixture
def trained() -> TrainedModels:
    tokens = some_tokens(LENGTHS)
    models = [loud(rm.RoMAEForPreTraining(small_config(distribution="gaussian")), seed) for seed in (0, 1)]
    return TrainedModels(models, rm.Scaling.fit(tokens), "cpu")


def test_every_sample_is_in_one_batch_within_the_token_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched, "MAX_TOKENS", 20)
    tokens = some_tokens(LENGTHS)
    found = list(length_sorted_batches(tokens))
    assert np.sort(np.concatenate([indices for indices, _ in found])).tolist() == list(range(len(LENGTHS)))
    for indices, batch in found:
        assert batch.lengths.tolist() == [LENGTHS[i] for i in indices]
        assert len(batch.values) <= 20 or len(batch) == 1
        np.testing.assert_array_equal(batch.values.numpy(), tokens[indices].values)
        assert batch.keys is not None
        assert batch.keys.tolist() == indices.tolist()
    lengths = np.concatenate([batch.lengths for _, batch in found])
    assert (np.diff(lengths) >= 0).all()


@pytest.mark.parametrize("tells_lengths", [True, False])
def test_a_source_is_read_once_and_sorted_within_windows(tells_lengths: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched, "MAX_TOKENS", 20)
    monkeypatch.setattr(batched, "SAMPLES_PER_SORT", 4)
    tokens = some_tokens(LENGTHS)
    scaling, source = rm.Scaling.fit(tokens), Counted(tokens, tells_lengths)
    scaled = scaling.apply(tokens)
    order = []
    for indices, batch in length_sorted_batches(source, scaling):
        np.testing.assert_array_equal(batch.values.numpy(), scaled[indices].values)
        order += indices.tolist()
    assert source.n_reads.tolist() == [1] * len(LENGTHS)
    assert [sorted(order[:4]), sorted(order[4:8]), sorted(order[8:])] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_rows_are_put_back_in_order() -> None:
    rows: npt.NDArray[Any] = np.arange(12.0).reshape(6, 2)
    pieces = [np.array([4, 0]), np.array([5]), np.array([2, 1, 3])]
    np.testing.assert_array_equal(in_order(((piece, rows[piece]) for piece in pieces), 6), rows)
    with pytest.raises(ValueError, match="no samples to predict for; give at least one"):
        in_order([], 0)


def test_the_mode_of_the_model_is_restored_after_prediction(trained: TrainedModels) -> None:
    model = trained.models[0].train()
    predict_batched(model, some_tokens(LENGTHS), trained.scaling, lambda batch: batch.values[: len(batch)], "cpu")
    assert model.training
    with trained.predictor():
        assert not model.training
    assert model.training


def test_predictions_do_not_depend_on_batch_composition(estimator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = light_curves(11, seed=5)
    expected = predictions(estimator, data)
    monkeypatch.setattr(batched, "SAMPLES_PER_SORT", 3)
    monkeypatch.setattr(batched, "MAX_TOKENS", 20)
    np.testing.assert_allclose(predictions(estimator, data), expected, atol=1e-5)


def test_masked_tokens_are_predicted_from_the_visible_tokens_of_their_sample(
    trained: TrainedModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    scaled = trained.scaling.apply(some_tokens(LENGTHS))
    is_masked = np.zeros(scaled.n_tokens, bool)
    # a sample without masked tokens, and one with all but one
    is_masked[[2, 8, 9, 25]] = True
    is_masked[scaled.starts[6] + 1 : scaled.starts[6] + 30] = True
    mean, std = predict_masked(trained, scaled, is_masked)
    assert std is not None
    assert mean.shape == std.shape == (is_masked.sum(), 2)
    monkeypatch.setattr(batched, "MAX_TOKENS", 12)
    other_values = np.where(is_masked[:, None], 99.0, scaled.values)
    again, _ = predict_masked(trained, scaled.replace(values=other_values), is_masked)
    np.testing.assert_allclose(again, mean, atol=1e-5)
    first = scaled[[0]]
    alone, _ = predict_masked(trained, first, is_masked[: first.n_tokens])
    np.testing.assert_allclose(alone, mean[:1], atol=1e-5)


def test_nothing_masked_gives_no_predictions(trained: TrainedModels) -> None:
    scaled = trained.scaling.apply(some_tokens(LENGTHS))
    mean, std = predict_masked(trained, scaled, np.zeros(scaled.n_tokens, bool))
    assert mean.shape == (0, 2)
    assert std is None


def test_an_ensemble_predicts_the_moments_of_its_mixture(trained: TrainedModels) -> None:
    scaled = trained.scaling.apply(some_tokens(LENGTHS))
    is_masked = np.arange(scaled.n_tokens) % 12 == 3
    members = [predict_masked(TrainedModels([m], trained.scaling, "cpu"), scaled, is_masked) for m in trained.models]
    means, stds = (np.stack([member[k] for member in members]) for k in range(2))
    mean, std = predict_masked(trained, scaled, is_masked)
    np.testing.assert_allclose(mean, means.mean(0), rtol=1e-6)
    np.testing.assert_allclose(std, np.sqrt((stds**2 + means**2).mean(0) - means.mean(0) ** 2), rtol=1e-4)


def test_members_without_a_standard_deviation_are_averaged() -> None:
    tokens = some_tokens(LENGTHS)
    models = [loud(rm.RoMAEForPreTraining(small_config()), seed) for seed in (0, 1)]
    scaling = rm.Scaling.fit(tokens)
    scaled, is_masked = scaling.apply(tokens), np.arange(tokens.n_tokens) % 12 == 3
    each = [predict_masked(TrainedModels([model], scaling, "cpu"), scaled, is_masked) for model in models]
    mean, std = predict_masked(TrainedModels(models, scaling, "cpu"), scaled, is_masked)
    assert std is None
    np.testing.assert_allclose(mean, (each[0][0] + each[1][0]) / 2, rtol=1e-6)


def test_the_mask_of_a_sample_does_not_depend_on_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    source = adapt_source(some_tokens(LENGTHS))
    assert source is not None

    def masks() -> dict[int, list[bool]]:
        found = {}
        for indices, batch in length_sorted_batches(source):
            masked = batch.hide(0.5, seed=3).is_hidden
            assert masked is not None
            for i, part in zip(indices.tolist(), torch.split(masked, batch.lengths.tolist()), strict=True):
                found[i] = part.tolist()
        return found

    together = masks()
    monkeypatch.setattr(batched, "MAX_TOKENS", 12)
    assert masks() == together
