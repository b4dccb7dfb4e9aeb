"""Predictions of a fitted estimator on samples that it was not trained on, from which reports are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from torch import Tensor

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.batches.masking import Masking
from rotary_mae.data.alignment import align, without_channels
from rotary_mae.data.sources import Source, Subset
from rotary_mae.data.summary import observed_values
from rotary_mae.data.tokens import TokenSet
from rotary_mae.estimators._predict.batched import predict_batched
from rotary_mae.estimators._predict.masked import MaskedPredictions
from rotary_mae.estimators.classifier import RoMAEClassifier
from rotary_mae.estimators.estimator import RoMAEEstimator
from rotary_mae.estimators.evaluate import class_indices, labelled_subset
from rotary_mae.estimators.interpolator import RoMAEInterpolator
from rotary_mae.estimators.regressor import RoMAERegressor
from rotary_mae.evaluation.held_out import HeldOutPredictions

Array = npt.NDArray[Any]

# Limits of what is predicted and stored, so that reports open quickly and run folders stay small. Not tuned.
MAX_SAMPLES = 1_000
MAX_TOKENS = 100_000
MAX_CURVES = 24
MAX_CHANNELS = 4
N_TIMES = 100

# Columns of the curves and their quantiles: the ends of the central 90 and 50 % intervals, and the median.
CURVE_QUANTILES = {"low_90": 0.05, "low_50": 0.25, "answer": 0.5, "high_50": 0.75, "high_90": 0.95}


def predict_held_out(
    estimator: RoMAEEstimator, source: Source, about: Mapping[str, Any], labels: Array | None = None
) -> HeldOutPredictions:
    """Predict labels, embeddings, and masked values of samples.

    Parameters
    ----------
    estimator : RoMAEEstimator
        A fitted estimator.
    source : Source
        Samples that it was not trained on. Of more than 1000 samples, 1000 are drawn, the same at every call.
    about : mapping
        Description of the samples, as JSON can hold it; the report shows it.
    labels : array, shape (B,) or (B, k), optional
        Labels in the order of the samples; None takes the targets of the source.

    Returns
    -------
    HeldOutPredictions
        Tables of predictions.

    Raises
    ------
    ValueError
        If there are no labels for a classifier or a regressor.
    """
    if estimator.predicts_targets:
        known = labelled_subset(source, labels)
        source, labels = known.source, known.labels
    else:
        labels = source.targets if labels is None else np.asarray(labels)
    chosen = _draw(len(source), MAX_SAMPLES)
    samples = Subset(source, chosen, None if labels is None else labels[chosen])
    columns: dict[str, Any] = {"id": _texts(samples.ids)}
    about = {
        **about,
        "kind": type(estimator).__name__,
        "n_samples": len(source),
        "n_judged": len(samples),
        "times": source.schema.times,
        "position": source.schema.axes[0],
    }
    if isinstance(estimator, RoMAEClassifier):
        columns |= _class_columns(estimator, samples, about)
    elif isinstance(estimator, RoMAERegressor):
        columns |= _number_columns(estimator, samples, about)
    elif samples.targets is not None:
        columns["label"] = _label_column(samples.targets)
    vectors = _embeddings(estimator, samples)
    columns |= {f"e{k}": vectors[:, k] for k in range(vectors.shape[1])}
    tables = {} if estimator.predicts_targets else _masked_tables(estimator, samples, about)
    return HeldOutPredictions(about, pa.table(columns), **tables)


def _class_columns(estimator: RoMAEClassifier, samples: Subset, about: dict[str, Any]) -> dict[str, Any]:
    """Return labels and probabilities; add the names of the classes to ``about``."""
    assert samples.targets is not None
    about["classes"] = _texts(estimator.classes_)
    class_indices(estimator, samples.targets)  # raises for labels of no class
    probabilities = estimator.predict_proba(samples)
    return {"label": _texts(samples.targets)} | {f"p_{k}": column for k, column in enumerate(probabilities.T)}


def _number_columns(estimator: RoMAERegressor, samples: Subset, about: dict[str, Any]) -> dict[str, Any]:
    """Return true and predicted numbers; add the names of the targets to ``about``."""
    assert samples.targets is not None
    truth = np.asarray(samples.targets, np.float64).reshape(len(samples), -1)
    predicted = np.asarray(estimator.predict(samples), np.float64).reshape(len(samples), -1)
    target = (estimator.columns or {}).get("target")
    names = [target] if isinstance(target, str) else list(target or ())
    about["targets"] = names if len(names) == truth.shape[1] else [f"number {k + 1}" for k in range(truth.shape[1])]
    columns = {"label": truth[:, 0]} | {f"truth_{k}": column for k, column in enumerate(truth.T)}
    return columns | {f"prediction_{k}": column for k, column in enumerate(predicted.T)}


def _embeddings(estimator: RoMAEEstimator, samples: Subset) -> Array:
    """Return the inputs (B, W) of the head, or the mean states of the tokens for models without a head."""
    model: Any = estimator.model_

    def embed(batch: TokenBatch) -> Tensor:
        pooled: Tensor = model.pool(batch) if estimator.predicts_targets else model.encoder(batch).mean_of_tokens
        return pooled

    return predict_batched(model, samples, estimator.scaling_, embed, estimator.device, bool(estimator.verbose))


def _masked_tables(estimator: RoMAEEstimator, samples: Subset, about: dict[str, Any]) -> dict[str, pa.Table | None]:
    """Return the tables of masked values, visible values and curves between them; add their metrics to ``about``."""
    lengths = samples[:].lengths if samples.lengths is None else samples.lengths
    n_kept = max(1, int(np.searchsorted(np.cumsum(lengths), MAX_TOKENS, side="right")))
    tokens = align(samples[:n_kept].with_targets(None), estimator.scaling_.schema)
    tokens = without_channels(tokens, estimator.scaling_.unobserved)
    if not len(tokens):
        return {}
    hiding = estimator.hiding_of_training
    predictions = MaskedPredictions(estimator.trained_models, tokens, hiding)
    about |= {"metrics": {}, "hiding": _describe_masking(hiding), "quantiles": list(predictions.quantiles)}
    if not predictions.is_masked.any():
        return {}
    about["metrics"] = predictions.metrics()
    # tokens with several axes, such as patches of images, cannot be drawn as curves
    if tokens.axes[1:] not in ((), ("channel",)):
        return {}
    drawn = _drawable(tokens)
    curves = None
    if isinstance(estimator, RoMAEInterpolator):
        curves = _curves(estimator, tokens, predictions.visible, drawn)
    masked, visible = predictions.table(channel_names(tokens)), _visible_table(predictions.visible[drawn], drawn)
    return {"masked": masked, "visible": visible, "curves": curves}


def _describe_masking(hiding: Masking) -> str:
    lowest = "" if hiding.least_fraction is None else f"{hiding.least_fraction:.0%} to "
    then = "" if hiding.then is None else f", then {_describe_masking(hiding.then)}"
    return f"{lowest}{hiding.fraction:.0%} ({hiding.strategy}){then}"


def _drawable(tokens: TokenSet) -> Array:
    """Return the indices of samples to draw: of the longer half, because little of a short sample is visible."""
    long = np.flatnonzero(tokens.lengths >= np.median(tokens.lengths))
    return long[_draw(len(long), MAX_CURVES)]


def _visible_table(tokens: TokenSet, indices: Array) -> pa.Table:
    sample, time, channel, value = observed_values(tokens)
    return pa.table(
        {
            "sample": indices[sample],
            "channel": channel_names(tokens)[channel],
            "time": time.astype(np.float64),
            "value": value.astype(np.float64),
        }
    )


def _curves(estimator: RoMAEInterpolator, tokens: TokenSet, visible: TokenSet, drawn: Array) -> pa.Table:
    """Return quantiles at regular times over each sample, in the channels with most values."""
    at, curves = [], []
    axis, names = tokens.schema.channel_axis, channel_names(tokens)
    for i in drawn:
        _, time, channel, _ = observed_values(tokens[[i]])
        frequent = np.argsort(-np.bincount(channel, minlength=len(names)), kind="stable")[:MAX_CHANNELS]
        frequent = np.sort(frequent[np.isin(frequent, channel)])
        times = np.linspace(time.min(), time.max(), N_TIMES)
        positions = np.tile(times, len(frequent) if axis is not None else 1)[:, None]
        if axis is not None:
            positions = np.column_stack([positions, np.repeat(frequent, N_TIMES)])
        at.append(positions)
        curves.append((int(i), times, frequent))
    quantiles = estimator.predict(visible[drawn], at=at, quantiles=list(CURVE_QUANTILES.values()))
    columns: dict[str, list[Array]] = {name: [] for name in ("sample", "channel", "time", *CURVE_QUANTILES)}
    for k, (sample, times, frequent) in enumerate(curves):
        for j, channel in enumerate(frequent):
            # with a channel axis the times of one channel follow those of another, else channels are columns
            rows = slice(j * N_TIMES, (j + 1) * N_TIMES) if axis is not None else slice(None)
            columns["sample"].append(np.full(N_TIMES, sample))
            columns["channel"].append(np.full(N_TIMES, names[channel], object))
            columns["time"].append(times)
            for name, quantile in zip(CURVE_QUANTILES, quantiles, strict=True):
                columns[name].append(np.asarray(quantile[k])[rows, 0 if axis is not None else channel])
    return pa.table({name: np.concatenate(pieces) for name, pieces in columns.items()})


def channel_names(tokens: TokenSet) -> Array:
    """Return the names of the predicted values (n_predicted,), "value" for those without one."""
    names = tokens.channels or ("value",) * max(1, tokens.schema.n_predicted)
    return np.asarray(names, object)


def _draw(n: int, max_n: int) -> Array:
    """Return at most ``max_n`` of n indices in ascending order, the same at every call."""
    if n <= max_n:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, max_n, replace=False))


def _label_column(targets: Array) -> Any:
    """Return the first target of each sample: floats unchanged, others as text."""
    first = targets[:, 0] if targets.ndim == 2 else targets
    return first.astype(np.float64) if first.dtype.kind == "f" else _texts(first)


def _texts(names: Any) -> list[str]:
    return [str(name) for name in np.asarray(names).tolist()]
