"""Simple methods on the same training and validation part: a forest on features, and random convolutions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
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
from rotary_mae.evaluation.fit_summary import FitSummary
from rotary_mae.evaluation.metrics import prediction_metrics
from rotary_mae.evaluation.rocket import RandomConvolutions

Array = npt.NDArray[Any]

# More than these would cost more than they say; the note tells that there were more.
MAX_TRAINING, MAX_VALIDATION = 2_000, 1_000

MAX_GRID_CELLS = 4_000_000

N_TREES = 100

ALPHAS = np.logspace(-3, 4, 10)

FOREST = "random forest on features"

CONVOLUTIONS = "ridge on random convolutions"


@dataclass(frozen=True)
class BaselineInputs:
    """features (n, F) and, of series, grids (n, channels, times); with targets and weights."""

    features: Array
    grids: Array | None
    targets: Array
    weights: Array | None


@dataclass(frozen=True)
class BaselineComparison:
    """What simple methods need: prepared at fit, which is quick; held when its results are asked for, in seconds.

    note: what was left out.
    """

    training: BaselineInputs | None = None
    validation: BaselineInputs | None = None
    seed: int = 0
    note: str = ""

    @classmethod
    def prepare(
        cls,
        source: Source,
        training: npt.NDArray[np.int64],
        validation: npt.NDArray[np.int64],
        targets: Array,
        weights: Array | None,
        seed: int,
    ) -> Self:
        """targets: (B,) whole-number classes, or (B, k) numbers; weights: (B,) or None."""
        if not len(validation):
            return cls()
        rng = np.random.default_rng(seed)
        chosen = [_some(part, most, rng) for part, most in ((training, MAX_TRAINING), (validation, MAX_VALIDATION))]
        sets = [source[indices] for indices in chosen]
        if not all(_has_features(tokens, sets[0]) for tokens in sets):
            return cls(note="no simple method was tried: images of several sizes have no features in common")
        grids = _grids(sets)
        sides = [
            BaselineInputs(series_features(tokens), grid, targets[i], None if weights is None else weights[i])
            for tokens, grid, i in zip(sets, grids, chosen, strict=True)
        ]
        is_all = len(chosen[0]) == len(training) and len(chosen[1]) == len(validation)
        note = f"simple methods saw {len(chosen[0])} samples and were judged on {len(chosen[1])}"
        return cls(sides[0], sides[1], seed, "" if is_all else note)

    @cached_property
    def results(self) -> dict[str, dict[str, float]]:
        """Metrics of the simple methods by name, as ``prediction_metrics`` has them; {} if there are none."""
        if self.training is None or self.validation is None:
            return {}
        train, held = self.training, self.validation
        is_classes = train.targets.dtype.kind in "iu"
        forest_of, ridge_of = (
            (RandomForestClassifier, RidgeClassifierCV) if is_classes else (RandomForestRegressor, RidgeCV)
        )
        forest = forest_of(N_TREES, random_state=self.seed)
        answers = {FOREST: _answers(forest, train, train.features, held.features)}
        if train.grids is not None and held.grids is not None:
            drawn = RandomConvolutions.fit(train.grids, self.seed)
            seen, new = drawn.transform(train.grids), drawn.transform(held.grids)
            answers[CONVOLUTIONS] = _answers(ridge_of(ALPHAS), train, seen, new)
        n_classes = int(max(train.targets.max(), held.targets.max())) + 1 if is_classes else 0
        return {
            name: prediction_metrics(
                np.eye(n_classes)[answer] if is_classes else answer.reshape(len(answer), -1), held.targets
            )
            for name, answer in answers.items()
        }


def _some(part: npt.NDArray[np.int64], most: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    return part if len(part) <= most else np.sort(rng.choice(part, most, replace=False))


def _has_features(tokens: TokenSet, first: TokenSet) -> bool:
    return tokens.schema.patch is None or bool((tokens.lengths == first.lengths[0]).all())


def _grids(sets: list[TokenSet]) -> list[Array | None]:
    """Series on grids as fine as a typical one; nothing for images, and where it would be very large."""
    if sets[0].schema.patch is not None or len(sets[0].schema.continuous_axes) != 1:
        return [None for _ in sets]
    n_times = int(np.clip(np.median(sets[0].lengths), 16, 128))
    if n_times * len(sets[0]) * max(len(sets[0].channels), 1) > MAX_GRID_CELLS:
        return [None for _ in sets]
    return [series_on_grid(tokens, n_times) for tokens in sets]


def _answers(model: Any, side: BaselineInputs, seen: Array, new: Array) -> Array:
    pipeline = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), model)
    weights = {} if side.weights is None else {f"{type(model).__name__.lower()}__sample_weight": side.weights}
    targets = side.targets[:, 0] if side.targets.ndim == 2 and side.targets.shape[1] == 1 else side.targets
    answers: Array = pipeline.fit(seen, targets, **weights).predict(new)
    return answers


class Judgement:
    """A summary, and the contest that is still to be held for it, if any."""

    def __init__(self, summary: FitSummary, contest: BaselineComparison | None = None) -> None:
        self._summary, self._contest = summary, contest

    @property
    def summary(self) -> FitSummary:
        """The summary with the simple methods in it; the contest is held when this is read first, and let go."""
        if self._contest is not None:
            scores, note = self._summary.scores, self._contest.note or self._summary.note
            alike = {name: {k: of[k] for k in scores} for name, of in self._contest.results.items()}
            self._summary = replace(self._summary, baselines=alike, note=note)
            self._contest = None
        return self._summary
