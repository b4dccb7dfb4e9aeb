"""Metrics of fitted estimators on samples: of classes, of numbers, or of masked values."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from rotary_mae.data.sources import Source
from rotary_mae.estimators._predict.masked import reconstruction_metrics
from rotary_mae.estimators.classifier import RoMAEClassifier
from rotary_mae.estimators.embedder import RoMAEEmbedder
from rotary_mae.estimators.estimator import RoMAEEstimator, warn_of_merged
from rotary_mae.estimators.inputs import as_source, check_samples
from rotary_mae.estimators.interpolator import RoMAEInterpolator
from rotary_mae.estimators.labels import LabelledSubset, labels_for, values_for
from rotary_mae.estimators.regressor import RoMAERegressor
from rotary_mae.evaluation.metrics import prediction_metrics, probability_metrics

__all__ = ["class_indices", "evaluate", "labelled_subset", "reconstruction_metrics"]

Array = npt.NDArray[Any]


def evaluate(estimator: RoMAEEstimator, tokens: Any, y: Any = None) -> dict[str, float]:
    """Evaluate a fitted estimator on samples that it was not trained on.

    Parameters
    ----------
    estimator : RoMAEEmbedder, RoMAEClassifier, RoMAERegressor, or RoMAEInterpolator
        A fitted estimator.
    tokens : TokenSet, Source, data frame, array, or list of arrays
        B samples, as in ``fit``.
    y : array, shape (B,) or (B, k), mapping, Series, or None
        Labels or numbers, as in ``fit``; None takes the targets of the samples. Samples without one are left out.

    Returns
    -------
    dict of str to float
        Metrics by name. Classifiers: accuracy, balanced_accuracy, macro_f1, and of the probabilities log_loss and ece
        (expected calibration error, of 10 bins). Regressors: mse, in the units of the targets, and r2. Embedders and
        interpolators, on values that are masked as in training (a tenth of them for an interpolator with
        ``hiding="auto"``), in scaled units: mse, and mse_mean, mse_linear and mse_last of the baselines (mean of the
        channel, linear interpolation, last value); with a predictive distribution also log_likelihood,
        log_likelihood_mean and coverage_90, the fraction inside the central 90 % interval; and n_hidden, the number of
        masked values.

    Raises
    ------
    TypeError
        If ``estimator`` is not one of this library.
    NotFittedError
        If it is not fitted.
    ValueError
        If the samples or the labels do not fit the estimator.

    Examples
    --------
    >>> import rotary_mae as rm
    >>> tokens = rm.simulate_light_curves(40)
    >>> classifier = rm.RoMAEClassifier(size="tiny-shallow", epochs=1, random_state=0).fit(tokens[:30])
    >>> sorted(rm.evaluate(classifier, tokens[30:]))
    ['accuracy', 'balanced_accuracy', 'ece', 'log_loss', 'macro_f1']
    """
    if not isinstance(estimator, RoMAEEstimator):
        raise TypeError(f"expected a fitted estimator of this library, got {type(estimator).__name__}")
    check_is_fitted(estimator)
    source = as_source(tokens, estimator.columns, estimator.layout, estimator.scaling_.schema)
    check_samples(len(source), source.schema, estimator.scaling_.schema)
    if isinstance(estimator, RoMAEClassifier):
        known = labelled_subset(source, y, tokens)
        probabilities, class_idx = estimator.predict_proba(known.source), class_indices(estimator, known.labels)
        return prediction_metrics(probabilities, class_idx) | probability_metrics(probabilities, class_idx)
    if isinstance(estimator, RoMAERegressor):
        known = labelled_subset(source, y, tokens)
        targets = known.labels.astype(np.float64)
        return prediction_metrics(estimator.predict(known.source).reshape(len(targets), -1), targets)
    if isinstance(estimator, RoMAEEmbedder | RoMAEInterpolator):
        warn_of_merged(source, estimator.scaling_)
        is_embedder = isinstance(estimator, RoMAEEmbedder)
        masking = estimator.hiding_of_training if is_embedder else estimator.hiding_of_evaluation
        return reconstruction_metrics(estimator.trained_models, source, masking)
    raise TypeError(f"expected one of the four estimators of this library, got {type(estimator).__name__}")


def labelled_subset(source: Source, y: Any, X: Any = None) -> LabelledSubset:
    """Return the samples that have a label; raise ValueError if none has.

    X: the samples as the user gave them, see ``values_for``; by default the source.
    """
    labels = labels_for(source, y) if y is None else values_for(source, source if X is None else X, y, "y")
    if labels is None:
        raise ValueError("evaluation needs labels, and the samples have no targets: give y, or name their column")
    return LabelledSubset.of(source, labels, None, None)


def class_indices(estimator: RoMAEClassifier, labels: Array) -> npt.NDArray[np.int64]:
    """Return the indices (n,) of labels among the classes; raise ValueError for labels that no training sample had."""
    index = {name: i for i, name in enumerate(estimator.classes_.tolist())}
    if unseen := sorted({str(label) for label in labels.tolist() if label not in index}):
        raise ValueError(f"labels {unseen} were never seen in training; the classes are {list(index)}")
    return np.array([index[label] for label in labels.tolist()], np.int64)
