"""Synthetic held-out predictions for tests, with ids and labels that could break a page."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from scipy.stats import norm

from rotary_mae.evaluation.held_out import HeldOutPredictions

HOSTILE = [
    "</script><script>window.hacked = 1</script>",
    '"quoted" & <b>bold</b>',
    "$accent",
    "Ω Centauri, 星 42",
    "<img src=x onerror='window.hacked = 1'>",
    "plain",
]
CLASSES = ["<i>RRab</i>", "RRc & co", "</script>"]
QUANTILES = [0.025, 0.05, 0.1, 0.25, 0.75, 0.9, 0.95, 0.975]


def _embeddings(n: int) -> dict[str, np.ndarray]:
    vectors = np.random.default_rng(1).normal(size=(n, 4)) * [4, 2, 1, 1]
    return {f"e{k}": vectors[:, k] for k in range(4)}


def classifier_predictions(n: int = 60, n_classes: int = 3) -> HeldOutPredictions:
    """Return predictions of a classifier that is correct about two times in three."""
    rng = np.random.default_rng(0)
    truth = np.arange(n) % n_classes
    probabilities = rng.dirichlet(np.ones(n_classes), n) + 0.6 * np.eye(n_classes)[truth]
    probabilities /= probabilities.sum(1, keepdims=True)
    columns = {
        "id": [f"{HOSTILE[i % len(HOSTILE)]} {i}" for i in range(n)],
        "label": [CLASSES[k] for k in truth],
        **{f"p_{k}": probabilities[:, k] for k in range(n_classes)},
        **_embeddings(n),
    }
    about = {"kind": "RoMAEClassifier", "part": "validation", "n_samples": n, "n_judged": n}
    return HeldOutPredictions({**about, "classes": CLASSES[:n_classes]}, pa.table(columns))


def regressor_predictions(n: int = 40) -> HeldOutPredictions:
    """Return predictions of a regressor of two numbers."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(n, 2))
    prediction = truth + 0.3 * rng.normal(size=(n, 2))
    columns = {"id": [f"star {i}" for i in range(n)], "label": truth[:, 0]}
    columns |= {f"{name}_{k}": of[:, k] for k in (0, 1) for name, of in (("truth", truth), ("prediction", prediction))}
    about = {"kind": "RoMAERegressor", "part": "new.csv", "n_samples": 9 * n, "n_judged": n, "targets": ["age", "mass"]}
    return HeldOutPredictions(about, pa.table(columns | _embeddings(n)))


def interpolator_predictions(n: int = 6, times: str | None = None, has_curves: bool = True) -> HeldOutPredictions:
    """Return predictions of an interpolator that predicts 0, with normal errors of its standard deviation, 1."""
    rng = np.random.default_rng(0)
    start = 0.0 if times is None else 1.7e9
    rows = [(i, c, start + 3600.0 * t) for i in range(n) for c in ("g", "r & <i>") for t in range(40)]
    sample, channel, time = (list(column) for column in zip(*rows, strict=True))
    truth, zero = rng.normal(size=len(rows)), np.zeros(len(rows))
    masked = {"sample": sample, "channel": channel, "time": time, "truth": truth, "answer": zero, "mean": zero + 0.1}
    masked |= {"line": truth * 0.5, "scale": zero + 1.0}
    masked |= {f"q{k}": zero + norm.ppf(q) for k, q in enumerate(QUANTILES)}
    visible = {"sample": sample, "channel": channel, "time": time, "value": truth + 5.0}
    curves = {"sample": sample, "channel": channel, "time": time, "answer": zero}
    curves |= {"low_90": zero - 1.6, "low_50": zero - 0.7, "high_50": zero + 0.7, "high_90": zero + 1.6}
    about = {
        "kind": "RoMAEInterpolator",
        "part": "validation",
        "n_samples": n,
        "n_judged": n,
        "times": times,
        "position": "time",
        "hiding": "50% (uniform)",
        "quantiles": QUANTILES,
        "metrics": {"mse": 1.0},
    }
    samples = pa.table({"id": HOSTILE[:n], **_embeddings(n)})
    return HeldOutPredictions(
        about, samples, pa.table(masked), pa.table(visible), pa.table(curves) if has_curves else None
    )
