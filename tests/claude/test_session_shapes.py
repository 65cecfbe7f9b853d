"""Turns by moves have the shapes of the real program's measured runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from api_simulator.claude import FakeClaudeCLI, Turn
from tests.claude import cases, shapes

LS = {"command": "echo hi", "description": "Say hi"}
WRITE = {"file_path": "a.txt", "content": "hi"}
NUDGE = "Output token limit hit. Resume directly."


def echoing(turn: Turn) -> Turn:
    return turn.text("I will run it.").tool("Bash", LS, result="hi").text("Done.")


def failing(error: str | int | None, retries: int | None = None) -> Callable[[Turn], Turn]:
    return lambda turn: turn.api_error(error, retries=retries)


def retried(error: str | int | None) -> Callable[[Turn], Turn]:
    return lambda turn: turn.api_retry(error).text("Hello.")


CASES: dict[str, Callable[[Turn], Turn]] = {
    "hi_stream_json": lambda turn: turn.text("Hello."),
    "hi_json": lambda turn: turn.text("Hello."),
    "hi_text": lambda turn: turn.text("Hello."),
    "partial_messages": lambda turn: turn.text("Hello there, you.", pieces=3),
    "partial_thinking_tool": lambda turn: (
        turn.thinking("Hm.").text("I will run it.").tool("Bash", LS, result="hi").text("Done.")
    ),
    "tool_bash_echo": echoing,
    "tool_bash_echo_json": echoing,
    "tool_bash_denied_json": lambda turn: turn.tool("Bash", {"command": "touch a"}).text("Denied."),
    "tool_write_read_edit": lambda turn: (
        turn.tool("Write", WRITE).tool("Read", {"file_path": "a.txt"}, result="hi").tool("Edit", {"file_path": "a.txt"})
    ),
    "max_turns_1": lambda turn: turn.text("I will run it.").tool("Bash", LS, result="hi").text("Never said."),
    "old_2.0.77_max_turns_1": lambda turn: turn.tool("Bash", LS, result="hi"),
    "old_2.0.77_tool_bash_echo": echoing,
    "old_2.0.77_json_schema": lambda turn: turn.structured_output({"answer": 1}).text("Done."),
    "old_2.1.100_json_schema": lambda turn: turn.structured_output({"answer": 1}).text("Done."),
    "old_2.1.100_partial_messages": lambda turn: turn.text("Hello there, you.", pieces=3),
    "err_400_credit": failing("credit_exhausted"),
    "err_400_prompt_too_long": failing("prompt_too_long"),
    "err_401": failing(401),
    "err_401_text": failing(401),
    "err_429_exhausted_default": failing(429),
    "err_500_max_retries_2": failing(500),
    "err_529_exhausted_default": failing(529),
    "ratelimit_429_oauth": failing("usage_limit", 0),
    "retry_529_then_ok": retried(529),
    "retry_503_then_ok": retried(503),
    "retry_529_json": retried(529),
    "subagent_task": lambda turn: (
        turn.text("I will delegate.").subagent(Turn().tool("Bash", LS, result="hi").text("Looked.")).text("Done.")
    ),
    "stop_max_tokens": lambda turn: turn.text("Cut").nudge(NUDGE).text("off."),
    "auto_compact": lambda turn: turn.tool("Bash", LS, result="hi").compaction().text("Done."),
    "resume_name_set": lambda turn: turn.text("Hello."),
    "slash_clear": lambda turn: turn.text("Never said."),
}


#: What the measured run had in its environment.
ENVIRONMENTS = {"err_500_max_retries_2": {"CLAUDE_CODE_MAX_RETRIES": "2"}}


@pytest.mark.parametrize("case", CASES)
def test_a_session_has_the_shape_of_the_real_run(case: str, tmp_path: Path):
    fake = FakeClaudeCLI(cli_version=cases.version_of(case))
    CASES[case](fake.turn())

    result = fake.run(shapes.measured()[case]["args"], cwd=tmp_path, env=ENVIRONMENTS.get(case))
    fake.close()

    assert shapes.differences(case, result.stdout, result.stderr, result.returncode) == []
