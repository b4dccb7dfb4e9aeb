"""How long and how fast to train when the user does not say: enough updates on few samples, enough passes on many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Plan:
    """What a kind of training wants.

    n_updates: aimed at on small sets. min_epochs: passes at least, on large ones. batch_size: at most.
    patience: evaluations without a better one before stopping (of about 50).
    """

    n_updates: int
    min_epochs: int
    batch_size: int
    learning_rate: float
    patience: int


PRETRAIN = Plan(n_updates=2000, min_epochs=10, batch_size=32, learning_rate=1e-3, patience=15)
FINE_TUNE = Plan(n_updates=1000, min_epochs=10, batch_size=32, learning_rate=5e-4, patience=15)
INTERPOLATE = Plan(n_updates=2000, min_epochs=10, batch_size=32, learning_rate=1e-3, patience=15)


def plan_training(n_samples: int, plan: Plan, given: dict[str, Any]) -> dict[str, Any]:
    """batch_size, epochs and learning_rate for ``n_samples``, around what the user gave."""
    # at least about eight updates an epoch, so that a small set is not seen as one batch
    batch_size = given.get("batch_size") or min(plan.batch_size, max(4, n_samples // 8))
    per_epoch = -(-n_samples // batch_size)
    epochs = max(plan.min_epochs, -(-plan.n_updates // per_epoch))
    return {"batch_size": batch_size, "epochs": epochs, "learning_rate": plan.learning_rate}
