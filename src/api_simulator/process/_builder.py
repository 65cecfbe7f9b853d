"""
Scripts as users write them: a call for each step, checked at once.

A :class:`Script` is a plain value that belongs to no program: it can be made where tests are collected, cut at
places of its output, and played by several programs.
"""

from __future__ import annotations

import inspect
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from api_simulator._core.bodies import encode_json
from api_simulator.errors import ScriptError, SpecError
from api_simulator.process._cut_points import CutPoint, cut_points, cut_steps
from api_simulator.process._steps import (
    DEFAULT_SETTINGS,
    Ask,
    CloseStream,
    Copy,
    Die,
    Exit,
    Hang,
    ReadLine,
    ReadStdin,
    Repeat,
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
)

if TYPE_CHECKING:
    from typing import Self

    from api_simulator.process._calls import ProgramCall

#: A signal as users name it: ``signal.SIGTERM``, ``"SIGTERM"`` or 15.
Signal: TypeAlias = signal.Signals | int | str

#: What a function of the test may answer: text to write, an exit code, a script to play, a JSON object, nothing.
Answer: TypeAlias = "str | bytes | int | Script | dict[str, Any] | list[Any] | None"
AnswerFunction: TypeAlias = "Callable[[ProgramCall], Answer]"

#: By default these do not end a process, so a program cannot end itself by them.
_HARMLESS = frozenset(
    getattr(signal, name, 0)
    for name in ("SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGWINCH")
)


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """The place in a script where a function of the test is asked; it gets its number when the script is written."""

    function: AnswerFunction


ScriptStep: TypeAlias = Step | Question


