"""How well an estimator fills in what is hidden from it, beside straight lines and the mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.batches.hiding import Hiding
from rotary_mae.data.subset import Subset
from rotary_mae.data.tokens import Source
from rotary_mae.estimators.ensemble import answering
from rotary_mae.estimators.inference import batches_by_length
from rotary_mae.estimators.summary import UNJUDGED, Summary
from rotary_mae.estimators.validation import Parts
from rotary_mae.training.loader import VALIDATION_EPOCH, BatchReader
from rotary_mae.training.progress import counting
from rotary_mae.training.reconstruction import HiddenValues

CHUNK = 4_096
MAX_JUDGED = 1_000
LINES, MEAN = "straight lines between neighbours", "mean of the channel"


def hiding_summary(estimator: Any, source: Source, parts: Parts) -> Summary:
    """What a fit that hides values is worth on its validation part (of at most 1000 samples), in scaled units."""
    if not len(parts.validation):
        return UNJUDGED
    judged = parts.validation[:: -(-len(parts.validation) // MAX_JUDGED)]
    held = Subset(source, judged)
    if int(np.max(held.lengths if held.lengths is not None else held[:].lengths)) < 2:
        return Summary(0, note="every sample of it has a single token, so nothing could be hidden")
    metrics = reconstruction_metrics(estimator, held, estimator.hiding_of_training)
    baselines = {
        name: {"mse": metrics[key]} for name, key in ((LINES, "mse_linear"), (MEAN, "mse_mean")) if key in metrics
    }
    note = "" if len(judged) == len(parts.validation) else f"the part has {len(parts.validation)} samples"
    scores: dict[str, float] = {name: metrics[name] for name in ("mse", "coverage_90") if name in metrics}
    return Summary(len(judged), scores, baselines, note)


def reconstruction_metrics(estimator: Any, source: Source, hiding: Hiding, seed: int = 0) -> dict[str, float]:
    """How well hidden values are filled in, beside simple answers; the same values are hidden every time.

    All in scaled units, so that channels count alike (see ``HiddenValues.metrics``).
    """
    scaling, is_shown = estimator.scaling_, bool(estimator.verbose)
    reader = BatchReader(source, scaling, hiding, None, seed, VALIDATION_EPOCH)
    values = HiddenValues(scaling.schema, is_normalized=estimator.model_.config.normalize_targets)
    together = answering(estimator.models_, estimator.device)
    with together as answer, counting("hide and answer", len(source), is_shown) as done:
        for indices in _batches(source):
            batch: TokenBatch = reader[indices, True]
            mean, std = answer(batch)
            values.add(batch, mean.numpy(), None if std is None else std.numpy())
            done(len(indices))
    return values.metrics(getattr(estimator, "calibration_", None))


def _batches(source: Source) -> Any:
    lengths = getattr(source, "lengths", None)
    for first in range(0, len(source), CHUNK):
        chunk = np.arange(first, min(first + CHUNK, len(source)))
        of_chunk = source[chunk].lengths if lengths is None else np.asarray(lengths[chunk])
        for indices in batches_by_length(of_chunk):
            yield first + indices
