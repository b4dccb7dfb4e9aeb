"""What the parser found wrong, in one line that a person can act on."""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import get_close_matches

_KEY = re.compile(r'Parser key "(?P<key>[^"]+)":')

_GOT = re.compile(r"(?:Given value|Got value): (?P<value>.*)", re.DOTALL)

_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text", "dict": "settings"}


def format_parse_error(message: str, options: Collection[str], command: str) -> str:
    """The parser's message, shortened; with the option of ``options`` that may have been meant, or where to look."""
    if typed := _wrong_value(message):
        return typed
    is_unknown = "nrecognized arguments" in message or "is not accepted" in message
    unknown = re.findall(r"--[\w.]+", message) or [f"--{name}" for name in re.findall(r"'(\w+)'", message)]
    if is_unknown and not unknown:
        return f"{message}; several columns are joined by commas, as in --value hr,sbp; see {command} --help"
    close = [match for flag in unknown for match in get_close_matches(flag, options, n=1)] if is_unknown else []
    return message + (f"; did you mean {' or '.join(close)}?" if close else f"; see {command} --help")


def _wrong_value(message: str) -> str | None:
    """``--epochs needs a whole number, got 'three'``; None if the message is about something else."""
    key, got = _KEY.search(message), _GOT.search(message)
    if key is None or got is None:
        return None
    kinds = [
        _KINDS.get(name, name) for name in re.findall(r"Expected a <class '(\w+)'>", message) if name != "NoneType"
    ]
    for choices in re.findall(r"Expected a (?:typing\.)?Literal\[(.*?)\]", message):
        kinds.append(choices.replace("'", "").replace(", ", " or "))
    wanted = " or ".join(dict.fromkeys(kinds)) or "another value"
    return f"--{key['key']} needs {wanted}, got {got['value'].strip()!r}"
