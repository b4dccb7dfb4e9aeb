"""What a model may depend on: not the rest of the batch, not the order of anything, not a common shift of positions."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import rotary_mae as rm
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


def parts(tensor, lengths):
    return torch.split(tensor, [int(n) for n in lengths])


def test_a_sample_is_reconstructed_alone_as_in_any_batch_and_order(config):
    model, tokens = loud(rm.RoMAEForPreTraining(config)), some_tokens(n_axes=config.n_axes)
    keys = np.arange(len(tokens))
    for order in (list(range(len(tokens))), [4, 1, 0, 5, 3, 2]):
        batch = hidden_batch(tokens[order], keys[order])
        out = model(batch)
        predictions = parts(out.prediction, batch.split.hidden_lengths)
        states = parts(out.encoded, batch.split.visible_lengths)
        for place, i in enumerate(order):
            alone = model(hidden_batch(tokens[i], keys[[i]]))
            assert close(alone.prediction, predictions[place])
            assert close(alone.encoded, states[place])
            if out.cls is not None:
                assert close(alone.cls[0], out.cls[place])


def test_a_sample_has_the_gradient_it_has_alone(config):
    model, tokens = loud(rm.RoMAEForPreTraining(config)), some_tokens(n_axes=config.n_axes)

    def gradient(batch):
        values = batch.values.clone().requires_grad_()
        model(replace(batch, values=values)).prediction.square().sum().backward()
        return values.grad

    together = parts(gradient(hidden_batch(tokens)), tokens.lengths)
    for i in (0, 2, 5):
        alone = gradient(hidden_batch(tokens[i], [i]))
        assert torch.allclose(alone, together[i], atol=2e-3 * float(alone.abs().max()))


@pytest.mark.parametrize("per", ["sample", "token"])
def test_a_sample_is_predicted_alone_as_in_any_batch_and_order(config, per):
    model, tokens = loud(rm.RoMAEForPrediction(config, outputs=3, per=per)), some_tokens(n_axes=config.n_axes)
    lengths = tokens.lengths if per == "token" else np.ones(len(tokens), int)
    logits = parts(model(rm.TokenBatch.collate(tokens)).logits, lengths)
    order = [4, 1, 0, 5, 3, 2]
    shuffled = parts(model(rm.TokenBatch.collate(tokens[order])).logits, lengths[order])
    for place, i in enumerate(order):
        assert close(shuffled[place], logits[i])
        assert close(model(rm.TokenBatch.collate(tokens[i])).logits, logits[i])


def test_the_order_of_tokens_within_samples_changes_nothing(config):
    tokens = some_tokens(n_axes=config.n_axes)
    order = shuffled_within(tokens)
    shuffled = in_order(tokens, order)
    predictor = loud(rm.RoMAEForPrediction(config, outputs=3))
    assert close(predictor(rm.TokenBatch.collate(tokens)).logits, predictor(rm.TokenBatch.collate(shuffled)).logits)
    model, batch = loud(rm.RoMAEForPreTraining(config)), hidden_batch(tokens)
    again = rm.TokenBatch.collate(shuffled).hide(is_hidden=batch.is_hidden.numpy()[order])
    answers = torch.zeros(len(tokens.values), 2)
    answers[batch.is_hidden] = model(batch).prediction
    assert close(model(again).prediction, answers[order][again.is_hidden])


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "absolute"])
def test_a_common_shift_changes_nothing_without_cls_and_does_with_cls(kind):
    config = small_config(**{**KINDS[kind], "cls": False})
    tokens = some_tokens(n_axes=config.n_axes, span=5)
    shifted = tokens.replace(positions=tokens.positions + 3.5)
    model = loud(rm.RoMAEForPreTraining(config))
    assert close(model(hidden_batch(tokens)).prediction, model(hidden_batch(shifted)).prediction, 2e-3)
    with_cls = loud(rm.RoMAEForPreTraining(replace(config, cls=True)))
    before, after = with_cls(hidden_batch(tokens)), with_cls(hidden_batch(shifted))
    assert not close(before.prediction, after.prediction, 1e-2)
    assert not close(before.cls, after.cls, 1e-2)


def test_positions_matter():
    tokens = some_tokens()
    moved = tokens.replace(positions=tokens.positions * 1.3)
    model = loud(rm.RoMAEForPreTraining(small_config()))
    assert not close(model(hidden_batch(tokens)).prediction, model(hidden_batch(moved)).prediction, 1e-2)


def test_rope_fraction_0_rotates_nothing():
    tokens = some_tokens()
    moved = tokens.replace(positions=tokens.positions[::-1] * 7.7)
    hidden = hidden_batch(tokens).is_hidden
    model = loud(rm.RoMAEForPreTraining(small_config(rope_fraction=0.0)))
    one, other = (model(rm.TokenBatch.collate(t).hide(is_hidden=hidden)).prediction for t in (tokens, moved))
    assert torch.equal(one, other)


@pytest.mark.parametrize("context", [0, 2])
def test_independent_queries_do_not_see_what_else_is_asked_and_joint_ones_do(context):
    """With the paper's joint decoder a value depends on the grid it is asked on: one interpolates independently."""
    tokens = some_tokens([12, 9, 15])
    hidden = hidden_batch(tokens).is_hidden.numpy()
    is_extra = hidden & (np.arange(tokens.n_tokens) % 2 == 0)
    fewer = tokens.select_tokens(~is_extra)
    for queries in ("independent", "joint"):
        model = loud(rm.RoMAEForPreTraining(small_config(queries=queries, context=context)))
        dense = model(rm.TokenBatch.collate(tokens).hide(is_hidden=hidden)).prediction
        sparse = model(rm.TokenBatch.collate(fewer).hide(is_hidden=hidden[~is_extra])).prediction
        same = close(dense[~is_extra[hidden]], sparse)
        assert same == (queries == "independent")


