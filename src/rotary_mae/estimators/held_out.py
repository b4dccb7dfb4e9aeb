"""Answers of a fitted estimator on samples it was not trained on: what a report is made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rotary_mae.batches.batch import TokenBatch
from rotary_mae.batches.masking import Masking
from rotary_mae.data.alignment import align
from rotary_mae.data.sources import Source, Subset
from rotary_mae.data.summary import observed_values
from rotary_mae.data.tokens import TokenSet
from rotary_mae.estimators._predict.batched import predict_batched
from rotary_mae.estimators._predict.masked import MaskedPredictions
from rotary_mae.estimators.classifier import RoMAEClassifier
from rotary_mae.estimators.embedder import RoMAEEmbedder
from rotary_mae.estimators.estimator import RoMAEEstimator
from rotary_mae.estimators.evaluate import classes_as_numbers, labelled
from rotary_mae.estimators.interpolator import RoMAEInterpolator
from rotary_mae.estimators.regressor import RoMAERegressor
from rotary_mae.evaluation.held_out import HeldOutPredictions

Array = npt.NDArray[Any]

MAX_SAMPLES, MAX_TOKENS, MAX_CURVES, MAX_CHANNELS, N_TIMES = 1_000, 100_000, 24, 4, 100
"""What is kept of the answers: a report must open quickly, and a run folder stay small."""


def predict_held_out(
    estimator: RoMAEEstimator, source: Source, about: Mapping[str, Any], labels: Array | None = None
) -> HeldOutPredictions:
    """Predictions and embeddings of samples, and answers for hidden values and between the visible ones.

    source: samples the estimator was not trained on; of more than MAX_SAMPLES some are drawn, the same every time.
    about: what they are, for the report. labels: (B,) or (B, k), in the order of the samples; None takes the source's
    targets. Raises ValueError where a classifier or regressor has no labels to be judged by.
    """
    is_judged = isinstance(estimator, RoMAEClassifier | RoMAERegressor)
    if is_judged:
        known = labelled(source, labels)
        source, labels = known.source, known.labels
    else:
        labels = source.targets if labels is None else np.asarray(labels)
    chosen = _chosen(len(source), MAX_SAMPLES)
    part = Subset(source, chosen, None if labels is None else labels[chosen])
    columns: dict[str, Any] = {"id": _texts(part.ids)}
    about = {
        **about,
        "kind": type(estimator).__name__,
        "n_samples": len(source),
        "n_judged": len(part),
        "times": source.schema.times,
        "position": source.schema.axes[0],
    }
    if is_judged:
        kind = _of_classes if isinstance(estimator, RoMAEClassifier) else _of_numbers
        columns |= kind(estimator, part, about)
    elif part.targets is not None:
        columns["label"] = _labels(part.targets)
    vectors = _embeddings(estimator, part)
    columns |= {f"e{k}": vectors[:, k] for k in range(vectors.shape[1])}
    samples = pa.table(columns)
    if isinstance(estimator, RoMAEEmbedder | RoMAEInterpolator):
        return HeldOutPredictions(about, samples, **_hidden(estimator, part, about))
    return HeldOutPredictions(about, samples)


def _of_classes(estimator: Any, part: Subset, about: dict[str, Any]) -> dict[str, Any]:
    assert part.targets is not None
    about["classes"] = _texts(estimator.classes_)
    classes_as_numbers(estimator, part.targets)
    chances = estimator.predict_proba(part)
    return {"label": _texts(part.targets), **{f"p_{k}": chances[:, k] for k in range(chances.shape[1])}}


def _of_numbers(estimator: Any, part: Subset, about: dict[str, Any]) -> dict[str, Any]:
    assert part.targets is not None
    truth = np.asarray(part.targets, np.float64).reshape(len(part), -1)
    answer = np.asarray(estimator.predict(part), np.float64).reshape(len(part), -1)
    named = (estimator.columns or {}).get("target")
    names = [named] if isinstance(named, str) else list(named or ())
    about["targets"] = names if len(names) == truth.shape[1] else [f"number {k + 1}" for k in range(truth.shape[1])]
    columns = {"label": truth[:, 0]} | {f"truth_{k}": truth[:, k] for k in range(truth.shape[1])}
    return columns | {f"prediction_{k}": answer[:, k] for k in range(truth.shape[1])}


def _embeddings(estimator: Any, part: Subset) -> Array:
    """(B, W) what a head reads; where there is no head, the mean of the tokens."""
    model = estimator.model_
    has_head = isinstance(estimator, RoMAEClassifier | RoMAERegressor)

    def embed(batch: TokenBatch) -> Any:
        return model.pool(batch) if has_head else model.encoder(batch).mean_of_tokens

    return predict_batched(model, part, estimator.scaling_, embed, estimator.device, bool(estimator.verbose))


def _hidden(estimator: Any, part: Subset, about: dict[str, Any]) -> dict[str, pa.Table | None]:
    """The tables of hidden values, of visible ones, and of what lies between; and what ``about`` says of them."""
    lengths = part[:].lengths if part.lengths is None else part.lengths
    n_kept = max(1, int(np.searchsorted(np.cumsum(lengths), MAX_TOKENS, side="right")))
    tokens = align(part[:n_kept].with_targets(None), estimator.scaling_.schema)
    hiding = estimator.hiding_of_training
    answers = MaskedPredictions(estimator.trained_models, tokens, hiding)
    about |= {"metrics": {}, "hiding": _in_words(hiding), "quantiles": list(answers.quantiles)}
    if not answers.is_masked.any():
        return {}
    about["metrics"] = answers.metrics()
    # what lies at several axes, patches of images above all, cannot be drawn as a line
    if tokens.axes[1:] not in ((), ("channel",)):
        return {}
    drawn = _drawable(tokens)
    curves = None
    if isinstance(estimator, RoMAEInterpolator):
        curves = _curves(estimator, tokens, answers.visible, drawn)
    values = answers.table(channel_names(tokens))
    return {"masked": values, "visible": _rows(answers.visible[drawn], drawn), "curves": curves}


def _in_words(hiding: Masking) -> str:
    least = "" if hiding.least_fraction is None else f"{hiding.least_fraction:.0%} to "
    then = "" if hiding.then is None else f", then {_in_words(hiding.then)}"
    return f"{least}{hiding.fraction:.0%} ({hiding.strategy}){then}"


def _drawable(tokens: TokenSet) -> Array:
    """Indices of samples to leaf through: of the longer half, as of half the values of a short one little is left."""
    long = np.flatnonzero(tokens.lengths >= np.median(tokens.lengths))
    return long[_chosen(len(long), MAX_CURVES)]


def _rows(tokens: TokenSet, names: Array) -> pa.Table:
    sample, time, channel, value = observed_values(tokens)
    return pa.table(
        {
            "sample": names[sample],
            "channel": channel_names(tokens)[channel],
            "time": time.astype(np.float64),
            "value": value.astype(np.float64),
        }
    )


def _curves(estimator: RoMAEInterpolator, tokens: TokenSet, seen: TokenSet, drawn: Array) -> pa.Table:
    """Answers at even times over each sample, in the channels it has most values of."""
    at, parts = [], []
    axis, names = tokens.schema.channel_axis, channel_names(tokens)
    for i in drawn:
        _, time, channel, _ = observed_values(tokens[[i]])
        often = np.argsort(-np.bincount(channel, minlength=len(names)), kind="stable")[:MAX_CHANNELS]
        often = np.sort(often[np.isin(often, channel)])
        grid = np.linspace(time.min(), time.max(), N_TIMES)
        repeats = len(often) if axis is not None else 1
        positions = np.tile(grid, repeats)[:, None]
        if axis is not None:
            positions = np.column_stack([positions, np.repeat(often, N_TIMES)])
        at.append(positions)
        parts.append((int(i), grid, often))
    quantiles = estimator.predict(seen[drawn], at=at, quantiles=[0.05, 0.25, 0.5, 0.75, 0.95])
    columns: dict[str, list[Array]] = {
        name: [] for name in ("sample", "channel", "time", "low_90", "low_50", "answer", "high_50", "high_90")
    }
    for k, (sample, grid, often) in enumerate(parts):
        for j, channel in enumerate(often):
            rows, column = (slice(j * N_TIMES, (j + 1) * N_TIMES), 0) if axis is not None else (slice(None), channel)
            columns["sample"].append(np.full(N_TIMES, sample))
            columns["channel"].append(np.full(N_TIMES, names[channel], object))
            columns["time"].append(grid)
            for name, answer in zip(("low_90", "low_50", "answer", "high_50", "high_90"), quantiles, strict=True):
                columns[name].append(np.asarray(answer[k])[rows, column])
    return pa.table({name: np.concatenate(pieces) for name, pieces in columns.items()})


def channel_names(tokens: TokenSet) -> Array:
    """Names of what is predicted; "value" where it has none."""
    names = tokens.channels or ("value",) * max(1, tokens.schema.n_predicted)
    return np.asarray(names, object)


def _chosen(n: int, most: int) -> Array:
    """At most so many of n, in their order."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, most, replace=False))


def _labels(targets: Array) -> Any:
    """Numbers as they are (of several the first), anything else as text."""
    first = targets[:, 0] if targets.ndim == 2 else targets
    return first.astype(np.float64) if first.dtype.kind == "f" else _texts(first)


def _texts(names: Any) -> list[str]:
    return [str(name) for name in np.asarray(names).tolist()]
