"""Fitted estimators and models from folders and from the Hugging Face Hub, without pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rotary_mae._warnings import warn_caller
from rotary_mae.estimators._fit.ensemble import member_folder
from rotary_mae.estimators.classifier import RoMAEClassifier
from rotary_mae.estimators.embedder import RoMAEEmbedder
from rotary_mae.estimators.estimator import RoMAEEstimator
from rotary_mae.estimators.interpolator import RoMAEInterpolator
from rotary_mae.estimators.regressor import RoMAERegressor
from rotary_mae.estimators.saving import DESCRIPTION, FittedEstimator
from rotary_mae.models.pretrained import find_folder, local_folder
from rotary_mae.models.registry import load_model

ESTIMATORS: dict[str, type[RoMAEEstimator]] = {
    cls.__name__: cls for cls in (RoMAEEmbedder, RoMAEClassifier, RoMAERegressor, RoMAEInterpolator)
}


def load(path: str | Path) -> Any:
    """Load a fitted estimator or a model; nothing in the folder is executed or unpickled.

    Parameters
    ----------
    path : path
        Folder that an estimator's ``save``, a fit with ``out``, a command of ``romae``, ``rotary_mae.train`` or a
        model's ``save_pretrained`` wrote; or a repository of the Hugging Face Hub ("owner/name"), which is downloaded.

    Returns
    -------
    RoMAEEmbedder, RoMAEClassifier, RoMAERegressor, RoMAEInterpolator, RoMAEForPreTraining or RoMAEForPrediction
        The fitted estimator if the folder holds one, else the model, in evaluation mode. The type is Any for type
        checkers, because the content of the folder decides it.

    Raises
    ------
    FileNotFoundError
        If there is no such folder or repository.
    ValueError
        If the folder holds neither an estimator nor a model, or if a file was cut short.

    Examples
    --------
    >>> import rotary_mae as rm
    >>> classifier = rm.load("runs/classes")  # doctest: +SKIP
    >>> classifier.predict(new_tokens)  # doctest: +SKIP
    """
    folder = local_folder(path)
    if (folder / DESCRIPTION).exists():
        return _load_estimator(folder)
    checkpoint = _checkpoint(folder)
    if checkpoint is None:
        raise ValueError(
            f"{path} holds neither an estimator nor a model: it has no {DESCRIPTION} and no model.safetensors but "
            f"{sorted(p.name for p in folder.iterdir())[:10]}; give the folder that save(), save_pretrained() or --out "
            "was given"
        )
    return load_model(checkpoint)


def _checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint in a folder, or None."""
    try:
        return find_folder(folder)
    except ValueError:
        return None


def _load_estimator(folder: Path) -> RoMAEEstimator:
    state = FittedEstimator.read(folder)
    if state.kind not in ESTIMATORS:
        raise ValueError(f"{folder / DESCRIPTION} is of the class {state.kind!r}; there are {', '.join(ESTIMATORS)}")
    n_members = state.parameters.get("n_estimators", 1)
    models = [load_model(folder)]
    for i in range(1, n_members):
        if not (place := member_folder(folder, i)).is_dir():
            warn_caller(
                f"{folder} holds {i} of {n_members} members, because training was stopped; predictions are made with "
                "these"
            )
            break
        models.append(load_model(place))
    estimator = ESTIMATORS[state.kind](**state.parameters)
    estimator.models_, estimator.model_, estimator.transfer_ = models, models[0], None
    estimator.__dict__.update(state.attributes())
    return estimator
