"""
Record a scenario: each step is whole on disk before the call that recorded it returns.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from api_simulator import plugins
from api_simulator._core.redaction import Redaction
from api_simulator._core.secrets import RedactionRule
from api_simulator.errors import ApiSimulatorError, OptionError, RecorderStateError, RecordingError
from api_simulator.scenario._capture import Command, RunningStep
from api_simulator.scenario._lock import FolderLock
from api_simulator.scenario._manifest import NAME, Manifest
from api_simulator.scenario._placeholders import highest_placeholder
from api_simulator.scenario._program_step import DEFAULT_SIZE, Order, OutputFunction, ProgramStep, StepResult, now
from api_simulator.scenario._scenario import read_manifest
from api_simulator.scenario._side_effects import checked_patterns
from api_simulator.scenario.models import McpCallRecord, ProgramStepRecord, SummaryStepRecord

if TYPE_CHECKING:
    from typing import Self


class Filling(Protocol):
    """What fills a cassette: a program that runs, or a step that was made up."""

    @property
    def step_name(self) -> str:
        """The step's name."""
        ...

    def fill(self, folder: Path) -> ProgramStepRecord:
        """Write the cassette's files into *folder* and return its entry in the manifest."""
        ...


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

        append: Whether a recording that is there already goes on, under its own recipe name, in place of being
            replaced. Placeholders go on counting: those of earlier steps stand for other secrets.

    Raises:
        RecorderStateError: If somebody records into the folder; the text says who.

        ScenarioError: If the recording that is to go on cannot be read.

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
        append: bool = False,
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
            kept = read_manifest(self._folder) if append and (self._folder / NAME).exists() else None
            if kept is not None:
                self._numbers = count(len(kept.step_sequence) + 1)
                self._redaction.count_from(highest_placeholder(self._folder) + 1)
            self._manifest = Manifest(self._folder, self._redaction.text(recipe_name), kept)
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

            ProgramStartError: If the program cannot be started; nothing is recorded then.
        """
        step = ProgramStep(
            Order(
                step_name=_text("step_name", step_name),
                tool=_text("tool", tool),
                model=model,
                command=self._command(args, cwd, env, stdin, size if terminal else None, timeout_s),
                env=dict(env or {}),
                session_log_dir=None if session_log_dir is None else Path(session_log_dir).absolute(),
                files=checked_patterns(files),
                on_output=on_output,
                on_start=on_start,
            ),
            self._redaction,
        )
        with self._lock:
            self._check_open()
            self._running.add(step.run)
        try:
            step.check()
            folder = self.add_cassette(step)
        finally:
            with self._lock:
                self._running.discard(step.run)
        return step.result(folder)

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
            recorded_at=now(),
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

        Blocks for as long as the disk takes, so code on an event loop calls it in a thread.

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
            recorded_at=now(),
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

    def add_cassette(self, step: Filling) -> Path:
        """
        Let *step* fill a new cassette, put it into the manifest, and return its folder.

        Raises:
            RecordingError: If the disk did not take it; the cassette is removed then.
        """
        number = self._number()
        with _writing(self._folder, f"step {step.step_name!r} is not recorded"):
            folder = self._new_cassette(number, step.step_name)
            try:
                self._add(number, step.fill(folder))
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        return folder

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
            self._check_open()
            return next(self._numbers)

    def _check_open(self) -> None:
        if self._is_finalized:
            raise RecorderStateError(
                f"this recorder of {self._folder} is finalized; record before finalize(), or make a new recorder"
            )

    def _add(self, number: int, record: ProgramStepRecord | SummaryStepRecord | McpCallRecord) -> None:
        with self._lock:
            if self._is_finalized:
                raise RecorderStateError(f"step {record.step_name!r} ended after finalize(), and is not recorded")
            self._manifest.add(number, record)

    def __repr__(self) -> str:
        return f"<ScenarioRecorder {self._folder}{', finalized' if self._is_finalized else ''}>"


@contextlib.contextmanager
def _writing(folder: Path, consequence: str) -> Iterator[None]:
    """Turn what the disk says into one error; what concerns another file (a missing program) stays what it is."""
    try:
        yield
    except ApiSimulatorError:
        raise
    except OSError as error:
        if error.filename is not None and not str(error.filename).startswith(str(folder)):
            raise
        raise RecordingError(
            f"{consequence}: {error}; the steps recorded before are whole in {folder}. "
            "Make room, or give an output_dir that can be written to"
        ) from error


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise OptionError(f"{name}: expected a text, got {value!r}")
    return value
