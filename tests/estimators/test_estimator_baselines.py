"""Summaries of fits: validation scores beside those of baselines."""

import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score

import rotary_mae as rm
from rotary_mae.estimators._fit.split import split_validation
from rotary_mae.evaluation.baselines import CONVOLUTIONS, FOREST, BaselineComparison
from tests.estimators.small import quick, series


def untrained(**changes):
    return quick(**{"epochs": 1, "learning_rate": 1e-12, **changes})


def test_a_better_baseline_is_reported():
    X, y = series(60)
    clf = rm.RoMAEClassifier(**untrained(random_state=1)).fit(X, y)
    assert clf.summary_.baselines == {}
    summary = clf.compare_with_baselines()
    assert summary is clf.summary_
    assert summary.n_validation == 6
    assert summary.baselines[FOREST]["balanced_accuracy"] == summary.baselines[CONVOLUTIONS]["balanced_accuracy"] == 1.0
    assert summary.scores["balanced_accuracy"] < 1.0
    assert summary.is_baseline_better
    assert "A baseline is better here (random forest on features)" in str(summary)


def test_scores_are_those_on_the_validation_set_and_a_trained_model_is_not_worse():
    X, y = series(60)
    clf = rm.RoMAEClassifier(**quick(epochs=25)).fit(X, y)
    held = split_validation(60, 0.1, 0, (y == "rises").astype(int)).validation
    assert clf.summary_.scores["balanced_accuracy"] == balanced_accuracy_score(y[held], clf.predict(X[held])) == 1.0
    assert clf.compare_with_baselines().is_baseline_better is False
    assert "better here" not in str(clf.summary_)


def test_scores_of_a_regressor_are_in_the_units_of_the_targets():
    X, names = series(60)
    y = 1000.0 + 50.0 * (names == "rises") + np.random.default_rng(0).normal(0, 1, 60)
    reg = rm.RoMAERegressor(**untrained()).fit(X, y)
    summary = reg.compare_with_baselines()
    assert summary.is_baseline_better
    held = split_validation(60, 0.1, 0).validation
    np.testing.assert_allclose(summary.scores["mse"], np.square(reg.predict(X[held]) - y[held]).mean())
    assert summary.baselines[FOREST]["mse"] < 100.0 < summary.scores["mse"]
    two = rm.RoMAERegressor(**untrained()).fit(X, np.column_stack([y, -y]))
    assert set(two.compare_with_baselines().baselines) == {FOREST, CONVOLUTIONS}


@pytest.mark.parametrize("kind", [rm.RoMAEEmbedder, rm.RoMAEInterpolator])
def test_predictions_of_masked_values_are_compared_with_linear_interpolation(kind):
    X, _ = series(60, times=20)
    summary = kind(**untrained()).fit(X).summary_
    # the series are lines with noise
    assert summary.baselines["linear interpolation"]["mse"] < summary.scores["mse"]
    assert summary.best_baseline == "linear interpolation"
    assert summary.is_baseline_better


@pytest.mark.parametrize("kind", [rm.RoMAEEmbedder, rm.RoMAEClassifier, rm.RoMAERegressor, rm.RoMAEInterpolator])
def test_a_fit_without_validation_set_says_so(kind, capsys):
    X, y = series(12)
    fitted = kind(**quick(epochs=1, verbose=1)).fit(X, y == "rises")
    assert fitted.summary_.scores == {}
    assert fitted.summary_.is_baseline_better is None
    assert "no samples were held out" in capsys.readouterr().err.splitlines()[-1]


def test_a_verbose_fit_prints_the_comparison(capsys):
    X, y = series(24)
    rm.RoMAEClassifier(**quick(verbose=1)).fit(X, y)
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.match(
        r"validation on 2 samples: balanced accuracy \d\.\d{3}, accuracy .*; random forest on features: ", last
    )


def test_baselines_are_trained_only_if_they_are_asked_for(capsys, monkeypatch, tmp_path):
    X, y = series(24)
    trained = []
    evaluate = BaselineComparison.evaluate
    monkeypatch.setattr(BaselineComparison, "evaluate", lambda self: trained.append(1) or evaluate(self))
    clf = rm.RoMAEClassifier(**quick()).fit(X, y)
    assert clf.summary_.scores.keys() == {"balanced_accuracy", "accuracy", "log_loss", "ece"}
    clf.save(tmp_path / "clf")
    assert capsys.readouterr().err == ""
    assert not hasattr(clone(clf), "summary_")
    assert trained == []
    clf.compare_with_baselines()
    assert trained == [1]


def test_a_loaded_estimator_without_scores_of_baselines_says_that_data_are_missing(tmp_path):
    X, y = series(40)
    clf = rm.RoMAEClassifier(**quick()).fit(X, y)
    clf.save(tmp_path / "before")
    with pytest.raises(ValueError, match=r"loaded from a folder without scores of baselines.*before save\(\)"):
        rm.load(tmp_path / "before").compare_with_baselines()
    clf.compare_with_baselines()
    clf.save(tmp_path / "after")
    again = rm.load(tmp_path / "after")
    assert again.compare_with_baselines() == again.summary_ == clf.summary_
    assert set(again.summary_.baselines) == {FOREST, CONVOLUTIONS}


def test_summaries_are_saved_and_loaded(tmp_path):
    X, y = series(40)
    clf = rm.RoMAEClassifier(**quick()).fit(X, y)
    clf.save(tmp_path / "clf")
    assert rm.load(tmp_path / "clf").summary_ == clf.summary_
    embedder = rm.RoMAEEmbedder(out=tmp_path / "run", **quick()).fit(X)
    assert rm.load(tmp_path / "run").summary_ == embedder.summary_


def test_images_are_compared_by_their_pixels():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    images = rng.uniform(0, 0.2, (60, 8, 8, 1)) + 0.5 * y[:, None, None, None] * (np.arange(8) < 4)[None, :, None, None]
    clf = rm.RoMAEClassifier(**untrained()).fit(rm.from_images(images, patch=(4, 4)), y)
    assert clf.compare_with_baselines().baselines[FOREST]["balanced_accuracy"] == 1.0
    assert set(clf.summary_.baselines) == {FOREST}
