"""Flags as people type them: ``--learning-rate``, ``--resume``, ``--no-early-stopping``, ``--model.decoder.width``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any


def normalize_flags(arguments: Sequence[str], switches: Collection[str]) -> list[str]:
    """Rewrite arguments to the form that the parser accepts.

    Parameters
    ----------
    arguments : sequence of str
        Arguments as typed.
    switches : collection of str
        Names of the flags that are true or false, with underscores.

    Returns
    -------
    list of str
        The arguments with underscores in the names of flags, and ``=true`` or ``=false`` after a switch without a
        value. Everything after ``--`` is unchanged.
    """
    result: list[str] = []
    for i, argument in enumerate(arguments):
        if argument == "--":
            return [*result, *arguments[i:]]
        if not argument.startswith("--"):
            result.append(argument)
            continue
        flag, equals, value = argument[2:].partition("=")
        name = _with_one_dot(flag.replace("-", "_"))
        following = arguments[i + 1].lower() if i + 1 < len(arguments) else ""
        if name.removeprefix("no_") in switches and name not in switches and not equals:
            result.append(f"--{name.removeprefix('no_')}=false")
        elif name in switches and not equals and following not in ("true", "false"):
            result.append(f"--{name}=true")
        else:
            result.append(f"--{name}{equals}{value}")
    return result


def _with_one_dot(name: str) -> str:
    # of several flags below a second dot the parser keeps only the last; ``nest_settings`` splits at the slashes
    first, dot, rest = name.partition(".")
    return first + dot + rest.replace(".", "/")


def nest_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Turn names such as ``decoder/width`` into nested mappings; the last of two equal names counts."""
    nested: dict[str, Any] = {}
    for name, value in settings.items():
        *outer, last = name.split("/")
        inner = nested
        for key in outer:
            if not isinstance(inner.get(key), dict):
                inner[key] = {}
            inner = inner[key]
        inner[last] = nest_settings(value) if isinstance(value, Mapping) else value
    return nested


def flag_value(arguments: Sequence[str], name: str) -> str | None:
    """Return the last value given by ``--name VALUE`` or ``--name=VALUE``; None without such a flag."""
    found = None
    for i, argument in enumerate(arguments):
        if argument == f"--{name}" and i + 1 < len(arguments):
            found = arguments[i + 1]
        elif argument.startswith(f"--{name}="):
            found = argument.partition("=")[2]
    return found
