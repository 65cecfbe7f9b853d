"""
What was announced (messages and faults), and what the fake program therefore does.

A :class:`Plan` is turned into steps as a whole, each time it changes: faults may be announced before the
message that they belong to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from api_simulator._core.bodies import encode_json
from api_simulator.claude import _session_log
from api_simulator.claude._messages import Message
from api_simulator.claude._output_formats import ASKED_BY, OutputFormat, exit_code, rendered
from api_simulator.claude._retries import retry_lines
from api_simulator.process._cut_points import CutPoint, cut_steps
from api_simulator.process.script import (
    Case,
    Exit,
    Extend,
    Fill,
    Hang,
    ReadStdin,
    Settings,
    Step,
    Wait,
    Write,
    encode,
    encode_cases,
)

#: How the real program (2.1.329) exits at SIGHUP, SIGINT and SIGTERM. Numbers, as not every platform has the names.
ON_SIGNAL = {1: 129, 2: 0, 15: 143}

#: How it exits when the reader of its output has gone.
ON_BROKEN_PIPE = 0

FaultKind: TypeAlias = Literal["delay", "retries", "corrupt", "exit"]


@dataclass(frozen=True, slots=True, eq=False)
class Fault:
    """
    Something announced for a place in the stream.

    Attributes:
        kind: What it is.

        index: The message's index.

        call: The call that announced it, for messages.

        where: File and line of that call.

        delay_ms: Of a delay.

        status: The HTTP status of retries, None for a failed connection.

        attempts: The number of retries.

        exhaust: Whether the program gives up after the retries.

        text: The line that replaces a corrupted message.

        code: The code of an exit.
    """

    kind: FaultKind
    index: int
    call: str
    where: str
    delay_ms: int = 0
    status: int | None = None
    attempts: int = 0
    exhaust: bool = False
    text: str = ""
    code: int = 0

    def fits(self, messages: int) -> bool:
        """Whether a script of so many messages has this place; *before* a message includes after the last one."""
        return self.index < messages or (self.kind in ("delay", "retries") and self.index == messages)


@dataclass(slots=True)
class Plan:
    """
    Everything that was announced.

    Attributes:
        seed: Determines ids and jitter.

        cli_version: The version that transcripts name.

        messages: In the order of their printing.

        message_steps: For each message the steps that print it and put it on record.

        faults: In the order of their announcement.

        truncate_at: The index from which on nothing comes, None to print everything.

        exit_code: The code at the end; None: 1 if the last result that a builder made is a failure, else 0.

        own_session_id: That of the builders; in their records it is the invocation's.

        own_cwd: Likewise for the folder.

        hangs: Whether the program stays alive after the last result.

        cut: Where the stream is cut, None to play it as it is.

        strict_argv: Whether command lines are refused that the real program refuses.
    """

    seed: int
    cli_version: str
    messages: list[Message] = field(default_factory=list)
    message_steps: list[tuple[Step, ...]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    truncate_at: int | None = None
    exit_code: int | None = None
    hangs: bool = False
    cut: CutPoint | None = None
    own_session_id: str = ""
    own_cwd: str = ""
    strict_argv: bool = False

    def add_messages(self, given: Sequence[object], *, built: bool = False) -> None:
        """Add messages, or none if one of them cannot be added; *built*: print them as the output format wants."""
        for message in [Message.of(one, built=built) for one in given]:
            self._add(message)

    def _add(self, message: Message) -> None:
        # Its steps are made here, once, because the script is written anew at every change.
        # First the record: who has seen the line finds it in the transcript.
        record = _session_log.message_record(message, len(self.messages), seed=self.seed, cli_version=self.cli_version)
        printed = Write(message.line) if message.built is None else self._written(message.line)
        self.message_steps.append((record, printed) if record else (printed,))
        self.messages.append(message)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was announced."""
        said = (self.messages, self.faults, self.hangs, self.cut is not None)
        return not any(said) and self.truncate_at is None and self.exit_code is None

    def announce(self, fault: Fault) -> None:
        """Add *fault*; it replaces an earlier one of its kind at its place, except that retries add up."""
        if fault.kind != "retries":
            self.faults = [known for known in self.faults if (known.kind, known.index) != (fault.kind, fault.index)]
        self.faults.append(fault)

    def session_id(self) -> str | None:
        """Return the first session id among the messages; that of the builders gives way to the invocation's."""
        found = next((message.session_id for message in self.messages if message.session_id), None)
        return None if found == self.own_session_id else found

    def unreached(self) -> list[Fault]:
        """Return the faults whose place does not exist; what comes after an announced end is no mistake."""
        if self.cut is not None:
            return []
        end = self._end()
        missing = [fault for fault in self.faults if not fault.fits(len(self.messages))]
        return [fault for fault in missing if end is None or fault.index < end]

    def _end(self) -> int | None:
        """Return the first index at which nothing comes any more, None if the whole script is played."""
        count = len(self.messages)
        ends = [fault.index + 1 for fault in self.faults if fault.kind == "exit" and fault.fits(count)]
        ends += [fault.index for fault in self.faults if fault.exhaust and fault.fits(count)]
        if self.truncate_at is not None and self.truncate_at < count:
            ends.append(self.truncate_at)
        if self.hangs and self._hang_index() < count - 1:
            ends.append(self._hang_index() + 1)
        return min(ends, default=None)

    def _hang_index(self) -> int:
        results = [index for index, message in enumerate(self.messages) if message.kind == "result"]
        return results[-1] if results else len(self.messages) - 1

    def script(self, *, read_stdin: bool, own_projects: Path, environ: Mapping[str, str]) -> bytes:
        """Return the script of this plan as the bytes of its file."""
        extension = _session_log.settings(
            own_projects=own_projects,
            environ=environ,
            session_id=self.session_id(),
            seed=self.seed,
            cli_version=self.cli_version,
            strict=self.strict_argv,
        )
        settings = Settings(on_signal=ON_SIGNAL, on_broken_pipe=ON_BROKEN_PIPE, extension=extension)
        start: list[Step] = [ReadStdin()] if read_stdin else []
        start.append(_session_log.prompt_record(seed=self.seed, cli_version=self.cli_version))
        if self.cut is not None:
            return encode([*start, *cut_steps(self.stream(is_fixed=True), self.cut)], settings)
        if not any(message.built for message in self.messages):
            return encode([*start, *self.stream()], settings)
        cases = []
        for output_format, ways in ASKED_BY.items():
            steps = (*start, *self.stream(output_format))
            cases += [Case(steps=steps, settings=settings, containing=tuple(way)) for way in ways]
        return encode_cases(cases)

    def stream(self, output_format: OutputFormat = "stream-json", *, is_fixed: bool = False) -> list[Step]:
        """
        Return the steps from the first message to the end, in the order that FakeClaudeCLI documents.

        Args:
            output_format: What the invocation asks for.

            is_fixed: Whether the records of builders keep the session id and folder that they were made with, so that
                their length is known.
        """
        steps: list[Step] = []
        faults: dict[int, list[Fault]] = {}
        for fault in self.faults:
            faults.setdefault(fault.index, []).append(fault)
        hang_index = max(self._hang_index(), 0) if self.hangs else None
        code = exit_code(self.messages) if self.exit_code is None else self.exit_code
        for index in range(len(self.messages) + 1):
            if self._begins_turn(index):
                steps.append(_session_log.next_turn(code))
            if self.truncate_at == index:
                return [*steps, Exit(1)]
            here = faults.get(index, [])
            steps += [Wait(fault.delay_ms) for fault in here if fault.kind == "delay"]
            for fault in here:
                if fault.kind == "retries":
                    steps += self._retries(fault)
                    if fault.exhaust:
                        return [*steps, Exit(1)]
            if index < len(self.messages):
                steps += self._message(index, here, output_format, is_fixed=is_fixed)
            if index == hang_index:
                steps.append(Hang())
        last = [_session_log.LAST_TURN_PLAYED] if self.messages else []
        return [*steps, *last, Exit(code if self.truncate_at is None else 1)]

    def _begins_turn(self, index: int) -> bool:
        """Whether a turn begins with message *index*: a result ends the one before it."""
        return index < len(self.messages) and (index == 0 or self.messages[index - 1].kind == "result")

    def _message(self, index: int, here: list[Fault], output_format: OutputFormat, *, is_fixed: bool) -> list[Step]:
        corrupted = [Write(fault.text.encode() + b"\n") for fault in here if fault.kind == "corrupt"]
        exits = [Exit(fault.code) for fault in here if fault.kind == "exit"]
        if corrupted:
            return [*corrupted, *exits]
        if is_fixed and self.messages[index].built is not None:
            on_record = [step for step in self.message_steps[index] if isinstance(step, Extend)]
            return [*on_record, Write(self.messages[index].line), *exits]
        if output_format == "stream-json" or self.messages[index].built is None:
            return [*self.message_steps[index], *exits]
        on_record = [step for step in self.message_steps[index] if isinstance(step, Extend)]
        # The other formats print at the end of the run, which is where its last result is.
        is_last = all(m.built is None or m.kind != "result" for m in self.messages[index + 1 :])
        printed = rendered(self.messages, output_format) if is_last and self.messages[index].kind == "result" else b""
        return [*on_record, *([self._written(printed)] if printed else []), *exits]

    def _written(self, line: bytes) -> Step:
        """Return the step that prints what builders made, with the invocation's own session id and folder."""
        filled = line
        for value, hole in ((self.own_session_id, b"\0session-id\0"), (self.own_cwd, b"\0cwd\0")):
            if value:
                filled = filled.replace(encode_json(value), hole)
        return Write(line) if filled == line else Fill(filled)

    def _retries(self, fault: Fault) -> list[Step]:
        session_id = self.session_id()
        place = [known for known in self.faults if known.kind == "retries"].index(fault)
        lines = retry_lines(
            seed=self.seed, place=place, status=fault.status, attempts=fault.attempts, session_id=session_id
        )
        return [Write(line) if session_id is not None else Fill(line) for line in lines]
