"""The last line of a fit: how good it is on the validation part, and whether something simple does better."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Self

LOWER_IS_BETTER = frozenset({"mse"})

# What decides: the first of these that was measured. The others are there to be read.
DECIDING = ("balanced_accuracy", "r2", "mse")

Scores = dict[str, float]


@dataclass(frozen=True)
class FitSummary:
    """Metrics on the validation part, by name, beside those of simple methods.

    n_validation: samples that were judged. Where they also chose the best weights (see ``validation_fraction``) that
    flatters the fit a little, and not the simple methods. scores: {} without a validation part. baselines: metrics by
    method. note: why something is missing, or what was left out.
    """

    n_validation: int
    scores: Scores = field(default_factory=dict)
    baselines: dict[str, Scores] = field(default_factory=dict)
    note: str = ""

    @property
    def best_baseline(self) -> str | None:
        """The name of the best simple method; None if there is none."""
        metric = self._metric
        if metric is None or not self.baselines:
            return None
        return min(self.baselines, key=lambda name: _cost(metric, self.baselines[name][metric]))

    @property
    def is_baseline_better(self) -> bool | None:
        """Whether a simple method wins; None where there is nothing to compare."""
        best, metric = self.best_baseline, self._metric
        if best is None or metric is None:
            return None
        return _cost(metric, self.baselines[best][metric]) < _cost(metric, self.scores[metric])

    @property
    def _metric(self) -> str | None:
        return next((name for name in DECIDING if name in self.scores), None)

    def __str__(self) -> str:
        if not self.scores:
            return f"validation: {self.note}"
        parts = [f"validation on {self.n_validation} samples: {_listed(self.scores)}"]
        parts += [f"{name}: {_listed(scores)}" for name, scores in self.baselines.items()]
        said = "; ".join([*parts, self.note] if self.note else parts)
        if self.is_baseline_better:
            said += f". A simple method wins here ({self.best_baseline}): use it, or pre-train on more data"
        return said

    def to_json(self) -> dict[str, Any]:
        """The fields, as JSON can hold them."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """What ``to_json`` wrote."""
        return cls(**fields)


NOT_VALIDATED = FitSummary(
    0, note="no samples were kept apart (there are fewer than 20, or validation_fraction is 0), so this fit is unjudged"
)


def _cost(metric: str, value: float) -> float:
    return value if metric in LOWER_IS_BETTER else -value


def _listed(metrics: Scores) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in metrics.items())
