"""
How each measured run of the real ``claude`` is said to the fake, and which cannot be: the table of the shape check.

``python -m tests.claude.cases`` writes the table ``docs/claude-coverage.md``.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api_simulator.claude import FakeClaudeCLI
from tests.claude.scripts import (
    HI_TWICE,
    INITIALIZE,
    PARTS,
    THREE_RETRIES,
    asks,
    calculator,
    failure,
    handwritten,
    hi,
    on_request,
    parts,
    slowly,
    text_and_tool,
    then_hang,
    torn,
    turns,
    user,
)
from tests.claude.shapes import measured

PAGE = Path(__file__).parents[2] / "docs" / "claude-coverage.md"


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


ROWS: dict[str, Row] = {
    name: Row(hi)
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
    "api_timeout_hang": Row(failure(None, times=1)),
    "auto_compact": Row(lambda fake: fake.compaction()),
    "bash_timeout": Row(parts("init", "bash called wrongly", "text", "result")),
    "empty_content": Row(parts("init", "nudge", "text", "result")),
    "err_400_credit": Row(lambda fake: fake.credit_exhausted()),
    "err_400_other": Row(failure(400)),
    "err_400_prompt_too_long": Row(lambda fake: fake.prompt_too_long()),
    "err_400_prompt_too_long_json": Row(lambda fake: fake.prompt_too_long()),
    "err_401": Row(lambda fake: fake.invalid_api_key()),
    "err_401_json": Row(lambda fake: fake.invalid_api_key()),
    "err_401_text": Row(lambda fake: fake.invalid_api_key()),
    "err_402": Row(failure(402)),
    "err_429_exhausted_default": Row(lambda fake: fake.rate_limited()),
    "err_500_exhausted_default": Row(failure(500)),
    "err_500_max_retries_2": Row(failure(500, max_retries=2)),
    "err_529_exhausted_default": Row(lambda fake: fake.overloaded()),
    "err_529_max_retries_2": Row(failure(529, max_retries=2)),
    "err_dns_max_retries_1": Row(failure("name_not_resolved", max_retries=1)),
    "hooks_cmd_include_events": Row(
        parts(
            *("SessionStart", "UserPromptSubmit", "init", "bash called", "PreToolUse", "bash answers", "text", "Stop"),
            "result",
        )
    ),
    "hooks_cmd_no_include": Row(parts("SessionStart", "init", "bash", "text", "result")),
    "hooks_prompt_block": Row(parts("init", "blocked prompt")),
    "html_200": Row(parts("init", "text without stream", "result without stream")),
    "json_200_nonstream": Row(parts("init", "text without stream", "result without stream")),
    "stream_empty_200": Row(parts("init", "text without stream", "result without stream")),
    "json_schema_always_bad": Row(lambda fake: fake.structured_output({"answer": 1}, invalid_attempts=5)),
    "json_schema_never": Row(parts("init", "text", "nudge", "text", "result")),
    "max_turns_1": Row(
        lambda fake: fake.add(
            fake.records.init(), text_and_tool(fake), fake.records.error_result("error_max_turns", limit=1)
        )
    ),
    "no_api_key_json": Row(failure("not_logged_in")),
    "no_api_key_text": Row(failure("not_logged_in")),
    "old_1.0.128_err_403": Row(failure(403)),
    "old_2.0.77_err_400_prompt_too_long": Row(lambda fake: fake.prompt_too_long()),
    "old_2.0.77_err_403": Row(failure(403)),
    "old_2.0.77_json_schema": Row(lambda fake: fake.structured_output({"answer": 1})),
    "old_2.0.77_max_turns_1": Row(lambda fake: fake.max_turns()),
    "old_2.0.77_tool_bash_echo": Row(parts("init", "text+bash", "text", "result")),
    # Old versions print the stop reason if it has come by then: this run was faster than that.
    "old_2.0.77_tool_denied": Row(parts("init", "bash called", "bash refused", "text, stop reason unknown", "result")),
    "old_2.1.100_err_400_prompt_too_long": Row(lambda fake: fake.prompt_too_long()),
    "old_2.1.100_json_schema": Row(lambda fake: fake.structured_output({"answer": 1})),
    "old_2.1.100_partial_messages": Row(parts("init", "streamed 3", "result")),
    "old_2.1.100_retry_500_then_ok": Row(failure(500, times=1)),
    "old_2.1.100_retry_529_then_ok": Row(lambda fake: fake.overloaded(times=1)),
    "partial_messages": Row(parts("init", "streamed 3", "result")),
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
    "ratelimit_headers_ok_oauth": Row(parts("init", "text", "allowed", "result")),
    "resume_F_maxturns": Row(lambda fake: fake.max_turns()),
    "resume_by_name": Row(parts("title", "init", "text", "result")),
    "resume_name_set": Row(parts("title", "init", "text", "result")),
    "retry_408_then_ok": Row(failure(408, times=1)),
    "retry_429_retry_after_2": Row(lambda fake: fake.rate_limited(times=1)),
    "retry_503_then_ok": Row(failure(503, times=1)),
    "retry_529_json": Row(lambda fake: fake.overloaded(times=1)),
    "retry_529_then_ok": Row(lambda fake: fake.overloaded(times=1)),
    "retry_529x3_then_ok": Row(lambda fake: fake.overloaded(times=3)),
    "retry_conn_close_then_ok": Row(failure("connection_lost", times=1)),
    "retry_partial_messages": Row(parts("init", "requesting", "retry 529", "streamed again", "result")),
    "sighup_before_response": Row(then_hang("init"), signals=((1, signal.SIGHUP),)),
    "sighup_during_retry": Row(then_hang("init", *THREE_RETRIES), signals=((4, signal.SIGHUP),)),
    "sighup_json": Row(then_hang("init"), signals=((0, signal.SIGHUP),)),
    "sighup_mid_stream_partial": Row(then_hang("init", "requesting", "stream begins"), signals=((9, signal.SIGHUP),)),
    "sigterm_during_retry": Row(then_hang("init", *THREE_RETRIES), signals=((4, signal.SIGTERM),)),
    "sigterm_json": Row(then_hang("init"), signals=((0, signal.SIGTERM),)),
    "sigterm_mid_stream": Row(then_hang("init"), signals=((1, signal.SIGTERM),)),
    "sigterm_mid_stream_partial": Row(then_hang("init", "requesting", "stream begins"), signals=((9, signal.SIGTERM),)),
    "old_1.0.128_sigint_mid_stream": Row(then_hang("init"), signals=((1, signal.SIGINT),)),
    "old_1.0.128_sigterm_mid_stream": Row(then_hang("init"), signals=((1, signal.SIGTERM),)),
    "old_2.0.77_sigint_mid_stream": Row(then_hang("init"), signals=((1, signal.SIGINT),)),
    "old_2.0.77_sigterm_mid_stream": Row(then_hang("init"), signals=((1, signal.SIGTERM),)),
    "old_2.1.100_sigterm_mid_stream": Row(then_hang("init"), signals=((1, signal.SIGTERM),)),
    "slash_clear": Row(parts("reset")),
    "stop_max_tokens": Row(parts("init", "text", "nudge", "text", "result")),
    "stream_cut_after_first_block_slow": Row(parts("init", "text", "nudge", "text", "result")),
    "stream_cut_slow_partial": Row(
        parts("init", "requesting", "streamed, cut", "retry, no answer", "streamed again", "result")
    ),
    "stream_error_midstream_partial": Row(
        parts("init", "requesting", "streamed, cut", "text without stream", "result")
    ),
    "subagent_background": Row(
        lambda fake: fake.background_task(before="I will delegate."),
    ),
    "subagent_task": Row(lambda fake: fake.subagent(before="I will delegate.")),
    "task_tool_name": Row(lambda fake: fake.background_task()),
    "tool_bash_denied_json": Row(lambda fake: fake.permission_denied("Bash")),
    "tool_bash_echo": Row(parts("init", "text+bash", "text", "result")),
    "tool_bash_echo_json": Row(parts("init", "text+bash", "text", "result")),
    "tool_unknown": Row(parts("init", "unknown tool", "text", "result")),
    "tool_write_read_edit": Row(parts("init", "write", "read", "edit", "text", "result")),
}

_RESUMED = "153c1383-d1ac-4585-9b07-5951d4269d83"
_HALTED = "bcedba8a-c446-476e-932d-440799ac4371"
_WRITTEN = "99999999-9999-4999-8999-999999999999"

# Sessions: what needs arguments, standard input or earlier runs.
ROWS |= {
    "bad_flag": Row(turns("Hello."), is_strict=True),
    "bad_output_format": Row(turns("Hello."), is_strict=True),
    "bad_permission_mode": Row(turns("Hello."), is_strict=True),
    "ctl_can_use_tool_allow": Row(
        asks, says=INITIALIZE + user("hi"), replies=on_request({"behavior": "allow", "updatedInput": {}})
    ),
    "ctl_can_use_tool_close": Row(asks, says=INITIALIZE + user("hi"), replies=on_request(None)),
    "ctl_can_use_tool_malformed": Row(asks, says=INITIALIZE + user("hi"), replies=on_request({"nonsense": 1})),
    "ctl_sdk_mcp": Row(
        lambda fake: fake.turn().tool("mcp__calc__add", {"a": 1, "b": 2}).text("Done."),
        says=INITIALIZE + user("hi"),
        replies=calculator,
    ),
    "dangerous_as_root": Row(turns("Hello."), is_strict=True, env={"IS_SANDBOX": ""}),
    "empty_stdin_prompt": Row(turns("Hello."), is_strict=True),
    "err_404_model": Row(
        lambda fake: fake.turn().stderr('[claude-code:unrecognized_model] {"model":"claude-nope-9"}').api_error(404)
    ),
    "mcp_config_invalid": Row(turns("Hello."), is_strict=True),
    "no_prompt": Row(turns("Hello."), is_strict=True),
    "old_1.0.128_resume_not_found": Row(turns("Hello."), is_strict=True),
    "old_1.0.128_sj_input": Row(turns("Hello."), says=INITIALIZE + user("hi")),
    "old_2.0.77_resume_not_found": Row(turns("Hello."), is_strict=True),
    "old_2.0.77_sj_input": Row(turns("Hello."), says=INITIALIZE + user("hi")),
    "old_2.1.100_sj_input": Row(turns("Hello."), says=INITIALIZE + user("hi")),
    "resume_1_resume": Row(turns("Hello."), first=("-p", "hi", "--session-id", _RESUMED)),
    "resume_3_fork": Row(turns("Hello."), first=("-p", "hi", "--session-id", _RESUMED)),
    "resume_6_not_found": Row(turns("Hello."), is_strict=True),
    "resume_6_not_found_json": Row(turns("Hello."), is_strict=True),
    "resume_7_not_uuid": Row(turns("Hello."), is_strict=True),
    "resume_G_after_maxturns": Row(turns("Hello."), first=("-p", "hi", "--session-id", _HALTED)),
    "resume_H_truncated_transcript": Row(turns("Hello."), prepares=torn(_HALTED)),
    "resume_I_handwritten_transcript": Row(turns("Hello."), prepares=handwritten(_WRITTEN)),
    "sigint_json": Row(**slowly(pieces=3000, gap_ms=10), signals=((0, signal.SIGINT),)),
    "sigint_mid_stream": Row(**slowly(pieces=3000, gap_ms=10), signals=((1, signal.SIGINT),)),
    "sigint_mid_stream_partial": Row(**slowly(pieces=100, gap_ms=900), signals=((9, signal.SIGINT),)),
    "sigint_twice": Row(**slowly(pieces=3000, gap_ms=10), signals=((1, signal.SIGINT), (1, signal.SIGINT))),
    "sigterm_sj_input_idle": Row(turns("Hello."), says=user("hi"), is_open=True, signals=((3, signal.SIGTERM),)),
    "sj_bad_json": Row(turns("Hello."), says=b"{this is not json\n", is_strict=True),
    "sj_content_blocks": Row(turns("Hello."), says=user("hi")),
    "sj_eof_mid_stream": Row(turns("Hello."), says=user("hi")),
    "sj_init_handshake": Row(turns("Hello."), says=INITIALIZE + user("hi")),
    "sj_last_turn_error": Row(
        lambda fake: (fake.turn().text("Hello."), fake.turn().api_error(403)), says=user("hi") + user("again")
    ),
    "sj_single": Row(turns("Hello."), says=user("hi")),
    "sj_slash_clear": Row(turns("Hello.", "Hello."), says=user("hi") + user("/clear") + user("again")),
    "sj_two_turns": Row(turns("Hello.", "Hello."), says=user("hi") + user("again")),
    "stdin_open_pipe_text": Row(turns("Hello."), is_strict=True, is_open=True),
    "sj_slash_compact": Row(
        parts(*HI_TWICE, "compacted by hand", "init", "text", "result"),
        says=user("hi") + user("again") + user("/compact") + user("and again"),
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
        "Generated by `python -m tests.claude.cases`; a test says when it is out of date. Each line is a run of the",
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
