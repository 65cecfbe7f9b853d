"""
The real ``claude`` and the fake in the same scenarios: their records have the same shape.

Needs the program: on PATH, or below the npm prefix that ``API_SIMULATOR_CLAUDE_PREFIX`` names. It runs with an empty
home, a made-up key and a Messages API on loopback; ``unshare -rn`` around the test run makes sure that nothing else is
reached.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from api_simulator.claude import FakeClaudeCLI
from api_simulator.http import MockHttpServer, ResponseSpec
from tests.claude import shapes
from tests.oracle.messages_api import answer, failure, serve, text, thinking, tool

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(120)]

_ECHO = tool("Bash", {"command": "echo hi"})
_OVERLOADED = failure(529, "overloaded_error")
_STREAM = ("--output-format", "stream-json", "--verbose")
_SCHEMA = '{"type":"object","properties":{"answer":{"type":"integer"}},"required":["answer"]}'

#: Measured cases: what the API answers.
CASES: dict[str, Sequence[ResponseSpec]] = {
    "hi_stream_json": [answer(text())],
    "hi_json": [answer(text())],
    "hi_text": [answer(text())],
    "tool_bash_echo": [answer(text("I will look."), _ECHO), answer(text())],
    "tool_unknown": [answer(tool("Nope", {})), answer(text())],
    "max_turns_1": [answer(text("I will look."), _ECHO), answer(text())],
    "partial_messages": [answer(text("Hello."), pieces=3)],
    "partial_thinking_tool": [answer(thinking(), text(), _ECHO), answer(text())],
    "err_400_credit": [failure(400, "invalid_request_error", "Your credit balance is too low to access the API.")],
    "err_400_prompt_too_long": [
        failure(400, "invalid_request_error", "prompt is too long: 250000 tokens > 200000 maximum")
    ],
    "err_402": [failure(402, "billing_error")],
    "err_529_exhausted_default": [_OVERLOADED],
    "retry_529_then_ok": [_OVERLOADED, answer(text())],
    "json_schema_always_bad": [answer(tool("StructuredOutput", {"answer": "?"}))],
    "stop_max_tokens": [answer(text(), stop_reason="max_tokens"), answer(text())],
    "bad_flag": [answer(text())],
    "resume_6_not_found": [answer(text())],
}


@pytest.fixture(scope="session")
def program() -> str:
    prefix = os.environ.get("API_SIMULATOR_CLAUDE_PREFIX")
    modules = Path(prefix or os.devnull) / "node_modules" / "@anthropic-ai"
    # The package's own launcher needs a newer Node than many machines have; the program beside it needs none.
    found = [*modules.glob("claude-code-*/claude"), *modules.glob("claude-code/cli.js")]
    path = str(found[0]) if found else shutil.which("claude")
    if path is None:
        pytest.skip("no claude on PATH, and API_SIMULATOR_CLAUDE_PREFIX names no npm prefix with one")
    return path


@pytest.fixture(scope="session")
def version(program: str) -> str:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=60)
    return said.stdout.split()[0]


class Real:
    """The real program, alone with a scripted API."""

    def __init__(self, program: str, api: MockHttpServer, folder: Path) -> None:
        self._program = program
        self._api = api
        self._folder = folder

    def run(self, args: Sequence[str], answers: Sequence[ResponseSpec]) -> dict[str, Any]:
        """Run it, and return its run in the form of the shapes' file."""
        serve(self._api, answers)
        home, cwd = self._folder / "home", self._folder / "cwd"
        home.mkdir()
        cwd.mkdir()
        environ = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "ANTHROPIC_API_KEY": "made-up",
            "ANTHROPIC_BASE_URL": self._api.url,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_TELEMETRY": "1",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_ERROR_REPORTING": "1",
        }
        ran = subprocess.run(
            [self._program, *args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=environ,
            cwd=cwd,
            timeout=100,
        )
        output_format = args[args.index("--output-format") + 1] if "--output-format" in args else "text"
        return {
            "exit_code": ran.returncode,
            "stderr_lines": len(ran.stderr.splitlines()),
            "output_format": output_format,
            "stdout_raw_lines": len(ran.stdout.splitlines()),
            "stdout": [] if output_format == "text" else [shapes.shape_of(r) for r in shapes.records_of(ran.stdout)],
        }


@pytest.fixture
def real(program: str, mock_http_server: MockHttpServer, tmp_path: Path) -> Real:
    return Real(program, mock_http_server, tmp_path)


@pytest.mark.parametrize("case", sorted(CASES))
def test_the_fake_does_as_the_real_program(case: str, real: Real, version: str, tmp_path: Path):
    args = shapes.measured()[case]["args"]
    row = shapes.ROWS[case]
    fake = FakeClaudeCLI(cli_version=version, strict_argv=row.is_strict)
    row.script(fake)

    theirs = real.run(args, CASES[case])
    with closing(fake):
        ours = fake.run(args, cwd=tmp_path, stdin=b"")

    assert shapes.differences(theirs, ours.stdout, ours.stderr, ours.returncode) == []


#: What no measured case of ours has: name to arguments, answers, and how the fake is told.
SCENARIOS: dict[str, tuple[Sequence[str], Sequence[ResponseSpec], Any]] = {
    "structured output": (
        ("--json-schema", _SCHEMA, *_STREAM),
        [answer(tool("StructuredOutput", {"answer": 1})), answer(text())],
        lambda fake: fake.structured_output({"answer": 1}),
    ),
    "permission denied by a rule": (
        ("--disallowedTools", "Bash(touch:*)", *_STREAM),
        [answer(tool("Bash", {"command": "touch x"})), answer(text())],
        lambda fake: fake.permission_denied("Bash", by_rule=True),
    ),
    "budget": (
        ("--max-budget-usd", "0.0001", *_STREAM),
        [answer(text())],
        lambda fake: fake.max_budget(0.0001),
    ),
    "a failing command": (
        ("--allowedTools", "Bash", *_STREAM),
        [answer(tool("Bash", {"command": "exit 3"})), answer(text())],
        lambda fake: fake.turn().tool("Bash", result="Exit code 3", is_error=True).text("Hello."),
    ),
}


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_the_fake_does_as_the_real_program_where_nothing_was_measured(
    name: str, real: Real, version: str, tmp_path: Path
):
    options, answers, script = SCENARIOS[name]
    args = ["-p", "x", *options]
    fake = FakeClaudeCLI(cli_version=version)
    script(fake)

    theirs = real.run(args, answers)
    with closing(fake):
        ours = fake.run(args, cwd=tmp_path, stdin=b"")

    assert shapes.differences(theirs, ours.stdout, ours.stderr, ours.returncode) == []
