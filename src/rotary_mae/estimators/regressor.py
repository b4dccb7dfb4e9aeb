"""RoMAERegressor: one or several numbers of whole samples."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from rotary_mae.data.subset import Subset
from rotary_mae.estimators.estimator import RoMAEEstimator
from rotary_mae.estimators.inference import run_model
from rotary_mae.estimators.inputs import checked_weights, is_named, labels_for, needed_labels
from rotary_mae.estimators.schedule import REGRESS
from rotary_mae.estimators.starting import seeded_model
from rotary_mae.estimators.validation import split_validation
from rotary_mae.models.checkpoint import Pretrained
from rotary_mae.models.predictor import RoMAEForPrediction


class RoMAERegressor(RegressorMixin, RoMAEEstimator):
    """Fine-tunes (or trains from scratch) a regressor of (n,) or (n, k) numbers.

    Parameters: see ``RoMAEEstimator``. Fitted: ``model_``, ``training_``, ``target_mean_``, ``target_scale_``.
    """

    def fit(self, X: Any, y: Any = None, *, sample_weight: Any = None, groups: Any = None) -> Self:
        """Train on samples and their numbers.

        y: (B,) or (B, k), as ``RoMAEClassifier.fit`` takes labels; None takes the tokens' targets.
        sample_weight: (B,) weights in the loss. groups: (B,) keeps groups on one side of validation.
        """
        source, initial = self._to_fit(X)
        labels = needed_labels(source, X, y, "regressor")
        try:
            targets = np.asarray(labels, np.float64)
        except ValueError as error:
            raise ValueError(f"targets must be numbers: {error}; for names of classes train a classifier") from error
        if not np.isfinite(targets).all():
            raise ValueError(f"targets must be finite, {int((~np.isfinite(targets)).sum())} of them are not")
        self.is_single_ = targets.ndim == 1
        targets = targets.reshape(len(targets), -1)
        self.target_mean_, spread = targets.mean(0), targets.std(0)
        self.target_scale_ = np.where(spread > 0, spread, 1.0)
        scaled = ((targets - self.target_mean_) / self.target_scale_).astype(np.float32)
        seed = self._seed
        scaling = self._fit_scaling(source, initial)
        config = self._model_config(scaling, initial, distribution="point")
        model = seeded_model(seed, lambda: RoMAEForPrediction(config, outputs=targets.shape[1]))
        self._start_from(initial, model)
        parts = split_validation(len(source), self.validation_fraction, seed, groups=groups)
        weights = checked_weights(sample_weight, len(source))
        self._train(model, Subset(source, np.arange(len(source)), scaled), parts, scaling, REGRESS, seed, weights)
        return self

    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """(n,) or (n, k), as ``y`` was, in its units."""
        source, model = self._source(X), self.model_
        scaled = run_model(
            model, source, self.scaling_, lambda batch: model(batch).logits, self.device, bool(self.verbose)
        )
        numbers = scaled.astype(np.float64) * self.target_scale_ + self.target_mean_
        return numbers[:, 0] if self.is_single_ else numbers

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Coefficient of determination R^2; ``y`` as in ``fit``, ``sample_weight`` (B,)."""
        source = self._source(X)
        return float(r2_score(labels_for(source, y, is_named(X)), self.predict(source), sample_weight=sample_weight))

    def _fitted(self) -> dict[str, Any]:
        return {
            "target_mean": self.target_mean_.tolist(),
            "target_scale": self.target_scale_.tolist(),
            "is_single": self.is_single_,
        }

    def _restore(self, fitted: dict[str, Any], model: Pretrained) -> None:
        super()._restore(fitted, model)
        self.target_mean_ = np.asarray(fitted["target_mean"])
        self.target_scale_ = np.asarray(fitted["target_scale"])
        self.is_single_ = bool(fitted["is_single"])
