"""
The real ``claude`` and the fake in the same scenarios: their records have the same shape.

Needs the program: on PATH, or below the npm prefix that ``API_SIMULATOR_CLAUDE_PREFIX`` names. It runs with an empty
home, a made-up key and a Messages API on loopback; ``unshare -rn`` around the test run makes sure that nothing else is
reached.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api_simulator.claude import FakeClaudeCLI, Turn
from api_simulator.http import MockHttpServer, ResponseSpec
from tests.claude import cases, shapes
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

    def run(self, args: Sequence[str], answers: Sequence[ResponseSpec], *, stdin: bytes = b"") -> dict[str, Any]:
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
            input=stdin.decode(),
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
    row = cases.ROWS[case]
    fake = FakeClaudeCLI(cli_version=version, strict_argv=row.is_strict)
    row.script(fake)

    theirs = real.run(args, CASES[case])
    with closing(fake):
        ours = fake.run(args, cwd=tmp_path, stdin=b"")

    assert shapes.differences_of(theirs, ours.stdout, ours.stderr, ours.returncode) == []


@dataclass(frozen=True)
class Scenario:
    """
    What no measured case has.

    Attributes:
        options: Arguments after the prompt.

        answers: What the API answers.

        script: Tells the fake what to do.

        stdin: What is written to standard input.
    """

    options: Sequence[str]
    answers: Sequence[ResponseSpec]
    script: Callable[[FakeClaudeCLI], object]
    stdin: bytes = b""


def _bash(command: str, *, number: int = 1, **more: Any) -> dict[str, Any]:
    return tool("Bash", {"command": command, **more}, number=number)


def _hook(event: str, command: str) -> str:
    return json.dumps({"hooks": {event: [{"matcher": "", "hooks": [{"type": "command", "command": command}]}]}})


_PROMPT = {"type": "user", "message": {"role": "user", "content": "hi"}, "uuid": "11111111-1111-4111-8111-111111111111"}

SCENARIOS: dict[str, Scenario] = {
    "structured output": Scenario(
        ("--json-schema", _SCHEMA, *_STREAM),
        [answer(tool("StructuredOutput", {"answer": 1})), answer(text())],
        lambda fake: fake.structured_output({"answer": 1}),
    ),
    "structured output at the second attempt": Scenario(
        ("--json-schema", _SCHEMA, *_STREAM),
        [answer(tool("StructuredOutput", {"answer": "?"})), answer(tool("StructuredOutput", {"answer": 1}, number=2))],
        lambda fake: fake.structured_output({"answer": 1}, invalid_attempts=1),
    ),
    "structured output, by moves": Scenario(
        ("--json-schema", _SCHEMA, *_STREAM),
        [answer(tool("StructuredOutput", {"answer": 1})), answer(text())],
        lambda fake: fake.turn().structured_output({"answer": 1}),
    ),
    "permission denied": Scenario(
        _STREAM,
        [answer(_bash("touch x")), answer(text())],
        lambda fake: fake.permission_denied("Bash"),
    ),
    "permission denied, by moves": Scenario(
        _STREAM,
        [answer(_bash("touch x")), answer(text())],
        lambda fake: fake.turn().tool("Bash", {"command": "touch x"}).text("Hello."),
    ),
    "permission denied by a rule": Scenario(
        ("--disallowedTools", "Bash(touch:*)", *_STREAM),
        [answer(_bash("touch x")), answer(text())],
        lambda fake: fake.permission_denied("Bash", by_rule=True),
    ),
    "budget": Scenario(
        ("--max-budget-usd", "0.0001", *_STREAM), [answer(text())], lambda fake: fake.max_budget(0.0001)
    ),
    "budget, by moves": Scenario(
        ("--max-budget-usd", "0.0001", *_STREAM), [answer(text())], lambda fake: fake.turn().text("Hello.")
    ),
    "a failing command": Scenario(
        ("--allowedTools", "Bash", *_STREAM),
        [answer(_bash("exit 3")), answer(text())],
        lambda fake: fake.turn().tool("Bash", result="Exit code 3", is_error=True).text("Hello."),
    ),
    "parallel commands": Scenario(
        ("--allowedTools", "Bash", *_STREAM),
        [answer(text(), _bash("echo 1"), _bash("echo 2", number=2)), answer(text())],
        lambda fake: fake.turn().text("Hello.").tool("Bash", together=True).tool("Bash").text("Hello."),
    ),
    "thinking": Scenario(
        _STREAM, [answer(thinking(), text())], lambda fake: fake.turn().thinking("Let me think.").text("Hello.")
    ),
    "a prompt with a uuid": Scenario(
        ("--input-format", "stream-json", "--allowedTools", "Bash", *_STREAM),
        [answer(_ECHO), answer(text())],
        lambda fake: fake.turn().tool("Bash", {"command": "echo hi"}).text("Hello."),
        stdin=json.dumps(_PROMPT).encode() + b"\n",
    ),
    "a sub-agent": Scenario(
        ("--allowedTools", "Agent", *_STREAM),
        [
            answer(
                tool(
                    "Agent",
                    {
                        "description": "Look",
                        "prompt": "Look.",
                        "subagent_type": "general-purpose",
                        "run_in_background": False,
                    },
                )
            ),
            answer(text("Looked.")),
            answer(text()),
        ],
        lambda fake: fake.turn().subagent(Turn().text("Looked.")).text("Hello."),
    ),
    "an answer that was refused": Scenario(
        _STREAM,
        [answer(text(), stop_reason="refusal"), answer(text())],
        lambda fake: fake.add(
            fake.records.init(),
            fake.records.message("Hello."),
            fake.records.informational("The answer was stopped.", level="notice"),
            fake.records.user("Do not go on.", synthetic=True, refused_message_id="msg_01"),
            fake.records.message("Hello."),
            fake.records.result(),
        ),
    ),
    "another model after the third 529": Scenario(
        ("--fallback-model", "sonnet", *_STREAM),
        [_OVERLOADED, _OVERLOADED, _OVERLOADED, answer(text())],
        lambda fake: fake.add(
            fake.records.init(),
            fake.records.api_retry(1, 529),
            fake.records.api_retry(2, 529),
            fake.records.model_fallback("claude-sonnet-5-5"),
            fake.records.message("Hello."),
            fake.records.result(),
        ),
    ),
    "a hook that refuses a tool": Scenario(
        ("--settings", _hook("PreToolUse", "exit 2"), "--allowedTools", "Bash", *_STREAM),
        [answer(_ECHO), answer(text())],
        lambda fake: fake.add(
            fake.records.init(),
            fake.records.tool_use("Bash"),
            fake.records.tool_result("A hook refused it.", is_error=True, permission="hook"),
            fake.records.message("Hello."),
            fake.records.result(),
        ),
    ),
    "max turns as json, by moves": Scenario(
        ("--max-turns", "2", "--allowedTools", "Bash", "--output-format", "json"),
        [answer(_ECHO), answer(_bash("echo 2", number=2)), answer(text())],
        lambda fake: fake.turn().tool("Bash").tool("Bash").text("Hello."),
    ),
    "all records as one array": Scenario(
        ("--output-format", "json", "--verbose"), [answer(text())], lambda fake: fake.says("Hello.")
    ),
    "a slash command": Scenario(
        _STREAM,
        [answer(text())],
        lambda fake: fake.add(
            fake.records.init(),
            fake.records.local_command("Nothing was spent.", "usage"),
            fake.records.local_result("Nothing was spent.", local_command="cost"),
        ),
    ),
}


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_the_fake_does_as_the_real_program_where_nothing_was_measured(
    name: str, real: Real, version: str, tmp_path: Path
):
    scenario = SCENARIOS[name]
    prompt = () if scenario.stdin else ("/cost" if name == "a slash command" else "x",)
    args = ["-p", *prompt, *scenario.options]
    fake = FakeClaudeCLI(cli_version=version)
    scenario.script(fake)

    theirs = real.run(args, scenario.answers, stdin=scenario.stdin)
    with closing(fake):
        ours = fake.run(args, cwd=tmp_path, stdin=scenario.stdin)

    assert shapes.differences_of(theirs, ours.stdout, ours.stderr, ours.returncode) == []