def test_defect_19_values_of_hidden_tokens_are_never_looked_at(config):
    # so that a query needs a position alone
    tokens = some_tokens(n_axes=config.n_axes)
    batch, model = hidden_batch(tokens), loud(rm.RoMAEForPreTraining(config))
    values = batch.values.clone()
    values[batch.is_hidden] = float("nan")
    unknown = replace(batch, values=values)
    assert torch.equal(model(unknown).prediction, model(batch).prediction)
    predictor = loud(rm.RoMAEForPrediction(config, outputs=2))
    assert torch.equal(predictor(unknown).logits, predictor(batch).logits)


def test_defect_3_no_token_moves_between_samples_that_hide_different_numbers():
    tokens, model = some_tokens([4, 4, 4]), loud(rm.RoMAEForPreTraining(small_config()))
    hidden = np.array([1, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 1], bool)
    out = model(rm.TokenBatch.collate(tokens).hide(is_hidden=hidden))
    assert out.prediction.shape == (6, 2)
    alone = [
        model(rm.TokenBatch.collate(tokens[i]).hide(is_hidden=hidden[4 * i : 4 * i + 4])).prediction for i in range(3)
    ]
    assert close(torch.cat(alone), out.prediction)


def test_defect_10_nothing_is_left_of_the_batch_before_nor_of_an_exception():
    model = loud(rm.RoMAEForPreTraining(small_config()))
    batch, other = hidden_batch(some_tokens()), hidden_batch(some_tokens(seed=1))
    before = model(batch).prediction
    model(other)
    with pytest.raises(ValueError, match="the model takes 2 values and 1 axes"):
        model(hidden_batch(some_tokens(n_values=3)))
    with torch.no_grad():
        model.encoder(other)
    assert torch.equal(model(batch).prediction, before)


def test_defect_15_the_mean_head_reads_real_tokens_alone_and_changes_none():
    tokens = some_tokens()
    model = loud(rm.RoMAEForPrediction(small_config(cls=False), outputs=3))
    batch = rm.TokenBatch.collate(tokens)
    states = model.encoder(batch).tokens
    expected = torch.stack([part.mean(0) for part in parts(states, tokens.lengths)])
    kept = batch.values.clone()
    out = model(batch)
    assert close(out.pooled, expected)
    assert torch.isfinite(out.logits).all()
    assert torch.equal(batch.values, kept)


def test_defect_18_zeros_are_values_and_nothing_is_padded():
    tokens = some_tokens([3, 3])
    zero = tokens.replace(values=np.where(np.arange(6)[:, None] == 2, 0, tokens.values))
    model = loud(rm.RoMAEForPrediction(small_config(), outputs=3))
    shorter = zero.select_tokens(np.arange(6) != 2)
    with_zero, without = (model(rm.TokenBatch.collate(t)).logits for t in (zero, shorter))
    assert not close(with_zero[0], without[0], 1e-2)
    assert close(with_zero[1], without[1])


def test_defect_25_only_visible_tokens_are_projected():
    model, seen = rm.RoMAEForPreTraining(small_config()), []
    model.encoder.projection.register_forward_hook(lambda module, given, out: seen.append(given[0].shape))
    batch = hidden_batch(some_tokens())
    model(batch)
    assert seen == [(len(batch.split.visible_idx), 2)]


def test_defect_26_angles_are_made_once_a_stack(monkeypatch):
    from rotary_mae.models import encoder

    calls, made = [], encoder.rope_angles
    monkeypatch.setattr(encoder, "rope_angles", lambda *given: calls.append(1) or made(*given))
    rm.RoMAEForPreTraining(small_config(depth=5))(hidden_batch(some_tokens()))
    assert len(calls) == 2


def test_bands_of_a_model_fitted_on_more_bands():
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
