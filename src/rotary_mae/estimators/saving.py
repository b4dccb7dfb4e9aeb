"""Fitted estimators to folders, without pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rotary_mae._atomic import replacing_file, replacing_folder
from rotary_mae.estimators._fit.ensemble import member_folder
from rotary_mae.models.pretrained import FILES

if TYPE_CHECKING:
    from rotary_mae.estimators.estimator import RoMAEEstimator
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

DESCRIPTION = "estimator.json"

# what is of the place and the moment of a fit; init is in the weights
NOT_WRITTEN = ("init", "random_state", "out", "resume")


def save_estimator(estimator: RoMAEEstimator, folder: Path) -> None:
    """Write a fitted estimator to a folder, in place of one or a model that is there, whole or not at all."""
    with replacing_folder(folder, {DESCRIPTION, "best", "members", *FILES}) as partial:
        for i, model in enumerate(estimator.models_):
            model.save_pretrained(member_folder(partial, i) / "best")
        write_description(estimator, partial)


def write_description(estimator: RoMAEEstimator, folder: Path) -> None:
    """Write what an estimator is, beside its weights: kind, parameters, what was fitted, data, summary."""
    given = estimator.get_params(deep=False)
    parameters = {k: to_json(v) for k, v in given.items() if k not in NOT_WRITTEN and v is not None}
    if isinstance(estimator.random_state, (int, np.integer)):
        parameters["random_state"] = int(estimator.random_state)
    described = {"estimator": type(estimator).__name__, "parameters": parameters, "fitted": estimator._fitted()}
    if estimator.profile_ is not None:
        described["profile"] = estimator.profile_.to_json()
    if estimator._judgement is not None:
        described["summary"] = estimator._judgement.summary.to_json()
    with replacing_file(folder / DESCRIPTION) as partial:
        partial.write_text(json.dumps(described, indent=1))


PAIRS = "__pairs__"


def to_json(value: Any) -> Any:
    """Mappings whose keys are no text (weights of classes 0 and 1) become lists of pairs, numpy's numbers Python's."""
    if is_dataclass(value) and not isinstance(value, type):
        return to_json(asdict(value))
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {str(key): to_json(entry) for key, entry in value.items()}
        return {PAIRS: [[to_json(key), to_json(entry)] for key, entry in value.items()]}
    if isinstance(value, (list, tuple)):
        return [to_json(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return str(value) if isinstance(value, Path) else value


def from_json(value: Any) -> Any:
    """What ``to_json`` wrote; tuples come back as lists, dataclasses as dictionaries."""
    if isinstance(value, dict):
        if set(value) == {PAIRS}:
            return {key: from_json(entry) for key, entry in value[PAIRS]}
        return {key: from_json(entry) for key, entry in value.items()}
    return [from_json(entry) for entry in value] if isinstance(value, list) else value
