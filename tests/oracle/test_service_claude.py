"""
The real ``claude`` program against the fake Messages API.

Runs where the program is: on PATH, or at the place that ``API_SIMULATOR_REAL_CLAUDE`` names. With an empty home, a
made-up key, and a proxy that is not there for everything but this machine. `pytest -m oracle tests/oracle`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(150)]


@pytest.fixture
def service(fake_service):
    return fake_service("anthropic")


@pytest.fixture
def claude(service, tmp_path):
    """Run the real program with a prompt; returns the process and its records."""
    program = os.environ.get("API_SIMULATOR_REAL_CLAUDE") or shutil.which("claude")
    if program is None:
        pytest.skip("the real claude is not here: install it, or name it in API_SIMULATOR_REAL_CLAUDE")
    home, folder = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    folder.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "ANTHROPIC_API_KEY": "sk-made-up",
        "ANTHROPIC_BASE_URL": service.url,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        # Of ten, its own choice, the pauses add up to three minutes.
        "CLAUDE_CODE_MAX_RETRIES": "3",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
    }

    def run(prompt, *options):
        command = [program, "-p", prompt, "--output-format", "stream-json", "--verbose", *options]
        done = subprocess.run(
            command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
        )
        return done, [json.loads(line) for line in done.stdout.splitlines()]

    return run


def of_kind(records, kind, subtype=None):
    return [each for each in records if each["type"] == kind and subtype in (None, each.get("subtype"))]


def result_of(records):
    return of_kind(records, "result")[-1]


def test_text(service, claude):
    service.on_prompt("weather").text("It rains in Oslo.")

    done, records = claude("How is the weather?")

    assert done.returncode == 0, done.stdout
    assert result_of(records)["result"] == "It rains in Oslo."
    assert result_of(records)["usage"]["output_tokens"] > 1


def test_a_turn_with_a_tool(service, claude):
    service.on_prompt("run it").thinking("I shall.").tool(
        "Bash", {"command": "echo tool-$((40+2))", "description": "Print"}
    ).then_text("Done.")

    done, records = claude("Please run it", "--allowedTools", "Bash")

    assert done.returncode == 0, done.stdout
    assert (result_of(records)["result"], result_of(records)["num_turns"]) == ("Done.", 2)
    assert "tool-42" in json.dumps(of_kind(records, "user"))
    assert "tool-42" in json.dumps(service.requests[-1].json["messages"])


@pytest.mark.parametrize(("kind", "status"), [("rate_limit", 429), ("overloaded", 529), ("api", 500)])
def test_an_error_and_then_success(service, claude, kind, status):
    service.on_prompt("hi").error(kind, times=1).text("Hello again.")

    done, records = claude("hi")

    assert done.returncode == 0, done.stdout
    assert [each["error_status"] for each in of_kind(records, "system", "api_retry")] == [status]
    assert result_of(records)["result"] == "Hello again."
    assert [request.status for request in service.requests] == [status, 200]


def test_a_third_overload_in_a_row_is_given_up(service, claude):
    service.on_prompt("hi").error("overloaded").text("never")

    done, records = claude("hi")

    assert done.returncode == 1
    assert result_of(records)["is_error"] is True
    assert len([request for request in service.requests if request.status == 529]) == 3


def test_a_prompt_that_is_too_long(service, claude):
    service.on_prompt("hi").error("invalid_request", "prompt is too long: 250000 tokens > 200000 maximum")

    done, records = claude("hi")

    assert done.returncode == 1
    assert result_of(records)["result"].startswith("Prompt is too long")


def test_the_turns_are_limited(service, claude):
    service.on_prompt("loop").tool("Bash", {"command": "true", "description": "Nothing"})

    _, records = claude("loop", "--allowedTools", "Bash", "--max-turns", "2")

    assert result_of(records)["subtype"] == "error_max_turns"


def test_a_conversation_is_resumed(service, claude):
    service.on_prompt("first question").text("First answer.")
    service.on_prompt("second question").text("Second answer.")

    _, before = claude("first question")
    done, records = claude("second question", "--resume", result_of(before)["session_id"])

    assert done.returncode == 0, done.stdout
    assert result_of(records)["result"] == "Second answer."
    assert "First answer." in json.dumps(service.requests[-1].json["messages"])


def test_a_stream_that_is_cut_is_asked_for_again(service, claude):
    service.on_prompt("hi").text("a b c d e f g h").cut(5)

    # Not what it makes of it in the end: it may be content with the part that it has.
    claude("hi", "--max-turns", "1")

    assert len(service.requests) > 1
