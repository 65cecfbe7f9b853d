r"""
What a fake program does, step by step, and how that is written to a file.

The file is read by a player that starts with each invocation, so it is made to be read fast, without
a JSON parser and in any language. It consists of ASCII lines, words parted by one space; a number of
bytes at the end of a line says that a payload of that length follows, and a newline after it::

    api-simulator-script 1
    on-signal 15 exit 143
    on-broken-pipe exit 0
    write stdout 6
    hello

    wait 200
    exit 3

Settings come first, each once (``on-signal`` once for a signal):

============================== ==============================================================
``on-signal NUMBER exit CODE`` exit with CODE at this signal; signals not named do what the
                               operating system does by default
``on-signal NUMBER ignore``    put this signal on record and go on with what is being done
``on-signal NUMBER continue``  the same, and end the wait or hang that is on, else the next one
``on-broken-pipe exit CODE``   exit with CODE when the reader of an output has gone; without
                               it SIGPIPE ends the program
``leave-stdin``                never read standard input
``extension NBYTES``           the payload goes to the extension that the player was given
============================== ==============================================================

Steps are played in their order; a script that runs out exits with 0:

============================== ==============================================================
``write STREAM NBYTES``        write the payload to ``stdout`` or ``stderr``
``fill STREAM NBYTES``         the same with holes: a name between two zero bytes is replaced
                               by the value that the extension gave it
``repeat STREAM TIMES NBYTES`` write the payload TIMES times
``copy STREAM NBYTES``         write the content of the file whose path is the payload
``copy-part STREAM START       write COUNT bytes of that file, or all to its end if COUNT is
COUNT NBYTES``                 ``-``, from byte START (0 is the first)
``close STREAM``               close ``stdin``, ``stdout`` or ``stderr``
``wait MS``                    at least this many milliseconds
``read-line CODE NBYTES``      wait for a line of standard input that contains the payload; at
                               the end of input exit with CODE, or go on if CODE is ``-``
``read-stdin``                 read standard input to its end
``file MODE NBYTES``           MODE ``write`` or ``append``; the payload is the path, a zero
                               byte, and what goes into the file; missing folders are made
``spawn KEEPS GROUP NBYTES``   start a child that plays the payload (settings and steps, no
                               first line); KEEPS names the streams that it shares, joined by
                               commas, or is ``-``; GROUP is ``same``, or ``own`` for a session
                               of its own
``ask NUMBER``                 ask the test process's function NUMBER which steps to play here
``fail-first COUNTER TIMES     the first TIMES invocations that get here write the payload to
CODE NBYTES``                  standard error and exit with CODE; COUNTER names the file that
                               counts them
``refuse NBYTES``              say on standard error that no case fits, and the payload; exit
                               with 127
``extend NBYTES``              hand the payload to the extension
``program NBYTES``             leave the rest to a Python module of this package: the payload is
                               the package's folder, the module's name and what it is given,
                               with zero bytes between them
``hang``                       stay alive, holding all descriptors, until a signal comes
``exit CODE``                  exit with this code, 0 to 255
``die NUMBER``                 end by this signal
============================== ==============================================================

In place of one script a file may have several, for different invocations. Then cases come first, each
with its conditions, and after all of them the scripts, which are settings and steps as above::

    api-simulator-script 1
    case 0
    env 10
    NO_COLOR=1
    nth 1 2
    case 1
    script 0 7
    exit 1

    script 1 0

The first case all of whose conditions are met names the script that is played:

============================== ==============================================================
``case SCRIPT``                begins a case; conditions follow
``args prefix NBYTES``         the arguments begin with those of the payload, each with a zero
                               byte at its end; ``args exact``: they are those; ``args among``:
                               those are among them, in this order
``env NBYTES``                 the payload is ``NAME=value``, and the environment has it
``no-env NBYTES``              the environment has no variable whose name is the payload
``stdin NBYTES``               standard input, read to its end, contains the payload
``nth COUNTER N``              this is the Nth invocation that meets the case's other conditions,
                               whichever case is played; comes last
``script NUMBER NBYTES``       the payload is the script
============================== ==============================================================

The first line carries the version; a player refuses one that it does not know, and a word that it does
not know. The player sees to it that a child spawned holds the leash as well: it ends when the stage is closed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import assert_never

from api_simulator.errors import ScriptError
from api_simulator.process._steps import (
    DEFAULT_SETTINGS,
    MAX_WAIT_MS,
    Ask,
    Case,
    CloseStream,
    Copy,
    Die,
    Exit,
    Extend,
    FailFirst,
    Fill,
    Hang,
    ReadLine,
    ReadStdin,
    Refuse,
    Repeat,
    RunModule,
    Settings,
    SignalAnswer,
    Spawn,
    StandardStream,
    Step,
    Stream,
    Wait,
    Write,
    WriteFile,
    exit_code_problem,
    signal_problem,
    step_problem,
    wait_problem,
)

__all__ = [
    "DEFAULT_SETTINGS",
    "HEADER",
    "MAX_WAIT_MS",
    "Ask",
    "Case",
    "CloseStream",
    "Copy",
    "Die",
    "Exit",
    "Extend",
    "FailFirst",
    "Fill",
    "Hang",
    "ReadLine",
    "ReadStdin",
    "Refuse",
    "Repeat",
    "RunModule",
    "Settings",
    "SignalAnswer",
    "Spawn",
    "StandardStream",
    "Step",
    "Stream",
    "Wait",
    "Write",
    "WriteFile",
    "encode",
    "encode_cases",
    "exit_code_problem",
    "signal_problem",
    "step_problem",
    "wait_problem",
]

HEADER = b"api-simulator-script 1\n"


def encode(steps: Iterable[Step], settings: Settings = DEFAULT_SETTINGS) -> bytes:
    """
    Write a script as the bytes of its file.

    Raises:
        ScriptError: If a step or a setting cannot be played; the message has its place and the fix.
    """
    return HEADER + _encode_body(steps, settings)


def encode_cases(cases: Sequence[Case]) -> bytes:
    """
    Write several scripts as the bytes of one file; of the cases that fit the first one is played.

    Raises:
        ScriptError: If a step or a setting cannot be played; the message has its place and the fix.
    """
    heads = [_encode_conditions(number, case) for number, case in enumerate(cases)]
    scripts = [
        _framed(b"script %d" % number, _encode_body(case.steps, case.settings)) for number, case in enumerate(cases)
    ]
    return b"".join([HEADER, *heads, *scripts])


def _encode_body(steps: Iterable[Step], settings: Settings) -> bytes:
    parts = _encode_settings(settings)
    for index, step in enumerate(steps):
        problem = step_problem(step)
        if problem is not None:
            raise ScriptError(f"step {index} ({type(step).__name__}): {problem}")
        if isinstance(step, Extend) and settings.extension is None:
            raise ScriptError(f"step {index} (Extend): the script has no extension; set Settings.extension")
        parts.append(_encode_step(step))
    return b"".join(parts)


def _encode_settings(settings: Settings) -> list[bytes]:
    lines = []
    for number, answer in sorted(settings.on_signal.items()):
        problem = signal_problem(number)
        if problem is not None:
            raise ScriptError(f"setting on_signal[{number}]: {problem}")
        if answer == "ignore" or answer == "continue":
            lines.append(b"on-signal %d %s\n" % (number, answer.encode()))
        else:
            _require_exit_code(f"on_signal[{number}]", answer)
            lines.append(b"on-signal %d exit %d\n" % (number, answer))
    if settings.on_broken_pipe is not None:
        _require_exit_code("on_broken_pipe", settings.on_broken_pipe)
        lines.append(b"on-broken-pipe exit %d\n" % settings.on_broken_pipe)
    if settings.leave_stdin:
        lines.append(b"leave-stdin\n")
    if settings.extension is not None:
        lines.append(_framed(b"extension", settings.extension))
    if settings.fail_first is not None:
        first = settings.fail_first
        _require_exit_code("fail_first", first.code)
        lines.append(_framed(b"fail-first %d %d %d" % (first.counter, first.times, first.code), first.stderr))
    return lines


def _require_exit_code(place: str, code: int) -> None:
    problem = exit_code_problem(code)
    if problem is not None:
        raise ScriptError(f"setting {place}: {problem}")


def _encode_conditions(number: int, case: Case) -> bytes:
    lines = [b"case %d\n" % number]
    if case.args is not None:
        lines.append(_framed(b"args exact" if case.exact else b"args prefix", _joined(case.args)))
    if case.containing:
        lines.append(_framed(b"args among", _joined(case.containing)))
    for name, value in case.env.items():
        if value is None:
            lines.append(_framed(b"no-env", os.fsencode(name)))
        else:
            lines.append(_framed(b"env", os.fsencode(f"{name}={value}")))
    if case.stdin is not None:
        lines.append(_framed(b"stdin", case.stdin))
    if case.nth is not None:
        lines.append(b"nth %d %d\n" % case.nth)
    return b"".join(lines)


def _joined(arguments: Sequence[str]) -> bytes:
    # A zero byte after each, not between them: no arguments and one empty argument are two things.
    return b"".join(os.fsencode(argument) + b"\0" for argument in arguments)


def _encode_step(step: Step) -> bytes:
    match step:
        case Write(data=data, stream=stream):
            return _framed(b"write " + stream.encode(), data)
        case Fill(template=template, stream=stream):
            return _framed(b"fill " + stream.encode(), template)
        case Repeat(data=data, times=times, stream=stream):
            return _framed(b"repeat %s %d" % (stream.encode(), times), data)
        case Copy(path=path, stream=stream, start=0, count=None):
            return _framed(b"copy " + stream.encode(), os.fsencode(path))
        case Copy(path=path, stream=stream, start=start, count=count):
            size = b"-" if count is None else b"%d" % count
            return _framed(b"copy-part %s %d %s" % (stream.encode(), start, size), os.fsencode(path))
        case CloseStream(stream=closed):
            return b"close %s\n" % closed.encode()
        case Wait(ms=ms):
            return b"wait %d\n" % ms
        case ReadLine(containing=containing, exit_at_end=code):
            return _framed(b"read-line " + (b"-" if code is None else b"%d" % code), containing)
        case ReadStdin():
            return b"read-stdin\n"
        case WriteFile(path=path, data=data, append=append):
            return _framed(b"file append" if append else b"file write", os.fsencode(path) + b"\0" + data)
        case Spawn(steps=steps, settings=settings, keeps=keeps, own_session=own_session):
            streams = ",".join(sorted(keeps)).encode() or b"-"
            group = b"own" if own_session else b"same"
            return _framed(b"spawn %s %s" % (streams, group), _encode_body(steps, settings))
        case Ask(number=number):
            return b"ask %d\n" % number
        case Refuse(text=text):
            return _framed(b"refuse", text)
        case Extend(payload=payload):
            return _framed(b"extend", payload)
        case RunModule(folder=folder, module=module, settings=given):
            return _framed(b"program", b"\0".join([os.fsencode(folder), module.encode(), given]))
        case Hang():
            return b"hang\n"
        case Exit(code=code):
            return b"exit %d\n" % code
        case Die(number=number):
            return b"die %d\n" % number
        case _:
            assert_never(step)


def _framed(words: bytes, payload: bytes) -> bytes:
    return b"%s %d\n%s\n" % (words, len(payload), payload)
