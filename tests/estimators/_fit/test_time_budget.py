"""Schedules that end within max_minutes."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import rotary_mae as rm
from rotary_mae.estimators import estimator
from rotary_mae.estimators._fit import time_budget
from rotary_mae.estimators._fit.ensemble import TrainingJob
from rotary_mae.estimators._fit.time_budget import Pace, updates_in
from rotary_mae.training.lr_schedule import TrainingSchedule
from tests.estimators.small import quick, series
from tests.training.runs import quiet, waves

KINDS = (rm.RoMAEEmbedder, rm.RoMAEClassifier, rm.RoMAERegressor, rm.RoMAEInterpolator)


def job_of(config):
    tokens = waves()
    return TrainingJob(tokens, tokens[:4], rm.Scaling.fit(tokens), config)


@pytest.mark.parametrize("seconds", [0.0, 3.0, 30.0, 300.0])
def test_as_many_updates_as_possible_fit_with_their_evaluations(seconds):
    job, pace = job_of(quiet(epochs=200)), Pace(update=0.1, evaluation=0.5)

    def needed(n):
        schedule = TrainingSchedule(replace(job.config, max_steps=n), job.training)
        n_evaluations = sum(schedule.evaluates(e) for e in range(schedule.n_epochs - 1)) + 1
        return n * pace.update + n_evaluations * pace.evaluation

    n = updates_in(job, pace, seconds)
    whole = TrainingSchedule(job.config, job.training).n_steps
    assert 1 <= n <= whole
    assert n == 1 or needed(n) <= seconds
    # a quarter more would not have fitted
    assert n == whole or needed(int(1.25 * n) + 3) > seconds


@pytest.fixture
def stopped_clock(monkeypatch):
    """A clock that stands still for the time limit, and an update that is measured to take a second."""
    clock = SimpleNamespace(perf_counter=lambda: 0.0)
    monkeypatch.setattr(estimator, "time", clock)
    monkeypatch.setattr(time_budget, "time", clock)
    monkeypatch.setattr(time_budget, "measure_pace", lambda job, model, seconds: Pace(update=1.0, evaluation=0.0))


@pytest.mark.parametrize("kind", KINDS)
def test_the_schedule_is_completed_within_the_time(kind, stopped_clock):
    X, y = series(40)
    fitted = kind(max_minutes=0.5, **quick(epochs=5000)).fit(X, np.where(y == "rises", 1.0, 0.0))
    # 30 seconds, nine tenths of which are filled by updates of a second
    assert fitted.training_.steps == 27
    assert fitted.training_.history[-1]["learning_rate"] == pytest.approx(0.0, abs=1e-3)


def test_the_members_of_an_ensemble_share_the_time(stopped_clock):
    X, y = series(40)
    fitted = rm.RoMAEClassifier(max_minutes=0.5, n_estimators=3, **quick(epochs=5000)).fit(X, y)
    assert fitted.training_.steps == 9


@pytest.mark.parametrize("kind", KINDS)
def test_a_measured_pace_shortens_the_schedule(kind):
    X, y = series(40)
    fitted = kind(max_minutes=0.5 / 60, **quick(epochs=100_000)).fit(X, np.where(y == "rises", 1.0, 0.0))
    # 900 000 updates would take minutes
    assert 1 <= fitted.training_.steps < 100_000


def test_a_schedule_that_fits_is_not_changed():
    X, y = series()
    limited = rm.RoMAEClassifier(max_minutes=5.0, **quick()).fit(X, y)
    free = rm.RoMAEClassifier(**quick()).fit(X, y)
    np.testing.assert_array_equal(limited.predict_proba(X), free.predict_proba(X))


def test_every_member_makes_at_least_one_update():
    X, y = series()
    clf = rm.RoMAEClassifier(max_minutes=1e-9, n_estimators=2, **quick(epochs=5000)).fit(X, y)
    assert clf.training_.steps == 1
    assert len(clf.models_) == 2


def test_a_resumed_run_keeps_its_number_of_updates(tmp_path):
    X, y = series()
    settings = quick(epochs=5000, batch_size=5, max_minutes=0.01, out=tmp_path / "run")
    first = rm.RoMAEClassifier(**settings).fit(X, y)
    described = (tmp_path / "run" / "run.json").read_text()
    assert 1 <= json.loads(described)["training"]["max_steps"] < 5000
    # a run is not resumed with other settings of training
    resumed = rm.RoMAEClassifier(resume=True, **{**settings, "max_minutes": 3.0}).fit(X, y)
    assert (tmp_path / "run" / "run.json").read_text() == described
    np.testing.assert_array_equal(resumed.predict_proba(X), first.predict_proba(X))


@pytest.mark.parametrize("minutes", [0, -1.0, "5", float("nan")])
def test_an_invalid_time_limit_is_a_clear_error(minutes):
    with pytest.raises(ValueError, match="max_minutes must be a positive number or None"):
        rm.RoMAEClassifier(max_minutes=minutes, **quick()).fit(*series())
