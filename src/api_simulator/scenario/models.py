"""
The files of a scenario, as pydantic models: what is checked when a recording is read, and published as JSON Schema.

``scenario.json`` is a :class:`ScenarioFile`; a cassette's ``cassette.json`` is a :class:`CassetteFile`, its
``input.json`` an :class:`InputFile`. Unknown fields are errors, so that a misspelt one is not passed over; unknown
files and folders are left alone.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

#: The version of the format. It grows when an older reader would misread what a newer writer wrote.
FORMAT: Literal[1] = 1

EndedBy = Literal["exit", "timeout", "cancel"]


class FileModel(BaseModel):
    """What a file holds, or a part of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ProgramStepRecord(FileModel):
    """A recorded run of a program; what it wrote is in its cassette."""

    kind: Literal["program"] = "program"
    step_name: str
    tool: str
    model: str | None = None
    args: list[str] | None = Field(description="The whole command line; null if any fits.")
    session_dir: str = Field(pattern=r"^sessions/[^/]+$", description="The cassette's folder, in this one.")
    recorded_at: str


class SummaryStepRecord(FileModel):
    """A step without a cassette: what its caller said of it."""

    kind: Literal["summary"] = "summary"
    step_name: str
    tool: str
    result_summary: dict[str, JsonValue]
    recorded_at: str


class McpCallRecord(FileModel):
    """A call of an MCP tool with its result or its error."""

    kind: Literal["mcp_call"] = "mcp_call"
    step_name: str
    tool: str
    arguments: dict[str, JsonValue]
    result: JsonValue = None
    error: str | None = None
    duration_ms: int = Field(ge=0)
    recorded_at: str


StepRecord = Annotated[ProgramStepRecord | SummaryStepRecord | McpCallRecord, Field(discriminator="kind")]


class ScenarioFile(FileModel):
    """The manifest: everything recorded, in the order of the steps' beginnings."""

    format: Literal[1]
    recipe: str
    recorded_with: str = ""
    finalized: bool = False
    step_sequence: list[StepRecord]


class InputFile(FileModel):
    """``input.json``."""

    args: list[str]


class TerminalSize(FileModel):
    """The size of a pseudo-terminal in characters."""

    columns: int = Field(ge=1, le=9999)
    rows: int = Field(ge=1, le=9999)


class CassetteFile(FileModel):
    """``cassette.json``: under which conditions the program ran, and how it ended."""

    format: Literal[1]
    cwd: str = ""
    env: dict[str, str | None] = Field(default_factory=dict, description="Added to the recorder's; null removes.")
    terminal: TerminalSize | None = Field(default=None, description="null: it ran on pipes.")
    exit_code: int = Field(ge=-64, le=255, description="-N: ended by signal N.")
    duration_ms: int = Field(ge=0)
    ended_by: EndedBy = "exit"
    stdout_bytes: int = Field(ge=0)
    stderr_bytes: int = Field(ge=0)
    files: list[str] = Field(default_factory=list, description="In files/, relative to the working folder.")
    transcripts: list[str] = Field(default_factory=list, description="In transcripts/, relative to session_log_dir.")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``scenario.json``; ``scenario.schema.json`` beside this module holds it."""
    return TypeAdapter(ScenarioFile).json_schema()


ModelT = TypeVar("ModelT", bound=FileModel)


def parse(model: type[ModelT], value: object) -> ModelT | tuple[tuple[str | int, ...], str]:
    """Return *value* as a *model*, or where its first mistake is and what it is."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    # pydantic puts the kind of a step into the place; it stands nowhere in the file.
    kinds = {"program", "summary", "mcp_call"}
    place = tuple(part for index, part in enumerate(first["loc"]) if not (index == 2 and part in kinds))
    return place, first["msg"]


if __name__ == "__main__":
    import json
    import sys

    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
