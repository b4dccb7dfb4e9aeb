"""Outputs do not depend on the rest of the batch, on the order of tokens, or on a common shift of positions."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import rotary_mae as rm
from rotary_mae.models import encoder
from tests.builders import RAGGED, in_order, loud, shuffled_within, small_config, some_measurements, some_tokens

KINDS = {
    "paper": {},
    "no-cls": {"cls": False},
    "independent": {"queries": "independent"},
    "context": {"context": 2},
    "independent-context-gaussian": {"queries": "independent", "context": 2, "distribution": "gaussian"},
    "absolute": {"positions": "absolute"},
    "two-axes": {"n_axes": 2},
}


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def config(request):
    return small_config(**request.param)


def hidden_batch(tokens, keys=None):
    return rm.TokenBatch.collate(tokens, keys=keys).hide(0.6, seed=1)


def close(a, b, tolerance=2e-4):
    return torch.allclose(a, b, atol=tolerance, rtol=tolerance)


def by_sample(tensor, lengths):
    return torch.split(tensor, [int(n) for n in lengths])


def test_reconstructions_do_not_depend_on_batch_composition_or_order(config):
    model, tokens = loud(rm.RoMAEForPreTraining(config)), some_tokens(n_axes=config.n_axes)
    keys = np.arange(len(tokens))
    for order in (list(range(len(tokens))), [4, 1, 0, 5, 3, 2]):
        batch = hidden_batch(tokens[order], keys[order])
        out = model(batch)
        predictions = by_sample(out.prediction, batch.split.hidden_lengths)
        states = by_sample(out.encoded, batch.split.visible_lengths)
        for place, i in enumerate(order):
            alone = model(hidden_batch(tokens[i], keys[[i]]))
            assert close(alone.prediction, predictions[place])
            assert close(alone.encoded, states[place])
            if out.cls is not None:
                assert close(alone.cls[0], out.cls[place])


def test_gradients_of_a_sample_do_not_depend_on_batch_composition(config):
    model, tokens = loud(rm.RoMAEForPreTraining(config)), some_tokens(n_axes=config.n_axes)

    def gradient(batch):
        values = batch.values.clone().requires_grad_()
        model(replace(batch, values=values)).prediction.square().sum().backward()
        return values.grad

    together = by_sample(gradient(hidden_batch(tokens)), tokens.lengths)
    for i in (0, 2, 5):
        alone = gradient(hidden_batch(tokens[i], [i]))
        assert torch.allclose(alone, together[i], atol=2e-3 * float(alone.abs().max()))


@pytest.mark.parametrize("per", ["sample", "token"])
def test_predictions_do_not_depend_on_batch_composition_or_order(config, per):
    model, tokens = loud(rm.RoMAEForPrediction(config, outputs=3, per=per)), some_tokens(n_axes=config.n_axes)
    lengths = tokens.lengths if per == "token" else np.ones(len(tokens), int)
    logits = by_sample(model(rm.TokenBatch.collate(tokens)).logits, lengths)
    order = [4, 1, 0, 5, 3, 2]
    shuffled = by_sample(model(rm.TokenBatch.collate(tokens[order])).logits, lengths[order])
    for place, i in enumerate(order):
        assert close(shuffled[place], logits[i])
        assert close(model(rm.TokenBatch.collate(tokens[i])).logits, logits[i])


def test_outputs_do_not_depend_on_the_order_of_tokens(config):
    tokens = some_tokens(n_axes=config.n_axes)
    order = shuffled_within(tokens)
    shuffled = in_order(tokens, order)
    predictor = loud(rm.RoMAEForPrediction(config, outputs=3))
    assert close(predictor(rm.TokenBatch.collate(tokens)).logits, predictor(rm.TokenBatch.collate(shuffled)).logits)
    model, batch = loud(rm.RoMAEForPreTraining(config)), hidden_batch(tokens)
    again = rm.TokenBatch.collate(shuffled).hide(is_hidden=batch.is_hidden.numpy()[order])
    predictions = torch.zeros(len(tokens.values), 2)
    predictions[batch.is_hidden] = model(batch).prediction
    assert close(model(again).prediction, predictions[order][again.is_hidden])


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "absolute"])
def test_a_common_shift_of_positions_matters_only_with_cls(kind):
    config = small_config(**{**KINDS[kind], "cls": False})
    tokens = some_tokens(n_axes=config.n_axes, span=5)
    shifted = tokens.replace(positions=tokens.positions + 3.5)
    model = loud(rm.RoMAEForPreTraining(config))
    assert close(model(hidden_batch(tokens)).prediction, model(hidden_batch(shifted)).prediction, 2e-3)
    with_cls = loud(rm.RoMAEForPreTraining(replace(config, cls=True)))
    before, after = with_cls(hidden_batch(tokens)), with_cls(hidden_batch(shifted))
    assert not close(before.prediction, after.prediction, 1e-2)
    assert not close(before.cls, after.cls, 1e-2)


def test_predictions_depend_on_distances():
    tokens = some_tokens()
    moved = tokens.replace(positions=tokens.positions * 1.3)
    model = loud(rm.RoMAEForPreTraining(small_config()))
    assert not close(model(hidden_batch(tokens)).prediction, model(hidden_batch(moved)).prediction, 1e-2)


def test_with_rope_fraction_0_predictions_do_not_depend_on_positions():
    tokens = some_tokens()
    moved = tokens.replace(positions=tokens.positions[::-1] * 7.7)
    hidden = hidden_batch(tokens).is_hidden
    model = loud(rm.RoMAEForPreTraining(small_config(rope_fraction=0.0)))
    one, other = (model(rm.TokenBatch.collate(t).hide(is_hidden=hidden)).prediction for t in (tokens, moved))
    assert torch.equal(one, other)


@pytest.mark.parametrize("context", [0, 2])
def test_predictions_depend_on_other_queries_only_in_the_joint_decoder(context):
    """With the joint decoder of the paper, a prediction depends on the grid of queries."""
    tokens = some_tokens([12, 9, 15])
    hidden = hidden_batch(tokens).is_hidden.numpy()
    is_extra = hidden & (np.arange(tokens.n_tokens) % 2 == 0)
    fewer = tokens.select_tokens(~is_extra)
    for queries in ("independent", "joint"):
        model = loud(rm.RoMAEForPreTraining(small_config(queries=queries, context=context)))
        dense = model(rm.TokenBatch.collate(tokens).hide(is_hidden=hidden)).prediction
        sparse = model(rm.TokenBatch.collate(fewer).hide(is_hidden=hidden[~is_extra])).prediction
        assert close(dense[~is_extra[hidden]], sparse) == (queries == "independent")


def test_values_of_masked_tokens_are_never_used(config):
    """A query therefore needs no value. The official code cannot predict at given positions."""
    tokens = some_tokens(n_axes=config.n_axes)
    batch, model = hidden_batch(tokens), loud(rm.RoMAEForPreTraining(config))
    values = batch.values.clone()
    values[batch.is_hidden] = float("nan")
    unknown = replace(batch, values=values)
    assert torch.equal(model(unknown).prediction, model(batch).prediction)
    predictor = loud(rm.RoMAEForPrediction(config, outputs=2))
    assert torch.equal(predictor(unknown).logits, predictor(batch).logits)


def test_numbers_of_masked_tokens_may_differ_between_samples():
    """In the official code tokens move between such samples."""
    tokens, model = some_tokens([4, 4, 4]), loud(rm.RoMAEForPreTraining(small_config()))
    hidden = np.array([1, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 1], bool)
    out = model(rm.TokenBatch.collate(tokens).hide(is_hidden=hidden))
    assert out.prediction.shape == (6, 2)
    alone = [
        model(rm.TokenBatch.collate(tokens[i]).hide(is_hidden=hidden[4 * i : 4 * i + 4])).prediction for i in range(3)
    ]
    assert close(torch.cat(alone), out.prediction)


def test_outputs_do_not_depend_on_earlier_batches_or_errors():
    """In the official code cached angles of one batch can rotate the next."""
    model = loud(rm.RoMAEForPreTraining(small_config()))
    batch, other = hidden_batch(some_tokens()), hidden_batch(some_tokens(seed=1))
    before = model(batch).prediction
    model(other)
    with pytest.raises(ValueError, match="the model takes 2 values and 1 axes"):
        model(hidden_batch(some_tokens(n_values=3)))
    with torch.no_grad():
        model.encoder(other)
    assert torch.equal(model(batch).prediction, before)


def test_pooling_by_the_mean_uses_the_tokens_of_the_sample_and_changes_no_input():
    """In the official code NaN of padding reaches the output, and the head writes in place."""
    tokens = some_tokens()
    model = loud(rm.RoMAEForPrediction(small_config(cls=False), outputs=3))
    batch = rm.TokenBatch.collate(tokens)
    states = model.encoder(batch).tokens
    expected = torch.stack([of_sample.mean(0) for of_sample in by_sample(states, tokens.lengths)])
    before = batch.values.clone()
    out = model(batch)
    assert close(out.pooled, expected)
    assert torch.isfinite(out.logits).all()
    assert torch.equal(batch.values, before)


def test_a_value_of_0_is_not_a_missing_value():
    """In the official code padding zeros count as observations."""
    tokens = some_tokens([3, 3])
    zero = tokens.replace(values=np.where(np.arange(6)[:, None] == 2, 0, tokens.values))
    model = loud(rm.RoMAEForPrediction(small_config(), outputs=3))
    shorter = zero.select_tokens(np.arange(6) != 2)
    with_zero, without = (model(rm.TokenBatch.collate(t)).logits for t in (zero, shorter))
    assert not close(with_zero[0], without[0], 1e-2)
    assert close(with_zero[1], without[1])


def test_only_visible_tokens_are_projected():
    """In the official code padding runs through every layer."""
    model, shapes = rm.RoMAEForPreTraining(small_config()), []
    model.encoder.projection.register_forward_hook(lambda module, inputs, out: shapes.append(inputs[0].shape))
    batch = hidden_batch(some_tokens())
    model(batch)
    assert shapes == [(len(batch.split.visible_idx), 2)]


def test_angles_are_computed_once_for_each_stack(monkeypatch):
    """The official code computes them in every layer."""
    calls, rope_angles = [], encoder.rope_angles
    monkeypatch.setattr(encoder, "rope_angles", lambda *arguments: calls.append(1) or rope_angles(*arguments))
    rm.RoMAEForPreTraining(small_config(depth=5))(hidden_batch(some_tokens()))
    assert len(calls) == 2


def test_channels_are_matched_by_name_if_some_are_missing():
    tokens = some_measurements(RAGGED)
    scaling = rm.Scaling.fit(tokens)
    model = loud(rm.RoMAEForPrediction(small_config(n_values=1, n_axes=2), outputs=2))
    some = tokens.select_tokens(
        (tokens.positions[:, 1] != 0) | (np.arange(tokens.n_tokens) == tokens.starts[tokens.sample_idx])
    )
    renamed = rm.TokenSet(
        some.values,
        np.column_stack([some.positions[:, 0], 2 - some.positions[:, 1]]),
        some.lengths,
        axes=("time", "channel"),
        channels=("i", "r", "g"),
    )
    logits = [model(rm.TokenBatch.collate(scaling.apply(t))).logits for t in (some, renamed)]
    assert torch.equal(*logits)
