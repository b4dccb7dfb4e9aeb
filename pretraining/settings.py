"""Settings of a training run, which never change within a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from rotary_mae.prior import PRIOR_VERSION
from rotary_mae.series_model.model import SeriesModelConfig


@dataclass(frozen=True)
class Settings:
    """Settings of a run.

    Attributes
    ----------
    model : SeriesModelConfig
        Sizes of the model.
    seed : int
        Seed of the initial weights and of the synthetic series.
    prior_version : int
        Version of the prior that the run was started with.
    batch_size : int
        Series of a step.
    chunk_size : int
        Series that are drawn at a time and sorted by length.
    learning_rate : float
        Rate after the warm-up, of matrices in Muon and of all else in AdamW.
    warm_up : int
        Steps over which the rate rises from 0.
    weight_decay : float
        Decoupled weight decay of both optimizers.
    average_fraction : float
        Fraction of all steps so far that the moving average of the weights reaches back over.
    average_max : int
        Largest number of steps that it reaches back over.
    bf16 : bool
        Compute the products of the transformer layers in bf16.
    decay_start, decay_steps : int
        First step and number of steps of the decay of the rate to 0, at the end of a run; 0 steps = constant rate.
    """

    model: SeriesModelConfig = field(default_factory=SeriesModelConfig)
    seed: int = 7
    prior_version: int = PRIOR_VERSION
    batch_size: int = 64
    chunk_size: int = 1024
    learning_rate: float = 2e-3
    warm_up: int = 100
    weight_decay: float = 0.01
    average_fraction: float = 0.1
    average_max: int = 5000
    bf16: bool = True
    decay_start: int = 0
    decay_steps: int = 0

    @property
    def last_step(self) -> int | None:
        """Number of steps of a run with a decay; None for one without end."""
        return self.decay_start + self.decay_steps if self.decay_steps else None

    def rate(self, step: int) -> float:
        """Return the learning rate of step ``step`` (0, 1, ...): warm-up, constant, and decay if there is one."""
        rate = self.learning_rate * min(1.0, (step + 1) / self.warm_up)
        if self.decay_steps and step >= self.decay_start:
            rate *= max(0.0, 1.0 - (step - self.decay_start) / self.decay_steps)
        return rate

    def average_weight(self, n_steps: int) -> float:
        """Return the weight of the newest weights in the average after ``n_steps`` steps."""
        return 1.0 / max(1.0, min(self.average_fraction * n_steps, self.average_max))

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON can hold them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Self:
        """Make settings from ``to_dict``; raise ValueError for an unknown field or another version of the prior."""
        if unknown := set(given) - {f.name for f in fields(cls)}:
            raise ValueError(
                f"settings of the run have the unknown fields {sorted(unknown)}; use the code it began with"
            )
        settings = cls(**{**given, "model": SeriesModelConfig.from_dict(given["model"])})
        if settings.prior_version != PRIOR_VERSION:
            raise ValueError(
                f"the run was started with version {settings.prior_version} of the prior and this is version "
                f"{PRIOR_VERSION}; start a new run, or use the code it began with"
            )
        return settings
