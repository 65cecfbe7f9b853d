"""
A stand-in for the ``claude`` program.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from api_simulator._core import live
from api_simulator._core.timeline import TimelineEvent
from api_simulator.claude._plan import Fault, Plan
from api_simulator.errors import OptionError, ProgramStateError, ScriptError, UnreachedScriptError, VerificationError
from api_simulator.process import _search_path
from api_simulator.process._call_waiting import wait_for_calls, wait_for_calls_async
from api_simulator.process._calls import ProgramCall
from api_simulator.process._running import ProgramResult, ProgramRun
from api_simulator.process._stage import Stage
from api_simulator.process.script import exit_code_problem, wait_problem

_PACKAGE_FOLDER = str(Path(__file__).parent)


class SessionResult(ProgramResult):
    """A run of the fake that came to its end: ``returncode``, ``exit_code()``, ``stdout``, ``stderr``, ``args``, ..."""

    __slots__ = ()


class FakeClaudeCLI:
    """
    A stand-in for the ``claude`` program: a real executable that prints what it was told to.

    It accepts any arguments, never waits for standard input unless told to, and each invocation plays the
    whole script. The executable is in place as soon as somebody asks for it; what is announced later is
    on disk when the announcing call returns, and holds for every invocation that begins after it.

    For one index things come in this order, whatever the order of the calls:

    1. the end of ``truncate_after``;
    2. the delay of ``delay_message``;
    3. the records of ``inject_api_retry``, in the order of the calls, and with ``exhaust`` the end;
    4. the message, or the line of ``corrupt_stream`` in its place;
    5. the end of ``inject_exit``;
    6. the hang of ``hang_after_result``.

    The same call for the same index again replaces the earlier one, except that retries add up. What an
    earlier end leaves out is no mistake; an index that never comes is one, and raises
    :class:`~api_simulator.errors.UnreachedScriptError` at the end of :meth:`run` and of the ``with`` block.

    Session transcripts are written where the invocation's environment says (``CLAUDE_CONFIG_DIR``, else
    ``HOME``) if it differs there from the test process's environment, as that was at the last change of the
    script, ``with`` or :meth:`run`; else into a folder of the fake's own. So a test never writes into the home
    of the person who runs it; :meth:`session_log_dir` says where they are.

    Args:
        seed: Determines ids and jitter; the same seed gives the same output.

        cli_version: The version that transcripts name.

        read_stdin: Read standard input to its end before anything else. Otherwise only what is there
            without waiting is recorded.

    Raises:
        UnsupportedPlatformError: On Windows, at the first use of the executable.
    """

    def __init__(self, *, seed: int = 0, cli_version: str = "2.1.329", read_stdin: bool = False) -> None:
        if not isinstance(cli_version, str) or not cli_version:
            raise OptionError(f"cli_version: expected a text like '2.1.329', got {cli_version!r}")
        self._read_stdin = bool(read_stdin)
        self._plan = Plan(_integer("FakeClaudeCLI(seed)", seed), cli_version)
        self._stage: Stage | None = None
        # Around what several threads of a test may do at once: the last script written is the newest.
        self._lock = threading.RLock()
        self._is_closed = False
        self._entered = 0
        self._told: list[Fault] = []
        self._forgotten = 0

    # Script

    def add_message(self, message: Mapping[str, object]) -> None:
        """
        Print *message* as one JSON line, after the messages added before, with nothing added to it.

        Raises:
            ScriptError: If it is not a dict, or JSON cannot hold it; the text has the path to the part.
        """
        self._plan.add_message(message)
        self._changed()

    def inject_api_retry(
        self,
        at_message: int,
        error_status: int | None,
        attempts: int,
        exhaust: bool = False,  # noqa: FBT001, FBT002 (the contract's form)
    ) -> None:
        """
        Print the records of failed API requests before a message, without waiting the times that they name.

        Args:
            at_message: Index of the message, which may be added later; one more than the last is the end.

            error_status: What the API answered, for instance 429 or 529; None for a failed connection.

            attempts: How many records, at least 1.

            exhaust: Give up after them: nothing more is printed, and the exit code is 1.

        Raises:
            ScriptError: If an argument cannot be played.
        """
        call = f"inject_api_retry(at_message={at_message!r}, error_status={error_status!r}, attempts={attempts!r})"
        if error_status is not None and not 100 <= _integer(call, error_status) <= 999:
            raise ScriptError(f"{call}: HTTP has no status {error_status}; give 100 to 999, or None for no answer")
        if _integer(call, attempts) < 1:
            raise ScriptError(f"{call}: nothing is retried in {attempts} attempts; give at least 1")
        self._announce(
            Fault(
                "retries",
                _index(call, at_message),
                call,
                _caller(),
                status=error_status,
                attempts=attempts,
                exhaust=bool(exhaust),
            )
        )

    def corrupt_stream(self, at_message: int, error_text: str) -> None:
        """
        Print *error_text*, one line that is not JSON, in place of a message; later messages still come.

        Raises:
            ScriptError: If *error_text* has a line break, or the index is negative.
        """
        call = f"corrupt_stream(at_message={at_message!r}, error_text={error_text!r:.60})"
        if not isinstance(error_text, str):
            raise ScriptError(f"{call}: error_text is text, got {type(error_text).__name__}")
        if "\n" in error_text:
            raise ScriptError(f"{call}: the text replaces one line and has a line break; write it as one line")
        try:
            error_text.encode()
        except UnicodeEncodeError:
            raise ScriptError(f"{call}: the text has a lone surrogate, which UTF-8 cannot hold; take it out") from None
        self._announce(Fault("corrupt", _index(call, at_message), call, _caller(), text=error_text))

    def truncate_after(self, n: int) -> None:
        """Print the first *n* messages only, then exit with 1."""
        self._plan.truncate_at = _index(f"truncate_after({n!r})", n)
        self._changed()

    def inject_exit(self, at: int, code: int = 1) -> None:
        """Exit with *code* (0 to 255) right after message *at* was printed."""
        call = f"inject_exit(at={at!r}, code={code!r})"
        _require_no(call, exit_code_problem(code))
        self._announce(Fault("exit", _index(call, at), call, _caller(), code=code))

    def set_exit_code(self, code: int) -> None:
        """Print everything, then exit with *code* (0 to 255)."""
        _require_no(f"set_exit_code({code!r})", exit_code_problem(code))
        self._plan.exit_code = code
        self._changed()

    def hang_after_result(self) -> None:
        """
        Stay alive, holding the pipes, after the last message of type ``result`` (or the last one if there is none).

        It is one process: killing it closes its pipes at once. What is scripted after the result never comes.
        """
        self._plan.hangs = True
        self._changed()

    def delay_message(self, n: int, millis: int) -> None:
        """Wait *millis* milliseconds before message *n*."""
        call = f"delay_message({n!r}, {millis!r})"
        _require_no(call, wait_problem(millis))
        self._announce(Fault("delay", _index(call, n), call, _caller(), delay_ms=millis))

    def reset(self) -> None:
        """Forget the script and the calls so far; the executable and the transcripts stay."""
        self._plan = Plan(self._plan.seed, self._plan.cli_version)
        self._told = []
        if self._stage is not None:
            self._forgotten = max((call.number for call in self._stage.calls()), default=0)
        self._changed()

    # Use

    @property
    def executable(self) -> Path:
        """The program to start, for code that takes a path (``cli_path=``)."""
        return self._opened().executable

    def __enter__(self) -> FakeClaudeCLI:
        """Put the program first on ``PATH``; entering again is counted."""
        with self._lock:
            stage = self._opened()
            self._write_script(stage)
            if self._entered == 0:
                _search_path.prepend(str(stage.executable.parent))
            self._entered += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            self._entered -= 1
            if self._entered or self._stage is None or self._is_closed:
                return
            _search_path.remove(str(self._stage.executable.parent))
        if error is None and any(call.exit_code is not None for call in self.calls):
            self._require_reached(None)

    def run(
        self,
        args: Sequence[str | os.PathLike[str]] | None = None,
        env: Mapping[str, str | None] | None = None,
        *,
        cwd: str | os.PathLike[str] | None = None,
        stdin: str | bytes | None = None,
        timeout_s: float = 60.0,
    ) -> SessionResult:
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

            UnreachedScriptError: If something was announced for an index that never came; ``.result`` is the run.
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
    ) -> SessionResult:
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

    def _checked(self, run: ProgramResult) -> SessionResult:
        result = SessionResult(
            run.argv, run.returncode, run.stdout_bytes, run.stderr_bytes, run.started_ns, run.duration_ms
        )
        if result.returncode >= 0:
            self._require_reached(result)
        return result

    def _require_reached(self, result: SessionResult | None) -> None:
        faults = [fault for fault in self._plan.unreached() if fault not in self._told]
        if not faults:
            return
        # Said once: the end of a `with` block need not repeat what a run has said.
        self._told += faults
        count = len(self._plan.messages)
        indexes = f" (indexes 0 to {count - 1})" if count else ""
        lines = [f"{fault.call} at {fault.where} never happened" for fault in faults]
        raise UnreachedScriptError(
            f"{'; '.join(lines)}: the script has {count} message{'' if count == 1 else 's'}{indexes}.\n"
            "  add the missing messages, or announce it for an index that exists",
            result,
        )

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
        wait_for_calls(self._opened(), self._forgotten + n, timeout_s)
        return self.calls

    async def wait_for_calls_async(self, n: int, timeout_s: float = 5.0) -> list[ProgramCall]:
        """Wait as :meth:`wait_for_calls` does, in asyncio or trio."""
        await wait_for_calls_async(self._opened(), self._forgotten + n, timeout_s)
        return self.calls

    def assert_called_with(self, *args: str) -> None:
        """
        Check that one call has *args* among its arguments, in this order.

        Raises:
            VerificationError: If no call has; the text lists the calls.
        """
        calls = self.calls
        if not any(_in_order(args, call.args) for call in calls):
            listed = "\n".join(f"  {call!r}" for call in calls) or "  (it was not called)"
            raise VerificationError(f"no call of 'claude' has the arguments {list(args)} in this order:\n{listed}")

    def session_log_dir(self) -> Path:
        """Return the ``projects`` folder of the last invocation's transcript, before any the fake's own."""
        stage = self._opened()
        for call in reversed(self.calls):
            if "session-log-dir" in call.notes:
                return Path(os.fsdecode(call.notes["session-log-dir"]))
        return _own_projects(stage)

    def timeline(self) -> list[TimelineEvent]:
        """Return the beginnings and ends of invocations."""
        events = []
        for call in self.calls:
            events.append(
                TimelineEvent(call.started_ns, "claude", f"call {call.number} began: {call.command()} (pid {call.pid})")
            )
            if call.exited_ns is not None:
                text = f"call {call.number} ended: {call.outcome()}, {call.lines_written} lines written"
                events.append(TimelineEvent(call.exited_ns, "claude", text))
        return events

    # Life

    def close(self) -> None:
        """
        Remove the executable and the fake's own transcripts, and let running invocations exit.

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
                raise ProgramStateError("this FakeClaudeCLI is closed and its executable removed; make a new one")
            if self._stage is None:
                stage = Stage("claude", extension="api_simulator.claude._player")
                _own_projects(stage).mkdir()
                self._write_script(stage)
                self._stage = stage
                live.opened(self)
            return self._stage

    def _announce(self, fault: Fault) -> None:
        self._plan.announce(fault)
        self._changed()

    def _changed(self) -> None:
        if self._stage is not None and not self._is_closed:
            self._write_script(self._stage)

    def _write_script(self, stage: Stage) -> None:
        with self._lock:
            script = self._plan.script(
                read_stdin=self._read_stdin, own_projects=_own_projects(stage), environ=os.environ
            )
            stage.write_script(script)

    def __repr__(self) -> str:
        messages = len(self._plan.messages)
        state = "closed" if self._is_closed else f"{self.call_count} calls"
        return f"<FakeClaudeCLI {messages} message{'' if messages == 1 else 's'}, {state}>"


def _own_projects(stage: Stage) -> Path:
    return stage.data / "projects"


def _in_order(wanted: Sequence[str], given: Sequence[str]) -> bool:
    rest = iter(given)
    return all(argument in rest for argument in wanted)


def _integer(call: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ScriptError(f"{call}: expected an integer, got {value!r}")
    return value


def _index(call: str, value: object) -> int:
    index = _integer(call, value)
    if index < 0:
        raise ScriptError(f"{call}: messages are counted from 0, {index} is before the first; give 0 or more")
    return index


def _require_no(call: str, problem: str | None) -> None:
    if problem is not None:
        raise ScriptError(f"{call}: {problem}")


def _caller() -> str:
    """Return file and line of the test's call: the nearest frame outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE_FOLDER):
        frame = frame.f_back
    file = frame.f_code.co_filename
    working_folder = str(Path.cwd()) + os.sep
    return f"{file.removeprefix(working_folder)}:{frame.f_lineno}"
