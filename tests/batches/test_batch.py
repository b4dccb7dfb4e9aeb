"""Batches: collating, moving to a device, and the origin of positions after masking."""

import numpy as np
import pandas as pd
import pytest
import torch

import rotary_mae as rm
from tests.builders import some_measurements, some_tokens


def test_collate_keeps_values_positions_lengths_and_schema():
    tokens = some_measurements().with_targets(np.arange(6))
    batch = rm.TokenBatch.collate(tokens, weights=np.ones(6))
    assert (batch.values.numpy() == tokens.values).all()
    assert (batch.positions.numpy() == tokens.positions.astype(np.float32)).all()
    assert (batch.lengths.numpy() == tokens.lengths).all()
    assert (batch.sample_idx.numpy() == tokens.sample_idx).all()
    assert batch.schema == tokens.schema
    assert batch.keys.tolist() == list(range(6))
    assert batch.targets.dtype == torch.int64
    assert batch.weights.dtype == torch.float32
    assert len(batch) == 6


@pytest.mark.parametrize(
    ("targets", "dtype"),
    [([0, 1], torch.int64), ([True, False], torch.int64), ([0.5, 1.0], torch.float32), (["a", "b"], None)],
)
def test_targets_of_the_tokens_are_classes_numbers_or_names(targets, dtype):
    got = rm.TokenBatch.collate(some_tokens([2, 3]).with_targets(targets)).targets
    assert (None if got is None else got.dtype) == dtype


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"targets": ["a", "b"]}, "must be numbers, got <U1; encode the classes"),
        ({"targets": [1, 2, 3]}, r"targets must have one entry per sample \(2\), got 3"),
        ({"weights": [1.0]}, r"weights must have one entry per sample \(2\), got 1"),
        ({"keys": [1, 2, 3]}, r"keys must have one entry per sample \(2\), got 3"),
    ],
)
def test_collate_refuses_arguments_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        rm.TokenBatch.collate(some_tokens([2, 3]), **arguments)


def test_a_batch_without_samples_is_refused():
    with pytest.raises(ValueError, match="at least one sample, got none"):
        rm.TokenBatch.collate(some_tokens()[[]])


def test_without_masking_every_token_is_visible():
    split = rm.TokenBatch.collate(some_tokens([2, 3])).split
    assert split.visible_idx.tolist() == [0, 1, 2, 3, 4]
    assert split.hidden_idx.tolist() == []
    assert split.hidden_lengths.tolist() == [0, 0]


def test_to_moves_the_inputs_of_the_model_only():
    batch = rm.TokenBatch.collate(some_tokens().with_targets(np.arange(6)), weights=np.ones(6)).hide(0.5, seed=0)
    moved = batch.to("meta")
    on_meta = {name for name, value in vars(moved).items() if isinstance(value, torch.Tensor) and value.is_meta}
    assert on_meta == {"values", "positions", "targets", "weights"}


@pytest.mark.parametrize("statics", [(), ("age",)])
def test_the_first_visible_token_is_at_1_and_position_0_is_that_of_cls(statics):
    """In the official code the first token has the position of CLS."""
    tokens = some_measurements([5, 9, 30, 2], statics=statics)
    scaled = rm.Scaling.fit(tokens).apply(tokens)
    plain = rm.TokenBatch.collate(scaled)
    is_static = torch.from_numpy(scaled.is_static)
    for batch in (plain, *(plain.hide(0.75, seed=seed) for seed in range(5))):
        for sample in range(len(batch)):
            in_sample = (batch.sample_idx == sample) & ~is_static
            is_visible = in_sample if batch.is_hidden is None else in_sample & ~batch.is_hidden
            assert batch.positions[is_visible, 0].min() == pytest.approx(1.0, abs=1e-4)
            # all tokens of the sample move together
            assert torch.allclose(batch.positions[in_sample, 0].diff(), plain.positions[in_sample, 0].diff(), atol=1e-4)
        assert torch.equal(batch.positions[:, 1], plain.positions[:, 1])
        assert torch.allclose(batch.positions[is_static, 0], torch.ones(int(is_static.sum())), atol=1e-4)


def test_masked_tokens_before_the_first_visible_one_have_positions_of_queries_in_the_past():
    tokens = some_measurements([4], channels=("g",))
    scaled = rm.Scaling.fit(tokens).apply(tokens)
    batch = rm.TokenBatch.collate(scaled).hide(is_hidden=[True, True, False, False])
    without = scaled.select_tokens(np.array([False, False, True, True]))
    again = rm.Scaling.fit(tokens).apply(tokens.select_tokens(np.array([False, False, True, True])))
    assert torch.allclose(batch.positions[2:, 0], torch.from_numpy(again.positions[:, 0]).float(), atol=1e-4)
    assert without.positions[0, 0] > 1
    assert (batch.positions[:2, 0] < 1).all()


def test_positions_with_a_global_origin_do_not_move():
    tokens = some_measurements([5, 9])
    scaled = rm.Scaling.fit(tokens, origin="global").apply(tokens)
    batch = rm.TokenBatch.collate(scaled)
    assert torch.equal(batch.hide(0.5, seed=0).positions, batch.positions)


def test_targets_and_weights_of_a_batch_are_read_by_id():
    tokens = rm.from_arrays(np.ones((3, 1, 2)), ids=["c", "a", "b"])
    by_id = pd.Series([1.0, 2.0, 3.0], index=["a", "b", "c"])
    batch = rm.TokenBatch.collate(tokens, targets=by_id, weights=by_id.to_dict())
    assert batch.targets.flatten().tolist() == batch.weights.tolist() == [3.0, 1.0, 2.0]
    with pytest.raises(ValueError, match="weights has 1 missing entries"):
        rm.TokenBatch.collate(tokens, weights=np.ma.array([1.0, 2.0, 3.0], mask=[0, 0, 1]))
