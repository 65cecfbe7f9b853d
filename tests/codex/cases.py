"""
How each measured run of the real ``codex`` is said to the fake, and which cannot be: the table of the shape check.

The measured shapes are in ``tests/data/codex-cli/shapes.jsonl``: record types with their keys and JSON types, exit
code, number of lines, session files; no texts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api_simulator.codex import FakeCodexCLI

SHAPES = Path(__file__).parents[1] / "data" / "codex-cli" / "shapes.jsonl"
VERSION = "0.169.0"

Say = Callable[[FakeCodexCLI], object]


@dataclass(frozen=True)
class Case:
    """
    How to say one measured run.

    Attributes:
        say: Writes the script.

        text: The same in words, for the page.

        before: The command lines of earlier invocations in the same home.

        stderr: Whether the number of lines on standard error is compared.

        said_lines: How many lines come on standard error before a signal is sent, if not all but the last.

        optional_end: A record type that may be missing at the end of the session file, because there it is a race.
    """

    say: Say
    text: str
    before: tuple[tuple[str, ...], ...] = ()
    stderr: bool = True
    optional_end: str = ""
    said_lines: int | None = None
    is_git: bool = True


def shapes() -> Iterable[dict[str, Any]]:
    """Return the measured runs."""
    return [json.loads(line) for line in SHAPES.read_text(encoding="utf-8").splitlines()]


def _message(fake: FakeCodexCLI) -> object:
    return fake.message("hello")


def _tool(fake: FakeCodexCLI) -> FakeCodexCLI:
    return fake.command("echo hi", output="hi\n").message("done")


def _patch(fake: FakeCodexCLI) -> object:
    return fake.patch({"new.txt": "add"}).message("done")


def _fallback(fake: FakeCodexCLI) -> FakeCodexCLI:
    """The first of the five attempts is made before the turn begins, unannounced."""
    for attempt in range(2, 6):
        fake.event({"type": "error", "message": f"Reconnecting... {attempt}/5 (no WebSocket)"})
    return fake


FIRST = ("exec", "--json", "--skip-git-repo-check", "first")
RESUME = ("exec", "resume", "--json", "--last", "more")

#: Groups of cases that are said in the same way.
_GROUPS: list[tuple[str, Case]] = [
    (
        (
            "add_dir cd_flag color_always double_dash_prompt exec_alias_e hi_json hi_json_tail_json_flag"
            " hi_text"
            " image_missing no_git_skip olm_json prompt_arg_and_stdin prompt_stdin_noarg provider_no_auth_needed"
            " resume_20_first"
            " resume_7_not_uuid resume_last_none sandbox_read_only schema_text sdk_like text_usage_cached"
            " two_prompts_multiline tz_tokyo utf8_output yolo_text"
        ),
        Case(_message, '.message("hello")'),
    ),
    (
        "err_500_once err_500_three err_500_retry_after err_502_once err_503_once err_529_once err_500_once_text",
        Case(lambda fake: fake.api_error(503, times=1).message("hello"), '.api_error(503, times=1).message("hello")'),
    ),
    (
        "no_git no_git_text",
        Case(_message, '.message("hello")', is_git=False),
    ),
    (
        (
            "no_prompt prompt_resume_word unknown_flag unknown_subcommand_two_args root_unknown_flag"
            " version_V olm_bad_path"
            " schema_missing_file schema_not_json codex_noexec_pipe"
        ),
        Case(_message, '.message("hello")'),
    ),
    (
        "tool_echo tool_echo_danger tool_echo_text tool_write_in_workspace tool_big_output err_500_after_tool",
        Case(_tool, '.command("echo hi", output="hi\\n").message("done")'),
    ),
    (
        "tool_fail_text ro_exit3",
        Case(
            lambda fake: fake.command("false", output="no\n", exit_code=3).message("done"),
            '.command("false", output="no\\n", exit_code=3).message("done")',
        ),
    ),
    (
        "many_turns",
        Case(
            lambda fake: [fake.command("true", output="x\n") for _ in range(4)] and fake.message("done"),
            '.command(...) four times, .message("done")',
        ),
    ),
    (
        "tool_text_then_call",
        Case(
            lambda fake: _tool(fake.reasoning("Look").message("I look.")),
            '.reasoning("Look").message("I look.").command(...).message("done")',
        ),
    ),
    (
        "tool_left_running",
        Case(
            lambda fake: fake.command_left_running("sleep 60").message("done"),
            '.command_left_running("sleep 60").message("done")',
        ),
    ),
    (
        "tool_write_in_read_only ro_write_again",
        Case(
            lambda fake: fake.command_stopped("touch x").message("done"), '.command_stopped("touch x").message("done")'
        ),
    ),
    (
        "tool_unknown tool_bad_json tool_shell_command multi_agent_spawn",
        Case(lambda fake: fake.rejected_tool("no_such").message("done"), '.rejected_tool("no_such").message("done")'),
    ),
    (
        "tool_update_plan plan_twice",
        Case(
            lambda fake: fake.rejected_tool("update_plan").rejected_tool("update_plan").message("done"),
            '.rejected_tool("update_plan") twice, .message("done")',
        ),
    ),
    (
        "patch_delete",
        Case(lambda fake: fake.patch({"a": "delete"}).message("done"), '.patch({"a": "delete"}).message("done")'),
    ),
    (
        "patch_update",
        Case(lambda fake: fake.patch({"a": "update"}).message("done"), '.patch({"a": "update"}).message("done")'),
    ),
    ("patch_add", Case(_patch, '.patch({"new.txt": "add"}).message("done")')),
    ("patch_add_text", Case(_patch, '.patch({"new.txt": "add"}).message("done")', stderr=False)),
    (
        "patch_move_multi",
        Case(
            lambda fake: fake.patch({"a": "update", "b": "add"}).message("done"),
            '.patch({"a": "update", "b": "add"}).message("done")',
        ),
    ),
    (
        "patch_bad",
        Case(
            lambda fake: fake.patch({"a": "update"}, accepted=False).message("done"),
            '.patch({"a": "update"}, accepted=False).message("done")',
        ),
    ),
    (
        "patch_no_match",
        Case(
            lambda fake: fake.patch({"a": "update"}, accepted=False).message("done"),
            '.patch({"a": "update"}, accepted=False).message("done")',
            stderr=False,
        ),
    ),
    (
        "mcp_call_8",
        Case(
            lambda fake: fake.mcp_call("toy", "add", {"a": 1}, result="3").message("done"),
            '.mcp_call("toy", "add", {"a": 1}, result="3").message("done")',
        ),
    ),
    (
        "reasoning reasoning_raw",
        Case(lambda fake: fake.reasoning("Look").message("done"), '.reasoning("Look").message("done")'),
    ),
    ("reasoning_empty", Case(lambda fake: fake.reasoning().message("done"), '.reasoning().message("done")')),
    (
        "two_messages_text",
        Case(
            lambda fake: fake.message("a", phase="commentary").message("b", phase="final_answer"),
            '.message("a", phase="commentary").message("b", phase="final_answer")',
        ),
    ),
    ("usage_missing", Case(lambda fake: fake.no_usage().message("a"), '.no_usage().message("a")')),
    ("model_unknown", Case(lambda fake: fake.warning("Model metadata").message("a"), '.warning("...").message("a")')),
    (
        "err_401 err_402 err_404_generic err_408 err_409 err_401_text",
        Case(lambda fake: fake.api_error(401), ".api_error(401)"),
    ),
    ("err_401_once", Case(lambda fake: fake.error_401(times=1).message("a"), '.error_401(times=1).message("a")')),
    ("err_400_nojson", Case(lambda fake: fake.api_error(400), ".api_error(400)")),
    ("err_429_once_text", Case(lambda fake: fake.rate_limited(), ".rate_limited()")),
    (
        "err_429_retry_after_always",
        Case(lambda fake: fake.rate_limited(retry_after=True), ".rate_limited(retry_after=True)"),
    ),
    ("err_500_always_text", Case(lambda fake: fake.api_error(500), ".api_error(500)")),
    (
        "err_503_overloaded_code",
        Case(
            lambda fake: fake.api_error(503, code="server_is_overloaded"),
            '.api_error(503, code="server_is_overloaded")',
        ),
    ),
    (
        "no_key retries_zero_500 retries_zero_500_text",
        Case(lambda fake: fake.fails("Missing environment variable"), '.fails("Missing environment variable")'),
    ),
    ("retries_zero_cut", Case(lambda fake: fake.stream_error("cut", limit=0), '.stream_error("cut", limit=0)')),
    (
        "err_400_after_tool",
        Case(lambda fake: fake.command("true", output="x\n").api_error(400), ".command(...).api_error(400)"),
    ),
    (
        "context_err_after_tool",
        Case(
            lambda fake: fake.command("true", output="x\n").api_error(400, code="context_length_exceeded"),
            '.command(...).api_error(400, code="context_length_exceeded")',
        ),
    ),
    (
        "html_200 sse_failed_server_always",
        Case(lambda fake: fake.stream_error("server_error"), '.stream_error("server_error")'),
    ),
    ("cut_always", Case(lambda fake: fake.cut_stream(), ".cut_stream()")),
    (
        "cut_start_once garbage_sse cut_mid_text_once_text sse_error_event stall_default",
        Case(lambda fake: fake.cut_stream(times=1).message("a"), '.cut_stream(times=1).message("a")'),
    ),
    (
        "cut_after_tool_once",
        Case(
            lambda fake: fake.command("true", output="x\n").cut_stream(times=1).message("a"),
            '.command(...).cut_stream(times=1).message("a")',
        ),
    ),
    ("sse_created_error_in_tool", Case(_tool, '.command("echo hi", output="hi\\n").message("done")')),
    (
        "sse_failed_context sse_failed_context_text",
        Case(lambda fake: fake.stream_error("context_length_exceeded"), '.stream_error("context_length_exceeded")'),
    ),
    (
        "sse_failed_invalid_prompt",
        Case(lambda fake: fake.stream_error("invalid_prompt"), '.stream_error("invalid_prompt")'),
    ),
    (
        "sse_failed_quota",
        Case(lambda fake: fake.stream_error("insufficient_quota"), '.stream_error("insufficient_quota")'),
    ),
    ("conn_refused_retries_zero", Case(lambda fake: fake.no_connection(), ".no_connection()")),
    ("conn_refused_text", Case(lambda fake: fake.no_connection(times=7), ".no_connection(times=7)")),
    (
        "openai_codex_api_key",
        Case(
            lambda fake: _fallback(fake).warning("Falling back").message("a"),
            '.event({"type": "error", ...}) four times, .warning("Falling back ...").message("a")',
            stderr=False,
        ),
    ),
    (
        "sigint_mid_stream sigint_mid_stream_text sigterm_mid_stream",
        Case(lambda fake: fake.begins(streaming=True).hang(), ".begins(streaming=True).hang()"),
    ),
    ("sigint_twice", Case(lambda fake: fake.begins().hang(), ".begins().hang()")),
    (
        "sigint_in_tool_text sessions_after_sigint_tool_0",
        Case(
            lambda fake: fake.command_hangs("sleep 60"),
            '.command_hangs("sleep 60")',
            stderr=False,
            optional_end="item_completed",
            said_lines=16,
        ),
    ),
    ("sigkill_in_tool", Case(lambda fake: fake.command_hangs("sleep 60"), '.command_hangs("sleep 60")')),
    (
        "resume_1_id resume_2_last resume_3_json_before resume_4_text resume_5_stdin_dash resume_12_last_all_other_cwd",
        Case(_message, '.message("hello")', before=(FIRST,)),
    ),
    ("fork_1", Case(_message, '.message("hello")', before=(FIRST,))),
]
#: How many turns a session had before, where one is not what was measured.
_EARLIER = {"resume_2_last": 2, "resume_3_json_before": 3, "resume_4_text": 4, "resume_5_stdin_dash": 5}
CASES: dict[str, Case] = {name: case for names, case in _GROUPS for name in names.split()}

#: Why a measured run cannot be said to the fake.
UNCOVERED: dict[str, str] = {
    **dict.fromkeys(
        ("bad_config", "bad_wire_api", "ignore_user_config", "mcp_dead_required"),
        'the fake reads no configuration; say what follows with `write(..., to="stderr")` and `exit(1)`',
    ),
    "login_api_key": 'only `exec` is played; say other commands with `when(["login"])`',
    **dict.fromkeys(
        ("c_override_model", "openai_default_model", "no_config_no_key", "plan_collab"),
        "a model with other instructions: its session file begins with more messages to it",
    ),
    **dict.fromkeys(("compact_auto", "resume_10_model"), "compaction is not scripted"),
    **dict.fromkeys(("tool_long_yield", "tool_write_stdin"), "one command over several API answers is not scripted"),
    "rust_log_info": "the program's own log lines (RUST_LOG) are not written",
    "resume_13_id_other_cwd": "its history has turns from several folders and sandboxes",
    **dict.fromkeys(
        ("resume_22_copied_rollout", "resume_23_handwritten"),
        "a foreign session file is continued, in this version's form",
    ),
    **dict.fromkeys(
        ("sessions_after_sigint_tool_1", "sessions_after_sigterm_resume_1"),
        "two scripts in one home; the two halves are tested by themselves",
    ),
    "sigterm_stdin_open": "tested by itself: nothing may be written before standard input ends",
}
OTHER_VERSION = "another version of the program than 0.169.0"


def before(name: str) -> tuple[tuple[str, ...], ...]:
    """Return the earlier command lines of a case."""
    first = CASES[name].before
    return first + (RESUME,) * (_EARLIER.get(name, 1) - 1) if first else ()


def uncovered_reason(shape: dict[str, Any]) -> str | None:
    """Return why a measured run is not compared, None if it is."""
    if shape["cli_version"] != VERSION:
        return OTHER_VERSION
    return None if shape["case"] in CASES else UNCOVERED[shape["case"]]


# The page

PAGE = Path(__file__).parents[2] / "docs" / "fake-codex-runs.md"


def page() -> str:
    """Return the page that lists what is compared, and what is not and why."""
    covered: list[str] = []
    left: dict[str, list[str]] = {}
    for shape in shapes():
        reason = uncovered_reason(shape)
        if reason is None:
            case = CASES[shape["case"]]
            earlier = len(before(shape["case"]))
            note = f" after {earlier} earlier turn{'' if earlier == 1 else 's'}" if earlier else ""
            covered.append(f"| {shape['case']} | `{case.text}`{note} |")
        else:
            left.setdefault(reason, []).append(
                shape["case"] if reason != OTHER_VERSION else f"{shape['case']} ({shape['cli_version']})"
            )
    lines = [
        "# What of the real `codex` is compared",
        "",
        f"Runs of the real program, version {VERSION}, were measured: the types, order, keys and JSON types of its",
        "events, its exit code, the number of lines, the records of its session files. The suite plays each run",
        "below on the fake and compares. This page is generated: `python -m tests.codex.cases` writes it.",
        "",
        f"Compared: {len(covered)} runs.",
        "",
        "| run | said to the fake as |",
        "|---|---|",
        *covered,
        "",
        f"Not compared: {sum(map(len, left.values()))} runs.",
        "",
        "| why | runs |",
        "|---|---|",
        *(f"| {reason} | {', '.join(names)} |" for reason, names in left.items()),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
