"""
``api-simulator run-fake``: fake programs for shells and other languages, by a script file.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api_simulator.cli._calls import STAGES, call_value
from api_simulator.cli._outcome import Outcome
from api_simulator.errors import ApiSimulatorError

if TYPE_CHECKING:
    from types import FrameType

    from api_simulator.process._staged import StagedProgram

#: Programs that are more than any program: name to module and class.
_PROFILES = {"claude": ("api_simulator.claude", "FakeClaudeCLI"), "codex": ("api_simulator.codex", "FakeCodexCLI")}

_NOT_UNDERSTOOD = 2

#: The program's own arguments come after ``--``.
TAKES_COMMAND = True
_PASSED_SIGNALS = (
    (signal.SIGINT, signal.SIGTERM) if os.name != "posix" else (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes; the program's own arguments come after ``--``."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the program's name: claude, codex, or any other")
    parser.add_argument("--script", metavar="FILE", type=Path, help="what it does, .json or .toml")
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of its script files")
    parser.add_argument(
        "--install", metavar="DIR", type=Path, help="put it into DIR, to be found on PATH, and leave it there"
    )
    parser.add_argument(
        "--lifetime-s",
        metavar="SECONDS",
        type=float,
        help="an installed program ends after this time, whatever it does (600)",
    )
    parser.add_argument("--journal", metavar="FILE", type=Path, help="write the calls as JSON when it has ended")


def run(options: argparse.Namespace) -> Outcome:
    """Do what the command line says."""
    if options.name is None:
        return _refused("NAME is missing: claude, codex, or the name of any program")
    try:
        if options.schema:
            from api_simulator.process.models import schema

            value = schema(_class(options.name))
            return Outcome(ok=True, text=json.dumps(value, indent=2), value={"schema": value})
        if options.script is None:
            return _refused("--script FILE is missing")
        if options.install is not None:
            if options.argv or options.journal is not None:
                return _refused(
                    "--install takes no arguments after -- and no --journal; `api-simulator calls DIR` has the calls"
                )
            return _install(options)
        if options.lifetime_s is not None:
            return _refused("--lifetime-s is for --install; a program that is run here ends with this command")
        return _play(options)
    except (ApiSimulatorError, OSError) as error:
        return _refused(str(error), kind=type(error).__name__)


def _refused(message: str, *, kind: str = "usage") -> Outcome:
    value = {"error": {"type": kind, "message": message}}
    return Outcome(ok=False, text=f"api-simulator run-fake: {message}", value=value, status=_NOT_UNDERSTOOD)


def _class(name: str) -> type[StagedProgram[Any]]:
    module, attribute = _PROFILES.get(name, ("api_simulator.process", "FakeProgram"))
    found: type[StagedProgram[Any]] = getattr(importlib.import_module(module), attribute)
    return found


def _made(options: argparse.Namespace) -> StagedProgram[Any]:
    from api_simulator.process.models import build, read_script

    program = _class(options.name)
    file = read_script(options.script, program)
    return build(file, program, None if options.name in _PROFILES else options.name)


def _install(options: argparse.Namespace) -> Outcome:
    from api_simulator.process._stage import installing

    lifetime_s = 600.0 if options.lifetime_s is None else options.lifetime_s
    if not lifetime_s > 0:
        return _refused(f"--lifetime-s {lifetime_s:g} leaves no time to run; give seconds above 0")
    # Before anything is changed: a script that is wrong leaves what was installed.
    program = _made(options)
    place = options.install.absolute() / options.name
    stage = options.install.absolute() / STAGES / options.name
    if place.exists() and not place.is_symlink():
        return _refused(f"{place} exists and is not of our making; choose another folder")
    shutil.rmtree(stage, ignore_errors=True)
    with installing(stage, lifetime_s):
        executable = program.executable
    # As a symbolic link: the name on PATH is the program's, and the rest lies out of sight.
    place.unlink(missing_ok=True)
    place.symlink_to(executable)
    return Outcome(ok=True, text=str(place), value={"executable": str(place), "lifetime_s": lifetime_s})


def _play(options: argparse.Namespace) -> Outcome:
    program = _made(options)
    try:
        pipe = subprocess.PIPE if options.json else None
        # A session of one's own would take the terminal away; the signals come to this process and are passed on.
        process = subprocess.Popen([program.executable, *options.argv], stdout=pipe, stderr=pipe)
        with _signals_passed_to(process):
            stdout, stderr = process.communicate()
        calls = [call_value(options.name, call) for call in program.calls]
        if options.journal is not None:
            options.journal.write_text(json.dumps(calls, indent=2) + "\n", encoding="utf-8")
    finally:
        program.close()
    code = process.returncode
    if code < 0 and not options.json:
        _end_by(-code)
    # As a shell says it, where there is nobody to be killed.
    status = code if code >= 0 else 128 - code
    value = {
        "exit_code": code,
        "stdout": (stdout or b"").decode(errors="replace"),
        "stderr": (stderr or b"").decode(errors="replace"),
        "calls": calls,
    }
    return Outcome(ok=status == 0, text="", value=value, status=status, is_said=not options.json)


@contextlib.contextmanager
def _signals_passed_to(process: subprocess.Popen[bytes]) -> Iterator[None]:
    def pass_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in _PASSED_SIGNALS}
    try:
        yield
    finally:
        for number, answer in before.items():
            signal.signal(number, answer)


def _end_by(number: int) -> None:
    """End this process as its program ended, so that who waits for it sees the same."""
    with contextlib.suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
