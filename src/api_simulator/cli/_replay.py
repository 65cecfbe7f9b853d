"""
``api-simulator replay DIR``: play a recording's programs, or run a command with the fake program first on PATH.

Exit status 0 if everything was replayed as recorded (and the command ended with 0), else 1; 2 if the command line asks
for what the recording does not hold.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

from api_simulator.cli._outcome import Outcome, UsageError, counted
from api_simulator.scenario import ScenarioPlayer, read_scenario
from api_simulator.scenario._start_error import check_program

TAKES_COMMAND = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("folder", metavar="DIR", help="the recording")
    parser.add_argument("--step", metavar="NAME", help="only the programs of this step")
    parser.add_argument("--time-factor", type=float, default=0.0, metavar="F", help="0 no waiting (0), 1 as recorded")


def run(options: argparse.Namespace) -> Outcome:
    """Play it."""
    scenario = read_scenario(options.folder)
    steps = [step for step in scenario.programs if options.step in (None, step.step_name)]
    if not steps:
        named = f"step {options.step!r}" if options.step else "a program"
        raise UsageError(f"{scenario.folder} has no recording of {named}; 'show' lists what it has")
    with tempfile.TemporaryDirectory(prefix="api-simulator-replay-") as temporary:
        folder = Path(temporary)
        if options.argv:
            names = {Path(step.args[0]).name for step in steps if step.args}
            if len(names) != 1:
                raise UsageError(f"the recording has several programs ({', '.join(sorted(names))}); give --step")
            return _against(options, folder, folder / "bin" / names.pop())
        return _played(options, folder)


def _against(options: argparse.Namespace, folder: Path, program: Path) -> Outcome:
    player = ScenarioPlayer(options.folder, folder / "out", program, time_factor=options.time_factor)
    environment = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    try:
        check_program(options.argv[0], None, environment)
        # Its output is kept apart in JSON mode: there, standard output is one JSON value.
        output = subprocess.PIPE if options.json else None
        done = subprocess.run(options.argv, env=environment, stdout=output, check=False)
        # On standard error the fake program has said all of it, where it was called.
        report, brief, calls = player.report(), player.report(in_full=False), len(player.calls)
        unrecorded = len(player.divergences)
    finally:
        player.close()
    value = {
        "exit_code": done.returncode,
        "calls": calls,
        "unrecorded": unrecorded,
        "report": report,
        **({"stdout": done.stdout.decode(errors="replace")} if options.json else {}),
    }
    not_recorded = f", {unrecorded} of them not recorded" if unrecorded else ""
    text = f"the command ended with {done.returncode} after {counted(calls, 'call')}{not_recorded}"
    return Outcome(done.returncode == 0 and not report, f"{text}\n{brief}".rstrip(), value)


def _played(options: argparse.Namespace, folder: Path) -> Outcome:
    played, texts = [], []
    with_name = ScenarioPlayer(options.folder, folder / "out", folder / "program", time_factor=options.time_factor)
    for name, pairs in with_name.build_session_map().items():
        for cli, meta in pairs if options.step in (None, name) else ():
            result = cli.run(cwd=folder, timeout_s=3600)
            entry = {"step": name, "exit_code": meta.exit_code, "stdout": result.stdout, "stderr": result.stderr}
            played.append(entry)
            texts.append(f"--- {name}: exit code {meta.exit_code}\n{result.stdout}{result.stderr}".rstrip())
    with_name.close()
    return Outcome(True, "\n".join(texts), {"steps": played})
