"""How people type flags: ``--learning-rate``, ``--resume``, ``--no-early-stopping``, ``--model.decoder.width``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any


def normalize_flags(arguments: Sequence[str], switches: Collection[str]) -> list[str]:
    """The arguments as the parser knows them: underscores in names, ``=true`` or ``=false`` behind a bare switch.

    switches: names of the flags that are on or off.
    """
    result: list[str] = []
    for i, argument in enumerate(arguments):
        if argument == "--":
            return [*result, *arguments[i:]]
        if not argument.startswith("--"):
            result.append(argument)
            continue
        flag, equals, value = argument[2:].partition("=")
        name = _one_dot(flag.replace("-", "_"))
        following = arguments[i + 1].lower() if i + 1 < len(arguments) else ""
        if name.removeprefix("no_") in switches and name not in switches and not equals:
            result.append(f"--{name.removeprefix('no_')}=false")
        elif name in switches and not equals and following not in ("true", "false"):
            result.append(f"--{name}=true")
        else:
            result.append(f"--{name}{equals}{value}")
    return result


def _one_dot(name: str) -> str:
    # the parser keeps only the last of several flags below a second dot; ``nested`` makes the slashes dots again
    first, dot, rest = name.partition(".")
    return first + dot + rest.replace(".", "/")


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings named ``decoder/width`` as mappings in mappings; of two that mean the same the last one counts."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        *outer, last = name.split("/")
        inner = found
        for key in outer:
            if not isinstance(inner.get(key), dict):
                inner[key] = {}
            inner = inner[key]
        inner[last] = nested(value) if isinstance(value, Mapping) else value
    return found


def value_of(arguments: Sequence[str], name: str) -> str | None:
    """The value that ``--name VALUE`` or ``--name=VALUE`` gives, the last one; None if it is not there."""
    found = None
    for i, argument in enumerate(arguments):
        if argument == f"--{name}" and i + 1 < len(arguments):
            found = arguments[i + 1]
        elif argument.startswith(f"--{name}="):
            found = argument.partition("=")[2]
    return found
