"""Labels that some samples lack: learn from all samples without labels first, then from those that have one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from rotary_mae.data.missing import is_missing
from rotary_mae.data.subset import Subset
from rotary_mae.data.tokens import Source
from rotary_mae.estimators.embedder import RoMAEEmbedder
from rotary_mae.estimators.inputs import checked_weights
from rotary_mae.models.checkpoint import Pretrained
from rotary_mae.training.run_folder import PRETRAINING, RunFolder

if TYPE_CHECKING:
    from rotary_mae.estimators.estimator import RoMAEEstimator

Array = npt.NDArray[Any]

# Settings of training that only labels give a meaning to.
OF_LABELS = frozenset({"monitor", "label_smoothing"})


@dataclass(frozen=True)
class Labelled:
    """The samples that have a label and a weight above 0: labels (b,) or (b, k), weights (b,) and groups (b,).

    indices: (b,) which of all samples. n_missing: samples without a label. Of several numbers a sample has either all
    or none.
    """

    source: Source
    labels: Array
    weights: Array | None
    groups: Array | None
    indices: npt.NDArray[np.int64]
    n_missing: int

    @classmethod
    def of(cls, source: Source, labels: Array, sample_weight: Any, groups: Any) -> Self:
        """Of all samples (B) with their labels, weights and groups. Raises ValueError if none has a label."""
        weights = checked_weights(sample_weight, len(source))
        groups = None if groups is None else np.asarray(groups)
        if groups is not None and groups.shape != (len(source),):
            raise ValueError(f"groups must be ({len(source)},), one a sample, got {groups.shape}")
        missing = is_missing(labels).reshape(len(labels), -1)
        known: npt.NDArray[np.bool_] = ~np.all(missing, axis=1)
        if n_partly := int(np.count_nonzero(np.any(missing, axis=1) & known)):
            raise ValueError(f"{n_partly} samples have some of their numbers and lack others; give all, or none")
        if not known.any():
            raise ValueError(f"all {len(labels)} labels are missing; label some samples, or use RoMAEEmbedder")
        # what weighs nothing has no part in anything: centre and scale of targets, validation, what is known of classes
        counts = known if weights is None else known & (weights > 0)
        if not counts.any():
            raise ValueError(
                f"the weights of all {np.count_nonzero(known)} samples with a label are zero; give some a weight"
            )
        if counts.all():
            return cls(source, _typed(labels), weights, groups, np.arange(len(source)), 0)
        chosen = np.flatnonzero(counts)
        return cls(
            Subset(source, chosen),
            _typed(labels[chosen], was_partial=not known.all()),
            None if weights is None else weights[chosen],
            None if groups is None else groups[chosen],
            chosen,
            int(np.count_nonzero(~known)),
        )


def _typed(labels: Array, was_partial: bool = False) -> Array:
    """In the type that the labels would have had, had none been missing: whole numbers turn to float for a NaN."""
    if labels.dtype.kind in "OT":
        return np.array(labels.tolist())
    is_whole = was_partial and labels.dtype.kind == "f" and bool((labels == np.round(labels)).all())
    return labels.astype(np.int64) if is_whole else labels


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
