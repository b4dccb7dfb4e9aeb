"""Models with a window of attention."""

import numpy as np
import pytest
import torch

import rotary_mae as rm
from tests.builders import in_order, loud, shuffled_within, small_config, some_tokens


def hidden_batch(tokens):
    return rm.TokenBatch.collate(tokens).hide(0.5, seed=1)


@pytest.mark.parametrize("queries", ["joint", "independent"])
@pytest.mark.parametrize("cls", [True, False])
def test_a_window_as_wide_as_the_samples_changes_nothing(queries, cls):
    batch = hidden_batch(some_tokens(span=20.0))
    full = loud(rm.RoMAEForPreTraining(small_config(queries=queries, cls=cls)))
    windowed = loud(rm.RoMAEForPreTraining(small_config(queries=queries, cls=cls, window=20.0)))
    got, expected = windowed(batch), full(batch)
    assert torch.allclose(got.prediction, expected.prediction, atol=1e-4, rtol=1e-4)
    got.loss.backward()
    expected.loss.backward()
    for a, b in zip(windowed.parameters(), full.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("queries", ["joint", "independent"])
def test_predictions_do_not_depend_on_tokens_out_of_reach_of_all_layers(queries):
    config = small_config(queries=queries, cls=False, window=1.0, window_axis=1, n_axes=2)
    tokens = some_tokens([40], n_axes=2)
    # two groups along the second axis, too far apart for any number of layers
    positions = tokens.positions.copy()
    positions[:, 1] = np.where(np.arange(40) < 20, positions[:, 1] / 20, 500 + positions[:, 1])
    is_near = np.arange(40) < 20
    model, is_hidden = loud(rm.RoMAEForPreTraining(config)), np.arange(40) % 2 == 0
    predictions = []
    for factor in (1.0, -3.0):
        values = np.where(is_near[:, None], tokens.values, factor * tokens.values)
        batch = rm.TokenBatch.collate(tokens.replace(values=values, positions=positions)).hide(is_hidden=is_hidden)
        predictions.append(model(batch).prediction)
    assert torch.allclose(predictions[0][:10], predictions[1][:10], atol=1e-5)
    assert not torch.allclose(predictions[0][10:], predictions[1][10:], atol=1e-2)


@pytest.mark.parametrize("per", ["sample", "token"])
@pytest.mark.parametrize("cls", [True, False])
def test_predictions_do_not_depend_on_the_order_of_tokens(per, cls):
    tokens = some_tokens([50, 7, 90], span=20.0)
    order = shuffled_within(tokens)
    model = loud(rm.RoMAEForPrediction(small_config(window=2.0, cls=cls), outputs=3, per=per))
    one = model(rm.TokenBatch.collate(tokens)).logits
    other = model(rm.TokenBatch.collate(in_order(tokens, order))).logits
    assert torch.allclose(other, one[order] if per == "token" else one, atol=1e-3, rtol=1e-3)


def test_the_window_is_saved_with_the_model(tmp_path):
    model = loud(rm.RoMAEForPrediction(small_config(window=2.5), outputs=2))
    model.save_pretrained(tmp_path)
    again = rm.RoMAEForPrediction.from_pretrained(tmp_path).eval()
    batch = rm.TokenBatch.collate(some_tokens([60, 20]))
    assert again.config.window == 2.5
    assert torch.equal(again(batch).logits, model(batch).logits)
    full = loud(rm.RoMAEForPrediction(small_config(), outputs=2))
    assert not torch.allclose(full(batch).logits, model(batch).logits, atol=1e-2)


def test_invalid_windows_are_refused():
    with pytest.raises(ValueError, match="window must be above 0"):
        small_config(window=0.0)
    with pytest.raises(ValueError, match=r"window_axis must be in 0\.\.0"):
        small_config(window=1.0, window_axis=1)
