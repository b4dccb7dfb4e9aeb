"""Models by name, and loading one without knowing its class."""

from __future__ import annotations

from pathlib import Path

from rotary_mae.models.autoencoder import RoMAEForPreTraining
from rotary_mae.models.predictor import RoMAEForPrediction
from rotary_mae.models.pretrained import Pretrained, find_folder, read_description

MODEL_CLASSES: dict[str, type[Pretrained]] = {cls.__name__: cls for cls in (RoMAEForPreTraining, RoMAEForPrediction)}
"""Class of each model by the name that its config.json holds."""


def load_model(folder: str | Path) -> Pretrained:
    """Load a model of any class.

    Parameters
    ----------
    folder : path
        Checkpoint or run folder, or a repository of the Hugging Face Hub ("owner/name").

    Returns
    -------
    Pretrained
        A ``RoMAEForPreTraining`` or ``RoMAEForPrediction`` in evaluation mode, with its scaling if it has one.

    Raises
    ------
    FileNotFoundError
        If there is no such folder or repository.
    ValueError
        If the folder holds no model, or one that cannot be read.
    """
    path = find_folder(folder)
    name = read_description(path)["model"]
    if name not in MODEL_CLASSES:
        raise ValueError(f"{folder} holds a {name!r}; this library can load {', '.join(MODEL_CLASSES)}")
    return MODEL_CLASSES[name].from_pretrained(path)
