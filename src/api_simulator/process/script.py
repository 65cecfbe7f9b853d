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
``on-broken-pipe exit CODE``   exit with CODE when the reader of an output has gone; without
                               it SIGPIPE ends the program
``extension NBYTES``           the payload goes to the extension that the player was given
============================== ==============================================================

Steps are played in their order; a script that runs out exits with 0:

============================== ==============================================================
``write STREAM NBYTES``        write the payload to ``stdout`` or ``stderr``
``fill STREAM NBYTES``         the same with holes: a name between two zero bytes is replaced
                               by the value that the extension gave it
``wait MS``                    at least this many milliseconds
``read-stdin``                 read standard input to its end
``extend NBYTES``              hand the payload to the extension
``hang``                       stay alive, holding all descriptors, until a signal comes
``exit CODE``                  exit with this code, 0 to 255
============================== ==============================================================

The first line carries the version; a player refuses one that it does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from api_simulator.errors import ScriptError

HEADER = b"api-simulator-script 1\n"

#: SIGKILL and SIGSTOP cannot be caught, SIGALRM belongs to the player.
_NOT_TO_BE_CAUGHT = frozenset({9, 14, 19})

#: A wait of a day is a mistake in the unit.
MAX_WAIT_MS = 24 * 60 * 60 * 1000

Stream: TypeAlias = Literal["stdout", "stderr"]


@dataclass(frozen=True, slots=True)
class Write:
    """Write *data* to a stream."""

    data: bytes
    stream: Stream = "stdout"


@dataclass(frozen=True, slots=True)
class Fill:
    r"""
    Write a text that is known in full only when the program runs.

    Attributes:
        template: Bytes with holes, each a name between two zero bytes: ``b'{"cwd":\0cwd\0}'``.

        stream: Where it goes.
    """

    template: bytes
    stream: Stream = "stdout"


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait at least *ms* milliseconds."""

    ms: int


@dataclass(frozen=True, slots=True)
class ReadStdin:
    """Read standard input to its end."""


@dataclass(frozen=True, slots=True)
class Extend:
    """Hand *payload* to the extension."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Hang:
    """Stay alive until a signal comes."""


@dataclass(frozen=True, slots=True)
class Exit:
    """Exit with *code*."""

    code: int = 0


Step: TypeAlias = Write | Fill | Wait | ReadStdin | Extend | Hang | Exit


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What holds during the whole script.

    Attributes:
        on_signal: Signal number to exit code; other signals keep their default.

        on_broken_pipe: The exit code when the reader of an output has gone, None to die of SIGPIPE.

        extension: What the player's extension is given at its start, None if the script needs none.
    """

    on_signal: Mapping[int, int] = field(default_factory=dict)
    on_broken_pipe: int | None = None
    extension: bytes | None = None


DEFAULT_SETTINGS = Settings()


def encode(steps: Iterable[Step], settings: Settings = DEFAULT_SETTINGS) -> bytes:
    """
    Write a script as the bytes of its file.

    Raises:
        ScriptError: If a step or a setting cannot be played; the message has its place and the fix.
    """
    parts = [HEADER, *_encode_settings(settings)]
    for index, step in enumerate(steps):
        problem = _problem(step)
        if problem is not None:
            raise ScriptError(f"step {index} ({type(step).__name__}): {problem}")
        if isinstance(step, Extend) and settings.extension is None:
            raise ScriptError(f"step {index} (Extend): the script has no extension; set Settings.extension")
        parts.append(_encode_step(step))
    return b"".join(parts)


def _encode_settings(settings: Settings) -> list[bytes]:
    lines = []
    for number, code in sorted(settings.on_signal.items()):
        if not 1 <= number <= 64 or number in _NOT_TO_BE_CAUGHT:
            raise ScriptError(f"setting on_signal[{number}]: a program cannot answer this signal; leave it out")
        _require_exit_code(f"on_signal[{number}]", code)
        lines.append(b"on-signal %d exit %d\n" % (number, code))
    if settings.on_broken_pipe is not None:
        _require_exit_code("on_broken_pipe", settings.on_broken_pipe)
        lines.append(b"on-broken-pipe exit %d\n" % settings.on_broken_pipe)
    if settings.extension is not None:
        lines.append(_framed(b"extension", settings.extension))
    return lines


def _require_exit_code(place: str, code: int) -> None:
    problem = exit_code_problem(code)
    if problem is not None:
        raise ScriptError(f"setting {place}: {problem}")


def exit_code_problem(code: object) -> str | None:
    """Say what is wrong with an exit code, None if nothing is."""
    if isinstance(code, int) and not isinstance(code, bool) and 0 <= code <= 255:
        return None
    return f"exit code {code!r} does not exist; give an integer from 0 to 255"


def wait_problem(milliseconds: object) -> str | None:
    """Say what is wrong with a duration, None if nothing is."""
    if not isinstance(milliseconds, int) or isinstance(milliseconds, bool):
        return f"milliseconds are an integer, got {milliseconds!r}"
    if 0 <= milliseconds <= MAX_WAIT_MS:
        return None
    return f"cannot wait {milliseconds} ms; give 0 to {MAX_WAIT_MS} (a day)"


def _problem(step: Step) -> str | None:
    match step:
        case Write(stream=stream) | Fill(stream=stream) if stream not in ("stdout", "stderr"):
            return f"stream {stream!r} does not exist; give 'stdout' or 'stderr'"
        case Fill(template=template) if template.count(b"\0") % 2:
            return "the last hole is not closed; write each as a name between two zero bytes"
        case Wait(ms=ms):
            return wait_problem(ms)
        case Exit(code=code):
            return exit_code_problem(code)
    return None


def _encode_step(step: Step) -> bytes:
    match step:
        case Write(data=data, stream=stream):
            return _framed(b"write " + stream.encode(), data)
        case Fill(template=template, stream=stream):
            return _framed(b"fill " + stream.encode(), template)
        case Wait(ms=ms):
            return b"wait %d\n" % ms
        case ReadStdin():
            return b"read-stdin\n"
        case Extend(payload=payload):
            return _framed(b"extend", payload)
        case Hang():
            return b"hang\n"
        case Exit(code=code):
            return b"exit %d\n" % code


def _framed(words: bytes, payload: bytes) -> bytes:
    return b"%s %d\n%s\n" % (words, len(payload), payload)
