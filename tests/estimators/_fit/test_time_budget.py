"""max_minutes: the schedule is fitted to the time, and completed in it."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.estimators._fit.ensemble import TrainingJob
from rotary_mae.estimators._fit.time_budget import Pace, updates_in
from rotary_mae.training.lr_schedule import TrainingSchedule
from tests.estimators.small import quick, series
from tests.training.runs import quiet, waves

KINDS = (rm.RoMAEEmbedder, rm.RoMAEClassifier, rm.RoMAERegressor, rm.RoMAEInterpolator)


def lesson_of(config):
    tokens = waves()
    return TrainingJob(tokens, tokens[:4], rm.Scaling.fit(tokens), config)


@pytest.mark.parametrize("seconds", [0.0, 3.0, 30.0, 300.0])
def test_as_many_updates_as_fit_with_their_evaluations_and_no_more(seconds):
    lesson, pace = lesson_of(quiet(epochs=200)), Pace(update=0.1, evaluation=0.5)

    def needed(n):
        course = TrainingSchedule(replace(lesson.config, max_steps=n), lesson.training)
        n_evaluations = sum(course.evaluates(e) for e in range(course.n_epochs - 1)) + 1
        return n * pace.update + n_evaluations * pace.evaluation

    n = updates_in(lesson, pace, seconds)
    whole = TrainingSchedule(lesson.config, lesson.training).n_steps
    assert 1 <= n <= whole
    assert n == 1 or needed(n) <= seconds
    # not far below what would have fitted
    assert n == whole or needed(int(1.25 * n) + 3) > seconds


@pytest.mark.parametrize("kind", KINDS)
def test_the_schedule_is_completed_in_about_the_time(kind):
    X, y = series(40)
    labels = np.where(y == "rises", 1.0, 0.0)
    started = time.perf_counter()
    # a schedule of minutes
    fitted = kind(max_minutes=2.0 / 60, **quick(epochs=5000)).fit(X, labels)
    seconds = time.perf_counter() - started
    # twice the time on a machine that has other things to do
    assert seconds < 2.0 * 2
    assert 1 <= fitted.training_.steps < 5000
    if fitted.training_.steps > 20:
        assert fitted.training_.history[-1]["learning_rate"] < 1e-2 / 2


def test_a_schedule_that_fits_stays_as_it_is():
    X, y = series()
    limited = rm.RoMAEClassifier(max_minutes=5.0, **quick()).fit(X, y)
    free = rm.RoMAEClassifier(**quick()).fit(X, y)
    np.testing.assert_array_equal(limited.predict_proba(X), free.predict_proba(X))


def test_an_update_is_always_made_even_by_every_member():
    X, y = series()
    clf = rm.RoMAEClassifier(max_minutes=1e-9, n_estimators=2, **quick(epochs=5000)).fit(X, y)
    assert clf.training_.steps == 1
    assert len(clf.models_) == 2


def test_a_resumed_run_keeps_the_schedule_that_was_chosen(tmp_path):
    X, y = series()
    settings = quick(epochs=5000, batch_size=5, max_minutes=0.01, out=tmp_path / "run")
    first = rm.RoMAEClassifier(**settings).fit(X, y)
    described = (tmp_path / "run" / "run.json").read_text()
    assert 1 <= json.loads(described)["training"]["max_steps"] < 5000
    # with other settings of training it would refuse to go on
    gone_on = rm.RoMAEClassifier(resume=True, **{**settings, "max_minutes": 3.0}).fit(X, y)
    assert (tmp_path / "run" / "run.json").read_text() == described
    np.testing.assert_array_equal(gone_on.predict_proba(X), first.predict_proba(X))


def test_training_stops_when_its_seconds_are_over_wherever_it_stands():
    from tests.training.runs import classifier

    started = time.perf_counter()
    result = rm.train(classifier(), waves(), quiet(epochs=100_000, max_seconds=0.5), validation=waves()[:4])
    assert time.perf_counter() - started < 2.0
    assert result.steps >= 1
    assert result.best is not None
    assert "validation_loss" in result.history[-1]


@pytest.mark.parametrize("minutes", [0, -1.0, "5", float("nan")])
def test_no_time_is_a_clear_error(minutes):
    with pytest.raises(ValueError, match="max_minutes must be a positive number or None"):
        rm.RoMAEClassifier(max_minutes=minutes, **quick()).fit(*series())
