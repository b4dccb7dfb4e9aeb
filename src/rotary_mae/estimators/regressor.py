"""RoMAERegressor: one or several numbers of whole samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from torch import Tensor

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.data.sources import Source, Subset
from rotary_mae.estimators._fit.defaults import REGRESS, mean_length, model_config
from rotary_mae.estimators._fit.initialization import scaling_for, seeded_model
from rotary_mae.estimators._fit.pretraining import pretrained_on_all
from rotary_mae.estimators._fit.split import any_weight, split_validation
from rotary_mae.estimators._predict.batched import predict_batched
from rotary_mae.estimators._predict.distribution import mixture_moments
from rotary_mae.estimators.estimator import RoMAEEstimator, restore_on_failure
from rotary_mae.estimators.labels import LabelledSubset, needed_labels
from rotary_mae.evaluation.fit_summary import NOT_VALIDATED, FitSummary
from rotary_mae.evaluation.metrics import prediction_metrics
from rotary_mae.models.predictor import RoMAEForPrediction
from rotary_mae.models.pretrained import Pretrained

Array = npt.NDArray[Any]

PRIOR_SAMPLES = 5


class RoMAERegressor(RegressorMixin, RoMAEEstimator):
    """Fine-tunes (or trains from scratch) a regressor of (n,) or (n, k) numbers.

    n_estimators: that many models are trained from different seeds on the same training part, and their answers
    averaged (of their spread too, as of a mixture of normal distributions). Other parameters: see ``RoMAEEstimator``.

    Numbers may be missing (None, NaN or pandas' NA): without ``init`` a model is then pre-trained on all samples
    first, and fine-tuned on those that have them; with ``init`` the others are left out.

    Fitted: ``model_`` (``models_`` of an ensemble), ``training_``, ``target_mean_``, ``target_scale_``, ``std_factor_``
    (what the spread was multiplied by to fit the validation part), ``summary_``.
    """

    def __init__(self, *, n_estimators: int = 1, **parameters: Any) -> None:
        super().__init__(**parameters)
        self.n_estimators = n_estimators

    @restore_on_failure
    def fit(self, X: Any, y: Any = None, *, sample_weight: Any = None, groups: Any = None) -> Self:
        """Train on samples and their numbers.

        y: (B,) or (B, k), as ``RoMAEClassifier.fit`` takes labels; None takes the tokens' targets.
        sample_weight: (B,) weights in the loss. groups: (B,) keeps groups on one side of validation.
        """
        everything, initial = self._to_fit(X)
        known = LabelledSubset.of(everything, needed_labels(everything, X, y, "regressor"), sample_weight, groups)
        source, seed = known.source, self._seed
        targets = _as_numbers(known.labels)
        self.is_single_ = targets.ndim == 1
        targets = targets.reshape(len(targets), -1)
        self.target_mean_ = np.average(targets, 0, known.weights)
        spread = np.sqrt(np.average(np.square(targets - self.target_mean_), 0, known.weights))
        self.target_scale_ = np.where(spread > 0, spread, 1.0)
        scaled = ((targets - self.target_mean_) / self.target_scale_).astype(np.float32)
        if known.n_missing and initial is None:
            initial = pretrained_on_all(self, everything, seed, groups)
        scaling = scaling_for(source, initial, self.unit)
        config = model_config(self, scaling, initial, mean_length(source), distribution="gaussian")
        model = seeded_model(seed, lambda: RoMAEForPrediction(config, outputs=targets.shape[1]))
        self._start_from(initial, model)
        parts = split_validation(len(source), self.validation_fraction, seed, groups=known.groups)
        contest = self._prepared_contest(source, parts, targets, known.weights, seed)
        self.std_factor_ = np.ones(targets.shape[1])
        labelled = Subset(source, np.arange(len(source)), scaled)
        self._train(model, labelled, parts, scaling, REGRESS, seed, known.weights, initial)
        self.validation_idx_ = known.indices[parts.validation]
        weights = any_weight(known.weights, parts.validation)
        self._finish(self._judged(Subset(source, parts.validation), targets[parts.validation], weights), contest)
        return self

    def _judged(self, held: Source, targets: Array, weights: Array | None) -> FitSummary:
        """Fits the spread to the validation part, and sums up."""
        if not len(held):
            return NOT_VALIDATED
        mean, std = self._answers(held)
        if not self._has_spread:
            return FitSummary(len(held), prediction_metrics(mean, targets))
        squared = np.average(np.square((targets - mean) / std), 0, weights)
        # as if so many more samples had just the spread that they should: a few say little
        self.std_factor_ = np.sqrt((len(held) * squared + PRIOR_SAMPLES) / (len(held) + PRIOR_SAMPLES))
        return FitSummary(len(held), prediction_metrics(mean, targets))

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """(n,) or (n, k), as ``y`` was, in its units; with ``return_std`` a pair: these, and standard deviations."""
        mean, std = self._answers(self._source(X))
        if return_std and not self._has_spread:
            raise ValueError("this regressor was fitted with distribution='point', so it knows no standard deviation")
        if self.is_single_:
            mean, std = mean[:, 0], std[:, 0]
        return (mean, std) if return_std else mean

    @property
    def _has_spread(self) -> bool:
        return self.model_.config.distribution == "gaussian"

    def _answers(self, source: Source) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """(n, k) means and standard deviations; of an ensemble those of the mixture of its normal distributions."""
        every = [
            predict_batched(model, source, self.scaling_, _answers_of(model), self.device, bool(self.verbose))
            for model in self.models_
        ]
        means, stds = np.split(np.asarray(every, np.float64), 2, axis=2)
        mean, std = mixture_moments(means, stds)
        return mean * self.target_scale_ + self.target_mean_, std * self.target_scale_ * self.std_factor_

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """R^2 on the samples that have numbers; ``y`` as in ``fit``, ``sample_weight`` (B,)."""
        source = self._source(X)
        known = LabelledSubset.of(source, needed_labels(source, X, y, "score of a regressor"), sample_weight, None)
        mean, _ = self._answers(known.source)
        return float(r2_score(known.labels, mean.reshape(known.labels.shape), sample_weight=known.weights))

    def _fitted(self) -> dict[str, Any]:
        return {
            "target_mean": self.target_mean_.tolist(),
            "target_scale": self.target_scale_.tolist(),
            "std_factor": self.std_factor_.tolist(),
            "is_single": self.is_single_,
        }

    def _restore(self, fitted: dict[str, Any], model: Pretrained) -> None:
        super()._restore(fitted, model)
        self.target_mean_ = np.asarray(fitted["target_mean"])
        self.target_scale_ = np.asarray(fitted["target_scale"])
        self.std_factor_ = np.asarray(fitted["std_factor"])
        self.is_single_ = bool(fitted["is_single"])


def _as_numbers(labels: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    if labels.dtype.kind in "mM":
        raise ValueError(f"targets must be numbers, got {labels.dtype}; give time as a number, in days since some date")
    try:
        targets = np.asarray(labels, np.float64)
    except ValueError as error:
        raise ValueError(f"targets must be numbers: {error}; for names of classes train a classifier") from error
    if not np.isfinite(targets).all():
        raise ValueError(f"targets must be finite, {int((~np.isfinite(targets)).sum())} of them are not")
    return targets


def _answers_of(model: Any) -> Callable[[TokenBatch], Tensor]:
    """(b, 2 k) means, then standard deviations; 0 of a model that gives none."""

    def answer(batch: TokenBatch) -> Tensor:
        output = model(batch)
        return torch.cat((output.logits, torch.zeros_like(output.logits) if output.std is None else output.std), 1)

    return answer
