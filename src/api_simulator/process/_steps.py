"""
The steps of a script, as values; ``script.py`` describes how each is written to a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

#: A wait of a day is a mistake in the unit.
MAX_WAIT_MS = 24 * 60 * 60 * 1000

#: SIGKILL and SIGSTOP cannot be caught, SIGALRM belongs to the player.
_NOT_TO_BE_CAUGHT = frozenset({9, 14, 19})

Stream: TypeAlias = Literal["stdout", "stderr"]
StandardStream: TypeAlias = Literal["stdin", "stdout", "stderr"]

#: What a signal does: exit with a code, nothing, or end the wait that is on so that the script goes on.
SignalAnswer: TypeAlias = int | Literal["ignore", "continue"]


@dataclass(frozen=True, slots=True)
class FailFirst:
    """
    The first invocations of a script fail.

    Attributes:
        counter: The number of the file that counts them.

        times: How many fail.

        code: Their exit code.

        stderr: What they write to standard error.
    """

    counter: int
    times: int
    code: int
    stderr: bytes


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What holds during the whole script.

    Attributes:
        on_signal: Signal number to exit code, ``"ignore"`` or ``"continue"``; others keep their default.

        on_broken_pipe: The exit code when the reader of an output has gone, None to die of SIGPIPE.

        leave_stdin: Never touch standard input, so that whoever writes much to it is held up.

        fail_first: Whether the first invocations fail.

        extension: What the player's extension is given at its start, None if the script needs none.
    """

    on_signal: Mapping[int, SignalAnswer] = field(default_factory=dict)
    on_broken_pipe: int | None = None
    leave_stdin: bool = False
    fail_first: FailFirst | None = None
    extension: bytes | None = None


DEFAULT_SETTINGS = Settings()


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
class Repeat:
    """Write *data* so many *times*: large outputs from a small script."""

    data: bytes
    times: int
    stream: Stream = "stdout"


@dataclass(frozen=True, slots=True)
class Copy:
    """
    Write what the file at *path* holds when the step is played.

    Attributes:
        path: The file.

        stream: Where it goes.

        start: The first byte that is written, from 0.

        count: How many bytes, None for all to its end.
    """

    path: str
    stream: Stream = "stdout"
    start: int = 0
    count: int | None = None


@dataclass(frozen=True, slots=True)
class CloseStream:
    """Close a standard stream: its reader sees the end, while the program lives on."""

    stream: StandardStream


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait at least *ms* milliseconds."""

    ms: int


@dataclass(frozen=True, slots=True)
class ReadLine:
    """
    Wait for a line on standard input.

    Attributes:
        containing: Lines without these bytes are passed over.

        exit_at_end: The exit code if the input ends before such a line, None to go on then.
    """

    containing: bytes = b""
    exit_at_end: int | None = None


@dataclass(frozen=True, slots=True)
class ReadStdin:
    """Read standard input to its end."""


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Write *data* to the file at *path*, which the invocation's working folder completes if it is relative."""

    path: str
    data: bytes
    append: bool = False


@dataclass(frozen=True, slots=True)
class Spawn:
    """
    Start a child that plays *steps*, and go on without waiting for it.

    Attributes:
        steps: What the child does; it exits with 0 at their end.

        settings: What holds for the child.

        keeps: The standard streams that the child shares; the others are ``/dev/null`` for it.

        own_session: Whether the child leaves the process group, so that killing the group misses it.
    """

    steps: tuple[Step, ...]
    settings: Settings = DEFAULT_SETTINGS
    keeps: frozenset[StandardStream] = frozenset({"stdout", "stderr"})
    own_session: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """Let the test process's function of this number say which steps come here."""

    number: int


@dataclass(frozen=True, slots=True)
class Refuse:
    """Say on standard error that no case fits, followed by *text*; put it on record and exit with 127."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Extend:
    """Hand *payload* to the extension."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class RunModule:
    """
    Leave the rest of the invocation to a module of this package, with the whole standard library.

    Attributes:
        folder: Where the package is.

        module: The module's full name; its ``main(player, settings)`` does not return.

        settings: What it is given.
    """

    folder: str
    module: str
    settings: bytes


@dataclass(frozen=True, slots=True)
class Hang:
    """Stay alive until a signal comes."""


@dataclass(frozen=True, slots=True)
class Exit:
    """Exit with *code*."""

    code: int = 0


@dataclass(frozen=True, slots=True)
class Die:
    """End by the signal of this *number*."""

    number: int


Step: TypeAlias = (
    Write
    | Fill
    | Repeat
    | Copy
    | CloseStream
    | Wait
    | ReadLine
    | ReadStdin
    | WriteFile
    | Spawn
    | Ask
    | Refuse
    | Extend
    | RunModule
    | Hang
    | Exit
    | Die
)


@dataclass(frozen=True, slots=True)
class Case:
    """
    A script and the invocations that it is for: those that meet every condition that is given.

    Attributes:
        steps: What is done.

        settings: What holds meanwhile.

        args: The arguments begin with these.

        exact: There are no more arguments than *args*.

        containing: These are among the arguments, in this order.

        env: Variables with their values; None for one that is not set.

        stdin: Standard input, read to its end, contains this.

        nth: A counter's number and N: this is the Nth invocation that meets the other conditions.
    """

    steps: tuple[Step, ...] = ()
    settings: Settings = DEFAULT_SETTINGS
    args: tuple[str, ...] | None = None
    exact: bool = False
    containing: tuple[str, ...] = ()
    env: Mapping[str, str | None] = field(default_factory=dict)
    stdin: bytes | None = None
    nth: tuple[int, int] | None = None


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


def signal_problem(number: int) -> str | None:
    """Say why a program cannot answer this signal, None if it can."""
    if 1 <= number <= 64 and number not in _NOT_TO_BE_CAUGHT:
        return None
    return "a program cannot answer this signal; leave it out"


def step_problem(step: Step) -> str | None:
    """Say what is wrong with a step, None if nothing is."""
    match step:
        case Write(stream=stream) | Fill(stream=stream) | Repeat(stream=stream) | Copy(stream=stream) if stream not in (
            "stdout",
            "stderr",
        ):
            return f"stream {stream!r} does not exist; give 'stdout' or 'stderr'"
        case CloseStream(stream=stream) if stream not in ("stdin", "stdout", "stderr"):
            return f"stream {stream!r} does not exist; give 'stdin', 'stdout' or 'stderr'"
        case Fill(template=template) if template.count(b"\0") % 2:
            return "the last hole is not closed; write each as a name between two zero bytes"
        case Repeat(times=times) if not isinstance(times, int) or isinstance(times, bool) or times < 0:
            return f"nothing is repeated {times!r} times; give an integer from 0"
        case Copy(path=path) | WriteFile(path=path) if not path or "\0" in path:
            return f"no file has the path {path!r}; give one without zero characters"
        case Copy(start=start, count=count) if start < 0 or (count is not None and count < 0):
            return f"no file has a part of {count} bytes from {start}; give numbers from 0"
        case Wait(ms=ms):
            return wait_problem(ms)
        case Exit(code=code):
            return exit_code_problem(code)
        case ReadLine(exit_at_end=code) if code is not None:
            return exit_code_problem(code)
        case Die(number=number) if not 1 <= number <= 64:
            return f"there is no signal {number}; give 1 to 64"
        case Spawn(keeps=keeps) if unknown := sorted(keeps - {"stdin", "stdout", "stderr"}):
            return f"stream {unknown[0]!r} does not exist; a child keeps 'stdin', 'stdout' or 'stderr'"
    return None
