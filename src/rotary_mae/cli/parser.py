"""Commands by name, each with a parser made from the signature of its function."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any, get_type_hints

from jsonargparse import ActionConfigFile, ArgumentParser, DefaultHelpFormatter, Namespace

from rotary_mae import __version__
from rotary_mae.cli.flag_syntax import nested, normalize_flags, value_of
from rotary_mae.cli.parse_errors import format_parse_error

COMMANDS = {
    "demo": ("demo:demo", "pre-train, classify and interpolate on data that comes along, in minutes"),
    "pretrain": ("train:pretrain", "learn from series without labels"),
    "classify": ("train:classify", "train a classifier of series"),
    "regress": ("train:regress", "train a model that predicts numbers of series"),
    "fit-interpolator": ("train:fit_interpolator", "train a model that gives values at any time"),
    "predict": ("predict:predict", "classes or numbers for new series, from a classify or regress run"),
    "embed": ("predict:embed", "series as vectors, from a pretrain run"),
    "interpolate": ("predict:interpolate", "values and their spread at any time, from a fit-interpolator run"),
    "evaluate": ("predict:evaluate", "how good a run is on data"),
    "report": ("inspect:report", "a page about a run: curves, metrics, calibration, answers to leaf through"),
    "info": ("inspect:info", "what a run is, or what a data file holds"),
    "convert": ("train:convert", "a checkpoint of the paper's code as a run to start from"),
}


def run(arguments: list[str]) -> int:
    """Run the command that ``arguments`` name; raises ValueError for flags that are wrong."""
    if not arguments or arguments[0] not in COMMANDS:
        return _overview(arguments)
    command, rest = arguments[0], arguments[1:]
    function = _function(command)
    parser = make_parser(command, function)
    flags = normalize_flags(rest, _switches(function))
    settings = _parse(parser, _resumed(command, flags))
    given = _call_arguments(function, settings)
    if "resume" not in given:
        function(**given)
        return 0
    from rotary_mae.cli.run_record import recording

    text = parser.dump(settings, skip_none=False)
    with recording(given["out"], command, text, given["data"], given["resume"]):
        function(**given)
    return 0


class PlainHelp(DefaultHelpFormatter):
    """Help without the types of Python."""

    def _expand_help(self, action: argparse.Action) -> str:
        text: str = super()._expand_help(action)
        text = re.sub(r"\s*\((?:type|default): .*default: null\)$", "", text, flags=re.DOTALL)
        text = re.sub(r"\((required), type: .*\)$", r"(\1)", text, flags=re.DOTALL)
        return re.sub(r"\(type: .*(default: [^)]*)\)$", r"(\1)", text, flags=re.DOTALL)


class CommandParser(ArgumentParser):
    """Writes settings below two dots as people read them, mappings in mappings."""

    def dump(self, cfg: Namespace, **options: Any) -> str:
        """The settings as YAML, for --print_config too."""
        shown = cfg.clone()
        for name, value in shown.items():
            if isinstance(value, dict):
                shown[name] = nested(value)
        return super().dump(shown, **options)


def make_parser(command: str, function: Callable[..., None]) -> ArgumentParser:
    """The parser of one command: its own flags, those of its dataclasses, and --config over all of them."""
    parser = CommandParser(
        prog=f"romae {command}",
        description=inspect.getdoc(function).partition("\n\nArgs:")[0],  # type: ignore[union-attr]
        exit_on_error=False,
        allow_abbrev=False,
        formatter_class=PlainHelp,
    )
    parser.add_argument(
        "--config", action=ActionConfigFile, help="YAML file with any of the settings; flags go over it"
    )
    groups = _groups(function)
    parser.add_function_arguments(function, as_positional=True, as_group=False, skip=set(groups))
    for group in groups.values():
        parser.add_class_arguments(group)
    return parser


def _function(command: str) -> Callable[..., None]:
    module, _, name = COMMANDS[command][0].partition(":")
    try:
        function: Callable[..., None] = getattr(import_module(f"rotary_mae.cli.{module}"), name)
    except ModuleNotFoundError as error:
        if error.name != f"rotary_mae.cli.{module}":
            raise
        raise ValueError(f"romae {command} is not there yet") from error
    return function


def _groups(function: Callable[..., None]) -> dict[str, Any]:
    """The parameters that are dataclasses; their fields are flags too."""
    return {name: hint for name, hint in get_type_hints(function).items() if is_dataclass(hint)}


def _switches(function: Callable[..., None]) -> set[str]:
    hints = get_type_hints(function)
    for group in _groups(function).values():
        hints |= get_type_hints(group)
    return {name for name, hint in hints.items() if hint is bool}


def _call_arguments(function: Callable[..., None], settings: Namespace) -> dict[str, Any]:
    groups = _groups(function)
    given = {name: settings[name] for name in inspect.signature(function).parameters if name not in groups}
    for name, group in groups.items():
        values = {field.name: settings[field.name] for field in fields(group)}
        given[name] = group(**{k: nested(v) if isinstance(v, dict) else v for k, v in values.items()})
    return given


def _resumed(command: str, flags: list[str]) -> list[str]:
    """Flags over the settings of the run that shall be resumed."""
    out = value_of(flags, "out")
    if out is None or "--resume=true" not in flags:
        return flags
    from rotary_mae.cli.run_record import recorded_settings

    record = recorded_settings(out, command)
    return flags if record is None else ["--config", str(record), *flags]


def _parse(parser: ArgumentParser, flags: list[str]) -> Namespace:
    try:
        return parser.parse_args(flags)
    except argparse.ArgumentError as error:
        options = [option for action in parser._actions for option in action.option_strings]
        raise ValueError(format_parse_error(str(error), options, parser.prog)) from error


def _overview(arguments: list[str]) -> int:
    """``romae``, ``romae --help``, ``romae --version`` and what is no command."""
    parser = argparse.ArgumentParser(
        prog="romae",
        description="RoMAE: masked autoencoders for values at real-valued positions, such as irregular time series.",
        epilog="romae COMMAND --help explains a command. --debug shows where an error came from.",
    )
    parser.add_argument("--version", action="version", version=f"rotary-mae {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND")
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
