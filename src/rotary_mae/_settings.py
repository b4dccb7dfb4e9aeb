"""What all settings have in common: their names and kinds are checked before anything compares them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_type_hints

import numpy as np

Nested = TypeVar("Nested")


def check_keys(cls: type, given: Mapping[str, Any]) -> None:
    """Raise ValueError for a key that ``cls``, a dataclass, does not have, suggesting one that it has."""
    known = [f.name for f in fields(cls)]
    for key in given:
        if key not in known:
            raise ValueError(f"{cls.__name__} has no setting {key!r}{did_you_mean(key, known)}")


def did_you_mean(got: str, known: Any) -> str:
    """The end of a sentence about a name that is not known."""
    close = get_close_matches(got, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(known)}"


def check_kinds(settings: Any) -> None:
    """Raise ValueError for a field of a dataclass that should be a number, a switch or a text and is not.

    A number in quotes is the usual one: YAML reads 1e-3 as text, for the want of a point.
    """
    for name, hint in get_type_hints(type(settings)).items():
        kinds, given = get_args(hint) if isinstance(hint, UnionType) else (hint,), getattr(settings, name)
        if all(kind in _KINDS for kind in kinds) and not any(_KINDS[kind][0](given) for kind in kinds):
            wanted = " or ".join(_KINDS[kind][1] for kind in kinds)
            raise ValueError(f"{name} must be {wanted}, got {given!r}")


def is_whole(given: Any) -> bool:
    """Whether this is a whole number; True and False are none."""
    return isinstance(given, Integral) and not _is_switch(given)


def is_number(given: Any) -> bool:
    """Whether this is a real number; True and False are none."""
    return isinstance(given, Real) and not _is_switch(given)


def is_sequence(given: Any) -> bool:
    """Whether these are several of something in order: a list, a tuple or an array, not a text."""
    return (isinstance(given, Sequence) and not isinstance(given, str)) or (
        isinstance(given, np.ndarray) and given.ndim > 0
    )


def nested(cls: type[Nested], given: Any, name: str) -> Nested:
    """Settings within settings: as they are, or of a dictionary of their fields; ValueError for anything else."""
    if isinstance(given, cls):
        return given
    if not isinstance(given, Mapping):
        raise ValueError(f"{name} must be a {cls.__name__} or a dictionary of its settings, got {given!r}")
    check_keys(cls, given)
    return cls(**given)


def _is_switch(given: Any) -> bool:
    return isinstance(given, bool | np.bool_)


_KINDS = {
    bool: (_is_switch, "True or False"),
    int: (is_whole, "a whole number"),
    float: (is_number, "a number"),
    str: (lambda given: isinstance(given, str), "a text"),
    NoneType: (lambda given: given is None, "None"),
}
