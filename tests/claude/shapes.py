"""
Shapes of the real program's runs, and the same scenarios on the fake.

``tests/data/claude-cli/shapes.jsonl`` has a measured run a line: arguments, exit code, and for each record its type,
its keys with the kinds of their values, and a few facts; no texts. :data:`ROWS` says how the fake is told to do the
same; :data:`UNCOVERED` why it is not. ``python -m tests.claude.shapes`` writes the table ``docs/claude-coverage.md``.
"""

from __future__ import annotations

import json
import re
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from api_simulator.claude import FakeClaudeCLI, Prompt, Turn

ROOT = Path(__file__).parents[2]
SHAPES = ROOT / "tests" / "data" / "claude-cli" / "shapes.jsonl"
PAGE = ROOT / "docs" / "claude-coverage.md"

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


@dataclass(frozen=True)
class Row:
    """
    How the fake does what a case did.

    Attributes:
        script: Tells the fake what to do.

        says: What is written to standard input at the start.

        replies: Asked about each record that comes; what it returns is written then. ``b""`` closes standard input.

        signals: Sent one after the other once so many lines have come: count of lines, signal number.

        is_strict: Whether the fake checks its arguments and waits for standard input, as the real program does.

        is_open: Whether standard input stays open and silent.

        first: Arguments of a run that comes before, in the same folder.

        prepares: Given the folder of transcripts and the working folder before the run.

        env: Changed variables.

        begun: Set when the answer begins that a signal is to cut.
    """

    script: Callable[[FakeClaudeCLI], object]
    says: bytes = b""
    replies: Callable[[dict[str, Any]], bytes | None] | None = None
    signals: tuple[tuple[int, int], ...] = ()
    is_strict: bool = False
    is_open: bool = False
    first: Sequence[str] = ()
    prepares: Callable[[Path, Path], object] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    begun: threading.Event | None = None


def version_of(case: str) -> str:
    """Return the version that a case was measured with."""
    return case.split("_")[1] if case.startswith("old_") else "2.1.329"


# Scripts


def _hi(fake: FakeClaudeCLI) -> None:
    fake.says("Hello.")


def _parts(*names: str) -> Callable[[FakeClaudeCLI], object]:
    """Script a run by the names of its records."""

    def script(fake: FakeClaudeCLI) -> None:
        for name in names:
            fake.add(PARTS[name](fake))

    return script


def _tool(name: str, output: str = "hi", **how: Any) -> Callable[[FakeClaudeCLI], list[dict[str, Any]]]:
    return lambda fake: [fake.records.tool_use(name), fake.records.tool_result(output, **how)]


def _text_and_tool(fake: FakeClaudeCLI) -> list[dict[str, Any]]:
    r = fake.records
    return [*r.message("I will look.", r.tool_use_block("Bash")), r.tool_result()]


