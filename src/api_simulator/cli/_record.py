"""
``api-simulator record -- PROGRAM ARGUMENTS``: run a program and record what it does.

Exit status 0 if it was recorded, whatever its own exit code, which is shown; 1 if it was not, or was broken off; 2 if
the command line was not understood, or the folder has a recording and nothing says what is to become of it.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from api_simulator.cli._outcome import Outcome, UsageError, counted
from api_simulator.errors import ProgramTimeoutError
from api_simulator.scenario import ScenarioRecorder, read_scenario
from api_simulator.scenario._start_error import check_program

TAKES_COMMAND = True

#: Programs that end sooner are not worth a line of progress.
_PROGRESS_EVERY_S = 1.0
#: What is piped into the command has begun to arrive by then.
_PIPED_WITHIN_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("-o", "--output", metavar="DIR", default="scenario", help="the recording's folder (scenario)")
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--append", action="store_true", help="add the step to the recording in the folder, if any")
    existing.add_argument("--replace", action="store_true", help="replace the recording in the folder, if any")
    parser.add_argument("--recipe", metavar="NAME", help="what the recording is called (the folder's name)")
    parser.add_argument("--step", metavar="NAME", help="what the step is called (the program's name)")
    parser.add_argument("--model", metavar="NAME", help="the model that the program uses")
    parser.add_argument("--pipes", action="store_true", help="pipes in place of a pseudo-terminal")
    parser.add_argument("--timeout-s", type=float, metavar="S", help="end the program after so many seconds")
    parser.add_argument("--files", action="append", default=[], metavar="GLOB", help="files that it writes, to record")
    parser.add_argument(
        "--secret", action="append", default=[], metavar="NAME", help="a variable whose value is secret"
    )
    parser.add_argument("--stdin", metavar="FILE", help="what it reads; - is this command's own, to its end")
    parser.add_argument("--echo", action="store_true", help="show on standard error what it writes")


def run(options: argparse.Namespace) -> Outcome:
    """Record one run."""
    folder = Path(options.output)
    if (mistake := _mistake(options, folder)) is not None:
        raise UsageError(mistake)
    # Before the folder is touched: a misspelt program leaves no empty recording, and replaces none.
    check_program(options.argv[0], None, os.environ)
    stdin = _stdin(options.stdin)
    name = options.step or Path(options.argv[0]).name
    recorder = ScenarioRecorder(
        folder,
        options.recipe or folder.absolute().name,
        secrets=[os.environ[name] for name in options.secret],
        append=options.append,
    )
    progress = _Progress(name, echo=options.echo)
    # A step that is not recorded raises: the recorder is not finalized then, which would replace an older recording.
    with _ending_on_signals(recorder), progress, suppress(ProgramTimeoutError):
        recorder.record_step(
            step_name=name,
            tool=Path(options.argv[0]).name,
            args=options.argv,
            model=options.model,
            timeout_s=options.timeout_s,
            stdin=stdin,
            terminal=not options.pipes,
            files=options.files,
            on_output=progress.take,
        )
    recorder.finalize()
    return _recorded(folder, name)


def _mistake(options: argparse.Namespace, folder: Path) -> str | None:
    """Return what cannot be meant, None if all can."""
    if not options.argv:
        return "the program is missing; write it after --, as in: record -- claude -p 'hi'"
    missing = [name for name in options.secret if not os.environ.get(name)]
    if missing:
        return f"--secret {missing[0]}: there is no such variable in the environment"
    if not (folder / "scenario.json").exists() or options.replace:
        return None
    there = read_scenario(folder)
    if options.append and options.recipe not in (None, there.recipe):
        return f"--recipe {options.recipe}: the recording in {folder} goes on under its own name, {there.recipe!r}"
    if there.step_sequence and not options.append:
        return (
            f"{folder} has a recording already ({counted(len(there.step_sequence), 'step')}); --append adds this step "
            "to it, --replace puts a new recording in its place, -o names another folder"
        )
    return None


def _stdin(given: str | None) -> bytes | None:
    """Return what the program reads: what was given, else what was piped into this command; None for the terminal."""
    if given == "-":
        return sys.stdin.buffer.read()
    if given is not None:
        try:
            return Path(given).read_bytes()
        except OSError as error:
            raise UsageError(f"--stdin {given}: {error.strerror}; name a file, or - for standard input") from None
    try:
        descriptor = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return None  # there is none
    if os.isatty(descriptor):
        return None
    if stat.S_ISCHR(os.fstat(descriptor).st_mode):
        return b""  # /dev/null
    # A pipe that nobody writes to or closes, as some runners have, must not hold up the recording for ever.
    if select.select([descriptor], [], [], _PIPED_WITHIN_S)[0]:
        return sys.stdin.buffer.read()
    print("record: nothing comes by standard input, the program gets a terminal; --stdin - waits", file=sys.stderr)
    return None


def _recorded(folder: Path, name: str) -> Outcome:
    cassette = read_scenario(folder).step_sequence[-1].cassette
    value = {
        "scenario": str(folder),
        "step": name,
        "exit_code": cassette.exit_code,
        "ended_by": cassette.ended_by,
        "duration_ms": cassette.duration_ms,
        "stdout_bytes": cassette.conditions.stdout_bytes,
        "stderr_bytes": cassette.conditions.stderr_bytes,
    }
    ended = {"exit": "ended", "timeout": "was ended after its time", "cancel": "was broken off"}[cassette.ended_by]
    text = (
        f"step {name!r} is recorded in {folder}: it {ended} with exit code {cassette.exit_code} after "
        f"{cassette.duration_ms} ms and wrote {counted(cassette.conditions.stdout_bytes, 'byte')} to standard output, "
        f"{cassette.conditions.stderr_bytes} to standard error"
    )
    return Outcome(cassette.ended_by == "exit", text, value)


@contextmanager
def _ending_on_signals(recorder: ScenarioRecorder) -> Iterator[None]:
    """Let SIGINT and SIGTERM end the program, so that what it did so far is kept."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: recorder.cancel()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, answer in before.items():
            signal.signal(number, answer)


class _Progress:
    """A line on standard error every second, while the program runs and somebody may be looking."""

    def __init__(self, name: str, *, echo: bool) -> None:
        self._name = name
        self._echo = echo
        self._bytes = 0
        self._began = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="api-simulator progress", daemon=True)

    def take(self, _stream: str, data: bytes) -> None:
        """Count what came, and show it if that is wanted."""
        self._bytes += len(data)
        if self._echo:
            sys.stderr.write(data.decode(errors="replace"))
            sys.stderr.flush()

    def __enter__(self) -> None:
        if not self._echo:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if not self._echo:
            self._thread.join()

    def _tell(self) -> None:
        while not self._over.wait(_PROGRESS_EVERY_S):
            seconds = time.monotonic() - self._began
            print(
                f"recording {self._name!r}: {seconds:.0f} s, {counted(self._bytes, 'byte')}",
                file=sys.stderr,
                flush=True,
            )
