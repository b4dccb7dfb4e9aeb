"""What a run is, in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rotary_mae.data.scaling import Scaling
from rotary_mae.estimators.saving import DESCRIPTION
from rotary_mae.evaluation.fit_summary import FitSummary
from rotary_mae.models.config import RoMAEConfig
from rotary_mae.models.pretrained import find_folder, read_description, read_weights
from rotary_mae.training.run_folder import RunFolder


def is_run(path: str | Path) -> bool:
    """Whether this is the folder of a run, an estimator or a checkpoint."""
    names = (DESCRIPTION, "run.json", "config.json", "model_config.json")
    return any((Path(path) / name).is_file() for name in names)


def describe_run(path: str | Path) -> dict[str, str]:
    """Lines by name: what it is, model, data, training, last metrics, best."""
    folder = RunFolder(path)
    lines: dict[str, str] = {}
    if (folder.path / "model_config.json").is_file():
        return {"model": "a checkpoint of the paper's code; romae convert makes a folder to start from of it"}
    if (folder.path / DESCRIPTION).is_file():
        described = _read(folder.path / DESCRIPTION)
        lines["estimator"] = described["estimator"]
        lines |= _of_estimator(described)
    if folder.best.exists() or folder.last.exists() or (folder.path / "config.json").is_file():
        lines |= _of_checkpoint(find_folder(folder.path))
    if folder.description.is_file():
        lines |= _of_training(_read(folder.description))
        lines |= _of_metrics(folder.history())
        lines["state"] = _state(folder)
    return lines


def _of_estimator(described: dict[str, Any]) -> dict[str, str]:
    lines = {}
    if columns := described["parameters"].get("columns"):
        lines["columns"] = ", ".join(f"{name} {_joined(value)}" for name, value in columns.items() if value)
    if classes := described["fitted"].get("classes"):
        lines["classes"] = _joined(classes)
    if (n_members := described["parameters"].get("n_estimators", 1)) > 1:
        lines["members"] = f"{n_members}, from different seeds; what follows is of the first"
    if summary := described.get("summary"):
        lines["worth"] = str(FitSummary.from_json(summary))
    return lines


def _of_checkpoint(folder: Path) -> dict[str, str]:
    described = read_description(folder)
    config = RoMAEConfig.from_dict(described["config"])
    n_parameters = sum(weight.numel() for weight in read_weights(folder).values())
    lines = {
        "model": f"{described['model']}, {n_parameters:,} parameters",
        "size": f"{config.size}: width {config.width}, {config.heads} heads, {config.depth} layers",
        "context": f"{config.context} neighbours" if config.context else "none (the paper's model)",
    }
    if (folder / "scaling.json").is_file():
        scaling = Scaling.load(folder / "scaling.json")
        schema = scaling.schema
        units = ", ".join(f"{schema.axes[axis]} {scaling.unit[axis]:g}" for axis in schema.continuous_axes)
        lines["layout"] = f"{schema.layout}, axes {_joined(schema.axes)}"
        lines["unit"] = units + (" (s)" if schema.times is not None else "")
        if schema.channels:
            lines["channels"] = _joined(schema.channels)
        if schema.statics:
            lines["static"] = _joined(schema.statics)
    else:
        lines["scaling"] = "none: fitted to the data when training starts from here"
    return lines


def _of_training(described: dict[str, Any]) -> dict[str, str]:
    training, versions = described["training"], described["versions"]
    return {
        "data": f"{described['data']['n_samples']:,} training samples",
        "training": (
            f"{training['epochs']} epochs at most, batches of {training['batch_size']}, learning rate "
            f"{training['learning_rate']:g}, seed {training['seed']}, {training['precision']}"
        ),
        "made with": ", ".join(f"{name} {number}" for name, number in versions.items()),
    }


def _of_metrics(history: list[dict[str, Any]]) -> dict[str, str]:
    if not history:
        return {"last": "no epoch is done yet"}
    last = history[-1]
    lines = {"last": _metrics(last)}
    judged = [line for line in history if "validation_loss" in line]
    if judged:
        lines["least validation loss"] = _metrics(min(judged, key=lambda line: line["validation_loss"]))
    return lines


def _metrics(line: dict[str, Any]) -> str:
    shown = {k: v for k, v in line.items() if v is not None and (k == "loss" or k.startswith("validation_"))}
    return f"epoch {line['epoch']}: " + ", ".join(f"{k.replace('_', ' ')} {v:.4g}" for k, v in shown.items())


def _state(folder: RunFolder) -> str:
    path = folder.last / "training.json"
    if not path.is_file():
        return "begun, nothing saved yet"
    state = _read(path)
    done = f"{state['step']} updates in {state['seconds']:.0f} s"
    return f"finished, {done}" if state["is_finished"] else f"not finished, {done}; go on with --resume"


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    return found


def _joined(names: Any) -> str:
    if isinstance(names, str):
        return names
    texts = [str(name) for name in names]
    return ", ".join(texts[:20]) + (", ..." if len(texts) > 20 else "")
