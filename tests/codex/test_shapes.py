"""What the fake prints and records has the shape of what the real program did, run by run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from api_simulator.codex import FakeCodexCLI
from tests.codex.cases import CASES, PAGE, VERSION, before, page, shapes, uncovered_reason

COVERED = [shape for shape in shapes() if uncovered_reason(shape) is None]


def json_type(value: object) -> Any:
    """Return the JSON type of a value; for an object those of its keys, two levels down as they were measured."""
    for kind, name in ((bool, "boolean"), (int, "integer"), (str, "string"), (list, "array"), (dict, "object")):
        if isinstance(value, kind):
            return name
    return "null" if value is None else "number"


def event_shape(line: str) -> dict[str, Any]:
    event = json.loads(line)
    inner = {"item", "usage", "error"}
    keys = {
        key: {name: json_type(part) for name, part in value.items()}
        if key in inner and isinstance(value, dict)
        else json_type(value)
        for key, value in event.items()
    }
    shape = {"type": event["type"], "keys": keys}
    if attempt := re.match(r"Reconnecting... (?:(\d+)/(\d+)|(waiting for network))", event.get("message", "")):
        shape["reconnect"] = attempt[3] or [int(attempt[1]), int(attempt[2])]
    if "item" in event:
        item = event["item"]
        shape |= {"item_type": item["type"], "item_id": item["id"]}
        shape |= {key: item[key] for key in ("status", "exit_code") if key in item}
        if "changes" in item:
            shape["kinds"] = [change["kind"] for change in item["changes"]]
    return shape


def record_shape(line: str) -> dict[str, Any]:
    record = json.loads(line)
    payload = record["payload"]
    shape = {"type": record["type"], "keys": sorted(record), "payload_keys": sorted(payload)}
    if record["type"] in ("event_msg", "response_item"):
        shape["subtype"] = payload["type"]
    if "role" in payload:
        shape["role"] = payload["role"]
    if payload.get("type") == "item_completed":
        shape |= {"item_type": payload["item"]["type"], "item_keys": sorted(payload["item"])}
    return shape


def talk(process: subprocess.Popen[bytes], given: bytes, shape: dict[str, Any]) -> tuple[bytes, bytes]:
    number = shape["signal"] or (signal.SIGKILL if shape["timed_out"] else None)
    if number is None:
        return process.communicate(given, timeout=30)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.close()
    process.stdin = None
    # Whatever it has to say before it hangs; in text mode one line more comes with SIGINT.
    if shape["stdout_raw_lines"]:
        said = b"".join(process.stdout.readline() for _ in range(shape["stdout_raw_lines"]))
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        return said + out, err
    lines = CASES[shape["case"]].said_lines or shape["stderr_lines"] - (number == signal.SIGINT)
    said = b"".join(process.stderr.readline() for _ in range(lines))
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    return out, said + err


def run(fake: FakeCodexCLI, arguments: list[str], shape: dict[str, Any], folder: Path) -> tuple[int, bytes, bytes]:
    """Run the fake as the real program was run, and send the signal that it was sent."""
    given = {"text": b"from stdin\n", None: b"", "empty": b""}[shape["stdin"]]
    environ = {**os.environ, "CODEX_HOME": str(folder / "home"), "PATH": str(folder)}
    with subprocess.Popen(
        [fake.executable, *arguments],
        cwd=folder,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            out, err = talk(process, given, shape)
        finally:
            process.kill()
    return process.returncode, out, err


@pytest.mark.parametrize("shape", COVERED, ids=lambda shape: str(shape["case"]))
def test_a_scripted_run_has_the_measured_shape(shape: dict[str, Any], tmp_path: Path):
    case = CASES[shape["case"]]
    (tmp_path / "s.json").write_text("{" if shape["case"] == "schema_not_json" else "{}")
    if case.is_git and shape["case"] != "no_git_skip":
        (tmp_path / ".git").mkdir()

    with FakeCodexCLI() as fake:
        case.say(fake)
        environ = {"CODEX_HOME": str(tmp_path / "home")}
        thread = ""
        for earlier in before(shape["case"]):
            first = fake.run(earlier, environ, cwd=tmp_path).stdout.splitlines()[0]
            thread = json.loads(first)["thread_id"]
        given = [{"<id>": thread, "/w": str(tmp_path)}.get(argument, argument) for argument in shape["args"]]
        code, out, err = run(fake, given, shape, tmp_path)
        rollouts = sorted((tmp_path / "home").rglob("rollout-*.jsonl"))

    # Events
    lines = out.decode().split("\n")[:-1]
    assert (code, len(lines)) == (shape["exit_code"], shape["stdout_raw_lines"]), (out, err)
    assert [event_shape(line) for line in lines if shape["stdout"]] == shape["stdout"]
    if case.stderr:
        assert len(err.splitlines()) == shape["stderr_lines"], err.decode()
    # Session files
    assert bool(rollouts) == bool(shape["rollouts"])
    records = [record_shape(line) for line in rollouts[-1].read_text().splitlines()] if rollouts else []
    wanted = shape["transcript"]
    if case.optional_end and wanted[-1].get("subtype") == case.optional_end:
        wanted = wanted[:-1]
    assert [kind_of(record) for record in records] == [kind_of(record) for record in wanted]
    assert records == wanted


def kind_of(record: dict[str, Any]) -> str:
    return "/".join(record[key] for key in ("type", "subtype", "role", "item_type") if key in record)


def test_every_measured_run_is_compared_or_has_a_reason():
    assert len(COVERED) == len({shape["case"] for shape in COVERED})
    measured = {shape["case"] for shape in shapes() if shape["cli_version"] == VERSION}
    assert {name for name in measured if name not in CASES} == {
        shape["case"] for shape in shapes() if shape["cli_version"] == VERSION and uncovered_reason(shape)
    }


def test_the_page_of_compared_runs_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.codex.cases writes it anew"
