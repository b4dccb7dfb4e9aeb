"""Estimators from folders, without pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rotary_mae.estimators.classifier import RoMAEClassifier
from rotary_mae.estimators.embedder import RoMAEEmbedder
from rotary_mae.estimators.estimator import DESCRIPTION, RoMAEEstimator
from rotary_mae.estimators.interpolator import RoMAEInterpolator
from rotary_mae.estimators.parameters import from_json
from rotary_mae.estimators.regressor import RoMAERegressor
from rotary_mae.estimators.starting import MODELS
from rotary_mae.models.checkpoint import find_folder, read_description

ESTIMATORS: dict[str, Any] = {
    cls.__name__: cls for cls in (RoMAEEmbedder, RoMAEClassifier, RoMAERegressor, RoMAEInterpolator)
}


def load(path: str | Path) -> Any:
    """The estimator that ``save`` or a training command wrote to the folder ``path``, fitted.

    Nothing in the folder is run or unpickled. Raises FileNotFoundError, or ValueError for what is no such folder.
    """
    path = Path(path)
    if not path.is_dir():
        raise FileNotFoundError(f"there is no folder {path}; give what an estimator's save() or a command wrote")
    if not (path / DESCRIPTION).exists():
        raise ValueError(
            f"{path} is not the folder of an estimator: it has no {DESCRIPTION} but "
            f"{sorted(p.name for p in path.iterdir())[:10]}; give the folder that save() or --out was given"
        )
    try:
        described = json.loads((path / DESCRIPTION).read_text())
        cls, parameters, fitted = (
            ESTIMATORS[described["estimator"]],
            from_json(described["parameters"]),
            described["fitted"],
        )
    except (json.JSONDecodeError, KeyError) as error:
        raise ValueError(f"{path / DESCRIPTION} cannot be read: {error!r}") from error
    estimator: RoMAEEstimator = cls(**parameters)
    folder = find_folder(path)
    estimator._restore(fitted, MODELS[read_description(folder)["model"]].from_pretrained(folder))
    return estimator
