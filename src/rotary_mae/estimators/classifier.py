"""RoMAEClassifier: classes of whole samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from torch import Tensor

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.data.sources import Source, Subset
from rotary_mae.estimators._fit.defaults import CLASSIFY, mean_length, model_config
from rotary_mae.estimators._fit.initialization import scaling_for, seeded_model
from rotary_mae.estimators._fit.pretraining import pretrained_on_all
from rotary_mae.estimators._fit.split import TrainValidationSplit, split_validation
from rotary_mae.estimators._predict.batched import predict_batched
from rotary_mae.estimators.estimator import RoMAEEstimator, restore_on_failure
from rotary_mae.estimators.labels import LabelledSubset, needed_labels
from rotary_mae.evaluation.fit_summary import NOT_VALIDATED, FitSummary
from rotary_mae.evaluation.metrics import prediction_metrics
from rotary_mae.models.predictor import RoMAEForPrediction
from rotary_mae.models.pretrained import Pretrained


class RoMAEClassifier(ClassifierMixin, RoMAEEstimator):
    """Fine-tunes (or trains from scratch, with ``init=None``) a classifier.

    class_weight: None, "balanced" or a mapping from class to weight. n_estimators: that many models are trained from
    different seeds on the same training part, and their probabilities averaged: steadier, and as many times slower.
    Other parameters: see ``RoMAEEstimator``.

    Labels may be missing (None, NaN or pandas' NA; -1 is a class): without ``init`` a model is then pre-trained on all
    samples first, and fine-tuned on those that have a label; with ``init`` the others are left out.

    Fitted: ``classes_``, ``model_`` (``models_`` of an ensemble), ``training_``, ``transfer_`` (what came from
    ``init``), ``summary_`` (the validation score beside that of simple methods).
    """

    def __init__(
        self, *, class_weight: Mapping[Any, float] | str | None = None, n_estimators: int = 1, **parameters: Any
    ) -> None:
        super().__init__(**parameters)
        self.class_weight = class_weight
        self.n_estimators = n_estimators

    @restore_on_failure
    def fit(self, X: Any, y: Any = None, *, sample_weight: Any = None, groups: Any = None) -> Self:
        """Train on samples and their labels.

        y: (B,) in the order of the samples, or a mapping or Series keyed by id (None for an id without a label); None
        takes the tokens' targets. sample_weight: (B,) weights in the loss. groups: (B,) keeps groups on one side of
        validation.
        """
        everything, initial = self._to_fit(X)
        known = LabelledSubset.of(everything, needed_labels(everything, X, y, "classifier"), sample_weight, groups)
        source, labels, seed = known.source, known.labels, self._seed
        _check_labels(labels)
        self.classes_, encoded = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"a classifier needs at least two classes, got one class: {self.classes_[0]}")
        if known.n_missing and initial is None:
            initial = pretrained_on_all(self, everything, seed, groups)
        scaling = scaling_for(source, initial, self.unit)
        config = model_config(self, scaling, initial, mean_length(source), distribution="point")
        model = seeded_model(seed, lambda: RoMAEForPrediction(config, outputs=len(self.classes_)))
        self._start_from(initial, model)
        parts = split_validation(len(source), self.validation_fraction, seed, encoded, known.groups)
        weights = self._weights(labels, encoded, known.weights)
        contest = self._prepared_contest(source, parts, encoded, weights, seed)
        labelled: Source = Subset(source, np.arange(len(source)), encoded)
        self._train(model, labelled, parts, scaling, CLASSIFY, seed, weights, initial)
        self.validation_idx_ = known.indices[parts.validation]
        self._finish(self._judged(labelled, parts), contest)
        return self

    def _weights(
        self, labels: npt.NDArray[Any], encoded: npt.NDArray[np.int64], given: npt.NDArray[Any] | None
    ) -> npt.NDArray[np.float32] | None:
        if given is None and self.class_weight is None:
            return None
        weights = np.ones(len(labels)) if given is None else given
        if self.class_weight is not None:
            of_class = compute_class_weight(self.class_weight, classes=self.classes_, y=labels)
            weights = weights * of_class[encoded]
        return weights.astype(np.float32)

    def _judged(self, labelled: Source, parts: TrainValidationSplit) -> FitSummary:
        if not len(parts.validation):
            return NOT_VALIDATED
        held = Subset(labelled, parts.validation)
        metrics = prediction_metrics(self._log_chances(held), np.asarray(held.targets))
        return FitSummary(len(held), {name: metrics[name] for name in ("balanced_accuracy", "accuracy")})

    def decision_function(self, X: Any) -> npt.NDArray[np.float32]:
        """(n, classes) logits; of two classes (n,) the second against the first, as scikit-learn has it."""
        logits = self._log_chances(self._source(X))
        if len(self.classes_) > 2:
            return logits
        difference: npt.NDArray[np.float32] = logits[:, 1] - logits[:, 0]
        return difference

    def _log_chances(self, source: Source) -> npt.NDArray[np.float32]:
        """(n, classes) logits; of an ensemble the logarithms of its mean probabilities, which are logits of those."""
        every = [
            predict_batched(model, source, self.scaling_, _logits_of(model), self.device, bool(self.verbose))
            for model in self.models_
        ]
        if len(every) == 1:
            return every[0]
        chances = np.mean([softmax(logits.astype(np.float64), axis=1) for logits in every], axis=0)
        return np.log(np.maximum(chances, np.finfo(np.float32).tiny)).astype(np.float32)

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """(n, classes) probabilities, in the order of ``classes_``; of an ensemble their mean."""
        chances: npt.NDArray[np.float64] = softmax(self._log_chances(self._source(X)).astype(np.float64), axis=1)
        return chances

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """(n,) the likeliest class of each sample."""
        return self._likeliest(self._source(X))

    def _likeliest(self, source: Source) -> npt.NDArray[Any]:
        chosen: npt.NDArray[Any] = self.classes_[self._log_chances(source).argmax(1)]
        return chosen

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Accuracy on the samples that have a label; ``y`` as in ``fit``, ``sample_weight`` (B,)."""
        source = self._source(X)
        known = LabelledSubset.of(source, needed_labels(source, X, y, "score of a classifier"), sample_weight, None)
        return float(accuracy_score(known.labels, self._likeliest(known.source), sample_weight=known.weights))

    def _fitted(self) -> dict[str, Any]:
        return {"classes": self.classes_.tolist(), "dtype": self.classes_.dtype.str}

    def _restore(self, fitted: dict[str, Any], model: Pretrained) -> None:
        super()._restore(fitted, model)
        dtype = fitted["dtype"]
        self.classes_ = np.array(fitted["classes"], dtype=object if dtype == "|O" else dtype)


def _check_labels(labels: npt.NDArray[Any]) -> None:
    if labels.ndim > 1:
        raise ValueError(f"a classifier needs one label a sample, (n,), got {labels.shape}; train one for each column")
    if labels.dtype.kind in "mM":
        raise ValueError(f"labels must be text, whole numbers or bools, got {labels.dtype}; make text of them")
    check_classification_targets(labels)


def _logits_of(model: Any) -> Callable[[TokenBatch], Tensor]:
    return lambda batch: model(batch).logits
