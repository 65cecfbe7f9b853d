"""
Record a scenario: each step is whole on disk before the call that recorded it returns.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from api_simulator import plugins
from api_simulator._core.redaction import Redaction
from api_simulator._core.secrets import RedactionRule
from api_simulator.errors import OptionError, ProgramTimeoutError, RecorderStateError, RecordingError
from api_simulator.scenario._capture import Command, Ended, RunningStep
from api_simulator.scenario._files import json_bytes
from api_simulator.scenario._lock import FolderLock
from api_simulator.scenario._manifest import Manifest
from api_simulator.scenario._outputs import Outputs, Stream
from api_simulator.scenario._side_effects import WrittenFiles
from api_simulator.scenario.models import (
    FORMAT,
    CassetteFile,
    EndedBy,
    McpCallRecord,
    ProgramStepRecord,
    SummaryStepRecord,
    TerminalSize,
)

if TYPE_CHECKING:
    from typing import Self

DEFAULT_SIZE = (80, 24)

#: ``on_output(stream, data)`` gets what the program wrote, as it comes and before it is redacted.
OutputFunction = Callable[[Stream, bytes], None]


@dataclass(frozen=True, slots=True)
class StepResult:
    """
    A recorded step.

    Attributes:
        step_name: Its name.

        cassette_exit_code: The exit code; ``-N`` if signal N ended it.

        cassette_path: The cassette's folder.

        cassette_duration_ms: How long it ran, in milliseconds.

        scenario_dir: The folder with ``scenario.json``.

        pid: The process id that it had.

        ended_by: ``"exit"``, ``"timeout"`` or ``"cancel"``.
    """

    step_name: str
    cassette_exit_code: int
    cassette_path: Path
    cassette_duration_ms: int
    scenario_dir: Path
    pid: int
    ended_by: EndedBy


@dataclass(frozen=True, slots=True)
class _Order:
    """A step that is to be recorded, checked."""

    step_name: str
    tool: str
    model: str | None
    command: Command
    env: Mapping[str, str | None]
    session_log_dir: Path | None
    files: tuple[str, ...]
    on_output: OutputFunction | None
    on_start: Callable[[RunningStep], None] | None


class ScenarioRecorder:
    """
    Records programs, summaries and MCP calls into a folder.

    After each call ``scenario.json`` is whole and valid and holds the step; a crash, a signal or a full disk loses
    what was under way at most. Several threads may record at once; the steps stand in the order of their beginnings.

    Args:
        output_dir: Where; made if it is missing. A recording that is there already is replaced when the first
            step of this one is whole, or by :meth:`finalize`; other files are left alone.

        recipe_name: What the scenario is called.

        redact: Whether secrets are replaced before anything reaches the disk.

        secrets: Values that are secret, whatever they look like; at least 6 characters.

        redaction_rules: Kinds of secrets besides the known ones and those of plug-ins.

    Raises:
        RecorderStateError: If somebody records into the folder; the text says who.

        RecordingError: If the folder cannot be written to.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        recipe_name: str,
        *,
        redact: bool = True,
        secrets: Iterable[str | bytes] = (),
        redaction_rules: Iterable[RedactionRule] = (),
    ) -> None:
        if not isinstance(recipe_name, str) or not recipe_name:
            raise OptionError(f"recipe_name: expected a text, got {recipe_name!r}")
        rules = (*redaction_rules, *plugins.redaction_rules()) if redact else ()
        self._redaction = Redaction(secrets, rules=rules, enabled=redact)
        self._folder = Path(output_dir).absolute()
        self._lock = threading.Lock()
        self._running: set[RunningStep] = set()
        self._numbers = count(1)
        self._is_finalized = False
        with _writing(self._folder, "the recording cannot begin"):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._folder_lock = FolderLock(self._folder)
        try:
            self._manifest = Manifest(self._folder, self._redaction.text(recipe_name))
        except BaseException:
            self._folder_lock.release()
            raise

    @property
    def scenario_dir(self) -> Path:
        """The folder that is recorded into."""
        return self._folder

    @property
    def redaction(self) -> Redaction:
        """What replaces secrets: ``redaction.declare([...])`` adds values while recording."""
        return self._redaction

    # Recording

    def record_step(
        self,
        *,
        step_name: str,
        tool: str,
        args: Sequence[str | os.PathLike[str]],
        model: str | None = None,
        session_log_dir: str | os.PathLike[str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str | None] | None = None,
        timeout_s: float | None = None,
        stdin: str | bytes | None = None,
        size: tuple[int, int] = DEFAULT_SIZE,
        terminal: bool = True,
        files: Iterable[str] = (),
        on_output: OutputFunction | None = None,
        on_start: Callable[[RunningStep], None] | None = None,
    ) -> StepResult:
        """
        Run a program to its end and record what it does. Blocks; call it from a worker thread.

        Standard output (and input, unless *stdin* is given) is a pseudo-terminal in raw mode, standard error a pipe
        of its own. When the program has ended, its whole process group is ended.

        Args:
            step_name: What the player finds it by; several steps may share a name.

            tool: The program's kind, for people: ``"claude"``.

            args: The full command line, the program first.

            model: The model it used, if any.

            session_log_dir: Where the program writes session transcripts: those that are new or changed after
                the step are recorded too.

            cwd: Its working folder, this process's by default.

            env: Added to this process's environment; None as a value removes a variable.

            timeout_s: After this time its process group is ended; None for no limit.

            stdin: What it reads; by default the terminal, from which nothing ever comes, or nothing on pipes.

            size: Columns and rows of the pseudo-terminal.

            terminal: False for pipes in its place.

            files: Patterns (``"*.md"``, ``"out/**/*.json"``) of files in *cwd* to record if the program wrote them.

            on_output: Called with stream and bytes as they come, in this thread.

            on_start: Called once it runs, with its ``pid`` and ``cancel()``.

        Raises:
            ProgramTimeoutError: If it did not end in time; the step is recorded as far as it came.

            RecordingError: If the disk did not take it; the steps before are whole.

            RecorderStateError: After :meth:`finalize`.

            OSError: If the program cannot be started; nothing is recorded then.
        """
        return self._begin(
            _Order(
                step_name=_text("step_name", step_name),
                tool=_text("tool", tool),
                model=model,
                command=self._command(args, cwd, env, stdin, size if terminal else None, timeout_s),
                env=dict(env or {}),
                session_log_dir=None if session_log_dir is None else Path(session_log_dir).absolute(),
                files=tuple(files),
                on_output=on_output,
                on_start=on_start,
            )
        )()

    async def record_step_async(self, **step: Any) -> StepResult:
        """
        Record as :meth:`record_step` does, with the same arguments, in asyncio or trio.

        Cancelling the task ends the process group; the step is then recorded as cancelled.
        """
        # Imported here: anyio takes longer than all the rest, and few need it.
        from api_simulator.process._waiting import in_thread

        given = step.pop("on_start", None)
        running: list[RunningStep] = []
        off = threading.Event()

        def started(run: RunningStep) -> None:
            running.append(run)
            if off.is_set():
                run.cancel()
            if given is not None:
                given(run)

        def cancel() -> None:
            off.set()
            for run in running:
                run.cancel()

        return await in_thread(lambda: self.record_step(**step, on_start=started), cancel)

    def record_non_session_step(self, *, step_name: str, tool: str, result_summary: Mapping[str, Any]) -> None:
        """
        Record a step of which only a summary is kept, for instance ``{"exit_code": 0, "stdout_head": "..."}``.

        Raises:
            RecordingError: If the disk did not take it.
        """
        record = SummaryStepRecord(
            step_name=_text("step_name", step_name),
            tool=_text("tool", tool),
            result_summary=self._redaction.value(dict(result_summary)),
            recorded_at=_now(),
        )
        self._add(self._number(), record)

    def record_mcp_call(
        self,
        *,
        tool: str,
        arguments: Mapping[str, Any],
        result: Any = None,
        error: str | None = None,
        duration_ms: int = 0,
        step_name: str | None = None,
    ) -> None:
        """
        Record a call of an MCP tool: on disk, as every step, when this returns.

        Args:
            tool: The tool's name.

            arguments: A JSON object.

            result: A JSON value; None together with *error*.

            error: The error's text, None for a call that succeeded.

            duration_ms: How long it took.

            step_name: The tool's name by default.

        Raises:
            RecordingError: If the disk did not take it.

            pydantic.ValidationError: A ``ValueError``, if arguments or result are not JSON.
        """
        record = McpCallRecord(
            step_name=step_name or _text("tool", tool),
            tool=tool,
            arguments=self._redaction.value(dict(arguments)),
            result=self._redaction.value(result),
            error=None if error is None else self._redaction.text(error),
            duration_ms=max(0, int(duration_ms)),
            recorded_at=_now(),
        )
        self._add(self._number(), record)

    def cancel(self) -> None:
        """End the process groups of all running steps, from any thread; they are recorded as cancelled."""
        with self._lock:
            running = list(self._running)
        for run in running:
            run.cancel()

    def finalize(self) -> None:
        """
        Say that the recording is complete and give the folder back; calling it again changes nothing.

        A recording without it can be played too: everything is on disk already.
        """
        with self._lock:
            if self._is_finalized:
                return
            self._manifest.finalize()
            self._is_finalized = True
            self._folder_lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.finalize()

    # One step

    def _command(
        self,
        args: Sequence[str | os.PathLike[str]],
        cwd: str | os.PathLike[str] | None,
        env: Mapping[str, str | None] | None,
        stdin: str | bytes | None,
        size: tuple[int, int] | None,
        timeout_s: float | None,
    ) -> Command:
        if isinstance(args, str | bytes) or not args:
            raise OptionError(f"args: expected the full command line as a list, got {args!r}")
        merged = {**os.environ, **(env or {})}
        self._redaction.declare_environment(merged)
        return Command(
            argv=[os.fspath(argument) for argument in args],
            cwd=None if cwd is None else os.fspath(cwd),
            env={name: value for name, value in merged.items() if value is not None},
            stdin=stdin.encode() if isinstance(stdin, str) else stdin,
            size=size,
            timeout_s=timeout_s,
        )

    def _begin(self, order: _Order) -> Callable[[], StepResult]:
        number = self._number()
        with _writing(self._folder, f"step {order.step_name!r} cannot be recorded"):
            folder = self._new_cassette(number, order.step_name)
        return lambda: self._recorded(number, order, folder)

    def _recorded(self, number: int, order: _Order, folder: Path) -> StepResult:
        run = RunningStep(order.command)
        with self._lock:
            self._running.add(run)
        try:
            with _writing(self._folder, f"step {order.step_name!r} is not recorded", program=order.command.argv[0]):
                ended, stderr = self._fill(folder, order, run)
            self._add(number, self._program_record(order, folder))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            with self._lock:
                self._running.discard(run)
        if ended.ended_by == "timeout":
            raise ProgramTimeoutError(
                f"{order.command.argv[0]} did not end within {order.command.timeout_s:g} s; its process group was "
                f"ended. What it did until then is recorded in {folder}",
                stdout=(folder / "stdout.jsonl").read_text(encoding="utf-8"),
                stderr=stderr,
            )
        return StepResult(
            step_name=order.step_name,
            cassette_exit_code=ended.exit_code,
            cassette_path=folder,
            cassette_duration_ms=ended.duration_ms,
            scenario_dir=self._folder,
            pid=run.pid,
            ended_by=ended.ended_by,
        )

    def _fill(self, folder: Path, order: _Order, run: RunningStep) -> tuple[Ended, str]:
        """Run the program and write its cassette; return how it ended, and the end of its standard error."""
        args = self._redaction.arguments(list(order.command.argv))
        (folder / "input.json").write_bytes(json_bytes({"args": args}))
        work = Path(order.command.cwd or ".").absolute()
        written = WrittenFiles(work, order.files)
        transcripts = None if order.session_log_dir is None else WrittenFiles(order.session_log_dir, ["**/*"])
        with contextlib.closing(Outputs(folder, self._redaction)) as outputs:

            def sink(stream: Stream, data: bytes, at_ms: int) -> None:
                outputs.write(stream, data, at_ms)
                if order.on_output is not None:
                    order.on_output(stream, data)

            ended = run.run(sink, order.on_start)
            outputs.finish(ended.duration_ms)
            stderr = outputs.tail("stderr")
        size = order.command.size
        cassette = CassetteFile(
            format=FORMAT,
            cwd=self._redaction.text(str(work)),
            env={
                name: None if value is None else self._redaction.named(name, value) for name, value in order.env.items()
            },
            terminal=None if size is None else TerminalSize(columns=size[0], rows=size[1]),
            exit_code=ended.exit_code,
            duration_ms=ended.duration_ms,
            ended_by=ended.ended_by,
            stdout_bytes=outputs.size("stdout"),
            stderr_bytes=outputs.size("stderr"),
            files=written.copy_to(folder / "files", self._redaction),
            transcripts=[] if transcripts is None else transcripts.copy_to(folder / "transcripts", self._redaction),
        )
        (folder / "cassette.json").write_bytes(json_bytes(cassette.model_dump(mode="json")))
        return ended, stderr

    def _program_record(self, order: _Order, folder: Path) -> ProgramStepRecord:
        return ProgramStepRecord(
            step_name=order.step_name,
            tool=order.tool,
            model=order.model,
            args=self._redaction.arguments(list(order.command.argv)),
            session_dir=f"sessions/{folder.name}",
            recorded_at=_now(),
        )

    def _new_cassette(self, number: int, step_name: str) -> Path:
        slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", self._redaction.text(step_name))[:60].strip("-.")
        for attempt in count():
            # A name that is taken belongs to an older recording, or to somebody else.
            name = f"{number:04}-{slug}" + (f"-{attempt}" if attempt else "")
            folder = self._folder / "sessions" / name
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            return folder
        raise AssertionError("unreachable")

    def _number(self) -> int:
        with self._lock:
            if self._is_finalized:
                raise RecorderStateError(
                    f"this recorder of {self._folder} is finalized; record before finalize(), or make a new recorder"
                )
            return next(self._numbers)

    def _add(self, number: int, record: ProgramStepRecord | SummaryStepRecord | McpCallRecord) -> None:
        with self._lock:
            if self._is_finalized:
                raise RecorderStateError(f"step {record.step_name!r} ended after finalize(), and is not recorded")
            self._manifest.add(number, record)

    def __repr__(self) -> str:
        return f"<ScenarioRecorder {self._folder}{', finalized' if self._is_finalized else ''}>"


@contextlib.contextmanager
def _writing(folder: Path, consequence: str, program: str | None = None) -> Any:
    """Turn what the disk says into one error; that a program cannot be started stays what it is."""
    try:
        yield
    except (RecordingError, ProgramTimeoutError):
        raise
    except OSError as error:
        if program is not None and not str(error.filename or folder).startswith(str(folder)):
            raise
        raise RecordingError(
            f"{consequence}: {error}; the steps recorded before are whole in {folder}. "
            "Make room, or give an output_dir that can be written to"
        ) from error


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise OptionError(f"{name}: expected a text, got {value!r}")
    return value


def _now() -> str:
    return datetime.now(UTC).isoformat("T", "milliseconds")
