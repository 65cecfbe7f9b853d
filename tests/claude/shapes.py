"""
Shapes of the real program's runs, and in what a run of the fake differs from one.

``tests/data/claude-cli/shapes.jsonl`` has a measured run a line: arguments, exit code, and for each record its type,
its keys with the kinds of their values, and a few facts; no texts. ``cases.py`` says how the fake is told to do the
same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

SHAPES = Path(__file__).parents[1] / "data" / "claude-cli" / "shapes.jsonl"

#: What a record's shape says besides the kinds of its values.
FACTS = (
    *("is_error", "terminal_reason", "api_error_status", "stop_reason", "num_turns", "result_index"),
    *("error", "error_status", "attempt", "max_retries"),
)

_KINDS = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}


@cache
def measured() -> dict[str, dict[str, Any]]:
    """Return the measured runs by the name of the case."""
    runs = [json.loads(line) for line in SHAPES.read_text(encoding="utf-8").splitlines()]
    return {run["case"]: run for run in runs}


def shape_of(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record's shape in the form of the file."""
    shape: dict[str, Any] = {"type": record.get("type")}
    if "subtype" in record:
        shape["subtype"] = record["subtype"]
    shape |= {name: record[name] for name in FACTS if name in record}
    shape["keys"] = kinds(record)
    message = record.get("message")
    if isinstance(message, dict):
        content = message.get("content")
        shape["content"] = [block.get("type") for block in content] if isinstance(content, list) else "text"
        shape["message_keys"] = kinds(message)
    if record.get("type") == "stream_event":
        shape["event"] = record["event"].get("type")
    if record.get("type") == "control_request":
        shape["request"] = record["request"].get("subtype")
    if record.get("type") == "control_response":
        shape["response"] = record["response"].get("subtype")
    return shape


def kinds(record: Mapping[str, object]) -> dict[str, str]:
    """Return the kind of each value."""
    return {key: _KINDS.get(type(value), "null") for key, value in record.items()}


def records_of(stdout: str) -> list[dict[str, Any]]:
    """Return the records that were printed, one a line or all as one array."""
    records = [json.loads(line) for line in stdout.splitlines()]
    return records[0] if len(records) == 1 and isinstance(records[0], list) else records


def differences(case: str, stdout: str, stderr: str, exit_code: int) -> list[str]:
    """Return what a run of the fake has otherwise than a measured run."""
    return differences_of(measured()[case], stdout, stderr, exit_code)


def differences_of(run: Mapping[str, Any], stdout: str, stderr: str, exit_code: int) -> list[str]:
    """Return what a run of the fake has otherwise than *run*."""
    found = []
    if exit_code != int(run["exit_code"]):
        found.append(f"exit code {exit_code}, not {run['exit_code']}")
    if len(stderr.splitlines()) != run["stderr_lines"]:
        found.append(f"{len(stderr.splitlines())} lines on stderr, not {run['stderr_lines']}: {stderr!r:.200}")
    lines = stdout.splitlines()
    if run["output_format"] == "text":
        return (
            found if len(lines) == run["stdout_raw_lines"] else [*found, f"{len(lines)} lines of text: {stdout!r:.200}"]
        )
    wanted = run["stdout"]
    got = [shape_of(record) for record in records_of(stdout)]
    if [_name(shape) for shape in got] != [_name(shape) for shape in wanted]:
        return [*found, f"records {[_name(shape) for shape in got]},\n  not {[_name(shape) for shape in wanted]}"]
    for index, (mine, theirs) in enumerate(zip(got, wanted, strict=True)):
        found += [
            f"record {index} ({_name(theirs)}): {key} is {_compact(mine.get(key), theirs.get(key))}"
            for key in {**mine, **theirs}
            if mine.get(key) != theirs.get(key)
        ]
    return found


def _name(shape: dict[str, Any]) -> str:
    parts = [shape.get(key) for key in ("type", "subtype", "event", "request", "response") if shape.get(key)]
    return "/".join(map(str, parts)) + (str(shape["content"]) if "content" in shape else "")


def _compact(mine: object, theirs: object) -> str:
    if isinstance(mine, dict) and isinstance(theirs, dict):
        less = {key: value for key, value in theirs.items() if mine.get(key) != value}
        more = {key: value for key, value in mine.items() if theirs.get(key) != value}
        return f"without {less}, with {more}"
    return f"{mine!r}, not {theirs!r}"
