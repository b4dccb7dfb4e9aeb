"""How long a run is, and what its batches are."""

import numpy as np
import pytest
import torch

import rotary_mae as rm
from rotary_mae.batches.augmentation import Augmentation
from rotary_mae.batches.masking import Masking
from rotary_mae.training.dataloader import BatchReader, load_batches
from rotary_mae.training.lr_schedule import TrainingSchedule, validation_batches
from tests.training.runs import autoencoder, quiet, waves


@pytest.mark.parametrize(
    ("changes", "n_steps", "n_epochs"),
    [
        ({}, 20, 4),
        ({"accumulate": 2}, 12, 4),
        ({"max_steps": 7}, 7, 2),
        ({"max_steps": 5}, 5, 1),
        ({"max_steps": 99}, 20, 4),
        ({"epochs": 1, "batch_size": 100}, 1, 1),
    ],
)
def test_length_of_a_run(changes, n_steps, n_epochs):
    config = quiet(**changes)
    course = TrainingSchedule(config, waves())
    assert (course.n_steps, course.n_epochs) == (n_steps, n_epochs)
    result = rm.train(autoencoder(), waves(), config)
    assert result.steps == n_steps
    assert len(result.history) == n_epochs
    assert result.history[-1]["step"] == n_steps


def test_every_sample_is_seen_once_an_epoch():
    course = TrainingSchedule(quiet(accumulate=2), waves())
    for epoch in range(3):
        seen = np.concatenate([batch for update in course.updates(epoch) for batch in update])
        assert sorted(seen) == list(range(len(waves())))
    assert not np.array_equal(course.updates(0)[0][0], course.updates(1)[0][0])


def test_a_token_budget_is_kept_and_the_length_is_exact():
    tokens = waves()
    config = quiet(batch_size=100, max_tokens=25, epochs=7)
    course = TrainingSchedule(config, tokens)
    updates = [course.updates(epoch) for epoch in range(7)]
    for update in (update for epoch in updates for update in epoch):
        assert all(tokens.lengths[batch].sum() <= 25 for batch in update)
    # epochs differ in their number of batches, and the schedule ends where the run does
    assert len({len(epoch) for epoch in updates}) > 1
    assert course.n_steps == sum(len(epoch) for epoch in updates)
    result = rm.train(autoencoder(), tokens, config)
    assert result.steps == course.n_steps
    assert result.history[-1]["epoch"] == 7


def test_a_sample_over_the_budget_is_a_batch_of_its_own():
    course = TrainingSchedule(quiet(max_tokens=3), waves())
    assert all(len(batch) == 1 for update in course.updates(0) for batch in update if waves().lengths[batch].max() > 3)


@pytest.mark.parametrize("changes", [{}, {"batch_size": 100, "max_tokens": 25}])
def test_validation_batches_hold_every_sample_in_order(changes):
    assert np.concatenate(validation_batches(waves(), quiet(**changes))).tolist() == list(range(len(waves())))


def test_batches_are_the_same_whatever_num_workers():
    tokens = waves()
    reader = BatchReader(
        tokens, rm.Scaling.fit(tokens), Masking("block", 0.5), Augmentation(noise=0.1, thinning=0.3), seed=3, epoch=2
    )
    items = [(np.arange(i, min(i + 4, len(tokens))), i != 8) for i in range(0, len(tokens), 4)]
    alone, helped = list(load_batches(reader, items, 0)), list(load_batches(reader, items, 2))
    assert len(alone) == len(helped) == len(items)
    for one, other in zip(alone, helped, strict=True):
        for name in ("values", "positions", "lengths", "targets", "keys", "is_hidden"):
            assert torch.equal(getattr(one, name), getattr(other, name)), name
        assert (one.weights is None) == (other.weights is None)


def test_reading_leaves_the_randomness_of_the_model_alone():
    reader = BatchReader(waves(), None, Masking(), None, seed=3, epoch=2)
    before = torch.get_rng_state()
    list(load_batches(reader, [(np.arange(4), True)], 0))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_sample_hides_the_same_tokens_in_whatever_batch_it_comes():
    reader = BatchReader(waves(), None, Masking(), None, seed=3, epoch=2)
    together, alone = reader[(np.arange(6), True)], reader[(np.array([4]), True)]
    start = int(waves().lengths[:4].sum())
    assert torch.equal(together.is_hidden[start : start + 9], alone.is_hidden)


@pytest.mark.parametrize("changes", [{"max_steps": 0}, {"max_tokens": 0}, {"epochs": 0}, {"batch_size": 0}])
def test_settings_that_train_nothing_are_errors(changes):
    with pytest.raises(ValueError, match="at least 1"):
        quiet(**changes)
