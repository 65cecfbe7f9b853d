"""
A stand-in for any command-line program.

The rules by which an invocation finds its script are carried out by the program itself (``script.py`` has their
form), so that it needs no answer from the test process, except where the script asks it for one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from api_simulator.errors import OptionError, ScriptError, UnexpectedCallError, VerificationError
from api_simulator.process._answers import Answers
from api_simulator.process._builder import AnswerFunction, Script, Steps
from api_simulator.process._call_waiting import Wanted, wait_for_calls, wait_for_calls_async
from api_simulator.process._calls import ProgramCall
from api_simulator.process._running import ProgramResult
from api_simulator.process._stage import Stage
from api_simulator.process._staged import StagedProgram, calling_place
from api_simulator.process.script import Case, FailFirst, Refuse, Settings, Step, encode, encode_cases

#: So many cases are listed where no one fits.
_MAX_LISTED = 20


@dataclass(frozen=True, slots=True, eq=False)
class _Rule:
    """A script and its conditions, as ``when`` was told."""

    conditions: Case
    nth: int | None
    script: Script
    text: str
    where: str

    def group(self) -> object:
        """Return what invocations have in common that are counted together."""
        case = self.conditions
        return (case.args, case.exact, case.containing, tuple(sorted(case.env.items(), key=repr)), case.stdin)


class FakeProgram(Steps, StagedProgram[ProgramResult]):
    """
    A stand-in for a command-line program: a real executable that does what it was told and records its calls.

    The steps that are said of the program itself are its default script; :meth:`when` begins one for certain
    invocations only. Without any script it exits with 0. As soon as there is a script for certain
    invocations, and no default one, other invocations are mistakes: they exit with 127, say so on standard error,
    and fail the test at the end of the ``with`` block or of the ``fake_program`` fixture.

    Of the scripts that fit an invocation, one with ``call=`` wins over one without; among those the one
    said last wins; the default script comes after all.

    It is on PATH within ``with``; leaving the outermost block closes it. The calls stay readable.

    Args:
        name: What it is called on PATH.

        strict: Whether invocations that no script fits fail the test.

    Raises:
        OptionError: If no file can have this name.

        UnsupportedPlatformError: On Windows, at the first use of the executable.
    """

    #: Whether leaving the outermost block closes it; a fixture that closes it later says no.
    _closes_at_exit = True

    def __init__(self, name: str, *, strict: bool = True) -> None:
        if not isinstance(name, str) or not name or "/" in name or "\0" in name or name in (".", ".."):
            raise OptionError(f"name: {name!r} is not the name of a program; give one as on PATH, for instance 'git'")
        super().__init__(name)
        self._strict = bool(strict)
        self._default = self._new_script()
        self._rules: list[_Rule] = []
        self._functions: list[AnswerFunction] = []
        self._answers: Answers | None = None
        self._failed_answers: list[tuple[ProgramCall, Exception]] = []
        self._counters: dict[object, int] = {}
        self._next_counter = 0
        self._reported: set[int] = set()

    @property
    def name(self) -> str:
        """What it is called on PATH."""
        return self._name

    # Script

    def when(
        self,
        args: Sequence[str] | None = None,
        *,
        exact: bool = False,
        containing: Sequence[str] = (),
        env: Mapping[str, str | None] | None = None,
        stdin: str | bytes | None = None,
        call: int | None = None,
    ) -> Script:
        """
        Begin a script for certain invocations: those that meet every condition given.

        Args:
            args: The arguments begin with these.

            exact: There are no more arguments than *args*.

            containing: These are among the arguments, in this order, others may stand between them.

            env: Variables of the environment with their values; None for one that is not set.

            stdin: Standard input contains this. The program then reads it to its end before it does anything
                else; the last 4 MiB are looked at.

            call: The how manieth invocation it is, from 1, of those that meet the other conditions.

        Returns:
            The script, to say its steps on.

        Raises:
            ScriptError: If a condition cannot be met.
        """
        given = {"args": args, "exact": exact, "containing": containing, "env": env, "stdin": stdin, "call": call}
        said = {
            name: value for name, value in given.items() if value is not None and value is not False and value != ()
        }
        text = f"when({', '.join(f'{name}={value!r}' for name, value in said.items())})"
        if not said:
            raise ScriptError("when(): no condition; say the steps of the program itself, they are for all invocations")
        if exact and args is None:
            raise ScriptError(f"{text}: exact needs args; give [] for no arguments")
        if call is not None and (not isinstance(call, int) or isinstance(call, bool) or call < 1):
            raise ScriptError(f"{text}: invocations are counted from 1")
        conditions = Case(
            args=None if args is None else _arguments(text, "args", args),
            exact=bool(exact),
            containing=_arguments(text, "containing", containing),
            env=_environment(text, env or {}),
            stdin=stdin.encode() if isinstance(stdin, str) else stdin,
        )
        rule = _Rule(conditions, call, self._new_script(), text, calling_place())
        with self._lock:
            self._rules.append(rule)
            self._written()
        return rule.script

    def reset(self) -> None:
        """Forget all scripts, the calls so far and what was wrong with them; the executable stays."""
        with self._lock:
            self._default = self._new_script()
            self._rules = []
            # New counters, so that what is counted begins anew.
            self._counters = {}
            self._failed_answers = []
            self._functions = []
            answers, self._answers = self._answers, None
            self._forget_calls()
            self._written()
        if answers is not None:
            answers.close()

    def _target(self) -> Script:
        return self._default

    def _new_script(self) -> Script:
        """Return an empty script of the kind that this program plays."""
        return Script(on_change=self._written)

    # What happened

    def wait_for_call(self, *args: str, ended: bool = False, timeout_s: float = 5.0) -> ProgramCall:
        """
        Wait for an invocation and return it: the first one with *args* among its arguments, in this order.

        Args:
            args: None at all for any invocation.

            ended: Whether it must have ended; an invocation that was killed from outside has no end.

            timeout_s: How long.

        Raises:
            WaitTimeoutError: If none comes in time; the text lists those that came.
        """
        return wait_for_calls(self._opened(), 1, timeout_s, Wanted(self._forgotten, args, ended))[0]

    async def wait_for_call_async(self, *args: str, ended: bool = False, timeout_s: float = 5.0) -> ProgramCall:
        """Wait as :meth:`wait_for_call` does, in asyncio or trio."""
        return (await wait_for_calls_async(self._opened(), 1, timeout_s, Wanted(self._forgotten, args, ended)))[0]

    def assert_not_called(self) -> None:
        """
        Check that nobody started the program.

        Raises:
            VerificationError: If somebody did; the text lists the calls.
        """
        if self.calls:
            raise VerificationError(f"{self._name!r} was called {self.call_count} times:\n{self._listed_calls()}")

    @property
    def unexpected(self) -> list[ProgramCall]:
        """The invocations that no script fitted; reading them acknowledges nothing."""
        return [call for call in self.calls if call.unexpected]

    def verdict(self) -> str:
        """Return what was wrong with the calls so far and not yet said, as text; empty if nothing was."""
        calls = [call for call in self.calls if call.number not in self._reported]
        unexpected = [call for call in calls if call.unexpected] if self._strict else []
        broken = [call for call in calls if call.problem is not None and not call.unexpected]
        failed, self._failed_answers = self._failed_answers, []
        self._reported.update(call.number for call in (*unexpected, *broken))
        parts = []
        if unexpected:
            listed = "\n".join(f"  {call!r}" for call in unexpected)
            parts.append(f"{self._name!r} was called in a way that no script fits:\n{listed}\n{self._help()}")
        parts += [f"{self._name!r}, call {call.number} ({call.command()}): {call.problem}" for call in broken]
        for call, error in failed:
            parts.append(
                f"{self._name!r}, call {call.number} ({call.command()}): "
                f"the answer's function raised {type(error).__name__}: {error}"
            )
        return "\n".join(parts)

    def _help(self) -> str:
        cases = "".join(f"    {rule.text} at {rule.where}\n" for rule in self._rules[-_MAX_LISTED:])
        return (
            f"  its scripts are for:\n{cases}  add one with when(...), or a default one with the steps of the program "
            "itself; strict=False allows such calls"
        )

    def _check_at_exit(self) -> None:
        text = self.verdict()
        if text:
            raise UnexpectedCallError(text)

    def _checked(self, run: ProgramResult) -> ProgramResult:
        return run

    # For StagedProgram

    def _script(self, stage: Stage) -> bytes:
        rules = [rule for rule in reversed(self._rules) if rule.nth is not None]
        rules += [rule for rule in reversed(self._rules) if rule.nth is None]
        steps, settings = self._parts(self._default)
        cases = []
        for rule in rules:
            nth = None if rule.nth is None else (self._counter(rule.group()), rule.nth)
            case_steps, case_settings = self._parts(rule.script)
            cases.append(replace(rule.conditions, steps=tuple(case_steps), settings=case_settings, nth=nth))
        if self._functions and self._answers is None:
            self._answers = Answers(stage, self._functions, self._note_failed_answer)
        if not cases:
            return encode(steps, settings)
        if self._default.is_empty:
            steps = [Refuse(f"{self._help()}\n".encode(errors="replace"))]
        return encode_cases([*cases, Case(steps=tuple(steps), settings=settings)])

    def _parts(self, script: Script) -> tuple[list[Step], Settings]:
        steps, settings = script.parts(self._number)
        if script.failures is not None:
            failures = script.failures
            first = FailFirst(self._counter(script), failures.times, failures.code, failures.stderr)
            settings = replace(settings, fail_first=first)
        return steps, settings

    def _number(self, function: AnswerFunction) -> int:
        if function not in self._functions:
            self._functions.append(function)
        return self._functions.index(function)

    def _counter(self, key: object) -> int:
        if key not in self._counters:
            self._next_counter += 1
            self._counters[key] = self._next_counter
        return self._counters[key]

    def _note_failed_answer(self, call: ProgramCall, error: Exception) -> None:
        self._failed_answers.append((call, error))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, traceback)
        finally:
            if not self._entered and self._closes_at_exit:
                self.close()

    def close(self) -> None:
        """
        Remove the executable and what belongs to it, and let running invocations and their children exit.

        The calls stay readable. Closing twice changes nothing.
        """
        # Outside the lock: a function that is being asked may be using the program.
        answers, self._answers = self._answers, None
        if answers is not None:
            answers.close()
        super().close()

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else f"{self.call_count} calls"
        return f"<FakeProgram {self._name!r}, {state}>"


class FakePrograms:
    """
    Several fake programs, each on PATH from its making to the end of the ``with`` block; the fixture ``fake_program``.
    """

    def __init__(self) -> None:
        self._programs: list[FakeProgram] = []

    def __call__(self, name: str, *, strict: bool = True) -> FakeProgram:
        """
        Put a new program on PATH and return it.

        Raises:
            OptionError: If no file can have this name.

            ProgramStateError: If another fake program of this name is on PATH.
        """
        program = FakeProgram(name, strict=strict)
        try:
            program.__enter__()
        except BaseException:
            program.close()
            raise
        self._programs.append(program)
        return program

    def __enter__(self) -> FakePrograms:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        verdicts = [verdict for program in self._programs if (verdict := program.verdict())]
        while self._programs:
            self._programs.pop().close()
        if verdicts and error is None:
            raise UnexpectedCallError("\n".join(verdicts))


def _arguments(text: str, name: str, given: Any) -> tuple[str, ...]:
    if isinstance(given, str | bytes) or not isinstance(given, Sequence):
        raise ScriptError(f"{text}: {name} is a list of arguments; write ['push', '--force'], not 'push --force'")
    arguments = tuple(os.fspath(argument) if isinstance(argument, os.PathLike) else argument for argument in given)
    for argument in arguments:
        if not isinstance(argument, str) or "\0" in argument:
            raise ScriptError(f"{text}: {argument!r} in {name} is no argument; give text without zero characters")
    return arguments


def _environment(text: str, given: Mapping[str, str | None]) -> dict[str, str | None]:
    for name, value in given.items():
        wrong = not isinstance(name, str) or not name or "=" in name or "\0" in name
        if wrong or not (value is None or (isinstance(value, str) and "\0" not in value)):
            raise ScriptError(
                f"{text}: {name!r}: {value!r} is no variable; give a name and its value, or None if unset"
            )
    return dict(given)
