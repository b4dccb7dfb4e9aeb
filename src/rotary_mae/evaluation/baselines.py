"""Baselines on the training and validation set of a fit: a random forest on features, and ridge on convolutions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeClassifierCV, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rotary_mae.data.sources import Source
from rotary_mae.data.tokens import TokenSet
from rotary_mae.evaluation.features import series_features, series_on_grid
from rotary_mae.evaluation.fit_summary import FitSummary, Scores
from rotary_mae.evaluation.metrics import prediction_metrics
from rotary_mae.evaluation.rocket import RandomConvolutions

Array = npt.NDArray[Any]

Ints = npt.NDArray[np.int64]

MAX_TRAINING, MAX_VALIDATION = 2_000, 1_000
"""Number of samples that baselines are trained and evaluated on, at most, so that they take seconds. Not tuned."""

MAX_GRID_CELLS = 4_000_000
"""Number of values of all series on grids, at most, so that they fit in memory. Not tuned."""

GRID_TIMES = (16, 128)
"""Smallest and largest number of times of a grid. Not tuned."""

N_TREES = 100
"""Number of trees, scikit-learn's default."""

RIDGE_ALPHAS = np.logspace(-3, 4, 10)
"""Penalties that cross-validation chooses from. Not tuned."""

FOREST = "random forest on features"

CONVOLUTIONS = "ridge on random convolutions"


@dataclass(frozen=True)
class BaselineInputs:
    """Inputs of baselines for one set of samples.

    Attributes
    ----------
    features : array of float, shape (n, F)
    grids : array of float, shape (n, channels, times), or None
        Series on regular grids; None for images.
    targets : array, shape (n,) or (n, k)
        Classes as integers, or numbers.
    weights : array of float, shape (n,), or None
    """

    features: Array
    grids: Array | None
    targets: Array
    weights: Array | None


@dataclass
class BaselineComparison:
    """Comparison of a fit with baselines, prepared at fit and evaluated later.

    Preparing is quick. Training the baselines takes seconds and happens in ``evaluate`` alone.

    Attributes
    ----------
    training, validation : BaselineInputs or None
        Inputs of the baselines; None where there is nothing to compare.
    seed : int
        Seed of the forest and of the convolutions.
    note : str
        What was left out; empty if nothing was.
    scores : dict of str to dict, or None
        Metrics of each baseline by its name; None before ``evaluate``.
    """

    training: BaselineInputs | None = None
    validation: BaselineInputs | None = None
    seed: int = 0
    note: str = ""
    scores: dict[str, Scores] | None = None

    @classmethod
    def prepare(
        cls, source: Source, training: Ints, validation: Ints, targets: Array, weights: Array | None, seed: int
    ) -> Self:
        """Choose the samples and compute the inputs of the baselines.

        Parameters
        ----------
        source : Source
            B samples.
        training, validation : array of int
            Indices of the training and of the validation set. Of many samples some are drawn.
        targets : array, shape (B,) or (B, k)
            Classes as integers, or numbers.
        weights : array of float, shape (B,), or None
            Weights of the samples in training.
        seed : int
            Seed of the drawn samples and of the baselines.
        """
        if not len(validation):
            return cls()
        rng = np.random.default_rng(seed)
        chosen = [_draw(training, MAX_TRAINING, rng), _draw(validation, MAX_VALIDATION, rng)]
        sets = [source[indices] for indices in chosen]
        if not all(_has_features(tokens, sets[0]) for tokens in sets):
            return cls(note="no baseline was trained: images of several sizes have no features in common")
        inputs = [
            BaselineInputs(series_features(tokens), grids, targets[i], None if weights is None else weights[i])
            for tokens, grids, i in zip(sets, _grids(sets), chosen, strict=True)
        ]
        is_complete = len(chosen[0]) == len(training) and len(chosen[1]) == len(validation)
        note = f"baselines were trained on {len(chosen[0])} samples and evaluated on {len(chosen[1])}"
        return cls(inputs[0], inputs[1], seed, "" if is_complete else note)

    def evaluate(self) -> dict[str, Scores]:
        """Train the baselines and evaluate them on the validation set; later calls return the same scores.

        Returns
        -------
        dict of str to dict
            Metrics of each baseline by its name, as ``prediction_metrics`` returns them; empty if there is nothing to
            compare.
        """
        if self.scores is None:
            self.scores = {}
            if self.training is not None and self.validation is not None:
                self.scores = _train_and_evaluate(self.training, self.validation, self.seed)
            # the inputs are large and no longer needed
            self.training = self.validation = None
        return self.scores

    def add_to(self, summary: FitSummary) -> FitSummary:
        """Return the summary with the metrics of the baselines; trains them if ``evaluate`` was not called before."""
        # baselines predict classes without probabilities
        baselines = {
            name: {key: scores[key] for key in summary.scores if key in scores}
            for name, scores in self.evaluate().items()
        }
        return replace(summary, baselines=baselines, note=self.note or summary.note)


def _draw(indices: Ints, n: int, rng: np.random.Generator) -> Ints:
    return indices if len(indices) <= n else np.sort(rng.choice(indices, n, replace=False))


def _has_features(tokens: TokenSet, first: TokenSet) -> bool:
    return tokens.schema.patch is None or bool((tokens.lengths == first.lengths[0]).all())


def _grids(sets: list[TokenSet]) -> list[Array | None]:
    """Return series on grids with the typical number of times; None for images, and where they would be very large."""
    if sets[0].schema.patch is not None or len(sets[0].schema.continuous_axes) != 1:
        return [None for _ in sets]
    n_times = int(np.clip(np.median(sets[0].lengths), *GRID_TIMES))
    if n_times * len(sets[0]) * max(len(sets[0].channels), 1) > MAX_GRID_CELLS:
        return [None for _ in sets]
    return [series_on_grid(tokens, n_times) for tokens in sets]


def _train_and_evaluate(training: BaselineInputs, validation: BaselineInputs, seed: int) -> dict[str, Scores]:
    is_classification = training.targets.dtype.kind in "iu"
    forest_class, ridge_class = (
        (RandomForestClassifier, RidgeClassifierCV) if is_classification else (RandomForestRegressor, RidgeCV)
    )
    forest = forest_class(N_TREES, random_state=seed)
    predictions = {FOREST: _fit_and_predict(forest, training, training.features, validation.features)}
    if training.grids is not None and validation.grids is not None:
        convolutions = RandomConvolutions.fit(training.grids, seed)
        features = [convolutions.transform(grids) for grids in (training.grids, validation.grids)]
        predictions[CONVOLUTIONS] = _fit_and_predict(ridge_class(RIDGE_ALPHAS), training, *features)
    n_classes = int(max(training.targets.max(), validation.targets.max())) + 1 if is_classification else 0
    return {
        name: prediction_metrics(
            np.eye(n_classes)[predicted] if is_classification else predicted.reshape(len(predicted), -1),
            validation.targets,
        )
        for name, predicted in predictions.items()
    }


def _fit_and_predict(model: Any, training: BaselineInputs, features: Array, new_features: Array) -> Array:
    """Return predictions (n,) or (n, k) for the new features of a model trained on the features."""
    pipeline = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), model)
    weights = {} if training.weights is None else {f"{type(model).__name__.lower()}__sample_weight": training.weights}
    targets = training.targets
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    predictions: Array = pipeline.fit(features, targets, **weights).predict(new_features)
    return predictions
