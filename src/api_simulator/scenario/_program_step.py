"""
Record one run of a program into its cassette.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from api_simulator._core.redaction import Redaction
from api_simulator.errors import ProgramTimeoutError
from api_simulator.scenario._capture import Command, Ended, RunningStep
from api_simulator.scenario._files import json_bytes
from api_simulator.scenario._outputs import Outputs, Stream
from api_simulator.scenario._side_effects import WrittenFiles
from api_simulator.scenario._start_error import check_program
from api_simulator.scenario.models import FORMAT, CassetteFile, EndedBy, ProgramStepRecord, TerminalSize

#: Columns and rows of a terminal that nobody has asked for.
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
class Order:
    """What is to be recorded, as ``record_step`` was told."""

    step_name: str
    tool: str
    model: str | None
    command: Command
    env: Mapping[str, str | None]
    session_log_dir: Path | None
    files: tuple[str, ...]
    on_output: OutputFunction | None
    on_start: Callable[[RunningStep], None] | None


class ProgramStep:
    """
    A program on its way into a cassette.

    Attributes:
        run: The program, to be cancelled.
    """

    def __init__(self, order: Order, redaction: Redaction) -> None:
        self.run = RunningStep(order.command)
        self._order = order
        self._redaction = redaction
        self._ended = Ended(0, "exit", 0)
        self._stderr = ""

    @property
    def step_name(self) -> str:
        """The step's name."""
        return self._order.step_name

    def check(self) -> None:
        """
        Look whether the program can be started, before anything is written.

        Raises:
            ProgramStartError: If it cannot.
        """
        command = self._order.command
        check_program(command.argv[0], command.cwd, command.env)

    def fill(self, folder: Path) -> ProgramStepRecord:
        """Run the program and write what it did."""
        order = self._order
        args = self._redaction.arguments(list(order.command.argv))
        (folder / "input.json").write_bytes(json_bytes({"args": args}))
        work = Path(order.command.cwd or ".").absolute()
        files = WrittenFiles(work, order.files)
        transcripts = None if order.session_log_dir is None else WrittenFiles(order.session_log_dir, ["**/*"])
        with contextlib.closing(Outputs(folder, self._redaction)) as outputs:
            self._ended = self.run.run(self._sink(outputs), order.on_start)
            outputs.finish(self._ended.duration_ms)
            self._stderr = outputs.tail("stderr")
        size = order.command.size
        cassette = CassetteFile(
            format=FORMAT,
            cwd=self._redaction.text(str(work)),
            env={
                name: None if value is None else self._redaction.named(name, value) for name, value in order.env.items()
            },
            terminal=None if size is None else TerminalSize(columns=size[0], rows=size[1]),
            exit_code=self._ended.exit_code,
            duration_ms=self._ended.duration_ms,
            ended_by=self._ended.ended_by,
            stdout_bytes=outputs.size("stdout"),
            stderr_bytes=outputs.size("stderr"),
            files=files.copy_to(folder / "files", self._redaction),
            transcripts=[] if transcripts is None else transcripts.copy_to(folder / "transcripts", self._redaction),
        )
        (folder / "cassette.json").write_bytes(json_bytes(cassette.model_dump(mode="json")))
        return ProgramStepRecord(
            step_name=order.step_name,
            tool=self._redaction.text(order.tool),
            model=None if order.model is None else self._redaction.text(order.model),
            args=args,
            session_dir=f"sessions/{folder.name}",
            recorded_at=now(),
        )

    def _sink(self, outputs: Outputs) -> Callable[[Stream, bytes, int], None]:
        on_output = self._order.on_output
        if on_output is None:
            return outputs.write

        def sink(stream: Stream, data: bytes, at_ms: int) -> None:
            outputs.write(stream, data, at_ms)
            on_output(stream, data)

        return sink

    def result(self, folder: Path) -> StepResult:
        """
        Return what became of it.

        Raises:
            ProgramTimeoutError: If it did not end in time.
        """
        ended, command = self._ended, self._order.command
        if ended.ended_by == "timeout":
            raise ProgramTimeoutError(
                f"{command.argv[0]} did not end within {command.timeout_s:g} s; its process group was ended. "
                f"What it did until then is recorded in {folder}; give timeout_s a larger value if it needs more time",
                stdout=(folder / "stdout.jsonl").read_text(encoding="utf-8"),
                stderr=self._stderr,
            )
        return StepResult(
            step_name=self._order.step_name,
            cassette_exit_code=ended.exit_code,
            cassette_path=folder,
            cassette_duration_ms=ended.duration_ms,
            scenario_dir=folder.parents[1],
            pid=self.run.pid,
            ended_by=ended.ended_by,
        )


def now() -> str:
    """Return the present time as recordings have it."""
    return datetime.now(UTC).isoformat("T", "milliseconds")
