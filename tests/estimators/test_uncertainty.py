"""Calibrated probabilities of classifiers, and calibrated standard deviations and quantiles of regressors."""

import json
import warnings

import numpy as np
import pytest
from scipy.special import expit, softmax
from scipy.stats import norm

import rotary_mae as rm
from rotary_mae.evaluation.conformal_residuals import fit_on_residuals
from rotary_mae.evaluation.metrics import probability_metrics
from rotary_mae.evaluation.temperature import fit_temperature
from tests.estimators.small import quick, series

N = 60


@pytest.fixture(scope="module")
def classifier():
    X, y = series(N)
    y = np.where(np.random.default_rng(0).random(N) < 0.2, "neither", y)
    return rm.RoMAEClassifier(**quick(epochs=8, validation_fraction=0.5)).fit(X, y), X, y


@pytest.fixture(scope="module")
def regressor():
    X, _ = series(N)
    y = np.column_stack([X.mean((1, 2)), np.random.default_rng(0).normal(size=N)]) * [1.0, 50.0]
    return rm.RoMAERegressor(**quick(epochs=8, validation_fraction=0.5)).fit(X, y), X, y


# -- probabilities --------------------------------------------------------------------------------------------


def at_temperature_1(classifier, X):
    fitted = classifier.temperature_
    classifier.temperature_ = 1.0
    try:
        return classifier.decision_function(X)
    finally:
        classifier.temperature_ = fitted


def test_the_temperature_is_fitted_to_the_validation_set(classifier):
    clf, X, y = classifier
    validation = clf.validation_idx_
    logits = at_temperature_1(clf, X[validation])
    class_idx = np.searchsorted(clf.classes_, y[validation])
    assert clf.temperature_ == pytest.approx(fit_temperature(logits, class_idx, None, 0.1))
    assert clf.temperature_ != pytest.approx(fit_temperature(logits, class_idx), rel=1e-3)


def test_the_temperature_divides_logits_and_changes_no_class(classifier):
    clf, X, _ = classifier
    logits = at_temperature_1(clf, X)
    assert clf.temperature_ != 1.0
    np.testing.assert_allclose(clf.decision_function(X), logits / clf.temperature_, rtol=1e-5)
    np.testing.assert_allclose(clf.predict_proba(X), softmax(clf.decision_function(X), axis=1), rtol=1e-5)
    np.testing.assert_array_equal(clf.predict(X), clf.classes_[logits.argmax(1)])


def test_the_decision_function_of_two_classes_is_the_logit_of_the_second():
    X, y = series(N)
    clf = rm.RoMAEClassifier(**quick(epochs=3)).fit(X, y)
    np.testing.assert_allclose(expit(clf.decision_function(X)), clf.predict_proba(X)[:, 1], rtol=1e-4)


def test_the_temperature_is_saved_and_absent_means_1(classifier, tmp_path):
    clf, X, _ = classifier
    clf.save(tmp_path)
    assert rm.load(tmp_path).temperature_ == clf.temperature_
    np.testing.assert_array_equal(rm.load(tmp_path).predict_proba(X), clf.predict_proba(X))
    description = json.loads((tmp_path / "estimator.json").read_text())
    del description["fitted"]["temperature"]
    (tmp_path / "estimator.json").write_text(json.dumps(description))
    assert rm.load(tmp_path).temperature_ == 1.0
    np.testing.assert_array_equal(rm.load(tmp_path).decision_function(X), at_temperature_1(clf, X))


def test_weights_of_samples_and_classes_count_in_the_temperature():
    X, y = series(N)
    y = np.where(np.random.default_rng(0).random(N) < 0.2, "neither", y)
    weight = np.random.default_rng(1).uniform(0.1, 5.0, N)
    settings = quick(epochs=3, validation_fraction=0.5, class_weight="balanced")
    clf = rm.RoMAEClassifier(**settings).fit(X, y, sample_weight=weight)
    validation, is_training = clf.validation_idx_, np.ones(N, bool)
    is_training[validation] = False
    class_idx = np.searchsorted(clf.classes_, y)
    of_class = is_training.sum() / (3 * np.bincount(class_idx[is_training]))
    expected = fit_temperature(
        at_temperature_1(clf, X[validation]), class_idx[validation], (weight * of_class[class_idx])[validation], 0.1
    )
    assert clf.temperature_ == pytest.approx(expected, rel=1e-3)


def test_without_a_validation_set_the_temperature_is_1():
    X, y = series(12)
    assert rm.RoMAEClassifier(**quick(epochs=1)).fit(X, y).temperature_ == 1.0


def test_log_loss_and_calibration_error_are_in_the_summary_and_in_the_evaluation(classifier):
    clf, X, y = classifier
    validation = clf.validation_idx_
    expected = probability_metrics(clf.predict_proba(X[validation]), np.searchsorted(clf.classes_, y[validation]))
    assert {name: clf.summary_.scores[name] for name in expected} == pytest.approx(expected, rel=1e-4)
    found = rm.evaluate(clf, X[validation], y[validation])
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-4)
    assert "calibration error" in str(clf.summary_)


# -- standard deviations and quantiles ------------------------------------------------------------------------


