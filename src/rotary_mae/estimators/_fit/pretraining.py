"""Pre-training on all samples where some labels are missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotary_mae.data.sources import Source
from rotary_mae.estimators.embedder import RoMAEEmbedder
from rotary_mae.models.pretrained import Pretrained
from rotary_mae.training.run_folder import PRETRAINING, RunFolder

if TYPE_CHECKING:
    from rotary_mae.estimators.estimator import RoMAEEstimator

# Settings of training that only labels give a meaning to.
OF_LABELS = frozenset({"monitor", "label_smoothing"})


def pretrained_on_all(estimator: RoMAEEstimator, source: Source, seed: int, groups: Any) -> Pretrained:
    """A model of the estimator's settings, pre-trained on all samples, with labels or without.

    It has half of ``max_minutes``, and of a run's folder the sub-folder ``pretraining``.
    """
    if estimator.out is not None:
        RunFolder(estimator.out).check_free(estimator.resume)
    given = estimator.get_params(deep=False)
    settings = {name: given[name] for name in RoMAEEmbedder().get_params(deep=False)}
    settings["training"] = {k: v for k, v in (estimator.training or {}).items() if k not in OF_LABELS}
    settings["out"] = None if estimator.out is None else Path(estimator.out) / PRETRAINING
    settings["max_minutes"] = None if estimator.max_minutes is None else estimator.max_minutes / 2
    settings["random_state"] = seed
    if estimator.verbose:
        print(f"some of the {len(source)} samples have no label: pre-training on all of them first")
    return RoMAEEmbedder(**settings).fit(source, groups=groups).model_
