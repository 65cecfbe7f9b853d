"""
A program of the test's own on a stage: its life, its place on PATH, its runs and its calls.

What it plays is its subclasses' business: :class:`~api_simulator.process.FakeProgram` plays what it is told,
:class:`~api_simulator.claude.FakeClaudeCLI` plays sessions.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar

from api_simulator._core import live
from api_simulator._core.timeline import TimelineEvent
from api_simulator.errors import OptionError, ProgramStateError, VerificationError
from api_simulator.process import _search_path
from api_simulator.process._call_waiting import Wanted, wait_for_calls, wait_for_calls_async
from api_simulator.process._calls import ProgramCall
from api_simulator.process._running import ProgramResult, ProgramRun, has_gone
from api_simulator.process._stage import Stage

if TYPE_CHECKING:
    from typing import Self

ResultT = TypeVar("ResultT", bound=ProgramResult)

_PACKAGE_FOLDER = str(Path(__file__).parents[1]) + os.sep


class StagedProgram(ABC, Generic[ResultT]):
    """
    A real executable that plays a script and puts its invocations on record.

    The executable is in place as soon as somebody asks for it; what the script gets later is on disk when the
    call that says it returns, and holds for every invocation that begins after it.
    """

    #: Whether two of the same name on PATH are a mistake.
    _is_alone = True

    def __init__(self, name: str) -> None:
        self._name = name
        self._stage: Stage | None = None
        # Around what several threads of a test may do at once: the last script written is the newest.
        self._lock = threading.RLock()
        self._is_closed = False
        self._entered = 0
        self._was_entered = False
        self._forgotten = 0

    # For subclasses

    def _furnish(self) -> Stage:
        """Make the stage."""
        return Stage(self._name)

    @abstractmethod
    def _script(self, stage: Stage) -> bytes:
        """Return the script as the bytes of its file."""

    @abstractmethod
    def _checked(self, run: ProgramResult) -> ResultT:
        """Return the result of a run, or raise if the script was not what the run needed."""

    @abstractmethod
    def _check_at_exit(self) -> None:
        """Raise if something was wrong, at the end of a ``with`` block that came to its end."""

    def _written(self) -> None:
        """Called after each change of the script: an executable that is there plays it from now on."""
        if self._stage is not None and not self._is_closed:
            self._write_script(self._stage)

    def _write_script(self, stage: Stage) -> None:
        with self._lock:
            stage.write_script(self._script(stage))

    def _forget_calls(self) -> None:
        if self._stage is not None:
            self._forgotten = max((call.number for call in self._stage.calls()), default=0)

    # Use

    @property
    def executable(self) -> Path:
        """The program to start, for code that takes a path."""
        return self._opened().executable

    def __enter__(self) -> Self:
        """
        Put the program first on ``PATH``; entering again is counted.

        Raises:
            ProgramStateError: If another program of this name is on PATH in this process.
        """
        with self._lock:
            stage = self._opened()
            self._write_script(stage)
            if self._entered == 0:
                _search_path.prepend(str(stage.executable.parent), name=self._name, alone=self._is_alone)
            self._entered += 1
            self._was_entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            self._entered -= 1
            if self._entered or self._stage is None or self._is_closed:
                return
            _search_path.remove(str(self._stage.executable.parent))
        if error is None:
            self._check_at_exit()

    def run(
        self,
        args: Sequence[str | os.PathLike[str]] | None = None,
        env: Mapping[str, str | None] | None = None,
        *,
        cwd: str | os.PathLike[str] | None = None,
        stdin: str | bytes | None = None,
        timeout_s: float = 60.0,
    ) -> ResultT:
        """
        Run the program to its end.

        Args:
            args: Its arguments.

            env: Added to this process's environment; None as a value removes a variable.

            cwd: Its working folder, this process's by default.

            stdin: What it reads; nothing by default.

            timeout_s: After this time its process group is ended.

        Raises:
            ProgramTimeoutError: If it does not end in time; the error has the output so far.

            UnreachedScriptError: If a session's script announced something for an index that never came;
                ``.result`` is the run.
        """
        return self._checked(self._run(args, env, cwd, stdin, timeout_s).result())

    async def run_async(
        self,
        args: Sequence[str | os.PathLike[str]] | None = None,
        env: Mapping[str, str | None] | None = None,
        *,
        cwd: str | os.PathLike[str] | None = None,
        stdin: str | bytes | None = None,
        timeout_s: float = 60.0,
    ) -> ResultT:
        """Run the program as :meth:`run` does, in asyncio or trio; cancelling the task ends its process group."""
        # Imported here: anyio takes longer than all the rest, and few tests need it.
        from api_simulator.process._waiting import in_thread

        run = self._run(args, env, cwd, stdin, timeout_s)
        return self._checked(await in_thread(run.result, run.cancel))

    def _run(
        self,
        args: Sequence[str | os.PathLike[str]] | None,
        env: Mapping[str, str | None] | None,
        cwd: str | os.PathLike[str] | None,
        stdin: str | bytes | None,
        timeout_s: float,
    ) -> ProgramRun:
        if isinstance(args, str | bytes):
            raise OptionError(f"args: expected a list of arguments, got {args!r}; write ['-p', 'hi'], not '-p hi'")
        stage = self._opened()
        self._write_script(stage)
        return ProgramRun([stage.executable, *(args or ())], env=env, cwd=cwd, stdin=stdin, timeout_s=timeout_s)

    # What happened

    @property
    def calls(self) -> list[ProgramCall]:
        """The invocations so far, in the order of their beginnings; each is as it is now."""
        calls = self._stage.calls() if self._stage is not None else []
        return [call for call in calls if call.number > self._forgotten]

    @property
    def call_count(self) -> int:
        """How often the program was started."""
        return len(self.calls)

    def wait_for_calls(self, n: int, timeout_s: float = 5.0) -> list[ProgramCall]:
        """
        Wait until the program was started *n* times, and return all calls; one counts from its beginning.

        Raises:
            WaitTimeoutError: If that takes longer than *timeout_s*.
        """
        wait_for_calls(self._opened(), n, timeout_s, Wanted(after=self._forgotten))
        return self.calls

    async def wait_for_calls_async(self, n: int, timeout_s: float = 5.0) -> list[ProgramCall]:
        """Wait as :meth:`wait_for_calls` does, in asyncio or trio."""
        await wait_for_calls_async(self._opened(), n, timeout_s, Wanted(after=self._forgotten))
        return self.calls

    def assert_called_with(self, *args: str) -> None:
        """
        Check that one call has *args* among its arguments, in this order.

        Raises:
            VerificationError: If no call has; the text lists the calls.
        """
        if not any(call.has_args(args) for call in self.calls):
            raise VerificationError(
                f"no call of {self._name!r} has the arguments {list(args)} in this order:\n{self._listed_calls()}"
            )

    def _listed_calls(self) -> str:
        return "\n".join(f"  {call!r}" for call in self.calls) or "  (it was not called)"

    @property
    def is_untouched(self) -> bool:
        """Whether nobody could find it: it was never on PATH, and nobody ran it or asked for its path."""
        return not self._was_entered and self._stage is None

    def timeline(self) -> list[TimelineEvent]:
        """Return the beginnings and ends of invocations, the signals that they answered, and which were killed."""
        events = []
        for call in self.calls:

            def add(at_ns: int, text: str, *, number: int = call.number) -> None:
                events.append(TimelineEvent(at_ns, self._name, f"call {number} {text}"))

            add(call.started_ns, f"began: {call.command()} (pid {call.pid})")
            for at_ns, number in call.signals:
                add(at_ns, f"got signal {number}")
            if call.exited_ns is None and has_gone(call.pid):
                # Nobody says when: who is killed leaves no record.
                add(time.monotonic_ns(), f"is gone by now: killed from outside (pid {call.pid})")
            if call.exited_ns is not None:
                add(call.exited_ns, f"ended: {call.outcome()}, {call.lines_written} lines written")
        return events

    # Life

    def close(self) -> None:
        """
        Remove the executable and what belongs to it, and let running invocations exit.

        The calls stay readable. Closing twice changes nothing.
        """
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            if self._stage is not None:
                if self._entered:
                    _search_path.remove(str(self._stage.executable.parent))
                live.closed(self)
                self._stage.close()

    def _opened(self) -> Stage:
        with self._lock:
            if self._is_closed:
                raise ProgramStateError(
                    f"this {type(self).__name__} is closed and its executable removed; make a new one"
                )
            if self._stage is None:
                stage = self._furnish()
                self._write_script(stage)
                self._stage = stage
                live.opened(self)
            return self._stage


def calling_place() -> str:
    """Return file and line of the test's call: the nearest frame outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE_FOLDER):
        frame = frame.f_back
    file = frame.f_code.co_filename
    working_folder = str(Path.cwd()) + os.sep
    return f"{file.removeprefix(working_folder)}:{frame.f_lineno}"
