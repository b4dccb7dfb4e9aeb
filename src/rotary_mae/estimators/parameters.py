"""Parameters of estimators as JSON can hold them, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

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
