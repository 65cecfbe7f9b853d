"""
Scripts of the measured runs: what the fake is told to do, and what its caller answers.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from api_simulator.claude import FakeClaudeCLI, Prompt, Turn


def hi(fake: FakeClaudeCLI) -> None:
    fake.says("Hello.")


def parts(*names: str) -> Callable[[FakeClaudeCLI], object]:
    """Script a run by the names of its records."""

    def script(fake: FakeClaudeCLI) -> None:
        for name in names:
            fake.add(PARTS[name](fake))

    return script


def _tool(name: str, output: str = "hi", **how: Any) -> Callable[[FakeClaudeCLI], list[dict[str, Any]]]:
    return lambda fake: [fake.records.tool_use(name), fake.records.tool_result(output, **how)]


def text_and_tool(fake: FakeClaudeCLI) -> list[dict[str, Any]]:
    r = fake.records
    return [*r.message("I will look.", r.tool_use_block("Bash")), r.tool_result()]


#: The pieces that runs consist of.
PARTS: dict[str, Callable[[FakeClaudeCLI], Any]] = {
    "init": lambda fake: fake.records.init(),
    "text": lambda fake: fake.records.message("Hello."),
    "bash": _tool("Bash"),
    "text+bash": text_and_tool,
    "bash called wrongly": _tool("Bash", "<tool_use_error>InputValidationError</tool_use_error>", is_error=True),
    "unknown tool": _tool(
        "Nope", "<tool_use_error>Error: No such tool available: Nope</tool_use_error>", is_error=True
    ),
    "write": _tool("Write"),
    "read": _tool("Read"),
    "edit": _tool("Edit"),
    "bash called": lambda fake: fake.records.tool_use(),
    "bash answers": lambda fake: fake.records.tool_result(),
    "bash refused": lambda fake: fake.records.tool_result("No.", is_error=True, permission="rule"),
    "text, stop reason unknown": lambda fake: fake.records.assistant("Hello.", last_block=False),
    "nudge": lambda fake: fake.records.user("Resume where you were cut off.", synthetic=True),
    "title": lambda fake: fake.records.session_title_changed("my-name"),
    "result": lambda fake: fake.records.result(),
    "result without stream": lambda fake: fake.records.result(streamed=False),
    "text without stream": lambda fake: fake.records.assistant("Hello.", stop_reason="end_turn"),
    "allowed": lambda fake: fake.records.rate_limit_event("allowed", utilization=0.1),
    "SessionStart": lambda fake: _hook(fake, "SessionStart", "startup"),
    "UserPromptSubmit": lambda fake: _hook(fake, "UserPromptSubmit", ""),
    "PreToolUse": lambda fake: _hook(fake, "PreToolUse", "Bash"),
    "Stop": lambda fake: _hook(fake, "Stop", ""),
    "reset": lambda fake: [
        fake.records.conversation_reset(),
        fake.records.background_tasks_changed(),
        fake.records.init(),
        fake.records.local_result(local_command="clear"),
    ],
    "compacted by hand": lambda fake: [
        fake.records.status("compacting"),
        fake.records.status(None, compact_result="success"),
        fake.records.init(),
        fake.records.compact_boundary(trigger="manual"),
        fake.records.user("So far: nothing much.", synthetic=True, replay=True),
        fake.records.user("<local-command-stdout>Compacted</local-command-stdout>", replay=True),
        fake.records.local_result(local_command="compact"),
    ],
    "blocked prompt": lambda fake: [
        fake.records.informational(
            "A hook blocked the prompt.", prevent_continuation=True, prompt_submit_outcome={"blocked": True}
        ),
        fake.records.local_result("A hook blocked the prompt."),
    ],
    "streamed 3": lambda fake: fake.records.streamed("Hello.", pieces=3),
    "streamed": lambda fake: fake.records.streamed("Hello."),
    "streamed again": lambda fake: fake.records.streamed("Hello.", requesting=False),
    "streamed thinking": lambda fake: fake.records.streamed(
        fake.records.thinking_block("Hm."), "Let me look.", fake.records.tool_use_block("Bash")
    ),
    "streamed, cut": lambda fake: _cut_stream(fake),
    "requesting": lambda fake: fake.records.status("requesting"),
    "retry 529": lambda fake: fake.records.api_retry(1, 529),
    "retry, no answer": lambda fake: fake.records.api_retry(1, None),
    "retry 500 1": lambda fake: fake.records.api_retry(1, 500),
    "retry 500 2": lambda fake: fake.records.api_retry(2, 500),
    "retry 500 3": lambda fake: fake.records.api_retry(3, 500),
    "stream begins": lambda fake: _stream_begins(fake, 5),
    "forbidden": lambda fake: [fake.records.api_error(403), fake.records.result()],
    "startup error": lambda fake: fake.records.startup_error(),
}


HI_TWICE = ("init", "text", "result", "init", "text", "result")
THREE_RETRIES = ("retry 500 1", "retry 500 2", "retry 500 3")


def then_hang(*names: str) -> Callable[[FakeClaudeCLI], object]:
    def script(fake: FakeClaudeCLI) -> None:
        parts(*names)(fake)
        fake.hang_after_result()

    return script


def _hook(fake: FakeClaudeCLI, event: str, matcher: str) -> list[dict[str, Any]]:
    started = fake.records.hook_started(event, matcher=matcher)
    return [started, fake.records.hook_response(started, stdout="ok\n")]


def _stream_begins(fake: FakeClaudeCLI, pieces: int) -> list[dict[str, Any]]:
    r = fake.records
    block = {"type": "text", "text": "x" * pieces}
    return [r.message_start(), r.block_start(0, block), *r.block_deltas(0, block, pieces=pieces)]


def _cut_stream(fake: FakeClaudeCLI) -> list[dict[str, Any]]:
    r = fake.records
    return [*_stream_begins(fake, 2), r.block_stop(0), r.message_stop(abandoned_blocks={"count": 1})]


def failure(what: str | int | None, **how: Any) -> Callable[[FakeClaudeCLI], object]:
    return lambda fake: fake.api_failure(what, **how)


def user(text: str) -> bytes:
    message = {"role": "user", "content": text}
    return (
        json.dumps({"type": "user", "session_id": "", "message": message, "parent_tool_use_id": None}).encode() + b"\n"
    )


def _control(request_id: str, subtype: str, **fields: Any) -> bytes:
    request = {"subtype": subtype, **fields}
    return json.dumps({"type": "control_request", "request_id": request_id, "request": request}).encode() + b"\n"


def _answer(record: dict[str, Any], response: object) -> bytes:
    answer = {"subtype": "success", "request_id": record["request_id"], "response": response}
    return json.dumps({"type": "control_response", "response": answer}).encode() + b"\n"


INITIALIZE = _control("req_1", "initialize", hooks=None)


def turns(*texts: str) -> Callable[[FakeClaudeCLI], object]:
    """Script turns of a session that answer with these texts."""

    def script(fake: FakeClaudeCLI) -> None:
        for text in texts:
            fake.turn().text(text)

    return script


def asks(fake: FakeClaudeCLI) -> None:
    fake.turn().text("I will look.").tool("Bash", {"command": "touch x"}, permission="ask", result="").text("Done.")


def on_request(response: object) -> Callable[[dict[str, Any]], bytes | None]:
    """Answer whether a tool may run, and close standard input at the result; None closes it at once."""

    def reply(record: dict[str, Any]) -> bytes | None:
        if record["type"] == "control_request":
            return b"" if response is None else _answer(record, response)
        return b"" if record["type"] == "result" else None

    return reply


def calculator(record: dict[str, Any]) -> bytes | None:
    """Answer as an MCP server with one tool."""
    if record["type"] == "result":
        return b""
    if record["type"] != "control_request":
        return None
    message = record["request"]["message"]
    results: dict[str, dict[str, Any]] = {
        "initialize": {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "calc", "version": "1"},
        },
        "tools/list": {"tools": [{"name": "add", "inputSchema": {"type": "object"}}]},
        "tools/call": {"content": [{"type": "text", "text": "3"}]},
    }
    result = results.get(message["method"], {})
    return _answer(record, {"mcp_response": {"jsonrpc": "2.0", "id": message.get("id"), "result": result}})


def slowly(*, pieces: int, gap_ms: int) -> dict[str, Any]:
    """Script an answer that is still going on whenever a signal comes, and say when it begins."""
    begun = threading.Event()

    def begin(_prompt: Prompt) -> Turn:
        begun.set()
        return Turn().text("x" * pieces, pieces=pieces, gap_ms=gap_ms)

    return {"script": lambda fake: fake.turn().then(begin), "begun": begun}


def handwritten(session_id: str) -> Callable[[Path, Path], object]:
    """Write the smallest transcript that the real program resumes from."""

    def write(projects: Path, cwd: Path) -> None:
        folder = projects / re.sub("[^A-Za-z0-9]", "-", str(cwd))
        folder.mkdir(parents=True, exist_ok=True)
        common = {
            "isSidechain": False,
            "userType": "external",
            "cwd": str(cwd),
            "sessionId": session_id,
            "version": "2.1.329",
            "gitBranch": "HEAD",
            "timestamp": "2026-01-05T09:00:00.000Z",
        }
        answer = {"role": "assistant", "content": [{"type": "text", "text": "Hello."}]}
        first = {"parentUuid": None, "type": "user", "message": {"role": "user", "content": "hi"}, "uuid": _UUIDS[0]}
        second = {"parentUuid": _UUIDS[0], "type": "assistant", "message": answer, "uuid": _UUIDS[1]}
        lines = [json.dumps(common | record) + "\n" for record in (first, second)]
        (folder / f"{session_id}.jsonl").write_text("".join(lines), encoding="utf-8")

    return write


def torn(session_id: str) -> Callable[[Path, Path], object]:
    """Write the same with half a record after it."""

    def write(projects: Path, cwd: Path) -> None:
        handwritten(session_id)(projects, cwd)
        (path,) = projects.glob(f"*/{session_id}.jsonl")
        path.write_text(path.read_text(encoding="utf-8") + '{"parentUuid":"', encoding="utf-8")

    return write


_UUIDS = ("11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222")
