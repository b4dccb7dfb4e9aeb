"""How good a fitted estimator is on data: classes, numbers, or what was hidden from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.data.sources import Source
from rotary_mae.estimators._predict.masked import reconstruction_metrics
from rotary_mae.estimators.classifier import RoMAEClassifier
from rotary_mae.estimators.embedder import RoMAEEmbedder
from rotary_mae.estimators.estimator import RoMAEEstimator
from rotary_mae.estimators.interpolator import RoMAEInterpolator
from rotary_mae.estimators.labels import LabelledSubset, labels_for
from rotary_mae.estimators.regressor import RoMAERegressor
from rotary_mae.evaluation.metrics import prediction_metrics

__all__ = ["evaluate_estimator", "reconstruction_metrics"]

Array = npt.NDArray[Any]


def evaluate_estimator(estimator: RoMAEEstimator, source: Source, y: Any = None) -> dict[str, float]:
    """Metrics by name.

    Classifiers: accuracy, balanced_accuracy, macro_f1. Regressors: mse and r2, in the user's units. Embedders and
    interpolators: see ``reconstruction_metrics``, with the hiding they were trained with.

    y: labels in the order of the samples, or by id; None takes the source's targets. Samples without one are left out.
    """
    if isinstance(estimator, RoMAEClassifier):
        known = labelled(source, y)
        return prediction_metrics(estimator.predict_proba(known.source), classes_as_numbers(estimator, known.labels))
    if isinstance(estimator, RoMAERegressor):
        known = labelled(source, y)
        targets = known.labels.astype(np.float64)
        return prediction_metrics(estimator.predict(known.source).reshape(len(targets), -1), targets)
    if isinstance(estimator, RoMAEEmbedder | RoMAEInterpolator):
        return reconstruction_metrics(estimator.trained_models, source, estimator.hiding_of_training)
    raise TypeError(f"expected a fitted estimator of this library, got {type(estimator).__name__}")


def labelled(source: Source, y: Any) -> LabelledSubset:
    """The samples that have a label, to judge by; raises ValueError if none has."""
    labels = labels_for(source, y)
    if labels is None:
        raise ValueError("to be judged, predictions need labels: name their column, or give them")
    return LabelledSubset.of(source, labels, None, None)


def classes_as_numbers(estimator: RoMAEClassifier, labels: Array) -> npt.NDArray[np.int64]:
    """(n,) the place of each label among the classes; raises ValueError for labels never seen in training."""
    index = {name: i for i, name in enumerate(estimator.classes_.tolist())}
    if unseen := sorted({str(label) for label in labels.tolist() if label not in index}):
        raise ValueError(f"labels {unseen} were never seen in training; the classes are {list(index)}")
    return np.array([index[label] for label in labels.tolist()], np.int64)