def test_quantiles_are_those_of_the_residuals_on_the_validation_set(regressor):
    reg, X, y = regressor
    validation = reg.validation_idx_
    mean, std = reg.predict(X[validation], return_std=True)
    calibration = fit_on_residuals(y[validation] - mean, std / reg.std_factor_)
    np.testing.assert_allclose(reg.calibration_.table, calibration.table, rtol=1e-5)
    probabilities = [0.05, 0.3, 0.5, 0.95]
    found = reg.predict(X, quantiles=probabilities)
    all_mean, all_std = reg.predict(X, return_std=True)
    assert len(found) == 4
    for p, quantile in zip(probabilities, found, strict=True):
        expected = all_mean + all_std / reg.std_factor_ * calibration.standard_quantile(p)
        np.testing.assert_allclose(quantile, expected, rtol=1e-5)
    # each of the two numbers has its coverage, though the second is noise
    low, _, _, high = (q[validation] for q in found)
    assert ((low <= y[validation]) & (y[validation] <= high)).mean(0) == pytest.approx([0.9, 0.9], abs=0.08)


def test_the_standard_deviation_is_that_of_the_calibrated_90_percent_interval(regressor):
    reg, X, _ = regressor
    low, high = reg.predict(X, quantiles=[0.05, 0.95])
    np.testing.assert_allclose(reg.predict(X, return_std=True)[1], (high - low) / (2 * norm.ppf(0.95)), rtol=1e-5)


def test_a_saved_regressor_has_the_same_quantiles(regressor, tmp_path):
    reg, X, _ = regressor
    reg.save(tmp_path)
    again = rm.load(tmp_path)
    assert again.calibration_ == reg.calibration_
    np.testing.assert_array_equal(again.predict(X, quantiles=[0.1, 0.9]), reg.predict(X, quantiles=[0.1, 0.9]))


def test_a_regressor_without_calibration_in_its_folder_has_the_quantiles_of_normal_distributions(regressor, tmp_path):
    reg, X, _ = regressor
    reg.save(tmp_path)
    description = json.loads((tmp_path / "estimator.json").read_text())
    del description["fitted"]["calibration"]
    (tmp_path / "estimator.json").write_text(json.dumps(description))
    old = rm.load(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (mean, std), (high,) = old.predict(X, return_std=True), old.predict(X, quantiles=[0.9])
    np.testing.assert_array_equal(std, reg.predict(X, return_std=True)[1])
    np.testing.assert_allclose(high, mean + norm.ppf(0.9) * std, rtol=1e-6)


def test_without_a_validation_set_standard_deviations_are_nan_with_a_warning(tmp_path):
    X, _ = series(12)
    reg = rm.RoMAERegressor(**quick(epochs=1)).fit(X, X.mean((1, 2)))
    reg.save(tmp_path)
    for estimator in (reg, rm.load(tmp_path)):
        with pytest.warns(UserWarning, match="no samples were held out of training.*at least 20 samples"):
            mean, std = estimator.predict(X, return_std=True)
        assert np.isfinite(mean).all()
        assert np.isnan(std).all()
        with pytest.warns(UserWarning, match="NaN"):
            assert np.isnan(estimator.predict(X, quantiles=[0.5])).all()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            np.testing.assert_array_equal(estimator.predict(X), mean)


def test_intervals_of_new_samples_have_their_coverage():
    # targets that the series say nothing about: residuals are those of the noise, with heavy tails
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1_200, 1, 5)), rng.standard_t(3, 1_200)
    reg = rm.RoMAERegressor(**quick(epochs=1, validation_fraction=0.5)).fit(X[:600], y[:600])
    for level in (0.5, 0.8, 0.9, 0.98):
        low, high = reg.predict(X[600:], quantiles=[0.5 - level / 2, 0.5 + level / 2])
        assert ((low < y[600:]) & (y[600:] < high)).mean() == pytest.approx(level, abs=0.04)


def test_weights_count_in_the_calibration(regressor):
    _, X, y = regressor
    weight = np.random.default_rng(1).uniform(0.1, 5.0, N)
    settings = quick(epochs=1, validation_fraction=0.5)
    reg = rm.RoMAERegressor(**settings).fit(X, y[:, 1], sample_weight=weight)
    validation = reg.validation_idx_
    mean, std = reg.predict(X[validation], return_std=True)
    residuals, stds = (y[validation, 1] - mean)[:, None], (std / reg.std_factor_)[:, None]
    expected = fit_on_residuals(residuals, stds, weight[validation])
    np.testing.assert_allclose(reg.calibration_.table, expected.table, rtol=1e-4)
    assert not np.allclose(reg.calibration_.table, fit_on_residuals(residuals, stds).table, rtol=1e-2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantiles": [0.5], "return_std": True}, "not both"),
        ({"quantiles": [1.0]}, r"in \(0, 1\)"),
        ({"quantiles": 0.5}, "a list"),
    ],
)
def test_quantiles_that_are_not_valid_are_an_error(regressor, options, message):
    reg, X, _ = regressor
    with pytest.raises(ValueError, match=message):
        reg.predict(X, **options)
