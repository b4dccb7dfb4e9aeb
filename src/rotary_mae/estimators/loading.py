"""Estimators from folders, without pickle."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from rotary_mae.estimators._fit.ensemble import member_folder
from rotary_mae.estimators.classifier import RoMAEClassifier
from rotary_mae.estimators.embedder import RoMAEEmbedder
from rotary_mae.estimators.estimator import RoMAEEstimator
from rotary_mae.estimators.interpolator import RoMAEInterpolator
from rotary_mae.estimators.regressor import RoMAERegressor
from rotary_mae.estimators.saving import DESCRIPTION, from_json
from rotary_mae.models.pretrained import Pretrained, find_folder, read_description
from rotary_mae.models.registry import MODEL_CLASSES

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
    models = [_model(path)]
    for i in range(1, estimator.n_estimators):
        if not (place := member_folder(path, i)).is_dir():
            warnings.warn(
                f"{path} holds {i} of {estimator.n_estimators} members: the training was stopped; they answer alone",
                stacklevel=2,
            )
            break
        models.append(_model(place))
    estimator._restore(fitted, models[0])
    estimator._restore_about(described, models)
    return estimator


def _model(path: Path) -> Pretrained:
    folder = find_folder(path)
    return MODEL_CLASSES[read_description(folder)["model"]].from_pretrained(folder)
