"""How good a fitted estimator is on data: classes, numbers, or what was hidden from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.batches.hiding import Hiding
from rotary_mae.data.tokens import Source
from rotary_mae.estimators.classifier import RoMAEClassifier
from rotary_mae.estimators.embedder import RoMAEEmbedder
from rotary_mae.estimators.estimator import RoMAEEstimator
from rotary_mae.estimators.inference import batches_by_length, pick_device
from rotary_mae.estimators.inputs import labels_for
from rotary_mae.estimators.interpolator import RoMAEInterpolator
from rotary_mae.estimators.regressor import RoMAERegressor
from rotary_mae.training.evaluation import evaluating
from rotary_mae.training.loader import VALIDATION_EPOCH, BatchReader
from rotary_mae.training.metrics import prediction_metrics
from rotary_mae.training.progress import counting
from rotary_mae.training.reconstruction import HiddenValues

Array = npt.NDArray[Any]

CHUNK = 4_096


def evaluate_estimator(estimator: RoMAEEstimator, source: Source, y: Any = None) -> dict[str, float]:
    """Metrics by name.

    Classifiers: accuracy, balanced_accuracy, macro_f1. Regressors: mse and r2, in the user's units. Embedders and
    interpolators: see ``reconstruction_metrics``, with the hiding they were trained with.

    y: labels in the order of the samples, or by id; None takes the source's targets.
    """
    if isinstance(estimator, RoMAEClassifier):
        return _classification(estimator, source, _needed(source, y))
    if isinstance(estimator, RoMAERegressor):
        targets = _needed(source, y).astype(np.float64)
        return prediction_metrics(estimator.predict(source).reshape(len(targets), -1), targets)
    if isinstance(estimator, RoMAEEmbedder | RoMAEInterpolator):
        return reconstruction_metrics(estimator, source, estimator.hiding_of_training)
    raise TypeError(f"expected a fitted estimator of this library, got {type(estimator).__name__}")


def _needed(source: Source, y: Any) -> Array:
    labels = labels_for(source, y)
    if labels is None:
        raise ValueError("to be judged, predictions need labels: name their column, or give them")
    return labels


def _classification(estimator: RoMAEClassifier, source: Source, labels: Array) -> dict[str, float]:
    return prediction_metrics(estimator.predict_proba(source), classes_as_numbers(estimator, labels))


def classes_as_numbers(estimator: RoMAEClassifier, labels: Array) -> npt.NDArray[np.int64]:
    """(n,) the place of each label among the classes; raises ValueError for labels never seen in training."""
    index = {name: i for i, name in enumerate(estimator.classes_.tolist())}
    if unseen := sorted({str(label) for label in labels.tolist() if label not in index}):
        raise ValueError(f"labels {unseen} were never seen in training; the classes are {list(index)}")
    return np.array([index[label] for label in labels.tolist()], np.int64)


def reconstruction_metrics(estimator: Any, source: Source, hiding: Hiding, seed: int = 0) -> dict[str, float]:
    """How well hidden values are filled in, beside simple answers; the same values are hidden every time.

    All in scaled units, so that channels count alike (see ``HiddenValues.metrics``).
    """
    model, scaling = estimator.model_, estimator.scaling_
    device = pick_device(estimator.device)
    model.to(device)
    reader = BatchReader(source, scaling, hiding, None, seed, VALIDATION_EPOCH)
    values = HiddenValues(scaling.schema, is_normalized=model.config.normalize_targets)
    with evaluating(model), counting("hide and answer", len(source), bool(estimator.verbose)) as done:
        for indices in _batches(source):
            batch: TokenBatch = reader[indices, True]
            output = model(batch.to(device))
            std = None if output.std is None else output.std.float().cpu().numpy()
            values.add(batch, output.prediction.float().cpu().numpy(), std)
            done(len(indices))
    return values.metrics(getattr(estimator, "calibration_", None))


def _batches(source: Source) -> Any:
    lengths = getattr(source, "lengths", None)
    for first in range(0, len(source), CHUNK):
        chunk = np.arange(first, min(first + CHUNK, len(source)))
        of_chunk = source[chunk].lengths if lengths is None else np.asarray(lengths[chunk])
        for indices in batches_by_length(of_chunk):
            yield first + indices
