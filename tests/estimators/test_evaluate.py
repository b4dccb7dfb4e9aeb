"""Metrics of fitted estimators on data in any form."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss, r2_score

import rotary_mae as rm
from tests.estimators.small import COLUMNS, labels_of, light_curves, quick, series

FRESH = light_curves(9, seed=5)


def test_metrics_of_a_classifier_are_those_of_scikit_learn(fitted):
    classifier, labels = fitted["classifier"], labels_of(FRESH)
    predicted = classifier.predict(FRESH)
    expected = {
        "accuracy": accuracy_score(labels, predicted),
        "balanced_accuracy": balanced_accuracy_score(labels, predicted),
        "macro_f1": f1_score(labels, predicted, average="macro"),
        "log_loss": log_loss(labels, classifier.predict_proba(FRESH)),
    }
    found = rm.evaluate(classifier, FRESH)
    assert 0.0 <= found.pop("ece") <= 1.0
    assert found == pytest.approx(expected)


def test_metrics_of_a_regressor_are_in_the_units_of_the_targets(fitted):
    regressor, peaks = fitted["regressor"], labels_of(FRESH, "peak")
    predicted = regressor.predict(FRESH)
    metrics = rm.evaluate(regressor, FRESH, peaks)
    assert metrics == pytest.approx({"mse": np.square(predicted - peaks).mean(), "r2": r2_score(peaks, predicted)})


def test_tokens_frames_and_labels_of_any_form_give_the_same_metrics(fitted):
    tokens, labels = rm.from_frame(FRESH, **COLUMNS), labels_of(FRESH)
    expected = rm.evaluate(fitted["classifier"], tokens)
    shuffled = labels.sample(frac=1.0, random_state=0)
    for data, y in ((FRESH, None), (FRESH, shuffled), (tokens, shuffled.to_dict()), (tokens, labels.to_numpy())):
        assert rm.evaluate(fitted["classifier"], data, y) == expected
    for kind in ("embedder", "interpolator"):
        assert rm.evaluate(fitted[kind], FRESH) == rm.evaluate(fitted[kind], tokens)


def test_arrays_are_evaluated_in_the_order_of_their_labels():
    X, y = series()
    classifier = rm.RoMAEClassifier(**quick(epochs=25)).fit(X, y)
    assert rm.evaluate(classifier, X, y)["accuracy"] == classifier.score(X, y)


def test_samples_without_a_label_are_left_out(fitted):
    labels = labels_of(FRESH).astype(object)
    labels.iloc[3:] = None
    first = FRESH[FRESH["object_id"].isin(labels.index[:3])]
    assert rm.evaluate(fitted["classifier"], FRESH, labels) == rm.evaluate(fitted["classifier"], first)


def test_masked_values_are_compared_with_baselines(fitted):
    metrics = rm.evaluate(fitted["interpolator"], FRESH)
    baselines = {"mse_mean", "mse_linear", "mse_last"}
    assert set(metrics) == {"n_hidden", "mse", "log_likelihood", "log_likelihood_mean", "coverage_90"} | baselines
    lengths = rm.from_frame(FRESH, **COLUMNS).lengths
    # a tenth of the values, five times
    assert metrics["n_hidden"] == 5 * np.ceil(lengths / 10).sum()
    # without a predictive distribution there are no likelihoods
    embedder = rm.evaluate(fitted["embedder"], FRESH)
    assert set(embedder) == {"n_hidden", "mse"} | baselines
    assert embedder["n_hidden"] == np.ceil(0.75 * lengths).sum()


def test_data_that_cannot_be_evaluated_are_a_clear_error(fitted):
    classifier, tokens = fitted["classifier"], rm.from_frame(FRESH, **COLUMNS)
    with pytest.raises(ValueError, match="evaluation needs labels"):
        rm.evaluate(classifier, tokens.with_targets(None))
    with pytest.raises(ValueError, match=r"labels \['new'\] were never seen in training"):
        rm.evaluate(classifier, tokens, np.full(9, "new"))
    with pytest.raises(TypeError, match="expected a fitted estimator of this library, got str"):
        rm.evaluate("classifier", tokens)
    with pytest.raises(NotFittedError):
        rm.evaluate(rm.RoMAEClassifier(), tokens)
