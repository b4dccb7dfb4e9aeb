"""RoMAEClassifier: classes of whole samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from rotary_mae.data.subset import Subset
from rotary_mae.data.tokens import Source
from rotary_mae.estimators.estimator import RoMAEEstimator
from rotary_mae.estimators.inference import run_model
from rotary_mae.estimators.inputs import checked_weights, is_named, labels_for, needed_labels
from rotary_mae.estimators.schedule import CLASSIFY
from rotary_mae.estimators.starting import seeded_model
from rotary_mae.estimators.validation import split_validation
from rotary_mae.models.checkpoint import Pretrained
from rotary_mae.models.predictor import RoMAEForPrediction


class RoMAEClassifier(ClassifierMixin, RoMAEEstimator):
    """Fine-tunes (or trains from scratch, with ``init=None``) a classifier.

    class_weight: None, "balanced" or a mapping from class to weight. Other parameters: see ``RoMAEEstimator``.
    Fitted: ``classes_``, ``model_``, ``training_``, ``transfer_`` (what came from ``init``).
    """

    def __init__(self, *, class_weight: Mapping[Any, float] | str | None = None, **parameters: Any) -> None:
        super().__init__(**parameters)
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any = None, *, sample_weight: Any = None, groups: Any = None) -> Self:
        """Train on samples and their labels.

        y: (B,) in the order of the samples, or a mapping or Series keyed by id; None takes the tokens' targets.
        sample_weight: (B,) weights in the loss. groups: (B,) keeps groups on one side of validation.
        """
        source, initial = self._to_fit(X)
        labels = needed_labels(source, X, y, "classifier")
        check_classification_targets(labels)
        self.classes_, encoded = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"a classifier needs at least two classes, got one class: {self.classes_[0]}")
        seed = self._seed
        scaling = self._fit_scaling(source, initial)
        config = self._model_config(scaling, initial, distribution="point")
        model = seeded_model(seed, lambda: RoMAEForPrediction(config, outputs=len(self.classes_)))
        self._start_from(initial, model)
        parts = split_validation(len(source), self.validation_fraction, seed, encoded, groups)
        labelled: Source = Subset(source, np.arange(len(source)), encoded)
        self._train(model, labelled, parts, scaling, CLASSIFY, seed, self._weights(labels, encoded, sample_weight))
        return self

    def _weights(
        self, labels: npt.NDArray[Any], encoded: npt.NDArray[np.int64], sample_weight: Any
    ) -> npt.NDArray[np.float32] | None:
        if sample_weight is None and self.class_weight is None:
            return None
        given = checked_weights(sample_weight, len(labels))
        weights = np.ones(len(labels)) if given is None else given
        if self.class_weight is not None:
            of_class = compute_class_weight(self.class_weight, classes=self.classes_, y=labels)
            weights = weights * of_class[encoded]
        return weights.astype(np.float32)

    def decision_function(self, X: Any) -> npt.NDArray[np.float32]:
        """(n, classes) logits; of two classes (n,) the second against the first, as scikit-learn has it."""
        logits = self._logits(X)
        if len(self.classes_) > 2:
            return logits
        difference: npt.NDArray[np.float32] = logits[:, 1] - logits[:, 0]
        return difference

    def _logits(self, X: Any) -> npt.NDArray[np.float32]:
        """(n, classes)."""
        source, model = self._source(X), self.model_
        return run_model(
            model, source, self.scaling_, lambda batch: model(batch).logits, self.device, bool(self.verbose)
        )

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """(n, classes) probabilities, in the order of ``classes_``."""
        logits = self._logits(X).astype(np.float64)
        exponents = np.exp(logits - logits.max(1, keepdims=True))
        return exponents / exponents.sum(1, keepdims=True)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """(n,) the likeliest class of each sample."""
        likeliest = self._logits(X).argmax(1)
        chosen: npt.NDArray[Any] = self.classes_[likeliest]
        return chosen

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Accuracy; ``y`` as in ``fit``, ``sample_weight`` (B,)."""
        source = self._source(X)
        return float(
            accuracy_score(labels_for(source, y, is_named(X)), self.predict(source), sample_weight=sample_weight)
        )

    def _fitted(self) -> dict[str, Any]:
        return {"classes": self.classes_.tolist(), "dtype": self.classes_.dtype.str}

    def _restore(self, fitted: dict[str, Any], model: Pretrained) -> None:
        super()._restore(fitted, model)
        dtype = fitted["dtype"]
        self.classes_ = np.array(fitted["classes"], dtype=object if dtype == "|O" else dtype)
