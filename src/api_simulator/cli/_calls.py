"""
``api-simulator calls``: how installed fake programs were called.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api_simulator.cli._outcome import Outcome

if TYPE_CHECKING:
    from api_simulator.process import ProgramCall

#: Where the stages of installed programs are, within the folder.
STAGES = ".api-simulator"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="the folder of --install")


def run(options: argparse.Namespace) -> Outcome:
    """Read the calls of every program in the folder, in the order of their beginnings."""
    from api_simulator.process._calls import CallsFolder

    stages = options.folder / STAGES
    if not stages.is_dir():
        message = (
            f"no fake program is installed in {options.folder}; `api-simulator run-fake NAME --install DIR` does that"
        )
        value = {"error": {"type": "usage", "message": message}}
        return Outcome(ok=False, text=f"api-simulator calls: {message}", value=value, status=2)
    found = [(stage.name, call) for stage in sorted(stages.iterdir()) for call in CallsFolder(stage / "calls").read()]
    found.sort(key=lambda pair: pair[1].started_ns)
    text = "\n".join(f"{name}: {call!r}" for name, call in found) or "(no calls)"
    return Outcome(ok=True, text=text, value={"calls": [call_value(name, call) for name, call in found]})


def call_value(program: str, call: ProgramCall) -> dict[str, Any]:
    """Return a call in JSON types; values of variables that look secret are masked."""
    return {
        "program": program,
        "number": call.number,
        "args": call.args,
        "cwd": call.cwd,
        "env": call.masked_env(),
        "pid": call.pid,
        "stdin": call.stdin.decode(errors="replace"),
        "started_ns": call.started_ns,
        "duration_ms": call.duration_ms,
        "exit_code": call.exit_code,
        "signals": [number for _, number in call.signals],
        "problem": call.problem,
    }
