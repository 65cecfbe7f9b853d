"""
Shapes of the real program's runs, and the same scenarios on the fake.

``tests/data/claude-cli/shapes.jsonl`` has a measured run a line: arguments, exit code, and for each record its type,
its keys with the kinds of their values, and a few facts; no texts. :data:`ROWS` says how the fake is told to do the
same; :data:`UNCOVERED` why it is not. ``python -m tests.claude.shapes`` writes the table ``docs/claude-coverage.md``.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from api_simulator.claude import FakeClaudeCLI

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
        if isinstance(content, list):
            shape["content"] = [block.get("type") for block in content]
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


def differences(case: str, stdout: str, stderr: str, exit_code: int) -> list[str]:
    """Return what a run of the fake has otherwise than the measured run."""
    run = measured()[case]
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
    records = [json.loads(line) for line in lines]
    if len(records) == 1 and isinstance(records[0], list):
        records = records[0]
    wanted = [{key: value for key, value in shape.items() if key != "keys" or value} for shape in run["stdout"]]
    got = [shape_of(record) for record in records]
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

        stdin: What is written to it.

        signals: Sent one after the other once so many lines have come: count of lines, signal number.

        env: Changed variables.
    """

    script: Callable[[FakeClaudeCLI], object]
    stdin: bytes | None = None
    signals: tuple[tuple[int, int], ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


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


_HANDED_IN = b'{"type":"user","session_id":"","message":{"role":"user","content":"hi"},"parent_tool_use_id":null}\n'

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

#: Cases that the fake cannot play, each with the reason.
_NOT_YET = "not compared yet: it checks its arguments, or answers what comes on standard input"
UNCOVERED: dict[str, str] = {
    **dict.fromkeys(
        (
            *("bad_flag", "bad_output_format", "bad_permission_mode", "dangerous_as_root", "empty_stdin_prompt"),
            *("err_404_model", "mcp_config_invalid", "no_prompt", "stdin_open_pipe_text"),
            *("ctl_can_use_tool_allow", "ctl_can_use_tool_close", "ctl_can_use_tool_malformed", "ctl_many"),
            *("ctl_sdk_mcp", "old_1.0.128_resume_not_found", "old_1.0.128_sj_input", "old_2.0.77_resume_not_found"),
            *("old_2.0.77_sj_input", "old_2.1.100_sj_input", "resume_1_resume", "resume_3_fork", "resume_6_not_found"),
            *("resume_6_not_found_json", "resume_7_not_uuid", "resume_G_after_maxturns"),
            *("resume_H_truncated_transcript", "resume_I_handwritten_transcript", "sigint_json", "sigint_mid_stream"),
            *("sigint_mid_stream_partial", "sigint_twice", "sigterm_sj_input_idle", "sj_bad_json"),
            *("sj_content_blocks", "sj_eof_mid_stream", "sj_init_handshake", "sj_last_turn_error", "sj_single"),
            *("sj_slash_clear", "sj_slash_compact", "sj_two_turns"),
        ),
        _NOT_YET,
    ),
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
