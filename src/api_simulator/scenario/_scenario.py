"""
A recorded scenario, read and checked: every mistake in its files is said with file, line, field and what to do.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from api_simulator.errors import ScenarioError
from api_simulator.scenario._json_places import dotted, line_of
from api_simulator.scenario._outputs import RAW_NAMES, TEXT_NAMES, TIMING_NAME, Stream
from api_simulator.scenario._side_effects import is_inside
from api_simulator.scenario.models import (
    FORMAT,
    CassetteFile,
    EndedBy,
    FileModel,
    InputFile,
    McpCallRecord,
    ProgramStepRecord,
    ScenarioFile,
    SummaryStepRecord,
    parse,
)

ModelT = TypeVar("ModelT", bound=FileModel)


@dataclass(frozen=True, slots=True)
class Moment:
    """So many bytes that a program wrote to a stream, so many milliseconds after its start."""

    at_ms: int
    stream: Stream
    count: int


@dataclass(frozen=True)
class Cassette:
    """
    One recorded run of a program.

    Attributes:
        folder: Its files.

        conditions: ``cassette.json``: working folder, environment, exit code, duration, files, transcripts.

        moments: What was written when.
    """

    folder: Path
    conditions: CassetteFile
    moments: tuple[Moment, ...]

    @property
    def exit_code(self) -> int:
        """The exit code; ``-N`` if signal N ended it."""
        return self.conditions.exit_code

    @property
    def duration_ms(self) -> int:
        """How long it ran."""
        return self.conditions.duration_ms

    @property
    def ended_by(self) -> EndedBy:
        """What ended it."""
        return self.conditions.ended_by

    def output(self, stream: Stream) -> Path:
        """Return the file with the bytes of a stream."""
        raw = self.folder / RAW_NAMES[stream]
        return raw if raw.exists() else self.folder / TEXT_NAMES[stream]


@dataclass(frozen=True)
class Step:
    """
    One step of a scenario.

    Attributes:
        index: Its place, from 0.

        kind: ``"program"``, ``"summary"`` or ``"mcp_call"``.

        step_name: Its name; several steps may share one.

        tool: The program, or the MCP tool.

        recorded_at: When, ISO 8601.

        model: The model of a program, if any.

        args: The full command line of a program, None if any fits.

        session_dir: The cassette's folder; None for steps without one.

        result_summary: What was said of a summary step, else None.

        arguments, result, error, duration_ms: Of an MCP call.
    """

    index: int
    kind: str
    step_name: str
    tool: str
    recorded_at: str
    model: str | None = None
    args: tuple[str, ...] | None = None
    session_dir: Path | None = None
    result_summary: Mapping[str, Any] | None = None
    arguments: Mapping[str, Any] | None = None
    result: Any = None
    error: str | None = None
    duration_ms: int | None = None

    @cached_property
    def cassette(self) -> Cassette:
        """What the program did. Read when it is asked for."""
        if self.session_dir is None:
            raise ScenarioError(f"step {self.step_name!r} is no program: it has no cassette")
        return _read_cassette(self.session_dir, self.args, dotted(("step_sequence", self.index, "session_dir")))


@dataclass(frozen=True)
class Scenario:
    """
    A recording.

    Attributes:
        folder: Where it is.

        recipe: Its name.

        step_sequence: Its steps, in the order of their beginnings.

        finalized: Whether the recorder said that it is complete.
    """

    folder: Path
    recipe: str
    step_sequence: tuple[Step, ...]
    finalized: bool

    @property
    def programs(self) -> list[Step]:
        """The steps that are runs of programs."""
        return [step for step in self.step_sequence if step.kind == "program"]

    @property
    def mcp_calls(self) -> list[Step]:
        """The steps that are calls of MCP tools."""
        return [step for step in self.step_sequence if step.kind == "mcp_call"]


def read_scenario(folder: str | os.PathLike[str]) -> Scenario:
    """
    Read the recording in *folder*, cassettes included.

    Raises:
        ScenarioError: If something in it is missing or wrong.
    """
    place = Path(folder).absolute()
    file = read_manifest(place)
    steps = tuple(_step(place, index, record) for index, record in enumerate(file.step_sequence))
    scenario = Scenario(place, file.recipe, steps, file.finalized)
    for step in scenario.programs:
        _ = step.cassette  # what is wrong is said now, not when the step is played
    return scenario


def read_manifest(folder: Path) -> ScenarioFile:
    """
    Read the manifest in *folder*, and no cassette.

    Raises:
        ScenarioError: If something in it is missing or wrong.
    """
    return _read(folder / "scenario.json", ScenarioFile, "record the scenario, or give the folder that holds it")


def _step(folder: Path, index: int, record: ProgramStepRecord | SummaryStepRecord | McpCallRecord) -> Step:
    fields = record.model_dump()
    if isinstance(record, ProgramStepRecord):
        fields["session_dir"] = folder / record.session_dir
        fields["args"] = None if record.args is None else tuple(record.args)
    return Step(index=index, **fields)


def _read_cassette(folder: Path, args: tuple[str, ...] | None, field: str) -> Cassette:
    manifest = folder.parents[1] / "scenario.json"
    if not folder.is_dir():
        raise ScenarioError(
            f"{manifest}: field {field}: the cassette {folder} does not exist; "
            "restore the folder, or record the scenario again"
        )
    again = "restore the file, or record the scenario again"
    given = _read(folder / "input.json", InputFile, again).args
    if args is not None and tuple(given) != args:
        raise ScenarioError(_edited(folder / "input.json", given, args))
    conditions = _read(folder / "cassette.json", CassetteFile, again)
    for kind, names in (("files", conditions.files), ("transcripts", conditions.transcripts)):
        _check_copies(folder, kind, names)
    cassette = Cassette(folder, conditions, _read_timing(folder / TIMING_NAME))
    for stream, size in (("stdout", conditions.stdout_bytes), ("stderr", conditions.stderr_bytes)):
        _check_output(cassette, "stdout" if stream == "stdout" else "stderr", size)
    return cassette


def _edited(file: Path, given: list[str], args: tuple[str, ...]) -> str:
    """Say where the arguments of a cassette and of the manifest differ."""
    place: list[str | int] = ["args"]
    found: object = f"{len(given)} arguments"
    wanted: object = len(args)
    for index, (one, other) in enumerate(zip(given, args, strict=False)):
        if one != other:
            place, found, wanted = ["args", index], repr(one), repr(other)
            break
    line = line_of(file.read_text(encoding="utf-8"), place)
    return (
        f"{file}: line {line}, field {dotted(place)}: {found}, but scenario.json has {wanted}; "
        "edit both, or record the scenario again"
    )


def _check_copies(folder: Path, kind: str, names: list[str]) -> None:
    for index, name in enumerate(names):
        where = f"{folder / 'cassette.json'}: field {kind}[{index}]"
        if not is_inside(name):
            raise ScenarioError(f"{where}: {name!r} leads out of the folder; give a relative path without '..'")
        if not (folder / kind / name).is_file():
            raise ScenarioError(f"{where}: {folder / kind / name} does not exist; restore it, or record again")


def _check_output(cassette: Cassette, stream: Stream, size: int) -> None:
    file = cassette.output(stream)
    try:
        found = file.stat().st_size
    except FileNotFoundError:
        raise ScenarioError(
            f"{file} does not exist, which holds what the program wrote; restore it, or record the scenario again"
        ) from None
    timed = sum(moment.count for moment in cassette.moments if moment.stream == stream)
    if found != size or timed != size:
        raise ScenarioError(
            f"{file}: {found} bytes, {TIMING_NAME} accounts for {timed}, and cassette.json, field {stream}_bytes, has "
            f'{size}; if you edited the output, change both (timing.jsonl may be the one line [0,"{stream}",{found}])'
        )


def _read_timing(file: Path) -> tuple[Moment, ...]:
    moments = []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise ScenarioError(f"{file} does not exist; restore the file, or record the scenario again") from None
    for number, line in enumerate(lines, 1):
        try:
            at_ms, stream, count = json.loads(line)
            if not (isinstance(at_ms, int) and isinstance(count, int) and at_ms >= 0 and count >= 0):
                raise ValueError
            moments.append(Moment(at_ms, {"stdout": "stdout", "stderr": "stderr"}[stream], count))  # type: ignore[arg-type]
        except (ValueError, TypeError, KeyError):
            raise ScenarioError(
                f"{file}: line {number}: {line[:60]!r} is no moment; a line is "
                '[milliseconds, "stdout" or "stderr", bytes]. Restore the file, or record the scenario again'
            ) from None
    return tuple(moments)


def _read(file: Path, model: type[ModelT], if_missing: str) -> ModelT:
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        raise ScenarioError(f"{file} does not exist; {if_missing}") from None
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{file}: byte {error.start} is not UTF-8; restore the file, or record again") from None
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ScenarioError(
            f"{file}: line {error.lineno}, column {error.colno}: not JSON: {error.msg}; "
            "restore the file, or record the scenario again"
        ) from None
    version = value.get("format") if isinstance(value, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise ScenarioError(
            f"{file}: line {line_of(text, ('format',))}, field format: {version} is newer than this api-simulator "
            f"reads ({FORMAT}); install a newer api-simulator, or record the scenario again with this one"
        )
    parsed = parse(model, value)
    if isinstance(parsed, model):
        return parsed
    place, what = parsed
    raise ScenarioError(
        f"{file}: line {line_of(text, place)}, field {dotted(place) or '(all of it)'}: {what}; "
        "correct it there, or record the scenario again"
    )