#: The pieces that runs consist of.
PARTS: dict[str, Callable[[FakeClaudeCLI], Any]] = {
    "init": lambda fake: fake.records.init(),
    "text": lambda fake: fake.records.message("Hello."),
    "bash": _tool("Bash"),
    "text+bash": _text_and_tool,
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


_HI_TWICE = ("init", "text", "result", "init", "text", "result")
_THREE_RETRIES = ("retry 500 1", "retry 500 2", "retry 500 3")


def _then_hang(*names: str) -> Callable[[FakeClaudeCLI], object]:
    def script(fake: FakeClaudeCLI) -> None:
        _parts(*names)(fake)
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


def _failure(what: str | int | None, **how: Any) -> Callable[[FakeClaudeCLI], object]:
    return lambda fake: fake.api_failure(what, **how)


def _user(text: str) -> bytes:
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


_INITIALIZE = _control("req_1", "initialize", hooks=None)


def _turns(*texts: str) -> Callable[[FakeClaudeCLI], object]:
    """Script turns of a session that answer with these texts."""

    def script(fake: FakeClaudeCLI) -> None:
        for text in texts:
            fake.turn().text(text)

    return script


def _asks(fake: FakeClaudeCLI) -> None:
    fake.turn().text("I will look.").tool("Bash", {"command": "touch x"}, permission="ask", result="").text("Done.")


def _on_request(response: object) -> Callable[[dict[str, Any]], bytes | None]:
    """Answer whether a tool may run, and close standard input at the result; None closes it at once."""

    def reply(record: dict[str, Any]) -> bytes | None:
        if record["type"] == "control_request":
            return b"" if response is None else _answer(record, response)
        return b"" if record["type"] == "result" else None

    return reply


def _calculator(record: dict[str, Any]) -> bytes | None:
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


def _slowly(*, pieces: int, gap_ms: int) -> dict[str, Any]:
    """Script an answer that is still going on whenever a signal comes, and say when it begins."""
    begun = threading.Event()

    def begin(_prompt: Prompt) -> Turn:
        begun.set()
        return Turn().text("x" * pieces, pieces=pieces, gap_ms=gap_ms)

    return {"script": lambda fake: fake.turn().then(begin), "begun": begun}


def _handwritten(session_id: str) -> Callable[[Path, Path], object]:
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


def _torn(session_id: str) -> Callable[[Path, Path], object]:
    """Write the same with half a record after it."""

    def write(projects: Path, cwd: Path) -> None:
        _handwritten(session_id)(projects, cwd)
        (path,) = projects.glob(f"*/{session_id}.jsonl")
        path.write_text(path.read_text(encoding="utf-8") + '{"parentUuid":"', encoding="utf-8")

    return write


_UUIDS = ("11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222")


ROWS: dict[str, Row] = {
    name: Row(_hi)
    for name in (
        *(
            "auth_token",
            "bypass_mode_is_sandbox",
            "config_dir_env",
            "debug_stderr",
            "hi_json",
            "hi_stream_json",
            "hi_text",
        ),
        *("hi_text_verbose", "mcp_bad_then_init", "model_haiku", "nested_CLAUDECODE", "no_p_nontty_sj"),
        *("no_session_persistence", "prompt_arg_and_stdin", "prompt_on_stdin", "ratelimit_headers_ok"),
        *("resume_A_session_id_new", "slug_01", "slug_02", "slug_03", "slug_07", "slug_09", "system_prompt_flag"),
        *("tool_git_repo_branch", "utf8_output", "variadic_dashdash", "stream_error_event_first"),
        *("old_2.0.77_hi_stream_json", "old_2.1.100_hi_json"),
    )
}
ROWS |= {
    "api_timeout_hang": Row(_failure(None, times=1)),
    "auto_compact": Row(lambda fake: fake.compaction()),
    "bash_timeout": Row(_parts("init", "bash called wrongly", "text", "result")),
    "empty_content": Row(_parts("init", "nudge", "text", "result")),
    "err_400_credit": Row(lambda fake: fake.credit_exhausted()),
    "err_400_other": Row(_failure(400)),
    "err_400_prompt_too_long": Row(lambda fake: fake.prompt_too_long()),
    "err_400_prompt_too_long_json": Row(lambda fake: fake.prompt_too_long()),
    "err_401": Row(lambda fake: fake.invalid_api_key()),
    "err_401_json": Row(lambda fake: fake.invalid_api_key()),
    "err_401_text": Row(lambda fake: fake.invalid_api_key()),
    "err_402": Row(_failure(402)),
    "err_429_exhausted_default": Row(lambda fake: fake.rate_limited()),
    "err_500_exhausted_default": Row(_failure(500)),
    "err_500_max_retries_2": Row(_failure(500, max_retries=2)),
    "err_529_exhausted_default": Row(lambda fake: fake.overloaded()),
    "err_529_max_retries_2": Row(_failure(529, max_retries=2)),
    "err_dns_max_retries_1": Row(_failure("name_not_resolved", max_retries=1)),
    "hooks_cmd_include_events": Row(
        _parts(
            *("SessionStart", "UserPromptSubmit", "init", "bash called", "PreToolUse", "bash answers", "text", "Stop"),
            "result",
        )
    ),
    "hooks_cmd_no_include": Row(_parts("SessionStart", "init", "bash", "text", "result")),
    "hooks_prompt_block": Row(_parts("init", "blocked prompt")),
    "html_200": Row(_parts("init", "text without stream", "result without stream")),
    "json_200_nonstream": Row(_parts("init", "text without stream", "result without stream")),
    "stream_empty_200": Row(_parts("init", "text without stream", "result without stream")),
    "json_schema_always_bad": Row(lambda fake: fake.structured_output({"answer": 1}, invalid_attempts=5)),
    "json_schema_never": Row(_parts("init", "text", "nudge", "text", "result")),
    "max_turns_1": Row(
        lambda fake: fake.add(
            fake.records.init(), _text_and_tool(fake), fake.records.error_result("error_max_turns", limit=1)
        )
    ),
    "no_api_key_json": Row(_failure("not_logged_in")),
    "no_api_key_text": Row(_failure("not_logged_in")),
    "old_1.0.128_err_403": Row(_failure(403)),
    "old_2.0.77_err_400_prompt_too_long": Row(lambda fake: fake.prompt_too_long()),
    "old_2.0.77_err_403": Row(_failure(403)),
    "old_2.0.77_json_schema": Row(lambda fake: fake.structured_output({"answer": 1})),
    "old_2.0.77_max_turns_1": Row(lambda fake: fake.max_turns()),
    "old_2.0.77_tool_bash_echo": Row(_parts("init", "text+bash", "text", "result")),
    # Old versions print the stop reason if it has come by then: this run was faster than that.
    "old_2.0.77_tool_denied": Row(_parts("init", "bash called", "bash refused", "text, stop reason unknown", "result")),
    "old_2.1.100_err_400_prompt_too_long": Row(lambda fake: fake.prompt_too_long()),
    "old_2.1.100_json_schema": Row(lambda fake: fake.structured_output({"answer": 1})),
    "old_2.1.100_partial_messages": Row(_parts("init", "streamed 3", "result")),
    "old_2.1.100_retry_500_then_ok": Row(_failure(500, times=1)),
    "old_2.1.100_retry_529_then_ok": Row(lambda fake: fake.overloaded(times=1)),
    "partial_messages": Row(_parts("init", "streamed 3", "result")),
    "partial_thinking_tool": Row(
        lambda fake: fake.add(
            fake.records.init(),
            PARTS["streamed thinking"](fake),
            fake.records.tool_result(),
            fake.records.streamed("Done."),
            fake.records.result(),
        )
    ),
    "ratelimit_429_oauth": Row(lambda fake: fake.rate_limited(oauth=True)),
    "ratelimit_headers_ok_oauth": Row(_parts("init", "text", "allowed", "result")),
    "resume_F_maxturns": Row(lambda fake: fake.max_turns()),
    "resume_by_name": Row(_parts("title", "init", "text", "result")),
    "resume_name_set": Row(_parts("title", "init", "text", "result")),
    "retry_408_then_ok": Row(_failure(408, times=1)),
    "retry_429_retry_after_2": Row(lambda fake: fake.rate_limited(times=1)),
    "retry_503_then_ok": Row(_failure(503, times=1)),
    "retry_529_json": Row(lambda fake: fake.overloaded(times=1)),
    "retry_529_then_ok": Row(lambda fake: fake.overloaded(times=1)),
    "retry_529x3_then_ok": Row(lambda fake: fake.overloaded(times=3)),
    "retry_conn_close_then_ok": Row(_failure("connection_lost", times=1)),
    "retry_partial_messages": Row(_parts("init", "requesting", "retry 529", "streamed again", "result")),
    "sighup_before_response": Row(_then_hang("init"), signals=((1, signal.SIGHUP),)),
    "sighup_during_retry": Row(_then_hang("init", *_THREE_RETRIES), signals=((4, signal.SIGHUP),)),
    "sighup_json": Row(_then_hang("init"), signals=((0, signal.SIGHUP),)),
    "sighup_mid_stream_partial": Row(_then_hang("init", "requesting", "stream begins"), signals=((9, signal.SIGHUP),)),
    "sigterm_during_retry": Row(_then_hang("init", *_THREE_RETRIES), signals=((4, signal.SIGTERM),)),
    "sigterm_json": Row(_then_hang("init"), signals=((0, signal.SIGTERM),)),
    "sigterm_mid_stream": Row(_then_hang("init"), signals=((1, signal.SIGTERM),)),
    "sigterm_mid_stream_partial": Row(
        _then_hang("init", "requesting", "stream begins"), signals=((9, signal.SIGTERM),)
    ),
    "old_1.0.128_sigint_mid_stream": Row(_then_hang("init"), signals=((1, signal.SIGINT),)),
    "old_1.0.128_sigterm_mid_stream": Row(_then_hang("init"), signals=((1, signal.SIGTERM),)),
    "old_2.0.77_sigint_mid_stream": Row(_then_hang("init"), signals=((1, signal.SIGINT),)),
    "old_2.0.77_sigterm_mid_stream": Row(_then_hang("init"), signals=((1, signal.SIGTERM),)),
    "old_2.1.100_sigterm_mid_stream": Row(_then_hang("init"), signals=((1, signal.SIGTERM),)),
    "slash_clear": Row(_parts("reset")),
    "stop_max_tokens": Row(_parts("init", "text", "nudge", "text", "result")),
    "stream_cut_after_first_block_slow": Row(_parts("init", "text", "nudge", "text", "result")),
    "stream_cut_slow_partial": Row(
        _parts("init", "requesting", "streamed, cut", "retry, no answer", "streamed again", "result")
    ),
    "stream_error_midstream_partial": Row(
        _parts("init", "requesting", "streamed, cut", "text without stream", "result")
    ),
    "subagent_background": Row(
        lambda fake: fake.background_task(before="I will delegate."),
    ),
    "subagent_task": Row(lambda fake: fake.subagent(before="I will delegate.")),
    "task_tool_name": Row(lambda fake: fake.background_task()),
    "tool_bash_denied_json": Row(lambda fake: fake.permission_denied("Bash")),
    "tool_bash_echo": Row(_parts("init", "text+bash", "text", "result")),
    "tool_bash_echo_json": Row(_parts("init", "text+bash", "text", "result")),
    "tool_unknown": Row(_parts("init", "unknown tool", "text", "result")),
    "tool_write_read_edit": Row(_parts("init", "write", "read", "edit", "text", "result")),
}

_RESUMED = "153c1383-d1ac-4585-9b07-5951d4269d83"
_HALTED = "bcedba8a-c446-476e-932d-440799ac4371"
_WRITTEN = "99999999-9999-4999-8999-999999999999"

# Sessions: what needs arguments, standard input or earlier runs.
ROWS |= {
    "bad_flag": Row(_turns("Hello."), is_strict=True),
    "bad_output_format": Row(_turns("Hello."), is_strict=True),
    "bad_permission_mode": Row(_turns("Hello."), is_strict=True),
    "ctl_can_use_tool_allow": Row(
        _asks, says=_INITIALIZE + _user("hi"), replies=_on_request({"behavior": "allow", "updatedInput": {}})
    ),
    "ctl_can_use_tool_close": Row(_asks, says=_INITIALIZE + _user("hi"), replies=_on_request(None)),
    "ctl_can_use_tool_malformed": Row(_asks, says=_INITIALIZE + _user("hi"), replies=_on_request({"nonsense": 1})),
    "ctl_sdk_mcp": Row(
        lambda fake: fake.turn().tool("mcp__calc__add", {"a": 1, "b": 2}).text("Done."),
        says=_INITIALIZE + _user("hi"),
        replies=_calculator,
    ),
    "dangerous_as_root": Row(_turns("Hello."), is_strict=True, env={"IS_SANDBOX": ""}),
    "empty_stdin_prompt": Row(_turns("Hello."), is_strict=True),
    "err_404_model": Row(
        lambda fake: fake.turn().stderr('[claude-code:unrecognized_model] {"model":"claude-nope-9"}').api_error(404)
    ),
    "mcp_config_invalid": Row(_turns("Hello."), is_strict=True),
    "no_prompt": Row(_turns("Hello."), is_strict=True),
    "old_1.0.128_resume_not_found": Row(_turns("Hello."), is_strict=True),
    "old_1.0.128_sj_input": Row(_turns("Hello."), says=_INITIALIZE + _user("hi")),
    "old_2.0.77_resume_not_found": Row(_turns("Hello."), is_strict=True),
    "old_2.0.77_sj_input": Row(_turns("Hello."), says=_INITIALIZE + _user("hi")),
    "old_2.1.100_sj_input": Row(_turns("Hello."), says=_INITIALIZE + _user("hi")),
    "resume_1_resume": Row(_turns("Hello."), first=("-p", "hi", "--session-id", _RESUMED)),
    "resume_3_fork": Row(_turns("Hello."), first=("-p", "hi", "--session-id", _RESUMED)),
    "resume_6_not_found": Row(_turns("Hello."), is_strict=True),
    "resume_6_not_found_json": Row(_turns("Hello."), is_strict=True),
    "resume_7_not_uuid": Row(_turns("Hello."), is_strict=True),
    "resume_G_after_maxturns": Row(_turns("Hello."), first=("-p", "hi", "--session-id", _HALTED)),
    "resume_H_truncated_transcript": Row(_turns("Hello."), prepares=_torn(_HALTED)),
    "resume_I_handwritten_transcript": Row(_turns("Hello."), prepares=_handwritten(_WRITTEN)),
    "sigint_json": Row(**_slowly(pieces=3000, gap_ms=10), signals=((0, signal.SIGINT),)),
    "sigint_mid_stream": Row(**_slowly(pieces=3000, gap_ms=10), signals=((1, signal.SIGINT),)),
    "sigint_mid_stream_partial": Row(**_slowly(pieces=100, gap_ms=900), signals=((9, signal.SIGINT),)),
    "sigint_twice": Row(**_slowly(pieces=3000, gap_ms=10), signals=((1, signal.SIGINT), (1, signal.SIGINT))),
    "sigterm_sj_input_idle": Row(_turns("Hello."), says=_user("hi"), is_open=True, signals=((3, signal.SIGTERM),)),
    "sj_bad_json": Row(_turns("Hello."), says=b"{this is not json\n", is_strict=True),
    "sj_content_blocks": Row(_turns("Hello."), says=_user("hi")),
    "sj_eof_mid_stream": Row(_turns("Hello."), says=_user("hi")),
    "sj_init_handshake": Row(_turns("Hello."), says=_INITIALIZE + _user("hi")),
    "sj_last_turn_error": Row(
        lambda fake: (fake.turn().text("Hello."), fake.turn().api_error(403)), says=_user("hi") + _user("again")
    ),
    "sj_single": Row(_turns("Hello."), says=_user("hi")),
    "sj_slash_clear": Row(_turns("Hello.", "Hello."), says=_user("hi") + _user("/clear") + _user("again")),
    "sj_two_turns": Row(_turns("Hello.", "Hello."), says=_user("hi") + _user("again")),
    "stdin_open_pipe_text": Row(_turns("Hello."), is_strict=True, is_open=True),
    "sj_slash_compact": Row(
        _parts(*_HI_TWICE, "compacted by hand", "init", "text", "result"),
        says=_user("hi") + _user("again") + _user("/compact") + _user("and again"),
    ),
}

#: Cases that the fake cannot play, each with the reason.
UNCOVERED: dict[str, str] = {
    "ctl_many": "which requests the real run was sent is not recorded, and one of them had an effect of its own",
    "old_1.0.128_err_401": "the measured run was killed from outside after minutes of silent retries",
    "old_2.0.77_err_401": "the measured run was killed from outside after minutes of silent retries",
}


def page() -> str:
    """Return the text of the page with the table."""
    runs = measured()
    covered = [case for case in runs if case in ROWS]
    lines = [
        "# Runs of the real `claude` that the fake is compared with",
        "",
        "Generated by `python -m tests.claude.shapes`; a test says when it is out of date. Each line is a run of the",
        "real program whose shape is known: types and order of its records, their keys and kinds of values, exit code.",
        "*The same* means that the suite runs the fake in the same scenario and finds all of that the same.",
        "",
        f"{len(covered)} of {len(runs)} are the same.",
        "",
        "| run | version | the fake |",
        "|---|---|---|",
    ]
    lines += [
        f"| {case} | {version_of(case)} | {'the same' if case in ROWS else UNCOVERED.get(case, 'not yet')} |"
        for case in runs
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE}\n")
