"""Checks of settings: names and types are checked before anything compares the values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_type_hints

import numpy as np

Settings = TypeVar("Settings")


def check_keys(cls: type, given: Mapping[str, Any]) -> None:
    """Raise ValueError for a key that is no field of the dataclass ``cls``, and suggest a field."""
    known = [f.name for f in fields(cls)]
    for key in given:
        if key not in known:
            raise ValueError(f"{cls.__name__} has no setting {key!r}{did_you_mean(key, known)}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message about an unknown name: the closest known name, or all of them."""
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(known)}"


def check_types(settings: Any) -> None:
    """Raise ValueError for a field of a dataclass that should be a number, a bool or a text and is not.

    The usual case is a number in quotes: YAML reads 1e-3 as text, because it has no decimal point.
    """
    for name, hint in get_type_hints(type(settings)).items():
        types, given = get_args(hint) if isinstance(hint, UnionType) else (hint,), getattr(settings, name)
        if all(kind in _CHECKS for kind in types) and not any(_CHECKS[kind][0](given) for kind in types):
            expected = " or ".join(_CHECKS[kind][1] for kind in types)
            raise ValueError(f"{name} must be {expected}, got {given!r}")


def is_whole(given: Any) -> bool:
    """Return True for a whole number; True and False are none."""
    return isinstance(given, Integral) and not _is_bool(given)


def is_number(given: Any) -> bool:
    """Return True for a real number; True and False are none."""
    return isinstance(given, Real) and not _is_bool(given)


def is_sequence(given: Any) -> bool:
    """Return True for a list, a tuple or an array, False for a text."""
    return (isinstance(given, Sequence) and not isinstance(given, str)) or (
        isinstance(given, np.ndarray) and given.ndim > 0
    )


def as_settings(cls: type[Settings], given: Any, name: str) -> Settings:
    """Return an instance of the dataclass ``cls`` as it is, or make one of a dictionary of its fields.

    Raises ValueError, with ``name`` in the message, for anything else.
    """
    if isinstance(given, cls):
        return given
    if not isinstance(given, Mapping):
        raise ValueError(f"{name} must be a {cls.__name__} or a dictionary of its settings, got {given!r}")
    check_keys(cls, given)
    return cls(**given)


def _is_bool(given: Any) -> bool:
    return isinstance(given, bool | np.bool_)


_CHECKS = {
    bool: (_is_bool, "True or False"),
    int: (is_whole, "a whole number"),
    float: (is_number, "a number"),
    str: (lambda given: isinstance(given, str), "a text"),
    NoneType: (lambda given: given is None, "None"),
}
"""Test and name of each type of setting."""
