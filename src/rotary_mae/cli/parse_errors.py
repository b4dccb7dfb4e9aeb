"""Errors of the parser as one line with what to do."""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection
from difflib import get_close_matches

from jsonargparse import ArgumentParser, Namespace

# the wording of jsonargparse's messages about a value
_KEY = re.compile(r'Parser key "(?P<key>[^"]+)":')
_GOT = re.compile(r"(?:Given value|Got value): (?P<value>.*)", re.DOTALL)

_TYPE_NAMES = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text", "dict": "settings"}


def parse_flags(parser: ArgumentParser, flags: list[str]) -> Namespace:
    """Parse the flags of a command; raises ValueError with the text of ``format_parse_error``."""
    try:
        return parser.parse_args(flags)
    except argparse.ArgumentError as error:
        options = [option for action in parser._actions for option in action.option_strings]
        raise ValueError(format_parse_error(str(error), options, parser.prog)) from error


def format_parse_error(message: str, options: Collection[str], command: str) -> str:
    """Shorten a message of the parser and add what to do.

    Parameters
    ----------
    message : str
        Text of the exception that the parser raised.
    options : collection of str
        All flags of the command, ``--epochs`` and so on; a similar one is suggested for an unknown flag.
    command : str
        The command as typed, such as ``romae classify``; used to refer to its help.

    Returns
    -------
    str
        For example ``--epochs needs a whole number, got 'three'``.
    """
    if wrong_value := _wrong_value(message):
        return wrong_value
    is_unknown = "nrecognized arguments" in message or "is not accepted" in message
    unknown = re.findall(r"--[\w.]+", message) or [f"--{name}" for name in re.findall(r"'(\w+)'", message)]
    if is_unknown and not unknown:
        return f"{message}; several columns are joined by commas, as in --value hr,sbp; see {command} --help"
    close = [match for flag in unknown for match in get_close_matches(flag, options, n=1)] if is_unknown else []
    return message + (f"; did you mean {' or '.join(close)}?" if close else f"; see {command} --help")


def _wrong_value(message: str) -> str | None:
    """Return the text for a value of the wrong type or an unknown choice; None for other messages."""
    key, got = _KEY.search(message), _GOT.search(message)
    if key is None or got is None:
        return None
    types = re.findall(r"Expected a <class '(\w+)'>", message)
    kinds = [_TYPE_NAMES.get(name, name) for name in types if name != "NoneType"]
    for choices in re.findall(r"Expected a (?:typing\.)?Literal\[(.*?)\]", message):
        kinds.append(choices.replace("'", "").replace(", ", " or "))
    expected = " or ".join(dict.fromkeys(kinds)) or "another value"
    return f"--{key['key']} needs {expected}, got {got['value'].strip()!r}"
