"""
The ``api-simulator`` command.

Exit status: 0 success, 1 a check failed or the command could not do its work, 2 the command line was not understood.
With ``--json`` standard output is always exactly one JSON value, also for errors, and agrees with the exit status.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, NoReturn

from api_simulator import __version__, plugins
from api_simulator.cli._outcome import Outcome
from api_simulator.errors import ApiSimulatorError, PluginError

USAGE_ERROR = 2

_COMMANDS = {
    "doctor": "api_simulator.cli._doctor",
    "serve": "api_simulator.cli._serve",
}


class _UsageError(Exception):
    """The command line was not understood."""


class _Parser(argparse.ArgumentParser):
    """A parser that raises where argparse would print and exit, so that JSON mode can answer in JSON."""

    def error(self, message: str) -> NoReturn:
        raise _UsageError(f"{message}\n{self.format_usage().strip()}")


def _modules() -> dict[str, ModuleType]:
    """Return the commands there are, those of plug-ins included; one that cannot be imported is left out and told."""
    modules = {}
    for name, place in plugins.commands(_COMMANDS).items():
        try:
            modules[name] = importlib.import_module(place)
            text, run = modules[name].HELP, modules[name].run
            if not (isinstance(text, str) and callable(run)):
                raise PluginError("HELP is text and run a function")  # about a plug-in, not an argument
        except Exception as error:  # a foreign module
            if name in _COMMANDS:
                raise
            modules.pop(name, None)
            print(f"api-simulator: command {name!r} ({place}) is left out: {error!r}", file=sys.stderr)
    return modules


def _parser(commands_there_are: Mapping[str, ModuleType]) -> _Parser:
    # Help and version are ours: argparse would print them at once, and never as JSON. An abbreviated flag is none,
    # because --json is also looked for in command lines that cannot be parsed.
    plain: dict[str, Any] = {"add_help": False, "allow_abbrev": False}
    parser = _Parser(prog="api-simulator", description="Fake servers and programs for tests.", **plain)
    parser.set_defaults(parser=parser, help=False, json=False)
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    _add_common(parser)
    for name, module in commands_there_are.items():
        command = commands.add_parser(name, help=module.HELP, description=module.HELP, **plain)
        command.set_defaults(parser=command)
        if hasattr(module, "add_arguments"):
            module.add_arguments(command)
        _add_common(command)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    # Accepted before and after the command; SUPPRESS keeps the second from undoing the first.
    flag: dict[str, Any] = {"action": "store_true", "default": argparse.SUPPRESS}
    parser.add_argument("--json", help="print one JSON value", **flag)
    parser.add_argument("-h", "--help", help="show this help", **flag)


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command line *argv* (``sys.argv`` by default) and return the exit status.

    Never raises for a wrong command line: it explains on standard error, or as JSON.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        modules = _modules()
    except PluginError as error:
        return _failed(error, as_json="--json" in arguments)
    parser = _parser(modules)
    try:
        options = parser.parse_args(arguments)
        if options.help:
            text = options.parser.format_help().rstrip()
            return _print({"ok": True, "help": text}, text, 0, as_json=options.json)
        if options.version:
            value = {"ok": True, "version": __version__}
            return _print(value, f"api-simulator {__version__}", 0, as_json=options.json)
        if options.command is None:
            raise _UsageError(f"a command is missing: {', '.join(modules)}\n{parser.format_usage().strip()}")
    except _UsageError as error:
        message = str(error)
        value = {"ok": False, "error": {"type": "usage", "message": message.splitlines()[0]}}
        return _print(value, f"api-simulator: {message}", USAGE_ERROR, as_json="--json" in arguments)
    try:
        outcome: Outcome = modules[options.command].run(options)
    except ApiSimulatorError as error:
        return _failed(error, as_json=options.json)
    value = {"ok": outcome.ok, **outcome.value}
    return _print(value, outcome.text, 0 if outcome.ok else 1, as_json=options.json)


def _failed(error: ApiSimulatorError, *, as_json: bool) -> int:
    value = {"ok": False, "error": {"type": type(error).__name__, "message": str(error)}}
    return _print(value, f"api-simulator: {error}", 1, as_json=as_json)


def _print(value: dict[str, Any], text: str, status: int, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(value, indent=2))
    else:
        print(text, file=sys.stdout if status != USAGE_ERROR else sys.stderr)
    return status
