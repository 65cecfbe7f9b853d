"""
A stand-in for the ``claude`` program.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from api_simulator.claude._behaviours import Behaviours
from api_simulator.claude._plan import Fault, Plan
from api_simulator.claude._session_log import places
from api_simulator.claude._session_plan import SessionAnswers, SessionPlan, session_program, session_settings
from api_simulator.claude._turns import ReplyFunction, Turn
from api_simulator.claude.records import Records, full_version
from api_simulator.errors import OptionError, ScriptError, UnexpectedCallError, UnreachedScriptError
from api_simulator.process._calls import ProgramCall
from api_simulator.process._cut_points import CutPoint, cut_points, cut_steps
from api_simulator.process._running import ProgramResult
from api_simulator.process._stage import Stage
from api_simulator.process._staged import StagedProgram, calling_place
from api_simulator.process.script import exit_code_problem, wait_problem


class SessionResult(ProgramResult):
    """A run of the fake that came to its end: ``returncode``, ``exit_code()``, ``stdout``, ``stderr``, ``args``, ..."""

    __slots__ = ()


class FakeClaudeCLI(StagedProgram[SessionResult], Behaviours):
    """
    A stand-in for the ``claude`` program: a real executable that prints what it was told to.

    Either messages are printed as they are (:meth:`add_message`), or a session is played by the model's moves
    (:meth:`on_prompt`, :meth:`turn`, :meth:`answer`), from which all records follow.

    It accepts any arguments, waits for standard input only if told to or if a host sends messages there
    (``--input-format stream-json``), and each invocation plays the whole script. The executable is in place as
    soon as somebody asks for it; what is announced later is on disk when the announcing call returns, and holds
    for every invocation that begins after it.

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
    of the person who runs it; :meth:`session_log_dir` says where they are. A session that is played by moves takes a
    place like the test process's own too, unless it is the account's home or shows that the real program is used there.

    Args:
        seed: Determines ids and jitter; the same seed gives the same output.

        cli_version: The version that records and transcripts name, with its habits: ``"2.1.329"``, ``"2.0"``, or any
            other since 1.0, which has those of the nearest measured one before it.

        read_stdin: Read standard input to its end before anything else. Otherwise only what is there
            without waiting is recorded.

        strict_argv: Refuse the command lines that the real program refuses, with its texts and exit codes, and
            wait 3 s for standard input that is open and silent. Otherwise any arguments are accepted.

    Raises:
        UnsupportedPlatformError: On Windows, at the first use of the executable.
    """

    # Nested ones are told apart by their `with` blocks: the inner one is found.
    _is_alone = False

    def __init__(
        self, *, seed: int = 0, cli_version: str = "2.1.329", read_stdin: bool = False, strict_argv: bool = False
    ) -> None:
        super().__init__("claude")
        self._strict_argv = bool(strict_argv)
        self._sessions = SessionPlan(on_change=self._written)
        self._answers: SessionAnswers | None = None
        self._failed_answers: list[tuple[ProgramCall, Exception]] = []
        self._reported: set[int] = set()
        self._read_stdin = bool(read_stdin)
        try:
            self._plan = Plan(_integer("FakeClaudeCLI(seed)", seed), full_version(cli_version))
        except ValueError as error:
            raise OptionError(f"cli_version: {error}") from None
        self._begin()
        self._told: list[Fault] = []

    def _begin(self) -> None:
        self._records = Records(seed=self._plan.seed, profile=self._plan.cli_version)
        self._plan.own_session_id = self._records.session_id
        self._plan.own_cwd = self._records.cwd
        self._plan.strict_argv = self._strict_argv

    # Script

    def add_message(self, message: Mapping[str, object]) -> None:
        """
        Print *message* as one JSON line, after the messages added before, with nothing added to it.

        Raises:
            ScriptError: If it is not a dict, or JSON cannot hold it; the text has the path to the part.
        """
        self._require_no_session("add_message")
        self._plan.add_messages([message])
        self._written()

    @property
    def records(self) -> Records:
        """
        The builders of this fake's session, one method for each type of record.

        They only make dicts; :meth:`add` or :meth:`add_message` puts one into the script.
        """
        return self._records

    def add(self, *records: Mapping[str, object] | Iterable[Mapping[str, object]]) -> None:
        """
        Add records of the builders, and lists of them, in their order.

        They are printed as the invocation's ``--output-format`` asks: all under ``stream-json``, the last result under
        ``json`` (with ``--verbose`` an array of all), its text under ``text``, which is the default as in the real
        program. Session id and folder in them are the invocation's. Unless :meth:`set_exit_code` says otherwise,
        the program exits with 1 if the last result is a failure.

        Raises:
            ScriptError: As :meth:`add_message`; then none of them is added.
        """
        messages: list[Mapping[str, object]] = []
        for given in records:
            messages += [given] if isinstance(given, Mapping) else list(given)
        self._require_no_session("add")
        self._plan.add_messages(messages, built=True)
        self._written()

    # Sessions

    def on_prompt(self, pattern: str | re.Pattern[str]) -> Turn:
        """
        Script a turn for every prompt with *pattern* in it: say the model's moves on what is returned.

        Args:
            pattern: Text that the prompt contains, or a compiled pattern that is searched for. Of several that fit,
                the last one said is played.
        """
        self._require_no_messages("on_prompt")
        return self._sessions.on_prompt(pattern)

    def turn(self) -> Turn:
        """
        Script the next turn, for the next prompt that no :meth:`on_prompt` is for.

        Every process begins with the first of these turns.
        """
        self._require_no_messages("turn")
        return self._sessions.turn()

    def answer(self, function: ReplyFunction) -> None:
        """
        Ask a function of the test for every turn that nothing else is for.

        Args:
            function: Takes the :class:`~api_simulator.claude.Prompt` and returns a :class:`~api_simulator.claude.Turn`,
                a text to say, or None. It runs in a thread of the test process. If it raises, the program exits
                with 70, and so does the test fail.
        """
        self._require_no_messages("answer")
        self._sessions.answer(function)

    def _require_no_messages(self, call: str) -> None:
        if self._plan.is_empty:
            return
        raise ScriptError(
            f"{call}(): this fake has messages that are printed as they are, or faults for them, and a session makes "
            "its own messages; use two fakes, or Turn.record() for a record of your own"
        )

    def _require_no_session(self, call: str) -> None:
        if self._sessions.is_empty:
            return
        name = call if "(" in call else f"{call}()"
        raise ScriptError(
            f"{name}: this is for messages that are printed as they are, and this fake plays a session by moves; "
            "say it by a move there: record(), write(), wait(), api_retry(), exit(), hang()"
        )

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
                calling_place(),
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
        self._announce(Fault("corrupt", _index(call, at_message), call, calling_place(), text=error_text))

    def truncate_after(self, n: int) -> None:
        """Print the first *n* messages only, then exit with 1."""
        self._require_no_session("truncate_after")
        self._plan.truncate_at = _index(f"truncate_after({n!r})", n)
        self._written()

    def inject_exit(self, at: int, code: int = 1) -> None:
        """Exit with *code* (0 to 255) right after message *at* was printed."""
        call = f"inject_exit(at={at!r}, code={code!r})"
        _require_no(call, exit_code_problem(code))
        self._announce(Fault("exit", _index(call, at), call, calling_place(), code=code))

    def set_exit_code(self, code: int) -> None:
        """Print everything, then exit with *code* (0 to 255)."""
        _require_no(f"set_exit_code({code!r})", exit_code_problem(code))
        self._require_no_session("set_exit_code")
        self._plan.exit_code = code
        self._written()

    def hang_after_result(self) -> None:
        """
        Stay alive, holding the pipes, after the last message of type ``result`` (or the last one if there is none).

        It is one process: killing it closes its pipes at once. What is scripted after the result never comes.
        """
        self._require_no_session("hang_after_result")
        self._plan.hangs = True
        self._written()

    def delay_message(self, n: int, millis: int) -> None:
        """Wait *millis* milliseconds before message *n*."""
        call = f"delay_message({n!r}, {millis!r})"
        _require_no(call, wait_problem(millis))
        self._announce(Fault("delay", _index(call, n), call, calling_place(), delay_ms=millis))

    def cut_points(self, *, offsets: int = 64, seed: int = 0) -> list[CutPoint]:
        """
        Return places at which the stream can be cut, from the first byte to the last: use each with :meth:`cut_at`.

        Args:
            offsets: How many places within messages, besides every boundary between two.

            seed: Determines which.
        """
        self._require_no_session("cut_points")
        return cut_points(self._plan.stream(is_fixed=True), offsets=offsets, seed=seed)

    def cut_at(self, point: CutPoint | str | None) -> None:
        """
        Play the stream up to a place, and there end, be killed, hang or go on with the rest of the line corrupted.

        Args:
            point: From :meth:`cut_points`, or its id as a report shows it, for instance ``"kill@120"``; None
                takes the cut back.

        Raises:
            ScriptError: If there is no such place.
        """
        self._require_no_session("cut_at")
        chosen = CutPoint.parse(point) if isinstance(point, str) else point
        if chosen is not None:
            cut_steps(self._plan.stream(is_fixed=True), chosen)
        self._plan.cut = chosen
        self._written()

    def reset(self) -> None:
        """Forget the script and the calls so far; the executable and the transcripts stay."""
        self._plan = Plan(self._plan.seed, self._plan.cli_version)
        self._begin()
        self._told = []
        self._sessions = SessionPlan(on_change=self._written)
        self._failed_answers = []
        self._close_answers()
        self._forget_calls()
        self._written()

    def _checked(self, run: ProgramResult) -> SessionResult:
        result = SessionResult(
            run.argv, run.returncode, run.stdout_bytes, run.stderr_bytes, run.started_ns, run.duration_ms
        )
        self._require_expected()
        if result.returncode >= 0:
            self._require_reached(result)
        return result

    def _check_at_exit(self) -> None:
        self._require_expected()
        if any(call.exit_code is not None for call in self.calls):
            self._require_reached(None)

    def _require_expected(self) -> None:
        failed, self._failed_answers = self._failed_answers, []
        parts = [
            f"'claude', call {call.number} ({call.command()}): "
            f"the answer's function raised {type(error).__name__}: {error}"
            for call, error in failed
        ]
        for call in self.calls:
            if call.unexpected and call.number not in self._reported:
                self._reported.add(call.number)
                said = call.notes.get("unexpected", b"").decode(errors="replace")
                parts += [] if failed else [f"'claude', call {call.number} ({call.command()}): {said}"]
        if parts:
            raise UnexpectedCallError("\n".join(parts))

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

    def session_log_dir(self) -> Path:
        """Return the ``projects`` folder of the last invocation's transcript, before any the fake's own."""
        stage = self._opened()
        for call in reversed(self.calls):
            if "session-log-dir" in call.notes:
                return Path(os.fsdecode(call.notes["session-log-dir"]))
        return _own_projects(stage)

    # For StagedProgram

    def _furnish(self) -> Stage:
        stage = Stage(self._name, extension="api_simulator.claude._player")
        _own_projects(stage).mkdir()
        return stage

    def _script(self, stage: Stage) -> bytes:
        if not self._sessions.is_empty:
            return self._session_script(stage)
        return self._plan.script(read_stdin=self._read_stdin, own_projects=_own_projects(stage), environ=os.environ)

    def _session_script(self, stage: Stage) -> bytes:
        script = self._sessions.to_json(seed=self._plan.seed, cli_version=self._plan.cli_version)
        if self._sessions.functions and self._answers is None:
            self._answers = SessionAnswers(self._sessions, stage, self._sessions.functions, self._note_failed_answer)
        settings = session_settings(
            script, strict=self._strict_argv, places=places(own_projects=_own_projects(stage), environ=os.environ)
        )
        return session_program(settings)

    def _note_failed_answer(self, call: ProgramCall, error: Exception) -> None:
        self._failed_answers.append((call, error))

    def close(self) -> None:
        """
        Remove the executable and what belongs to it, and let running invocations exit.

        The calls stay readable. Closing twice changes nothing.
        """
        # Outside the lock: a function that is being asked may be using the fake.
        self._close_answers()
        super().close()

    def _close_answers(self) -> None:
        answers, self._answers = self._answers, None
        if answers is not None:
            answers.close()

    def _announce(self, fault: Fault) -> None:
        self._require_no_session(fault.call)
        self._plan.announce(fault)
        self._written()

    def __repr__(self) -> str:
        messages = len(self._plan.messages)
        state = "closed" if self._is_closed else f"{self.call_count} calls"
        return f"<FakeClaudeCLI {messages} message{'' if messages == 1 else 's'}, {state}>"


def _own_projects(stage: Stage) -> Path:
    return stage.data / "projects"


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