class Steps(ABC):
    """
    The steps of a script, in the order of their calls; each call returns what it was called on.

    What a step says is checked when it is called. Texts are written in UTF-8; bytes are written as they are, so
    that partial lines and invalid UTF-8 are nothing special.
    """

    @abstractmethod
    def _target(self) -> Script:
        """Return the script that the calls extend."""

    # Output

    def write(self, data: str | bytes, *, to: Stream = "stdout") -> Self:
        """
        Write *data* as it is: a newline only if it has one.

        Args:
            data: Text or bytes of any size.

            to: ``"stdout"`` or ``"stderr"``.
        """
        return self._add(f"write({data!r:.40})", Write(_bytes("write", data), to))

    def write_line(self, text: str | bytes = "", *, to: Stream = "stdout") -> Self:
        """Write *text* and a newline, in one piece."""
        return self._add(f"write_line({text!r:.40})", Write(_bytes("write_line", text) + b"\n", to))

    def write_json(self, value: object, *, to: Stream = "stdout") -> Self:
        """Write *value* as one line of compact JSON, its keys in their order."""
        try:
            line = encode_json(value) + b"\n"
        except SpecError as error:
            raise ScriptError(f"write_json({value!r:.40}): {error}") from None
        return self._add(f"write_json({value!r:.40})", Write(line, to))

    def write_repeated(self, data: str | bytes, times: int, *, to: Stream = "stdout") -> Self:
        r"""
        Write *data* so many *times*, without holding it all in memory.

        ``write_repeated("x", 100_000_000).write("\n")`` is a line of 100 MB.
        """
        return self._add(f"write_repeated({data!r:.40}, {times!r})", Repeat(_bytes("write_repeated", data), times, to))

    def write_slowly(self, data: str | bytes, *, gap_ms: int, size: int = 1, to: Stream = "stdout") -> Self:
        """Write *data* in pieces of *size* bytes with a wait of *gap_ms* between them; characters may be parted."""
        call = f"write_slowly({data!r:.40}, gap_ms={gap_ms!r}, size={size!r})"
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise ScriptError(f"{call}: a piece has at least 1 byte")
        whole = _bytes("write_slowly", data)
        steps: list[ScriptStep] = []
        for at in range(0, len(whole), size):
            steps += [Wait(gap_ms)] if at else []
            steps.append(Write(whole[at : at + size], to))
        return self._add(call, *steps)

    def write_from(self, path: str | os.PathLike[str], *, to: Stream = "stdout") -> Self:
        """Write what the file at *path* holds when the program runs; it must be there already."""
        call = f"write_from({os.fspath(path)!r})"
        place = Path(path).absolute()
        if not place.is_file():
            raise ScriptError(f"{call}: there is no such file; make it before this call")
        return self._add(call, Copy(str(place), to))

    def close_stream(self, stream: StandardStream) -> Self:
        """Close ``"stdin"``, ``"stdout"`` or ``"stderr"`` while the program lives on."""
        return self._add(f"close_stream({stream!r})", CloseStream(stream))

    # Waiting

    def wait(self, ms: int) -> Self:
        """Wait at least *ms* milliseconds."""
        return self._add(f"wait({ms!r})", Wait(ms))

    def wait_for_line(self, containing: str | bytes = b"", *, exit_at_end: int | None = None) -> Self:
        """
        Wait for the next line on standard input.

        Args:
            containing: Lines without this are passed over.

            exit_at_end: The exit code if the input ends first; None to go on with the script then.
        """
        call = f"wait_for_line({containing!r:.40}, exit_at_end={exit_at_end!r})"
        text = _bytes("wait_for_line", containing)
        if b"\n" in text:
            raise ScriptError(f"{call}: a line has no line break within; wait for one line after the other")
        return self._add(call, ReadLine(text, exit_at_end))

    def wait_for_eof(self) -> Self:
        """Read standard input to its end."""
        return self._add("wait_for_eof()", ReadStdin())

    def leave_stdin(self) -> Self:
        """
        Never read standard input, from the beginning of the program.

        Who writes more than a pipe holds (64 KiB on Linux) is held up. Without this the program reads along.
        """
        return self._set("leave_stdin()", leave_stdin=True)

    def hang(self) -> Self:
        """Stay alive, holding all pipes, until a signal comes; it is one process, so killing it closes them."""
        return self._add("hang()", Hang())

    # Effects

    def create_file(self, path: str | os.PathLike[str], data: str | bytes = b"") -> Self:
        """
        Write a file, replacing what is there; folders that are missing are made.

        Args:
            path: Absolute, or relative to the working folder of the invocation.

            data: Its content.
        """
        place = os.fspath(path)
        return self._add(f"create_file({place!r})", WriteFile(place, _bytes("create_file", data)))

    def append_to_file(self, path: str | os.PathLike[str], data: str | bytes) -> Self:
        """Write at the end of a file, which is made if it is missing; *path* as in :meth:`create_file`."""
        place = os.fspath(path)
        return self._add(f"append_to_file({place!r})", WriteFile(place, _bytes("append_to_file", data), append=True))

    def spawn_child(
        self,
        script: Script | None = None,
        *,
        keeps: Iterable[StandardStream] = ("stdout", "stderr"),
        own_session: bool = False,
    ) -> Self:
        """
        Start a child that outlives the program, and go on without waiting for it.

        The child holds the leash too: it ends with the fake's ``close()`` and with the test process.

        Args:
            script: What the child does; by default it hangs.

            keeps: The standard streams that it shares with the program, so that their readers see no end while it
                lives. The others are ``/dev/null`` for it. It reads no input.

            own_session: Whether it leaves the process group: killing the group misses it then.
        """
        played = Script().hang() if script is None else script
        steps, settings = played.parts(lambda _: _refuse_question("spawn_child"))
        return self._add("spawn_child()", Spawn(tuple(steps), settings, frozenset(keeps), bool(own_session)))

    def answer(self, function: AnswerFunction) -> Self:
        """
        Ask a function in the test process what to do here.

        The function runs in a thread, one question after the other. What the program has read so far is in its
        call's ``stdin``; put :meth:`wait_for_line` or :meth:`wait_for_eof` before it if it needs more.

        Args:
            function: Takes the :class:`~api_simulator.process.ProgramCall` and returns what to do: text or bytes
                to write, an exit code, a dict or list to write as a JSON line, a :class:`Script` to play, or None.
                If it raises, the program exits with 70, and so does the test fail.
        """
        call = f"answer({getattr(function, '__name__', function)!s})"
        if not callable(function):
            raise ScriptError(f"{call}: expected a function of a ProgramCall, got {type(function).__name__}")
        if inspect.iscoroutinefunction(function):
            raise ScriptError(f"{call}: the function runs in a thread without a loop; give a plain function")
        return self._add(call, Question(function))

    # Signals

    def ignore_signal(self, *signals: Signal) -> Self:
        """Do nothing at these signals but put them on record, from the beginning of the program."""
        for one in signals:
            self._on_signal(f"ignore_signal({one!r})", one, "ignore")
        return self

    def trap_signal(self, which: Signal, *, exit_code: int | None = None) -> Self:
        """
        Answer a signal, from the beginning of the program.

        Args:
            which: For instance ``"SIGTERM"``, ``signal.SIGTERM`` or 15.

            exit_code: Exit with this code, at once. None lets the script go on: the signal ends the wait or hang
                that is on, and if there is none, the next one.
        """
        call = f"trap_signal({which!r}, exit_code={exit_code!r})"
        if exit_code is not None:
            _require_no(call, exit_code_problem(exit_code))
        return self._on_signal(call, which, "continue" if exit_code is None else exit_code)

    def exit_on_broken_pipe(self, code: int) -> Self:
        """Exit with *code* when the reader of an output has gone, instead of dying of SIGPIPE."""
        _require_no(f"exit_on_broken_pipe({code!r})", exit_code_problem(code))
        return self._set(f"exit_on_broken_pipe({code!r})", on_broken_pipe=code)

    # Ends

    def exit(self, code: int = 0) -> Self:
        """Exit with *code*, 0 to 255; a script without an end exits with 0."""
        return self._add(f"exit({code!r})", Exit(code))

    def exit_by_signal(self, which: Signal) -> Self:
        """End by a signal, as a program that crashes or is killed; no core file is left."""
        call = f"exit_by_signal({which!r})"
        number = _signal_number(call, which)
        if number in _HARMLESS:
            raise ScriptError(f"{call}: this signal ends no program; give one that does, as SIGKILL or SIGSEGV")
        return self._add(call, Die(number))

    def fail_first(self, times: int, *, code: int = 1, stderr: str | bytes = b"") -> Self:
        """
        Let the first invocations of this script fail; those after them play it.

        Args:
            times: How many fail, at least 1.

            code: Their exit code.

            stderr: What they write to standard error.
        """
        call = f"fail_first({times!r}, code={code!r})"
        if not isinstance(times, int) or isinstance(times, bool) or times < 1:
            raise ScriptError(f"{call}: expected how many invocations fail, 1 or more")
        _require_no(call, exit_code_problem(code))
        target = self._target()
        target._failures = Failures(times, code, _bytes("fail_first", stderr))
        target._changed()
        return self

    def play(self, script: Script) -> Self:
        """Add the steps and settings of *script* as they are now."""
        target = self._target()
        if script._failures is not None:
            raise ScriptError("play(): the script has fail_first(); say it for the script that plays it")
        steps, _ = script.parts(None)
        target._require_open("play()")
        target._steps += steps
        on_signal = {**target._settings.on_signal, **script._settings.on_signal}
        given = script._settings
        target._settings = replace(
            target._settings,
            on_signal=on_signal,
            leave_stdin=target._settings.leave_stdin or given.leave_stdin,
            on_broken_pipe=given.on_broken_pipe
            if given.on_broken_pipe is not None
            else target._settings.on_broken_pipe,
        )
        target._changed()
        return self

    # Cuts

    def cut_points(self, *, offsets: int = 64, seed: int = 0) -> list[CutPoint]:
        """
        Return places at which what goes to standard output can be cut, from the first to the last.

        Args:
            offsets: How many places within records, besides every boundary between records (lines).

            seed: Determines which.
        """
        return cut_points(self._uncut(), offsets=offsets, seed=seed)

    def cut_at(self, point: CutPoint | str | None) -> Self:
        """
        Play the script up to a place of its standard output, and there end, be killed, hang or go on corrupted.

        Args:
            point: From :meth:`cut_points`, or its id as a report shows it, for instance ``"kill@120"``; None
                takes the cut back.

        Raises:
            ScriptError: If there is no such place.
        """
        target = self._target()
        chosen = CutPoint.parse(point) if isinstance(point, str) else point
        if chosen is not None:
            cut_steps(self._uncut(), chosen)
        target._cut = chosen
        target._changed()
        return self

    def _uncut(self) -> list[Any]:
        """Return the steps in whose output the cut points are places."""
        steps, _ = self._target().parts(None, cut=False)
        return steps

    # Common

    def _add(self, call: str, *steps: ScriptStep) -> Self:
        target = self._target()
        target._require_open(call)
        for step in steps:
            if not isinstance(step, Question):
                _require_no(call, step_problem(step))
        target._steps += steps
        target._changed()
        return self

    def _set(self, call: str, **changes: Any) -> Self:
        target = self._target()
        target._require_open(call)
        target._settings = replace(target._settings, **changes)
        target._changed()
        return self

    def _on_signal(self, call: str, which: Signal, answer: SignalAnswer) -> Self:
        number = _signal_number(call, which)
        _require_no(call, signal_problem(number))
        return self._set(call, on_signal={**self._target()._settings.on_signal, number: answer})


