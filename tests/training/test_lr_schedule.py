"""Number of updates of a run, the batches of each, and the learning rate."""

import itertools
import math

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.training.lr_schedule import (
    TrainingSchedule,
    learning_rate_factor,
    validation_batches,
    warmup_steps,
)
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
def test_a_run_has_the_length_of_its_schedule(changes, n_steps, n_epochs):
    config = quiet(**changes)
    schedule = TrainingSchedule(config, waves())
    assert (schedule.n_steps, schedule.n_epochs) == (n_steps, n_epochs)
    result = rm.train(autoencoder(), waves(), config)
    assert result.steps == n_steps
    assert len(result.history) == n_epochs
    assert result.history[-1]["step"] == n_steps


def test_every_sample_is_in_one_batch_of_an_epoch():
    schedule = TrainingSchedule(quiet(accumulate=2), waves())
    for epoch in range(3):
        indices = np.concatenate([batch for update in schedule.updates(epoch) for batch in update])
        assert sorted(indices) == list(range(len(waves())))
    assert not np.array_equal(schedule.updates(0)[0][0], schedule.updates(1)[0][0])


def test_batches_keep_to_the_token_budget_and_the_schedule_ends_with_the_run():
    tokens = waves()
    config = quiet(batch_size=100, max_tokens=25, epochs=7)
    schedule = TrainingSchedule(config, tokens)
    updates = [schedule.updates(epoch) for epoch in range(7)]
    for update in itertools.chain.from_iterable(updates):
        assert all(tokens.lengths[batch].sum() <= 25 for batch in update)
    # epochs differ in their number of batches
    assert len({len(epoch) for epoch in updates}) > 1
    assert schedule.n_steps == sum(len(epoch) for epoch in updates)
    result = rm.train(autoencoder(), tokens, config)
    assert result.steps == schedule.n_steps
    assert result.history[-1]["epoch"] == 7


def test_a_sample_over_the_token_budget_is_a_batch_of_its_own():
    tokens, schedule = waves(), TrainingSchedule(quiet(max_tokens=3), waves())
    batches = [batch for update in schedule.updates(0) for batch in update]
    assert all(len(batch) == 1 for batch in batches if tokens.lengths[batch].max() > 3)


@pytest.mark.parametrize("changes", [{}, {"batch_size": 100, "max_tokens": 25}])
def test_validation_batches_hold_every_sample_in_order(changes):
    assert np.concatenate(validation_batches(waves(), quiet(**changes))).tolist() == list(range(len(waves())))


@pytest.mark.parametrize(
    ("changes", "evaluated"), [({"evaluate_every": 3}, [2, 5, 8]), ({}, list(range(10))), ({"epochs": 150}, [2, 5, 8])]
)
def test_evaluations_are_as_often_as_set_or_about_fifty(changes, evaluated):
    schedule = TrainingSchedule(quiet(**{"epochs": 10, **changes}), waves())
    assert [epoch for epoch in range(10) if schedule.evaluates(epoch)] == evaluated


# -- learning rate --------------------------------------------------------------------------------------------


def factors(n_warmup, n_steps):
    return [learning_rate_factor(step, n_warmup, n_steps) for step in range(n_steps)]


@pytest.mark.parametrize("n_steps", [1, 2, 3, 10, 1000])
@pytest.mark.parametrize("n_warmup", [0, 1, 2])
def test_the_rate_rises_over_the_warmup_to_exactly_1_and_falls_from_there(n_warmup, n_steps):
    n_warmup = min(n_warmup, n_steps)
    rate = factors(n_warmup, n_steps)
    assert rate[:n_warmup] == [(i + 1) / n_warmup for i in range(n_warmup)]
    assert max(rate) == 1.0
    assert all(a >= b for a, b in itertools.pairwise(rate[max(n_warmup - 1, 0) :]))
    assert all(f > 0 for f in rate)


def test_the_rate_falls_along_half_a_cosine():
    rate = factors(2, 102)
    assert rate[2] == 1.0
    assert rate[52] == pytest.approx(0.5)
    assert rate[101] == pytest.approx(0.5 * (1 + math.cos(math.pi * 99 / 100)))


@pytest.mark.parametrize("n_steps", [1, 2, 5, 40])
@pytest.mark.parametrize(("given", "expected"), [(0, 0), (1, 1), (2, 2), (100, 100)])
def test_the_warmup_is_as_long_as_set_but_not_longer_than_the_run(n_steps, given, expected):
    assert warmup_steps(quiet(warmup_steps=given), n_steps) == min(expected, n_steps)


@pytest.mark.parametrize(("n_steps", "expected"), [(1, 0), (5, 1), (40, 10)])
def test_the_warmup_may_be_a_fraction_of_the_run(n_steps, expected):
    assert warmup_steps(quiet(warmup_fraction=0.25), n_steps) == expected


def test_training_follows_the_schedule_at_every_update():
    config = quiet(epochs=6, batch_size=100, warmup_steps=2, learning_rate=1e-3)
    result = rm.train(autoencoder(), waves(), config)
    assert [line["learning_rate"] for line in result.history] == [1e-3 * f for f in factors(2, 6)]


@pytest.mark.parametrize("n_samples", [1, 2])
def test_one_update_is_enough_to_train(n_samples):
    result = rm.train(autoencoder(), waves((4,) * n_samples), quiet(epochs=1))
    assert result.steps == 1
