"""Command lines that the real program refuses, with its texts and exit codes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from api_simulator.claude import FakeClaudeCLI
from api_simulator.claude._session import arguments

STREAM = ["--output-format", "stream-json", "--verbose"]
NO_PROMPT = "Error: Input must be provided either through stdin or as a prompt argument when using --print"


@pytest.fixture(params=["turns", "messages"])
def strict(request: pytest.FixtureRequest) -> Iterator[FakeClaudeCLI]:
    """A strict fake: one that plays turns, one that prints messages as they are."""
    fake = FakeClaudeCLI(strict_argv=True)
    if request.param == "turns":
        fake.answer(lambda prompt: f"You said {prompt}")
    else:
        fake.add_message({"type": "result", "subtype": "success"})
    yield fake
    fake.close()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (["-p", "hi", "--no-such-flag"], "error: unknown option '--no-such-flag'"),
        (
            ["-p", "hi", "--output-format", "xml"],
            (
                "error: option '--output-format <format>' argument 'xml' is invalid. "
                "Allowed choices are text, json, stream-json."
            ),
        ),
        (
            ["-p", "hi", "--max-turns", "abc"],
            "error: option '--max-turns <turns>' argument 'abc' is invalid. must be a number",
        ),
        (
            ["-p", "hi", "--output-format", "stream-json"],
            "Error: When using --print, --output-format=stream-json requires --verbose",
        ),
        (
            ["-p", "--input-format=stream-json"],
            "Error: --input-format=stream-json requires output-format=stream-json.",
        ),
        (["-p", "hi", "--session-id", "nope"], "Error: Invalid session ID. Must be a valid UUID."),
        (
            ["-p", "hi", "-c", "--session-id", "12345678-1234-4234-8234-123456789abc"],
            "Error: --session-id with --continue or --resume also needs --fork-session.",
        ),
        (["-p", *STREAM], NO_PROMPT),
        (
            ["-p", *STREAM, "--allowedTools", "hi there"],
            (
                '"hi there" was read as a value of --allowedTools, not as a prompt · '
                f"put a prompt before --allowedTools or after --\n{NO_PROMPT}"
            ),
        ),
    ],
)
def test_what_is_refused(strict: FakeClaudeCLI, given: list[str], text: str):
    result = strict.run(given)

    assert (result.returncode, result.stdout, result.stderr) == (1, "", text + "\n")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only the superuser is refused")
def test_root_may_not_skip_permissions(strict: FakeClaudeCLI):
    given = ["-p", "hi", "--dangerously-skip-permissions"]

    assert strict.run(given, env={"IS_SANDBOX": None}).returncode == 1
    assert strict.run(given, env={"IS_SANDBOX": "1"}).returncode == 0


def test_the_version(strict: FakeClaudeCLI):
    assert strict.run(["-v"]).stdout == "2.1.329 (Claude Code)\n"


@pytest.mark.timeout(60)
def test_standard_input_that_is_open_and_silent_is_waited_for(strict: FakeClaudeCLI):
    with subprocess.Popen(
        [strict.executable, "-p", "hi"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        assert process.wait(timeout=30) == 0
        assert process.stderr.read().startswith(b"Warning: no stdin data received in 3s, proceeding without it.")


def test_a_file_of_servers_that_is_not_there():
    with FakeClaudeCLI(strict_argv=True) as fake:
        fake.turn().text("Hi.")
        result = fake.run(["-p", "hi", "--mcp-config", "/no/such/file.json"])
        fake.close()

    assert result.stderr == "Error: Invalid MCP configuration:\nMCP config file not found: /no/such/file.json\n"


def test_settings_that_are_not_there(tmp_path: Path):
    with FakeClaudeCLI(strict_argv=True) as fake:
        fake.turn().text("Hi.")
        result = fake.run(["-p", "hi", "--settings", "{not json"], cwd=tmp_path)
        fake.close()

    assert result.stderr == f"Error: Settings file not found: {tmp_path}/{{not json\n"


def test_by_default_anything_goes(cli: FakeClaudeCLI):
    cli.turn().text("Hi.")

    assert cli.run(["hi", "--no-such-flag", "--max-turns", "abc"]).stdout == "Hi.\n"


@pytest.mark.parametrize(
    ("given", "positional", "listed"),
    [
        (["-p", "hi", "--allowedTools", "Bash", "Read"], ["hi"], ["Bash", "Read"]),
        (["--allowedTools", "Bash(git log:*),Read", "--", "hi"], ["hi"], ["Bash(git log:*)", "Read"]),
        (["--allowed-tools=Bash Read", "hi"], ["hi"], ["Bash", "Read"]),
        (["--allowedTools", "Bash", "hi"], [], ["Bash", "hi"]),
    ],
)
def test_options_with_several_values(given: list[str], positional: list[str], listed: list[str]):
    options = arguments.parse(given)

    assert (list(options.positional), options.listed("--allowedTools")) == (positional, listed)
