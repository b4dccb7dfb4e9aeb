"""All commands by name, and for each a parser made from the signature and docstring of its function."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args, get_type_hints

from jsonargparse import ActionConfigFile, ArgumentParser, DefaultHelpFormatter, Namespace

from rotary_mae._atomic import user_path
from rotary_mae.cli.flag_syntax import flag_value, nest_settings, normalize_flags
from rotary_mae.cli.parse_errors import parse_flags

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo:demo", "pre-train, classify and interpolate example data, in minutes"),
    "pretrain": ("train:pretrain", "pre-train a model on series without labels"),
    "classify": ("train:classify", "train a classifier of series"),
    "regress": ("train:regress", "train a model that predicts numbers for series"),
    "fit-interpolator": ("train:fit_interpolator", "train a model that predicts values at any time"),
    "predict": ("predict:predict", "predict classes or numbers for new series with a classify or regress run"),
    "embed": ("predict:embed", "turn series into vectors with a pretrain run"),
    "interpolate": (
        "predict:interpolate",
        "predict values and standard deviations at any time with a fit-interpolator run",
    ),
    "evaluate": ("predict:evaluate", "compute the metrics of a run on data"),
    "report": ("inspect:report", "write an HTML page about a run: learning curves, metrics, calibration, predictions"),
    "info": ("inspect:info", "describe a run or a data file"),
    "convert": ("train:convert", "convert a checkpoint of the paper's code to a folder for --init"),
}
"""Module and function of each command, and a one-line summary for the overview."""


def run(arguments: list[str]) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : list of str
        Name of the command and its flags.

    Returns
    -------
    int
        Exit code, 0.

    Raises
    ------
    ValueError
        If a command, flag or value is wrong.
    """
    if not arguments or arguments[0] not in COMMANDS:
        return _overview(arguments)
    command, rest = arguments[0], arguments[1:]
    function = command_function(command)
    parser = make_parser(command)
    flags = normalize_flags(rest, _switches(function), _lists(function))
    settings = parse_flags(parser, _with_recorded_settings(command, flags))
    given = _call_arguments(function, settings)
    if "resume" not in given:
        function(**given)
        return 0
    from rotary_mae.cli.run_record import recording

    text = parser.dump(settings, skip_none=False)
    with recording(given["out"], command, text, given["data"], given["resume"]):
        function(**given)
    return 0


def command_function(command: str) -> Callable[..., None]:
    """Return the function of a command; its module is imported here, so that help for one command loads no other."""
    module, _, name = COMMANDS[command][0].partition(":")
    function: Callable[..., None] = getattr(import_module(f"rotary_mae.cli.{module}"), name)
    return function


def make_parser(command: str) -> ArgumentParser:
    """Return the parser of one command.

    Parameters
    ----------
    command : str
        A key of ``COMMANDS``.

    Returns
    -------
    ArgumentParser
        Flags for the parameters of the command's function and for the fields of its dataclass parameters, and
        ``--config``, a YAML file with defaults for all of them.
    """
    function = command_function(command)
    parser = CommandParser(
        prog=f"romae {command}",
        description=(inspect.getdoc(function) or "").partition("\n\nParameters\n---")[0],
        exit_on_error=False,
        allow_abbrev=False,
        formatter_class=PlainHelp,
    )
    parser.add_argument(
        "--config", action=ActionConfigFile, help="YAML file with any of the settings; flags take precedence"
    )
    groups = _dataclass_parameters(function)
    parser.add_function_arguments(function, as_positional=True, as_group=False, skip=set(groups))
    for group in groups.values():
        parser.add_class_arguments(group)
    return parser


