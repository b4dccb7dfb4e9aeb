"""Description of a run folder as text, for ``romae info`` and reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rotary_mae._atomic import user_path
from rotary_mae.data.scaling import Scaling
from rotary_mae.estimators.saving import DESCRIPTION
from rotary_mae.evaluation.fit_summary import FitSummary
from rotary_mae.models.config import RoMAEConfig
from rotary_mae.models.pretrained import find_folder, read_description, read_weights
from rotary_mae.training.run_folder import RunFolder

# Names of a long list that are shown.
MAX_NAMES = 20


def is_run(path: str | Path) -> bool:
    """Return True for the folder of a run, an estimator or a checkpoint."""
    names = (DESCRIPTION, "run.json", "config.json", "model_config.json")
    return any((user_path(path) / name).is_file() for name in names)


def describe_run(path: str | Path) -> dict[str, str]:
    """Describe the folder of a run, an estimator or a checkpoint.

    Parameters
    ----------
    path : path
        The folder.

    Returns
    -------
    dict of str to str
        Texts by name: estimator, model, layout, data, training, last and best metrics, state.

    Raises
    ------
    ValueError
        If a file in the folder is not JSON, or was cut short.
    """
    folder = RunFolder(path)
    lines: dict[str, str] = {}
    if (folder.path / "model_config.json").is_file():
        return {"model": "a checkpoint of the paper's code; convert it with romae convert to a folder for --init"}
    if (folder.path / DESCRIPTION).is_file():
        lines |= _describe_estimator(_read(folder.path / DESCRIPTION))
    if folder.best.exists() or folder.last.exists() or (folder.path / "config.json").is_file():
        lines |= _describe_checkpoint(find_folder(folder.path))
    if folder.description.is_file():
        lines |= _describe_training(_read(folder.description))
        lines |= _describe_metrics(folder.history())
        lines["state"] = _describe_state(folder)
    return lines


def _describe_estimator(content: dict[str, Any]) -> dict[str, str]:
    lines = {"estimator": content["estimator"]}
    if columns := content["parameters"].get("columns"):
        lines["columns"] = ", ".join(f"{name} {_join_names(value)}" for name, value in columns.items() if value)
    if classes := content["fitted"].get("classes"):
        lines["classes"] = _join_names(classes)
    if (n_members := content["parameters"].get("n_estimators", 1)) > 1:
        lines["members"] = f"{n_members}, from different seeds; the rest describes the first"
    if summary := content.get("summary"):
        lines["summary"] = str(FitSummary.from_json(summary))
    return lines


def _describe_checkpoint(folder: Path) -> dict[str, str]:
    content = read_description(folder)
    config = RoMAEConfig.from_dict(content["config"])
    n_parameters = sum(weight.numel() for weight in read_weights(folder).values())
    lines = {
        "model": f"{content['model']}, {n_parameters:,} parameters",
        "size": f"{config.size}: width {config.width}, {config.heads} heads, {config.depth} layers",
        "context": f"{config.context} neighbours" if config.context else "none (the paper's model)",
    }
    if (folder / "scaling.json").is_file():
        return lines | _describe_scaling(Scaling.load(folder / "scaling.json"))
    return lines | {"scaling": "none: it is fitted to the data of a training that starts from this model"}


def _describe_scaling(scaling: Scaling) -> dict[str, str]:
    schema = scaling.schema
    units = ", ".join(f"{schema.axes[axis]} {scaling.unit[axis]:g}" for axis in schema.continuous_axes)
    lines = {
        "layout": f"{schema.layout}, axes {_join_names(schema.axes)}",
        "unit": units + (" (s)" if schema.times is not None else ""),
    }
    if schema.channels:
        lines["channels"] = _join_names(schema.channels)
    if schema.statics:
        lines["static"] = _join_names(schema.statics)
    return lines


def _describe_training(content: dict[str, Any]) -> dict[str, str]:
    training, versions = content["training"], content["versions"]
    return {
        "data": f"{content['data']['n_samples']:,} training samples",
        "training": (
            f"{training['epochs']} epochs at most, batches of {training['batch_size']}, learning rate "
            f"{training['learning_rate']:g}, seed {training['seed']}, {training['precision']}"
        ),
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
    }


def _describe_metrics(history: list[dict[str, Any]]) -> dict[str, str]:
    if not history:
        return {"last epoch": "no epoch is finished"}
    lines = {"last epoch": _metrics(history[-1])}
    if validated := [epoch for epoch in history if "validation_loss" in epoch]:
        lines["lowest validation loss"] = _metrics(min(validated, key=lambda epoch: epoch["validation_loss"]))
    return lines


def _metrics(epoch: dict[str, Any]) -> str:
    shown = {k: v for k, v in epoch.items() if v is not None and (k == "loss" or k.startswith("validation_"))}
    return f"epoch {epoch['epoch']}: " + ", ".join(f"{k.replace('_', ' ')} {v:.4g}" for k, v in shown.items())


def _describe_state(folder: RunFolder) -> str:
    path = folder.last / "training.json"
    if not path.is_file():
        return "started, no checkpoint is saved"
    state = _read(path)
    done = f"{state['step']} updates in {state['seconds']:.0f} s"
    return f"finished, {done}" if state["is_finished"] else f"not finished, {done}; resume it with --resume"


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    return content


def _join_names(names: Any) -> str:
    if isinstance(names, str):
        return names
    texts = [str(name) for name in names]
    return ", ".join(texts[:MAX_NAMES]) + (", ..." if len(texts) > MAX_NAMES else "")
