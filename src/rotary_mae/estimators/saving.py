"""Fitted estimators as folders, without pickle: one JSON file beside the weights of the models."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from rotary_mae._atomic import replacing_file, replacing_folder
from rotary_mae.batches.masking import Masking
from rotary_mae.estimators._fit.ensemble import member_folder
from rotary_mae.estimators.data_shift import DataProfile
from rotary_mae.evaluation.conformal import Calibration
from rotary_mae.evaluation.fit_summary import FitSummary
from rotary_mae.models.pretrained import FILES, Pretrained

DESCRIPTION = "estimator.json"

# Parameters of a single fit. The weights of ``init`` are in the model; an integer ``random_state`` is written.
UNSAVED_PARAMETERS = frozenset({"init", "random_state", "out", "resume"})

# Key of a mapping whose keys are not text, as JSON has it.
PAIRS = "__pairs__"

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class FittedEstimator:
    """State of a fitted estimator, except for the weights of its models.

    Attributes
    ----------
    kind : str
        Class name of the estimator.
    parameters : dict
        Constructor parameters by name, without those of a single fit.
    classes, target_mean, target_scale, std_factor : array or None
        Fitted attributes of the same names with an underscore; None if the estimator does not have them.
    is_single : bool or None
        True if a regressor was fitted to one number a sample.
    temperature : float or None
        Temperature of a classifier.
    calibration : Calibration or None
        Calibration of an interpolator or a regressor.
    masking : Masking or None
        Masking of an interpolator's training.
    profile : DataProfile or None
        Profile of the samples of the fit.
    summary : FitSummary or None
        Scores on the validation set; None if training was not completed.
    """

    kind: str
    parameters: dict[str, Any]
    classes: Array | None = None
    target_mean: Array | None = None
    target_scale: Array | None = None
    std_factor: Array | None = None
    is_single: bool | None = None
    temperature: float | None = None
    calibration: Calibration | None = None
    masking: Masking | None = None
    profile: DataProfile | None = None
    summary: FitSummary | None = None

    @classmethod
    def of(cls, estimator: BaseEstimator) -> Self:
        """Return the state of a fitted estimator."""
        given = estimator.get_params(deep=False)
        parameters = {k: v for k, v in given.items() if k not in UNSAVED_PARAMETERS and v is not None}
        if isinstance(given["random_state"], (int, np.integer)):
            parameters["random_state"] = int(given["random_state"])
        names = [field.name for field in fields(cls) if field.name not in ("kind", "parameters")]
        attributes = {name: getattr(estimator, f"{name}_", None) for name in names}
        return cls(type(estimator).__name__, parameters, **attributes)

    def attributes(self) -> dict[str, Any]:
        """Return the fitted attributes that the estimator has, by name."""
        names = [field.name for field in fields(self) if field.name not in ("kind", "parameters")]
        found = {f"{name}_": getattr(self, name) for name in names}
        return {name: value for name, value in found.items() if value is not None or name == "profile_"}

    def to_json(self) -> dict[str, Any]:
        """Return the content of estimator.json."""
        fitted: dict[str, Any] = {}
        if self.classes is not None:
            fitted |= {"classes": self.classes.tolist(), "dtype": self.classes.dtype.str}
        for name in ("target_mean", "target_scale", "std_factor"):
            if (numbers := getattr(self, name)) is not None:
                fitted[name] = numbers.tolist()
        if self.is_single is not None:
            fitted["is_single"] = self.is_single
        if self.temperature is not None:
            fitted["temperature"] = self.temperature
        if self.calibration is not None:
            fitted["calibration"] = self.calibration.to_dict()
        if self.masking is not None:
            fitted["masking"] = asdict(self.masking)
        content = {"estimator": self.kind, "parameters": encode_value(self.parameters), "fitted": fitted}
        if self.profile is not None:
            content["profile"] = self.profile.to_json()
        if self.summary is not None:
            content["summary"] = self.summary.to_json()
        return content

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Return the state that ``to_json`` wrote."""
        fitted, state = content["fitted"], dict[str, Any]()
        if "classes" in fitted:
            # |O are Python objects, such as labels of mixed types
            dtype = fitted["dtype"]
            state["classes"] = np.array(fitted["classes"], dtype=object if dtype == "|O" else dtype)
        for name in ("target_mean", "target_scale", "std_factor"):
            if name in fitted:
                state[name] = np.asarray(fitted[name])
        for name in ("target_mean", "target_scale", "std_factor", "temperature"):
            if not np.isfinite(fitted.get(name, 0.0)).all():
                raise ValueError(f"its {name} must be finite, got {fitted[name]}")
        if "is_single" in fitted:
            state["is_single"] = bool(fitted["is_single"])
        if "temperature" in fitted:
            state["temperature"] = float(fitted["temperature"])
        if "calibration" in fitted:
            state["calibration"] = Calibration.from_dict(fitted["calibration"])
        if "masking" in fitted:
            state["masking"] = Masking(**fitted["masking"])
        if "summary" in content:
            state["summary"] = FitSummary.from_json(content["summary"])
        state["profile"] = DataProfile.from_json(content.get("profile"))
        return cls(content["estimator"], decode_value(content["parameters"]), **state)

    def write(self, folder: Path) -> None:
        """Write estimator.json to a folder, whole or not at all."""
        with replacing_file(folder / DESCRIPTION) as partial:
            partial.write_text(json.dumps(self.to_json(), indent=1))

    def save(self, models: Sequence[Pretrained], folder: Path) -> None:
        """Write the state and the models to a folder, whole or not at all.

        An estimator or a model in the folder is replaced; other files stay.
        """
        with replacing_folder(folder, {DESCRIPTION, "best", "members", *FILES}) as partial:
            for i, model in enumerate(models):
                model.save_pretrained(member_folder(partial, i) / "best")
            self.write(partial)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read estimator.json of a folder; raise ValueError if it was cut short or is not of this library."""
        path = folder / DESCRIPTION
        try:
            return cls.from_json(json.loads(path.read_text()))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} cannot be read: {error!r}") from error


def encode_value(value: Any) -> Any:
    """Return a parameter as JSON can hold it.

    Mappings with other keys than text become lists of pairs, numbers of numpy those of Python, and dataclasses
    dictionaries of their fields.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return encode_value(asdict(value))
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {str(key): encode_value(entry) for key, entry in value.items()}
        return {PAIRS: [[encode_value(key), encode_value(entry)] for key, entry in value.items()]}
    if isinstance(value, (list, tuple)):
        return [encode_value(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return str(value) if isinstance(value, Path) else value


def decode_value(value: Any) -> Any:
    """Return what ``encode_value`` was given, with lists for tuples and dictionaries for dataclasses."""
    if isinstance(value, dict):
        if set(value) == {PAIRS}:
            return {key: decode_value(entry) for key, entry in value[PAIRS]}
        return {key: decode_value(entry) for key, entry in value.items()}
    return [decode_value(entry) for entry in value] if isinstance(value, list) else value