class PlainHelp(DefaultHelpFormatter):
    """Help without Python types, and with dashes in the names of flags."""

    def format_help(self) -> str:
        """Return the help text, with dashes in the names of flags."""
        text: str = super().format_help()
        return re.sub(r"--[a-z]\w*", lambda flag: flag[0].replace("_", "-"), text)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        # jsonargparse adds --value+, which appends to a list; names joined by commas make it unnecessary
        return re.sub(r", --\w+\+ \w+", "", super()._format_action_invocation(action))

    def _expand_help(self, action: argparse.Action) -> str:
        text: str = super()._expand_help(action)
        text = re.sub(r"\s*\((?:type|default): .*default: null\)$", "", text, flags=re.DOTALL)
        required = " (required)" if action.option_strings else ""
        text = re.sub(r"\s*\(required(?:, type: .*)?\)$", required, text, flags=re.DOTALL)
        return re.sub(r"\(type: .*(default: [^)]*)\)$", r"(\1)", text, flags=re.DOTALL)


class CommandParser(ArgumentParser):
    """Parser that writes nested settings as nested mappings."""

    def dump(self, cfg: Namespace, **options: Any) -> str:
        """Return the settings as YAML; used by ``--print_config`` too."""
        shown = cfg.clone()
        for name, value in shown.items():
            if isinstance(value, dict):
                shown[name] = nest_settings(value)
        return super().dump(shown, **options)


def _dataclass_parameters(function: Callable[..., None]) -> dict[str, Any]:
    """Return the parameters that are dataclasses, by name; their fields become flags."""
    return {name: hint for name, hint in get_type_hints(function).items() if is_dataclass(hint)}


def _flag_types(function: Callable[..., None]) -> dict[str, Any]:
    """Return the types of the flags by name."""
    hints = get_type_hints(function)
    for group in _dataclass_parameters(function).values():
        hints |= get_type_hints(group)
    return hints


def _switches(function: Callable[..., None]) -> set[str]:
    """Return the names of the flags that are true or false."""
    return {name for name, hint in _flag_types(function).items() if hint is bool}


def _lists(function: Callable[..., None]) -> set[str]:
    """Return the names of the flags that take several names."""
    return {name for name, hint in _flag_types(function).items() if list[str] in get_args(hint)}


def _call_arguments(function: Callable[..., None], settings: Namespace) -> dict[str, Any]:
    """Return the arguments of the command's function."""
    groups = _dataclass_parameters(function)
    given = {
        name: user_path(value) if isinstance(value := settings[name], Path) else value
        for name in inspect.signature(function).parameters
        if name not in groups
    }
    for name, group in groups.items():
        values = {field.name: settings[field.name] for field in fields(group)}
        given[name] = group(**{k: nest_settings(v) if isinstance(v, dict) else v for k, v in values.items()})
    return given


def _with_recorded_settings(command: str, flags: list[str]) -> list[str]:
    """Return the flags, with ``--resume`` preceded by the settings that the run was started with."""
    out = flag_value(flags, "out")
    if out is None or "--resume=true" not in flags:
        return flags
    from rotary_mae.cli.run_record import recorded_settings

    record = recorded_settings(out, command)
    return flags if record is None else ["--config", str(record), *flags]


def _overview(arguments: list[str]) -> int:
    """Handle ``romae``, ``romae --help``, ``romae --version`` and unknown commands."""
    parser = argparse.ArgumentParser(
        prog="romae",
        description="RoMAE: masked autoencoders for values at real-valued positions, such as irregular time series.",
        epilog="romae COMMAND --help explains one command. Add --debug to see where an error came from.",
    )
    parser.add_argument("--version", action="version", version=f"rotary-mae {version('rotary-mae')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command, (_, summary) in COMMANDS.items():
        commands.add_parser(command, help=summary)
    first = arguments[0] if arguments else "--help"
    if not first.startswith("-"):
        close = get_close_matches(first, COMMANDS, n=1)
        raise ValueError(
            f"there is no command {first!r}; "
            + (f"did you mean {close[0]}?" if close else f"there are {', '.join(COMMANDS)}")
        )
    if first in ("-h", "--help", "--version"):
        parser.parse_args([first])
    raise ValueError(f"give a command before flags: romae COMMAND {first} ...; there are {', '.join(COMMANDS)}")
