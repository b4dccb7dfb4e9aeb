"""Losses as sum and count, of the targets that the predictions are of."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import rotary_mae as rm
from rotary_mae.models.predictor import PredictionOutput
from rotary_mae.training.losses import compute_loss, targets_of
from tests.training.runs import autoencoder, classifier, quiet, waves


def batch_of(targets, **given):
    return rm.TokenBatch.collate(waves((3, 2, 4)).with_targets(np.asarray(targets)), **given)


def output(logits, std=None, per="sample"):
    logits = torch.as_tensor(logits)
    return PredictionOutput(logits, std, pooled=logits, per=per)


def test_integers_are_classes_and_the_sum_over_the_count_is_their_cross_entropy():
    logits = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    loss = compute_loss(output(logits), batch_of([0, 1, 1]), label_smoothing=0.1)
    expected = F.cross_entropy(logits, torch.tensor([0, 1, 1]), label_smoothing=0.1)
    torch.testing.assert_close(loss.total / loss.count, expected)
    assert loss.count == 3.0


def test_floats_are_numbers_and_the_loss_is_their_mean_squared_error():
    loss = compute_loss(output([[1.0, 2.0], [0.0, 0.0], [3.0, 3.0]]), batch_of([[1.0, 0], [0, 0], [0, 3]]), 0.0)
    assert loss.total.item() == pytest.approx((4.0 + 0.0 + 9.0) / 2)
    assert loss.count == 3.0


def test_weights_count_in_the_sum_and_in_the_count():
    batch = batch_of([1.0, 2.0, 4.0], weights=[0.5, 0.0, 2.0])
    loss = compute_loss(output([[0.0], [0.0], [0.0]]), batch, 0.0)
    assert loss.total.item() == pytest.approx(0.5 * 1.0 + 2.0 * 16.0)
    assert loss.count == 2.5


def test_with_a_std_the_mean_is_still_learned_from_squared_errors():
    mean = torch.tensor([[0.0], [1.0], [2.0]], requires_grad=True)
    std = torch.tensor([[0.5], [2.0], [4.0]], requires_grad=True)
    batch = batch_of([1.0, 3.0, 2.0])
    compute_loss(output(mean, std), batch, 0.0).total.backward()
    error = (mean - torch.tensor([[1.0], [3.0], [2.0]])).detach()
    torch.testing.assert_close(mean.grad, error)
    # the gradient of the log likelihood of a normal distribution
    torch.testing.assert_close(std.grad, 1 / std.detach() - error.square() / std.detach() ** 3)


def test_the_loss_of_an_autoencoder_is_that_of_its_output():
    model = autoencoder()
    result = model(rm.TokenBatch.collate(waves()).hide(0.5, seed=0))
    loss = compute_loss(result, rm.TokenBatch.collate(waves()), 0.0)
    torch.testing.assert_close(loss.total / loss.count, result.loss)


def test_other_numbers_of_targets_than_outputs_are_a_clear_error():
    with pytest.raises(ValueError, match=r"numbers of shape \(3, 1\), targets are of shape \(3, 2\); give as many"):
        compute_loss(output([[0.0], [0.0], [0.0]]), batch_of(np.zeros((3, 2))), 0.0)


def test_a_predictor_without_targets_is_a_clear_error():
    with pytest.raises(ValueError, match="needs targets"):
        rm.train(classifier(), waves().with_targets(None), quiet())


def per_token(outputs: int = 2) -> rm.RoMAEForPrediction:
    return rm.RoMAEForPrediction(classifier().config, outputs=outputs, per="token")


def test_a_model_learns_the_targets_that_it_predicts_whatever_others_there_are():
    tokens = waves()
    numbers = np.ones((tokens.n_tokens, 2))
    both = rm.TokenSet(
        tokens.values,
        tokens.positions,
        tokens.lengths,
        schema=tokens.schema,
        targets=np.arange(len(tokens)) % 9,
        token_targets=numbers,
    )
    assert rm.train(per_token(), both, quiet()).history
    own = both.with_targets(np.arange(len(tokens)) % 2)
    alone = tokens.with_targets(own.targets)
    assert rm.train(classifier(), own, quiet()).history[0]["loss"] == pytest.approx(
        rm.train(classifier(), alone, quiet()).history[0]["loss"]
    )
    with pytest.raises(ValueError, match="predictor of tokens needs token_targets"):
        rm.train(per_token(), alone, quiet())


def test_targets_are_those_of_the_tokens_or_of_the_samples():
    tokens = waves((2, 3))
    both = rm.TokenSet(
        tokens.values, tokens.positions, tokens.lengths, targets=[1.0, 2.0], token_targets=[1.0, 2, 3, 4, 5]
    )
    batch = rm.TokenBatch.collate(both)
    assert targets_of(output(np.zeros((2, 1))), batch).flatten().tolist() == [1.0, 2.0]
    assert targets_of(output(np.zeros((5, 1)), per="token"), batch).flatten().tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
