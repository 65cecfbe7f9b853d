"""
The ``api-simulator`` command.

Exit status: 0 success, 1 a check failed, 2 the command line, or a file that it names, was not understood; a program
that ``run-fake`` plays passes its own on. With ``--json``
standard output is always exactly one JSON value, also for errors, and agrees with the exit status.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from api_simulator import __version__
from api_simulator.cli import _calls, _doctor, _run_fake
from api_simulator.cli._outcome import Outcome

USAGE_ERROR = 2

_COMMANDS: dict[str, Any] = {"doctor": _doctor, "run-fake": _run_fake, "calls": _calls}


class _UsageError(Exception):
    """The command line was not understood."""


class _Parser(argparse.ArgumentParser):
    """A parser that raises where argparse would print and exit, so that JSON mode can answer in JSON."""

    def error(self, message: str) -> NoReturn:
        raise _UsageError(f"{message}\n{self.format_usage().strip()}")


def _parser() -> _Parser:
    # Help and version are ours: argparse would print them at once, and never as JSON. An abbreviated flag is none,
    # because --json is also looked for in command lines that cannot be parsed.
    plain: dict[str, Any] = {"add_help": False, "allow_abbrev": False}
    parser = _Parser(prog="api-simulator", description="Fake servers and programs for tests.", **plain)
    parser.set_defaults(parser=parser, help=False, json=False)
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    _add_common(parser)
    for name, module in _COMMANDS.items():
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
    parser = _parser()
    # What comes after `--` belongs to the program that is run, also a flag that we have.
    ours = arguments[: arguments.index("--")] if "--" in arguments else arguments
    try:
        options = parser.parse_args(ours)
        options.passed = arguments[len(ours) + 1 :]
        if options.help:
            text = options.parser.format_help().rstrip()
            return _print({"ok": True, "help": text}, text, 0, as_json=options.json)
        if options.version:
            value = {"ok": True, "version": __version__}
            return _print(value, f"api-simulator {__version__}", 0, as_json=options.json)
        if options.command is None:
            raise _UsageError(f"a command is missing: {', '.join(_COMMANDS)}\n{parser.format_usage().strip()}")
    except _UsageError as error:
        message = str(error)
        value = {"ok": False, "error": {"type": "usage", "message": message.splitlines()[0]}}
        return _print(value, f"api-simulator: {message}", USAGE_ERROR, as_json="--json" in ours)
    outcome: Outcome = _COMMANDS[options.command].run(options)
    value = {"ok": outcome.ok, **outcome.value}
    status = outcome.status if outcome.status is not None else 0 if outcome.ok else 1
    return status if outcome.is_said else _print(value, outcome.text, status, as_json=options.json)


def _print(value: dict[str, Any], text: str, status: int, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(value, indent=2))
    else:
        print(text, file=sys.stdout if status != USAGE_ERROR else sys.stderr)
    return status
