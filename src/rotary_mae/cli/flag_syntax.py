"""Flags as people type them: ``--learning-rate``, ``--resume``, ``--no-early-stopping``, ``--model.decoder.width``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any


def normalize_flags(arguments: Sequence[str], switches: Collection[str], lists: Collection[str] = ()) -> list[str]:
    """Rewrite arguments to the form that the parser accepts.

    Parameters
    ----------
    arguments : sequence of str
        Arguments as typed.
    switches : collection of str
        Names of the flags that are true or false, with underscores.
    lists : collection of str
        Names of the flags that take several names. If one is repeated, its values are joined by newlines.

    Returns
    -------
    list of str
        The arguments with underscores in the names of flags, and ``=true`` or ``=false`` after a switch without a
        value. Everything after ``--`` is unchanged.
    """
    return _with_joined_lists(_with_standard_names(arguments, switches), lists)


def _with_standard_names(arguments: Sequence[str], switches: Collection[str]) -> list[str]:
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


def _with_joined_lists(arguments: list[str], lists: Collection[str]) -> list[str]:
    """Return the arguments with a single flag in the place of repeated ones."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    result: list[str] = []
    values: dict[str, list[str]] = {}
    i = 0
    while i < end:
        name, equals, value = arguments[i].removeprefix("--").partition("=")
        is_list = arguments[i].startswith("--") and name in lists
        if is_list and not equals and i + 1 < end:
            i, value = i + 1, arguments[i + 1]
        if is_list:
            values.setdefault(name, []).append(value)
        else:
            result.append(arguments[i])
        i += 1
    joined = ["--{}={}".format(name, "\n".join(given)) for name, given in values.items()]
    return [*result, *joined, *arguments[end:]]


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
