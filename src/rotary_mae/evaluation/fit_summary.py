"""Summary of a fit: metrics on the validation set beside those of baselines."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from rotary_mae.evaluation.metrics import is_better

DECIDING_METRICS = ("balanced_accuracy", "r2", "mse")
"""Metrics that decide whether a baseline is better, by priority: the first of them that was measured."""

TITLES = {"ece": "calibration error"}
"""Titles of metrics whose names are abbreviations that few know."""

Scores = dict[str, float]


@dataclass(frozen=True)
class FitSummary:
    """Metrics of a fit on its validation set, beside those of baselines.

    The validation set may also have chosen the best weights (see ``validation_fraction``). This makes the scores of
    the fit slightly optimistic, and not those of the baselines.

    Attributes
    ----------
    n_validation : int
        Number of validation samples that were evaluated.
    scores : dict of str to float
        Metrics of the fit by name; empty without a validation set.
    baselines : dict of str to dict
        Metrics of each baseline, by its name.
    note : str
        Why something is missing, or what was left out; empty if nothing was.
    """

    n_validation: int
    scores: Scores = field(default_factory=dict)
    baselines: dict[str, Scores] = field(default_factory=dict)
    note: str = ""

    @property
    def deciding_metric(self) -> str | None:
        """Name of the metric that the fit and the baselines are compared by; None without scores."""
        return next((name for name in DECIDING_METRICS if name in self.scores), None)

    @property
    def best_baseline(self) -> str | None:
        """Name of the best baseline; None if there is none."""
        metric = self.deciding_metric
        if metric is None or not self.baselines:
            return None
        best, *others = self.baselines
        for name in others:
            if is_better(metric, self.baselines[name][metric], than=self.baselines[best][metric]):
                best = name
        return best

    @property
    def is_baseline_better(self) -> bool | None:
        """True if the best baseline is better than the fit; None where there is nothing to compare."""
        best, metric = self.best_baseline, self.deciding_metric
        if best is None or metric is None:
            return None
        return is_better(metric, self.baselines[best][metric], than=self.scores[metric])

    def __str__(self) -> str:
        if not self.scores:
            return f"validation: {self.note}"
        sentences = [f"validation on {self.n_validation} samples: {_format_scores(self.scores)}"]
        sentences += [f"{name}: {_format_scores(scores)}" for name, scores in self.baselines.items()]
        text = "; ".join([*sentences, self.note] if self.note else sentences)
        if self.is_baseline_better:
            text += f". A baseline is better here ({self.best_baseline}): use it, or pre-train on more data"
        return text

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Return the summary that ``to_json`` wrote."""
        return cls(**fields)


NOT_VALIDATED = FitSummary(
    0,
    note="no samples were held out (there are fewer than 20, or validation_fraction is 0), so nothing is evaluated",
)
"""Summary of a fit without a validation set."""


def _format_scores(scores: Scores) -> str:
    return ", ".join(f"{TITLES.get(name, name.replace('_', ' '))} {value:.3f}" for name, value in scores.items())
