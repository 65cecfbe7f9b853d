"""
The ``api-simulator`` command.

Exit status: 0 success, 1 a check failed or what was asked for could not be done, 2 the command line, or a script that
it names, was not understood; a program that ``run-fake`` plays passes its own on. With ``--json`` standard output is
always exactly one JSON value, also for errors, and agrees with the exit status.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from api_simulator import __version__, plugins
from api_simulator.cli._outcome import Outcome, UsageError
from api_simulator.errors import ApiSimulatorError, PluginError

USAGE_ERROR = 2

#: Each has a module with ``run(options)`` and perhaps ``add_arguments(parser)``, imported when it is used, and its
#: help. A module with ``TAKES_COMMAND`` gets what stands after ``--`` as ``options.argv``.
_COMMANDS = {
    "doctor": ("_doctor", "say what works in this environment, and why something does not"),
    "run-fake": ("_run_fake", "play a fake program by a script file, once or from a folder on PATH"),
    "calls": ("_calls", "print the calls of the fake programs that run-fake installed in a folder"),
    "record": ("_record", "run a program and record what it does"),
    "replay": ("_replay", "play a recording, or run a command against it"),
    "show": ("_show", "show a recording as a timeline"),
    "diff": ("_diff", "compare two recordings"),
    "serve": ("_serve", "serve fake services, or the routes of a file, until SIGTERM or SIGINT"),
    "scan": ("_scan", "look for secrets in files and folders"),
}


class _Parser(argparse.ArgumentParser):
    """A parser that raises where argparse would print and exit, so that JSON mode can answer in JSON."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(_with_usage(message, self))


def _with_usage(message: str, parser: argparse.ArgumentParser) -> str:
    return f"{message}\n{parser.format_usage().strip()}"


def _module(name: str) -> Any:
    return importlib.import_module(f"api_simulator.cli.{_COMMANDS[name][0]}")


def _of_plugins() -> dict[str, Any]:
    """Return the commands that plug-ins offer, as modules; one that cannot be imported is left out and told."""
    modules = {}
    for name, place in plugins.commands({name: place for name, (place, _) in _COMMANDS.items()}).items():
        if name in _COMMANDS:
            continue
        try:
            module = importlib.import_module(place)
            if not (isinstance(module.HELP, str) and callable(module.run)):
                raise PluginError("HELP is text and run a function")
        except Exception as error:  # noqa: BLE001  # a foreign module
            print(f"api-simulator: command {name!r} ({place}) is left out: {error!r}", file=sys.stderr)
        else:
            modules[name] = module
    return modules


def _parser(arguments: Sequence[str], foreign: Mapping[str, Any]) -> _Parser:
    # Help and version are ours: argparse would print them at once, and never as JSON. An abbreviated flag is none,
    # because --json is also looked for in command lines that cannot be parsed.
    plain: dict[str, Any] = {"add_help": False, "allow_abbrev": False}
    parser = _Parser(prog="api-simulator", description="Fake servers and programs for tests.", **plain)
    parser.set_defaults(parser=parser, help=False, json=False)
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    _add_common(parser)
    helps = {name: text for name, (_, text) in _COMMANDS.items()} | {name: each.HELP for name, each in foreign.items()}
    for name, text in helps.items():
        command = commands.add_parser(name, help=text, description=text, **plain)
        command.set_defaults(parser=command)
        _add_common(command)
        if name in arguments and hasattr(module := foreign.get(name) or _module(name), "add_arguments"):
            module.add_arguments(command)
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
    end = arguments.index("--") if "--" in arguments else len(arguments)
    arguments, following = arguments[:end], arguments[end:]
    try:
        foreign = _of_plugins()
    except PluginError as error:
        problem = {"type": type(error).__name__, "message": str(error)}
        value = {"ok": False, "error": problem}
        return _print(value, f"api-simulator: {error}", 1, as_json="--json" in arguments)
    parser = _parser(arguments, foreign)
    try:
        _look_at_command(arguments, [*_COMMANDS, *foreign], parser)
        options, not_understood = parser.parse_known_args(arguments)
        if not_understood:
            # argparse would say it with the usage of all commands, where this one's is wanted.
            takes_command = options.command in _COMMANDS and hasattr(_module(options.command), "TAKES_COMMAND")
            hint = "; a program and its arguments stand after --" if takes_command else ""
            message = f"unrecognized arguments: {' '.join(not_understood)}{hint}"
            raise UsageError(_with_usage(message, options.parser))
        options.argv = following[1:]
        if options.help:
            text = options.parser.format_help().rstrip()
            return _print({"ok": True, "help": text}, text, 0, as_json=options.json)
        if options.version:
            value = {"ok": True, "version": __version__}
            return _print(value, f"api-simulator {__version__}", 0, as_json=options.json)
        if options.command is None:
            known = ", ".join([*_COMMANDS, *foreign])
            raise UsageError(_with_usage(f"a command is missing: {known}", parser))
        module = foreign.get(options.command) or _module(options.command)
        if following and not getattr(module, "TAKES_COMMAND", False):
            raise UsageError(_with_usage(f"{options.command} takes no command after --", options.parser))
    except UsageError as error:
        return _not_understood(str(error), as_json="--json" in arguments)
    try:
        outcome: Outcome = module.run(options)
    except UsageError as error:
        message = _with_usage(f"{options.command}: {error}", options.parser)
        return _not_understood(message, as_json=options.json)
    except ApiSimulatorError as error:
        problem = {"type": type(error).__name__, "message": str(error)}
        outcome = Outcome(False, f"api-simulator: {error}", {"error": problem})
    value = {"ok": outcome.ok, **outcome.value}
    # A plug-in's outcome has ok, text and value; the rest is for commands of this package.
    chosen: int | None = getattr(outcome, "status", None)
    status = chosen if chosen is not None else 0 if outcome.ok else 1
    return status if getattr(outcome, "is_said", False) else _print(value, outcome.text, status, as_json=options.json)


def _look_at_command(arguments: Iterable[str], known: Sequence[str], parser: argparse.ArgumentParser) -> None:
    """Raise if the command is unknown, with the nearest that there is; options before it take no values."""
    name = next((argument for argument in arguments if not argument.startswith("-")), None)
    if name is None or name in known:
        return
    close = get_close_matches(name, known, n=1)
    meant = f"; did you mean {close[0]!r}?" if close else ";"
    raise UsageError(_with_usage(f"there is no command {name!r}{meant} there are {', '.join(known)}", parser))


def _not_understood(message: str, *, as_json: bool) -> int:
    value = {"ok": False, "error": {"type": "usage", "message": message.splitlines()[0]}}
    return _print(value, f"api-simulator: {message}", USAGE_ERROR, as_json=as_json)


def _print(value: dict[str, Any], text: str, status: int, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(value, indent=2))
    else:
        print(text, file=sys.stdout if status != USAGE_ERROR else sys.stderr)
    return status
