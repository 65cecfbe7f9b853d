"""
Scenarios that nobody recorded: steps made up by a test, written as a recording would be.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from api_simulator._core.redaction import Redaction
from api_simulator.errors import ScriptError
from api_simulator.process.script import exit_code_problem
from api_simulator.scenario._files import json_bytes
from api_simulator.scenario._outputs import Outputs
from api_simulator.scenario._recorder import ScenarioRecorder
from api_simulator.scenario._replay import ScenarioPlayer
from api_simulator.scenario.models import FORMAT, CassetteFile, ProgramStepRecord

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True, slots=True)
class SyntheticStep:
    """A step as :meth:`ScenarioBuilder.add_synthetic_step` was told."""

    name: str
    exit_code: int
    stdout: bytes
    stderr: bytes
    args: tuple[str, ...] | None
    tool: str
    model: str | None
    duration_ms: int


class ScenarioBuilder:
    """
    Makes a scenario up.

    Args:
        recipe_name: What it is called.
    """

    def __init__(self, recipe_name: str) -> None:
        self._recipe = recipe_name
        self._steps: list[SyntheticStep] = []

    def add_synthetic_step(
        self,
        name: str,
        exit_code: int = 0,
        stdout_lines: Iterable[str] = (),
        *,
        stderr_lines: Iterable[str] = (),
        args: Sequence[str] | None = None,
        tool: str = "claude",
        model: str | None = None,
        duration_ms: int = 0,
    ) -> Self:
        """
        Add a step.

        Args:
            name: Several steps may share one.

            exit_code: 0 to 255.

            stdout_lines: What it writes to standard output, each line without its end.

            stderr_lines: The same for standard error.

            args: The full command line that it is for, the program first; None fits any.

            tool: The program's kind.

            model: What ``meta.model`` is.

            duration_ms: What ``meta.duration_ms`` is, in milliseconds.

        Raises:
            ScriptError: If the exit code does not exist, or lines are one text.
        """
        call = f"add_synthetic_step({name!r})"
        if (problem := exit_code_problem(exit_code)) is not None:
            raise ScriptError(f"{call}: {problem}")
        for what, lines in (("stdout_lines", stdout_lines), ("stderr_lines", stderr_lines), ("args", args)):
            if isinstance(lines, str | bytes):
                raise ScriptError(f"{call}: {what} is a list; write [{lines!r}]")
        self._steps.append(
            SyntheticStep(
                name=name,
                exit_code=exit_code,
                stdout="".join(f"{line}\n" for line in stdout_lines).encode(),
                stderr="".join(f"{line}\n" for line in stderr_lines).encode(),
                args=None if args is None else tuple(args),
                tool=tool,
                model=model,
                duration_ms=duration_ms,
            )
        )
        return self

    def build(
        self,
        output_dir: str | os.PathLike[str],
        binary_path: str | os.PathLike[str],
        *,
        time_factor: float = 0.0,
    ) -> ScenarioPlayer:
        """
        Write the scenario into *output_dir* and return its player.

        Args:
            output_dir: Becomes a recording like any other, which a player can read later.

            binary_path: Where the fake program is written; may be outside, and shared with other players.

            time_factor: As for the player.

        Raises:
            RecordingError: If the folder cannot be written to.
        """
        # What a test makes up is no secret.
        with ScenarioRecorder(output_dir, self._recipe, redact=False) as recorder:
            for step in self._steps:
                recorder.add_cassette(_Filling(step))
        return ScenarioPlayer(output_dir, output_dir, binary_path, time_factor=time_factor)


@dataclass(frozen=True, slots=True)
class _Filling:
    """Writes the cassette of a synthetic step."""

    step: SyntheticStep

    @property
    def step_name(self) -> str:
        return self.step.name

    def fill(self, folder: Path) -> ProgramStepRecord:
        step = self.step
        (folder / "input.json").write_bytes(json_bytes({"args": list(step.args or ())}))
        outputs = Outputs(folder, Redaction(enabled=False))
        outputs.write("stdout", step.stdout, 0)
        outputs.write("stderr", step.stderr, 0)
        outputs.finish(0)
        cassette = CassetteFile(
            format=FORMAT,
            exit_code=step.exit_code,
            duration_ms=step.duration_ms,
            stdout_bytes=len(step.stdout),
            stderr_bytes=len(step.stderr),
        )
        (folder / "cassette.json").write_bytes(json_bytes(cassette.model_dump(mode="json")))
        return ProgramStepRecord(
            step_name=step.name,
            tool=step.tool,
            model=step.model,
            args=None if step.args is None else list(step.args),
            session_dir=f"sessions/{folder.name}",
            recorded_at=_NO_TIME,
        )


#: Nothing was recorded: the same steps give the same files.
_NO_TIME = "1970-01-01T00:00:00.000+00:00"
