"""The last line of a fit: the validation score beside that of simple methods."""

import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score

import rotary_mae as rm
from rotary_mae.estimators._fit.split import TrainValidationSplit, split_validation
from rotary_mae.evaluation.baselines import CONVOLUTIONS, FOREST, BaselineComparison
from rotary_mae.evaluation.features import series_features, series_on_grid
from rotary_mae.evaluation.fit_summary import FitSummary
from rotary_mae.evaluation.rocket import RandomConvolutions
from tests.estimators.small import COLUMNS, light_curves, quick, series


def untrained(**changes):
    return quick(**{"epochs": 1, "learning_rate": 1e-12, **changes})


def test_a_simple_method_that_wins_is_said_to():
    X, y = series(60)
    clf = rm.RoMAEClassifier(**untrained(random_state=1)).fit(X, y)
    summary = clf.summary_
    assert summary.n_validation == 6
    assert summary.baselines[FOREST]["balanced_accuracy"] == summary.baselines[CONVOLUTIONS]["balanced_accuracy"] == 1.0
    assert summary.scores["balanced_accuracy"] < 1.0
    assert summary.is_baseline_better
    assert "A simple method wins here (random forest on features)" in str(summary)


def test_the_score_is_that_of_the_validation_part_and_a_trained_model_is_not_said_to_lose():
    X, y = series(60)
    clf = rm.RoMAEClassifier(**quick(epochs=25)).fit(X, y)
    held = split_validation(60, 0.1, 0, (y == "rises").astype(int)).validation
    assert clf.summary_.scores["balanced_accuracy"] == balanced_accuracy_score(y[held], clf.predict(X[held])) == 1.0
    assert clf.summary_.is_baseline_better is False
    assert "wins" not in str(clf.summary_)


def test_numbers_are_judged_in_their_units():
    X, names = series(60)
    y = 1000.0 + 50.0 * (names == "rises") + np.random.default_rng(0).normal(0, 1, 60)
    reg = rm.RoMAERegressor(**untrained()).fit(X, y)
    summary = reg.summary_
    assert summary.is_baseline_better
    held = split_validation(60, 0.1, 0).validation
    np.testing.assert_allclose(summary.scores["mse"], np.square(reg.predict(X[held]) - y[held]).mean())
    assert summary.baselines[FOREST]["mse"] < 100.0 < summary.scores["mse"]
    two = rm.RoMAERegressor(**untrained()).fit(X, np.column_stack([y, -y]))
    assert set(two.summary_.baselines) == {FOREST, CONVOLUTIONS}


@pytest.mark.parametrize("kind", [rm.RoMAEEmbedder, rm.RoMAEInterpolator])
def test_what_hides_values_is_beside_straight_lines(kind):
    X, _ = series(60, times=20)
    summary = kind(**untrained()).fit(X).summary_
    # the series are straight lines with noise
    assert summary.baselines["straight lines between neighbours"]["mse"] < summary.scores["mse"]
    assert summary.best_baseline == "straight lines between neighbours"
    assert summary.is_baseline_better


@pytest.mark.parametrize("kind", [rm.RoMAEEmbedder, rm.RoMAEClassifier, rm.RoMAERegressor, rm.RoMAEInterpolator])
def test_without_a_validation_part_it_says_so(kind, capsys):
    X, y = series(12)
    fitted = kind(**quick(epochs=1, verbose=1)).fit(X, y == "rises")
    assert fitted.summary_.scores == {}
    assert fitted.summary_.is_baseline_better is None
    assert "no samples were kept apart" in capsys.readouterr().err.splitlines()[-1]


def test_the_last_line_is_said_when_someone_looks_and_the_work_is_left_otherwise(capsys, monkeypatch):
    X, y = series(24)
    rm.RoMAEClassifier(**quick(verbose=1)).fit(X, y)
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.match(
        r"validation on 2 samples: balanced accuracy \d\.\d{3}, accuracy .*; random forest on features: ", last
    )
    monkeypatch.setattr(
        BaselineComparison, "results", property(lambda self: pytest.fail("simple methods were tried unasked"))
    )
    quiet = rm.RoMAEClassifier(**quick()).fit(X, y)
    assert capsys.readouterr().err == ""
    assert not hasattr(clone(quiet), "summary_")


def test_it_is_saved_and_loaded(tmp_path):
    X, y = series(40)
    clf = rm.RoMAEClassifier(**quick()).fit(X, y)
    clf.save(tmp_path / "clf")
    assert rm.load(tmp_path / "clf").summary_ == clf.summary_
    embedder = rm.RoMAEEmbedder(out=tmp_path / "run", **quick()).fit(X)
    assert rm.load(tmp_path / "run").summary_ == embedder.summary_


