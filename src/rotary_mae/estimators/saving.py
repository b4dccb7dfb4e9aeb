"""Fitted estimators to folders, without pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rotary_mae.data.storage import replacing as replacing_file
from rotary_mae.estimators.members import member_folder
from rotary_mae.estimators.parameters import to_json
from rotary_mae.models.checkpoint import FILES, replacing

if TYPE_CHECKING:
    from rotary_mae.estimators.estimator import RoMAEEstimator

DESCRIPTION = "estimator.json"

# what is of the place and the moment of a fit; init is in the weights
NOT_WRITTEN = ("init", "random_state", "out", "resume")


def save_estimator(estimator: RoMAEEstimator, folder: Path) -> None:
    """Write a fitted estimator to a folder, in place of one or a model that is there, whole or not at all."""
    with replacing(folder, {DESCRIPTION, "best", "members", *FILES}) as partial:
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
