"""Predictions of values that are masked on purpose, as in training, and metrics of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.batches.masking import VALIDATION_EPOCH, Masking
from rotary_mae.data.alignment import without_channels
from rotary_mae.data.scaling import Scaling
from rotary_mae.data.sources import Source, Subset
from rotary_mae.data.tokens import TokenSet
from rotary_mae.estimators._predict.batched import TrainedModels, length_sorted_batches, predict_masked
from rotary_mae.estimators._predict.queries import Queries, interpolate
from rotary_mae.evaluation.conformal_scores import batch_features
from rotary_mae.evaluation.fit_summary import NOT_VALIDATED, FitSummary
from rotary_mae.evaluation.query_groups import KINDS, masked_features
from rotary_mae.evaluation.reconstruction import ReconstructionMetrics

Array = npt.NDArray[Any]

QUANTILES = (0.025, 0.05, 0.1, 0.25, 0.75, 0.9, 0.95, 0.975)
"""The ends of the central 95, 90, 80 and 50 % intervals."""

MAX_VALIDATION_SAMPLES = 1_000
"""Validation samples that the summary of a fit is computed on, at most; not tuned."""

EVALUATED_FRACTION = 0.5
"""Fraction of the values that an evaluation predicts, in several draws if fewer are masked at once; not tuned."""

LINEAR_INTERPOLATION, CHANNEL_MEAN = "linear interpolation", "mean of the channel"


class MaskedPredictions:
    """Predictions of tokens that are masked as in training, the same tokens every time.

    Parameters
    ----------
    trained : TrainedModels
        Autoencoders. With a calibration they interpolate, and their quantiles are predicted too.
    tokens : TokenSet
        B samples with T tokens in the user's units, with the schema of the models.
    masking : Masking
        Masking of training.

    Attributes
    ----------
    is_masked : array of bool, shape (T,)
        True for masked tokens; of steps that masking divides, T counts the parts.
    visible : TokenSet
        The samples without the masked tokens.
    quantiles : tuple of float
        Probabilities of the predicted quantiles; empty for models that only reconstruct.
    """

    def __init__(self, trained: TrainedModels, tokens: TokenSet, masking: Masking) -> None:
        self.scaling = trained.scaling
        scaled = self.scaling.apply(tokens).with_targets(None)
        batch = TokenBatch.collate(scaled).hide(masking, seed=0, epoch=VALIDATION_EPOCH)
        if batch.token_idx is not None:
            tokens, scaled = (_divided(samples, batch) for samples in (tokens, scaled))
        self.is_masked = np.zeros(tokens.n_tokens, bool)
        self.is_masked[batch.split.hidden_idx.numpy()] = True
        self.visible = tokens.select_tokens(~self.is_masked)
        if trained.calibration is None:
            self.quantiles: tuple[float, ...] = ()
            columns: dict[str, Array] = {}
            mean, std = predict_masked(
                trained, scaled, self.is_masked, title="mask and predict", show_progress=trained.verbose
            )
        else:
            self.quantiles = QUANTILES
            mean, std, columns = self._interpolated(trained, tokens)
        for name, of_token in (("sample", tokens.sample_idx), ("time", tokens.positions[:, tokens.schema.time_axis])):
            columns[name] = np.repeat(of_token[self.is_masked, None], mean.shape[1], 1)
        values, positions = scaled.values, scaled.positions
        features = masked_features(scaled.schema, values, positions, scaled.sample_idx, self.is_masked)
        if features is not None:
            unit = self.scaling.unit[scaled.schema.time_axis]
            columns |= {"kind": features.kind.reshape(mean.shape), "distance": features.distance.reshape(mean.shape)}
            columns["distance"] = columns["distance"] * unit
        self._values = ReconstructionMetrics(self.scaling.schema, trained.is_normalized)
        self._values.add(batch, mean, std, columns)

    def _interpolated(self, trained: TrainedModels, tokens: TokenSet) -> tuple[Array, Array, dict[str, Array]]:
        """Return scaled means and calibrated stds (M, n_predicted), and quantiles in the user's units by name."""
        positions = tokens.positions[self.is_masked]
        lengths = np.bincount(tokens.sample_idx[self.is_masked], minlength=len(tokens))
        distribution = interpolate(trained, self.visible, Queries(positions, lengths))
        channel = distribution.channel
        mean = self.scaling.apply_targets(distribution.value(), channel=channel)
        # of the values behind the measurements: ReconstructionMetrics adds the error of each measurement itself
        std = distribution.std(of="value")
        scaled_std = std / self.scaling.undo(np.ones_like(std), channel=channel, is_std=True)
        quantiles = [distribution.quantile(q, of="measurement") for q in self.quantiles]
        return mean, scaled_std, {f"q{k}": quantile for k, quantile in enumerate(quantiles)}

    def metrics(self) -> dict[str, float]:
        """Return the metrics of ``ReconstructionMetrics.metrics``; coverage_90 is that of the quantiles."""
        metrics = self._values.metrics()
        if self.quantiles:
            rows = self._values.rows()
            low, high = (rows[f"q{self.quantiles.index(q)}"] for q in (0.05, 0.95))
            truth = self._in_units(rows["truth"], rows["channel"])
            metrics["coverage_90"] = float(((low <= truth) & (truth <= high)).mean())
        return metrics

    def table(self, names: Array) -> pa.Table:
        """Return one row a masked value, with the columns of ``HeldOutPredictions.masked``.

        Parameters
        ----------
        names : array of str, shape (C,)
            Names of the channels.
        """
        rows, n_predicted = self._values.rows(), self.scaling.schema.n_predicted
        channel = rows["channel"]
        if self.scaling.schema.channel_axis is not None and n_predicted > 1:
            names = np.array([f"{name} {k + 1}" for name in names for k in range(n_predicted)], object)
        columns = {"sample": rows["sample"], "channel": names[channel], "time": rows["time"]}
        stored = {"truth": rows["truth"], "answer": rows["prediction"], "mean": rows["mean"]}
        if "linear" in rows:
            stored["line"] = np.where(np.isnan(rows["linear"]), rows["mean"], rows["linear"])
        columns |= {name: self._in_units(values, channel) for name, values in stored.items()}
        if "kind" in rows:
            columns |= {"kind": np.asarray(KINDS, object)[rows["kind"]], "distance": rows["distance"]}
        columns["scale"] = self._in_units(np.ones(len(channel)), channel, is_std=True)
        return pa.table(columns | {f"q{k}": rows[f"q{k}"] for k in range(len(self.quantiles))})

    def _in_units(self, scaled: Array, channel: Array, is_std: bool = False) -> Array:
        """Return values (N,) of the channels (N,) in the user's units."""
        n_predicted = self.scaling.schema.n_predicted
        rows = np.repeat(scaled[:, None], n_predicted, 1)
        unscaled = self.scaling.undo(rows, channel=channel // n_predicted, is_std=is_std)
        values: Array = np.take_along_axis(unscaled, channel[:, None] % n_predicted, 1)[:, 0]
        return values


def _divided(tokens: TokenSet, batch: TokenBatch) -> TokenSet:
    """Return samples with the tokens of a batch whose masking divided time steps."""
    assert batch.token_idx is not None
    token_idx, flags = batch.token_idx.numpy(), tokens.schema.columns("observed")
    values = tokens.values[token_idx]
    values[:, flags] = batch.values[:, flags].numpy()
    return TokenSet(values, tokens.positions[token_idx], batch.lengths.numpy(), ids=tokens.ids, schema=tokens.schema)


def n_draws(masking: Masking) -> int:
    """Return how often samples are masked to evaluate a model: several times if few values are masked at once."""
    is_plain = masking == Masking(masking.strategy, masking.fraction)
    return max(1, round(EVALUATED_FRACTION / masking.fraction)) if is_plain and masking.fraction > 0 else 1


def reconstruction_metrics(trained: TrainedModels, source: Source, masking: Masking, seed: int = 0) -> dict[str, float]:
    """Return metrics of the predictions of masked values, beside baselines.

    All are in scaled units, so that channels count alike. The same values are masked every time. A small fraction is
    masked in several draws, so that as many predictions are counted.

    Parameters
    ----------
    trained : TrainedModels
        Autoencoders.
    source : Source
        B samples in the user's units.
    masking : Masking
        Masking of the values.
    seed : int
        Seed of the masks.

    Returns
    -------
    dict of str to float
        See ``ReconstructionMetrics.metrics``.
    """
    metrics, title = ReconstructionMetrics(trained.scaling.schema, trained.is_normalized), "mask and predict"
    source = observed_at_fit(source, trained.scaling)
    if not len(source):
        raise ValueError("no sample has a value of a channel that had values in the training set; give other samples")
    with trained.predictor() as predict:
        for draw in range(n_draws(masking)):
            batches = length_sorted_batches(source, trained.scaling, title=title, show_progress=trained.verbose)
            for _, batch in batches:
                masked = batch.hide(masking, seed=seed, epoch=VALIDATION_EPOCH + draw)
                mean, std = predict(masked)
                extra = None
                if (calibration := trained.calibration) is not None:
                    places = calibration.places(batch_features(batch, masked))
                    extra = None if places is None else {"place": places.reshape(mean.shape)}
                metrics.add(masked, mean.numpy(), None if std is None else std.numpy(), extra)
    return metrics.metrics(trained.calibration)


def observed_at_fit(source: Source, scaling: Scaling) -> Source:
    """Return the samples without the channels that had no value at fit: their errors would hide those of the others."""
    if not scaling.unobserved:
        return source
    return without_channels(source[np.arange(len(source))], scaling.unobserved)


def masked_summary(
    trained: TrainedModels, source: Source, validation_idx: npt.NDArray[np.int64], masking: Masking
) -> FitSummary:
    """Return the summary of a fit with masked values, in scaled units.

    Parameters
    ----------
    trained : TrainedModels
        The fitted autoencoders.
    source : Source
        All samples of the fit.
    validation_idx : array of int, shape (n,)
        Samples of the validation set; of more than ``MAX_VALIDATION_SAMPLES`` some are used, evenly spaced.
    masking : Masking
        Masking of training.
    """
    if not len(validation_idx):
        return NOT_VALIDATED
    used = validation_idx[:: -(-len(validation_idx) // MAX_VALIDATION_SAMPLES)]
    validation = observed_at_fit(Subset(source, used), trained.scaling)
    if not len(validation):
        return FitSummary(0, note="no channel of the validation set has a value in the training set")
    lengths = validation.lengths if validation.lengths is not None else validation[:].lengths
    if int(np.max(lengths)) < 2:
        return FitSummary(0, note="every validation sample has a single token, so no value could be masked")
    metrics = reconstruction_metrics(trained, validation, masking)
    baselines = {
        name: {"mse": metrics[key]}
        for name, key in ((LINEAR_INTERPOLATION, "mse_linear"), (CHANNEL_MEAN, "mse_mean"))
        if key in metrics
    }
    note = "" if len(used) == len(validation_idx) else f"the validation set has {len(validation_idx)} samples"
    scores: dict[str, float] = {name: metrics[name] for name in ("mse", "coverage_90") if name in metrics}
    return FitSummary(len(validation), scores, baselines, note)
