"""Answers of fitted estimators as tables, a row a sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from rotary_mae.data.sources import Source
from rotary_mae.estimators.classifier import RoMAEClassifier
from rotary_mae.estimators.embedder import RoMAEEmbedder
from rotary_mae.estimators.regressor import RoMAERegressor


def prediction_table(estimator: RoMAEClassifier | RoMAERegressor, source: Source) -> pa.Table:
    """Columns id, prediction and, for classes, p_<class>; prediction_0, prediction_1 ... for several numbers.

    Several numbers that are named in ``estimator.columns["target"]`` are called prediction_<name>.
    """
    content: dict[str, Any] = {"id": _ids(source)}
    if isinstance(estimator, RoMAEClassifier):
        chances = estimator.predict_proba(source)
        content["prediction"] = estimator.classes_[chances.argmax(1)]
        content |= {f"p_{name}": chances[:, k] for k, name in enumerate(estimator.classes_.tolist())}
        return pa.table(content)
    numbers = estimator.predict(source)
    if numbers.ndim == 1:
        return pa.table({**content, "prediction": numbers})
    named = (estimator.columns or {}).get("target")
    names = named if isinstance(named, list) and len(named) == numbers.shape[1] else range(numbers.shape[1])
    return pa.table({**content, **{f"prediction_{name}": numbers[:, k] for k, name in enumerate(names)}})


def embedding_table(estimator: RoMAEEmbedder, source: Source) -> pa.Table:
    """Columns id, e0, e1, ..."""
    vectors = np.asarray(estimator.transform(source))
    return pa.table({"id": _ids(source), **{f"e{k}": vectors[:, k] for k in range(vectors.shape[1])}})


def _ids(source: Source) -> Any:
    return np.asarray(source.ids)