@dataclass(frozen=True, slots=True)
class Failures:
    """How the first invocations fail."""

    times: int
    code: int
    stderr: bytes


class Script(Steps):
    """
    What a fake program does, step by step.

    Args:
        on_change: Called after every change, by the program that plays it.
    """

    def __init__(self, *, on_change: Callable[[], None] | None = None) -> None:
        self._steps: list[ScriptStep] = []
        self._settings = DEFAULT_SETTINGS
        self._failures: Failures | None = None
        self._cut: CutPoint | None = None
        self._on_change = on_change

    def _target(self) -> Script:
        return self

    def _changed(self) -> None:
        if self._on_change is not None:
            self._on_change()

    def _require_open(self, call: str) -> None:
        if self._steps and isinstance(self._steps[-1], Exit | Die):
            raise ScriptError(f"{call}: never comes, the script ends before it; put it before the exit")

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said."""
        return not self._steps and self._settings == DEFAULT_SETTINGS and self._failures is None

    @property
    def failures(self) -> Failures | None:
        """How the first invocations fail, None if they do not."""
        return self._failures

    def parts(
        self, number_of: Callable[[AnswerFunction], int] | None, *, cut: bool = True
    ) -> tuple[list[Any], Settings]:
        """
        Return steps and settings.

        Args:
            number_of: Gives a function its number; None leaves questions as they are.

            cut: Whether the cut that was chosen is made.
        """
        steps: list[Any] = list(self._steps)
        if cut and self._cut is not None:
            steps = cut_steps(steps, self._cut)
        if number_of is not None:
            steps = [Ask(number_of(step.function)) if isinstance(step, Question) else step for step in steps]
        return steps, self._settings

    def __repr__(self) -> str:
        return f"<Script {len(self._steps)} step{'' if len(self._steps) == 1 else 's'}>"


def answer_steps(answer: object) -> list[Step]:
    """
    Return what an answer function's answer means.

    Raises:
        ScriptError: If it means nothing.
    """
    match answer:
        case None:
            return []
        case bool():
            pass
        case int():
            _require_no(f"the answer {answer!r}", exit_code_problem(answer))
            return [Exit(answer)]
        case str() | bytes():
            return [Write(_bytes("answer", answer))]
        case dict() | list():
            return [Write(encode_json(answer) + b"\n")]
        case Script():
            steps, settings = answer.parts(lambda _: _refuse_question("an answer"))
            if settings != DEFAULT_SETTINGS or answer.failures is not None:
                raise ScriptError("a script that is an answer has steps only; put signals and the like before answer()")
            return steps
    raise ScriptError(
        f"the answer {answer!r:.60} means nothing to the program; return text, bytes, an exit code, a dict or list "
        "(a JSON line), a Script, or None"
    )


def _refuse_question(place: str) -> int:
    raise ScriptError(f"{place}: its script cannot have answer(): say it in the program's own script")


_TextT = TypeVar("_TextT", str, bytes)


def _bytes(call: str, data: str | bytes) -> bytes:
    if isinstance(data, bytes):
        return data
    if not isinstance(data, str):
        raise ScriptError(f"{call}(): expected text or bytes, got {type(data).__name__}; write_json() takes the rest")
    try:
        return data.encode()
    except UnicodeEncodeError:
        raise ScriptError(f"{call}(): the text has a lone surrogate, which UTF-8 cannot hold; give bytes") from None


def _signal_number(call: str, which: Signal) -> int:
    if isinstance(which, str):
        found = getattr(signal.Signals, which, None)
        if found is None:
            raise ScriptError(f"{call}: there is no signal {which!r}; give a name as 'SIGTERM', or a number")
        return int(found)
    if not isinstance(which, int) or isinstance(which, bool) or not 1 <= which <= 64:
        raise ScriptError(f"{call}: there is no signal {which!r}; give a name as 'SIGTERM', or a number from 1 to 64")
    return int(which)


def _require_no(call: str, problem: str | None) -> None:
    if problem is not None:
        raise ScriptError(f"{call}: {problem}")
