"""Values hidden from a fitted model, and its answers for them, in the user's units."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.batches.masking import VALIDATION_EPOCH, Masking
from rotary_mae.data.sources import Source, Subset
from rotary_mae.data.tokens import TokenSet, token_indices
from rotary_mae.estimators._fit.split import TrainValidationSplit
from rotary_mae.estimators._predict.batched import batches_by_length
from rotary_mae.estimators._predict.ensemble import ensemble_predictor
from rotary_mae.estimators.data_shift import DataShiftWarning
from rotary_mae.evaluation.fit_summary import NOT_VALIDATED, FitSummary
from rotary_mae.evaluation.reconstruction import ReconstructionMetrics
from rotary_mae.training.dataloader import BatchReader
from rotary_mae.training.progress import progress_bar

Array = npt.NDArray[Any]

QUANTILES = (0.025, 0.05, 0.1, 0.25, 0.75, 0.9, 0.95, 0.975)
"""The ends of the central 95, 90, 80 and 50 % intervals."""


class MaskedPredictions:
    """Hides a part of each sample as in training, the same every time, and asks a fitted estimator for it.

    tokens: unscaled, laid out as the model's schema. seen: the same samples without the hidden tokens. quantiles: those
    that are answered; none where the model gives no spread.
    """

    def __init__(self, estimator: Any, tokens: TokenSet) -> None:
        self.estimator, self.tokens = estimator, tokens
        self.scaling, self.hiding = estimator.scaling_, estimator.hiding_of_training
        scaled = self.scaling.apply(tokens).with_targets(None)
        batch = TokenBatch.collate(scaled).hide(self.hiding, seed=0, epoch=VALIDATION_EPOCH)
        assert batch.is_hidden is not None
        self.is_hidden = batch.is_hidden.numpy()
        self.seen = tokens.select_tokens(~self.is_hidden)
        has_spread = hasattr(estimator, "calibration_")
        self.quantiles = QUANTILES if has_spread else ()
        answer, std, also = self._interpolated() if has_spread else self._reconstructed(scaled)
        self.values = ReconstructionMetrics(self.scaling.schema, estimator.model_.config.normalize_targets)
        whose = {"sample": tokens.sample_idx, "time": tokens.positions[:, tokens.schema.time_axis]}
        also |= {k: np.repeat(v[self.is_hidden, None], answer.shape[1], 1) for k, v in whose.items()}
        self.values.add(batch, answer, std, also)

    def metrics(self) -> dict[str, float]:
        """See ``ReconstructionMetrics.metrics``; coverage_90 is that of the quantiles."""
        found = self.values.metrics()
        if self.quantiles:
            rows = self.values.rows()
            low, high = (rows[f"q{self.quantiles.index(q)}"] for q in (0.05, 0.95))
            truth = self._in_units(rows["truth"], rows["channel"])
            found["coverage_90"] = float(((low <= truth) & (truth <= high)).mean())
        return found

    def table(self, names: Array) -> pa.Table:
        """A row a hidden value, as ``Evidence.values`` has it; ``names`` of the channels."""
        rows, n = self.values.rows(), self.scaling.schema.n_predicted
        channel = rows["channel"]
        if self.scaling.schema.channel_axis is not None and n > 1:
            names = np.array([f"{name} {k + 1}" for name in names for k in range(n)], object)
        columns = {"sample": rows["sample"], "channel": names[channel], "time": rows["time"]}
        columns |= {name: self._in_units(rows[name], channel) for name in ("truth", "answer", "mean")}
        if "line" in rows:
            columns["line"] = self._in_units(np.where(np.isnan(rows["line"]), rows["mean"], rows["line"]), channel)
        columns["scale"] = self._in_units(np.ones(len(channel)), channel, is_spread=True)
        return pa.table(columns | {f"q{k}": rows[f"q{k}"] for k in range(len(self.quantiles))})

    def _in_units(self, scaled: Array, channel: Array, is_spread: bool = False) -> Array:
        """(N,) in the user's units, of the channels (N,)."""
        n = self.scaling.schema.n_predicted
        rows = np.repeat(scaled[:, None], n, 1)
        undone = self.scaling.undo(rows, channel=channel // n, is_spread=is_spread)
        picked: Array = np.take_along_axis(undone, channel[:, None] % n, 1)[:, 0]
        return picked

    def _interpolated(self) -> tuple[Array, Array, dict[str, Array]]:
        """Scaled means and standard deviations (M, n_predicted), and quantiles in the user's units."""
        asked = self.tokens.positions[self.is_hidden]
        counts = np.bincount(self.tokens.sample_idx[self.is_hidden], minlength=len(self.tokens))
        at = np.split(asked, np.cumsum(counts)[:-1])
        with warnings.catch_warnings():
            # what is missing was hidden on purpose
            warnings.simplefilter("ignore", DataShiftWarning)
            # of the values behind the measurements, whose own errors are added where they count
            answers = self.estimator.predict(self.seen, at=at, return_std=True, of="value")
            quantiles = self.estimator.predict(self.seen, at=at, quantiles=self.quantiles)
        mean, std = (np.concatenate(a) for a in answers)
        axis = self.scaling.schema.channel_axis
        channel = None if axis is None else asked[:, axis]
        answer = self.scaling.apply_targets(mean, channel=channel)
        scaled_std = std / self.scaling.undo(np.ones_like(std), channel=channel, is_spread=True)
        return answer, scaled_std, {f"q{k}": np.concatenate(q) for k, q in enumerate(quantiles)}

    def _reconstructed(self, scaled: TokenSet) -> tuple[Array, Array | None, dict[str, Array]]:
        """Scaled answers (M, n_predicted) as in pre-training, and their standard deviations if there are such."""
        rank = np.cumsum(self.is_hidden) - 1
        answer = np.zeros((int(self.is_hidden.sum()), scaled.schema.n_predicted))
        std: Array | None = None
        together = ensemble_predictor(self.estimator.models_, self.estimator.device)
        with together as ask, progress_bar("hide and answer", len(scaled), bool(self.estimator.verbose)) as done:
            for indices in batches_by_length(scaled.lengths):
                tokens = token_indices(scaled.starts[indices], scaled.lengths[indices])
                is_hidden = self.is_hidden[tokens]
                done(len(indices))
                if not is_hidden.any():
                    continue
                mean, spread = ask(TokenBatch.collate(scaled[indices]).hide(is_hidden=is_hidden))
                rows = rank[tokens[is_hidden]]
                answer[rows] = mean.numpy()
                if spread is not None:
                    std = np.zeros_like(answer) if std is None else std
                    std[rows] = spread.numpy()
        return answer, std, {}


CHUNK = 4_096

MAX_JUDGED = 1_000

LINES, MEAN = "straight lines between neighbours", "mean of the channel"


def hiding_summary(estimator: Any, source: Source, parts: TrainValidationSplit) -> FitSummary:
    """What a fit that hides values is worth on its validation part (of at most 1000 samples), in scaled units."""
    if not len(parts.validation):
        return NOT_VALIDATED
    judged = parts.validation[:: -(-len(parts.validation) // MAX_JUDGED)]
    held = Subset(source, judged)
    if int(np.max(held.lengths if held.lengths is not None else held[:].lengths)) < 2:
        return FitSummary(0, note="every sample of it has a single token, so nothing could be hidden")
    metrics = reconstruction_metrics(estimator, held, estimator.hiding_of_training)
    baselines = {
        name: {"mse": metrics[key]} for name, key in ((LINES, "mse_linear"), (MEAN, "mse_mean")) if key in metrics
    }
    note = "" if len(judged) == len(parts.validation) else f"the part has {len(parts.validation)} samples"
    scores: dict[str, float] = {name: metrics[name] for name in ("mse", "coverage_90") if name in metrics}
    return FitSummary(len(judged), scores, baselines, note)


def reconstruction_metrics(estimator: Any, source: Source, hiding: Masking, seed: int = 0) -> dict[str, float]:
    """How well hidden values are filled in, beside simple answers; the same values are hidden every time.

    All in scaled units, so that channels count alike (see ``ReconstructionMetrics.metrics``).
    """
    scaling, is_shown = estimator.scaling_, bool(estimator.verbose)
    reader = BatchReader(source, scaling, hiding, None, seed, VALIDATION_EPOCH)
    values = ReconstructionMetrics(scaling.schema, is_normalized=estimator.model_.config.normalize_targets)
    together = ensemble_predictor(estimator.models_, estimator.device)
    with together as answer, progress_bar("hide and answer", len(source), is_shown) as done:
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