def test_a_contest_of_many_is_held_on_some_and_says_so(monkeypatch):
    monkeypatch.setattr("rotary_mae.evaluation.baselines.MAX_TRAINING", 30)
    X, y = series(80)
    parts = TrainValidationSplit(np.arange(60), np.arange(60, 80))
    contest = BaselineComparison.prepare(
        rm.from_arrays(X), parts.training, parts.validation, (y == "rises").astype(np.int64), None, 0
    )
    assert contest.training is not None
    assert len(contest.training.targets) == 30
    assert contest.note == "simple methods saw 30 samples and were judged on 20"
    assert contest.results[FOREST]["accuracy"] == 1.0


def test_images_are_compared_by_their_pixels():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    images = rng.uniform(0, 0.2, (60, 8, 8, 1)) + 0.5 * y[:, None, None, None] * (np.arange(8) < 4)[None, :, None, None]
    clf = rm.RoMAEClassifier(**untrained()).fit(rm.from_images(images, patch=(4, 4)), y)
    assert clf.summary_.baselines[FOREST]["balanced_accuracy"] == 1.0
    assert set(clf.summary_.baselines) == {FOREST}


def test_the_best_is_found_whether_high_or_low_is_good():
    low = FitSummary(9, {"mse": 1.0}, {"a": {"mse": 3.0}, "b": {"mse": 0.5}})
    assert (low.best_baseline, low.is_baseline_better) == ("b", True)
    high = FitSummary(9, {"r2": 0.9, "mse": 2.0}, {"a": {"r2": 0.1, "mse": 9.0}, "b": {"r2": 0.9, "mse": 1.0}})
    assert (high.best_baseline, high.is_baseline_better) == ("b", False)


# -- what the simple methods look at ----------------------------------------------------------------------


def test_features_know_the_order_in_time_and_no_other_order():
    df = light_curves()
    tokens = rm.from_frame(df, **COLUMNS)
    features = series_features(tokens)
    assert np.isfinite(features).all()
    shuffled = rm.from_frame(df.sample(frac=1.0, random_state=0), **COLUMNS)
    back = [shuffled.ids.tolist().index(i) for i in tokens.ids.tolist()]
    np.testing.assert_allclose(series_features(shuffled)[back], features)
    reversed_in_time = tokens.replace(positions=np.where([True, False], -tokens.positions, tokens.positions))
    changed = ~np.isclose(series_features(reversed_in_time), features).all(0)
    assert changed.any()
    # trend turns round
    is_trend = np.isclose(series_features(reversed_in_time), -features).all(0) & changed
    assert is_trend.any()


def test_a_channel_that_is_not_there_and_static_covariates_have_a_place():
    df = light_curves()
    only_g = df[(df["object_id"] != "sn003") | (df["band"] == "g")]
    tokens = rm.from_frame(only_g, **COLUMNS, static=["z"])
    features = series_features(tokens)
    np.testing.assert_allclose(features[:, -1], 0.1 * np.arange(24), rtol=1e-6)
    assert np.isnan(features[3]).any()
    assert not np.isnan(np.delete(features, 3, axis=0)).any()


def test_a_grid_holds_straight_lines():
    tokens = rm.TokenSet(
        [0.0, 4.0, 2.0], [[0.0, 0], [2.0, 0], [1.0, 1]], [2, 1], axes=("time", "channel"), channels="ab"
    )
    grid = series_on_grid(tokens, 5)
    assert grid.shape == (2, 2, 5)
    np.testing.assert_allclose(grid[0, 0], [0, 1, 2, 3, 4])
    np.testing.assert_allclose(grid[1, 1], 2.0)
    np.testing.assert_allclose(grid[1, 0], 2.0)  # nothing seen: the median of the channel


def test_random_convolutions_repeat_and_tell_shapes_apart():
    rng = np.random.default_rng(0)
    time = np.linspace(0, 6 * np.pi, 60)
    slow = np.sin(time + rng.uniform(0, 6, (20, 1, 1))) + 0.1 * rng.normal(size=(20, 1, 60))
    quick_ones = np.sin(3 * time + rng.uniform(0, 6, (20, 1, 1))) + 0.1 * rng.normal(size=(20, 1, 60))
    drawn = RandomConvolutions.fit(np.concatenate([slow[:10], quick_ones[:10]]), seed=0)
    one, other = drawn.transform(slow), drawn.transform(quick_ones)
    assert ((one >= 0) & (one <= 1)).all()
    centre = (one[:10].mean(0) + other[:10].mean(0)) / 2
    direction = one[:10].mean(0) - other[:10].mean(0)
    assert ((one[10:] - centre) @ direction > 0).all()
    assert ((other[10:] - centre) @ direction < 0).all()
    again = RandomConvolutions.fit(np.concatenate([slow[:10], quick_ones[:10]]), seed=0)
    np.testing.assert_array_equal(again.transform(slow), one)
