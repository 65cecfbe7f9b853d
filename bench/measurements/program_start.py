"""
How long a fake program takes from its spawn to its exit, beside a program that only copies the same bytes.

Spawned as directly as Python can (``posix_spawn``, ``waitpid``), because what ``subprocess`` adds is the same for
all and would make the ratios look better. The output goes through a pipe and is compared.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from unittest import mock

from api_simulator.process import FakeProgram, Script
from api_simulator.process._stand_in import ENVIRONMENT_VARIABLE, status
from bench import sampling
from bench.result import Bar, Chart, Figure, Mark, Result

LIMIT = 1.5
CAT = "/bin/cat"
BARE = "python -S -I -c pass"
NATIVE = "api-simulator, native stand-in"
HANDED_OVER = "api-simulator, handed over to Python"
PYTHON = "api-simulator, Python player"


def measure(*, quick: bool) -> Result:
    result = Result("program_start", "How long does a fake program with ten lines take, from spawn to exit?")
    session = Script()
    for number in range(10):
        session.write_json({"type": "assistant", "number": number, "text": "lorem ipsum dolor sit amet"})
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / "session.jsonl"
        programs = {PYTHON: _program(session, stand_in="off")}
        if status().path is not None:
            programs[NATIVE] = _program(session, stand_in="require")
            # Closing a stream is not plain; the player loads its rarer steps for it.
            programs[HANDED_OVER] = _program(Script().play(session).close_stream("stdin"), stand_in="require")
        else:
            result.notes.append("the native stand-in is not built here")
        copied.write_bytes(programs[PYTHON].run().stdout.encode())
        commands: dict[str, Sequence[str]] = {
            CAT: [CAT, str(copied)],
            **{name: [str(program.executable)] for name, program in programs.items()},
        }
        expected = copied.read_bytes()
        samples = sampling.in_turns(
            30 if quick else 500,
            {name: partial(_spawned, command, expected) for name, command in commands.items()}
            | {BARE: partial(_spawned, [sys.executable, "-S", "-I", "-c", "pass"], b"")},
        )
        for program in programs.values():
            program.close()
    _report(result, samples)
    return result


def _report(result: Result, samples: dict[str, list[float]]) -> None:
    for name, values in samples.items():
        result.figures.append(Figure.of(name, values, "ms", "baseline" if name in (CAT, BARE) else "ours"))
        if name not in (CAT, BARE):
            result.ratios[f"{name} / {CAT}"] = sampling.ratio(values, samples[CAT])
            result.ratios[f"{name} / {BARE}"] = sampling.ratio(values, samples[BARE])
    result.bars.append(
        Bar(
            f"the native stand-in takes at most 1.5 times as long as {CAT}",
            result.ratios.get(f"{NATIVE} / {CAT}"),
            "times",
            at_most=LIMIT,
        )
    )
    mark = Mark(LIMIT * sampling.median(samples[CAT]), f"1.5 times {CAT}")
    drawn = tuple(name for name in (CAT, NATIVE, BARE, PYTHON, HANDED_OVER) if name in samples)
    result.chart = Chart("Ten lines, from spawn to exit, ms (less is better)", drawn, (mark,))


def _program(script: Script, *, stand_in: str) -> FakeProgram:
    program = FakeProgram("tool").play(script)
    with mock.patch.dict(os.environ, {ENVIRONMENT_VARIABLE: stand_in}):
        _ = program.executable
    return program


def _spawned(command: Sequence[str], expected: bytes) -> float:
    """Run *command* to its end and return the milliseconds that it took."""
    read_end, write_end = os.pipe()
    actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, write_end, 1)]
    begin = time.perf_counter()
    pid = os.posix_spawn(command[0], list(command), os.environ, file_actions=actions)
    _, ended = os.waitpid(pid, 0)
    took_ms = (time.perf_counter() - begin) * 1000
    os.close(write_end)
    # What was written lies in the pipe, which holds more than ten lines.
    got = os.read(read_end, 65536)
    os.close(read_end)
    if ended != 0 or got != expected:
        raise RuntimeError(f"{command[0]} ended with {os.waitstatus_to_exitcode(ended)} and wrote {got[:200]!r}")
    return took_ms
