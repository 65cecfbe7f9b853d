"""Messages that are given as they are, for a host that sends messages too (``--input-format stream-json``)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from api_simulator.claude import FakeClaudeCLI

ARGUMENTS = ["--output-format", "stream-json", "--verbose", "--input-format", "stream-json"]


class HostProcess:
    """The fake as a host starts it."""

    def __init__(self, cli: FakeClaudeCLI, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [cli.executable, *ARGUMENTS, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def say(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def prompt(self, text: str = "hi") -> None:
        self.say({"type": "user", "message": {"role": "user", "content": text}})

    def request(self, subtype: str, **fields: Any) -> dict[str, Any]:
        """Send a control request and return its answer, which is the next line."""
        self.say({"type": "control_request", "request_id": subtype, "request": {"subtype": subtype, **fields}})
        answer = self.line()
        assert (answer["type"], answer["response"]["request_id"]) == ("control_response", subtype)
        response: dict[str, Any] = answer["response"]
        return response

    def line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line: dict[str, Any] = json.loads(self.process.stdout.readline())
        return line

    def end(self) -> tuple[bytes, bytes, int]:
        """Close standard input; return the rest of the output and the exit code."""
        output, errors = self.process.communicate(timeout=30)
        return output, errors, self.process.returncode


@pytest.fixture
def two_turns(cli: FakeClaudeCLI) -> FakeClaudeCLI:
    for number in range(2):
        cli.add_message({"type": "system", "subtype": "init", "n": number})
        cli.add_message({"type": "result", "subtype": "success", "n": number})
    return cli


@pytest.fixture
def host(two_turns: FakeClaudeCLI) -> Iterator[HostProcess]:
    started = HostProcess(two_turns)
    yield started
    started.process.kill()
    started.process.communicate()


def test_each_prompt_plays_the_messages_up_to_the_next_result(host: HostProcess):
    host.prompt()
    first = [host.line(), host.line()]
    assert host.request("mcp_status")["response"] == {"mcpServers": []}
    host.prompt()
    second = [host.line(), host.line()]

    assert [line["n"] for line in (*first, *second)] == [0, 0, 1, 1]
    assert host.end() == (b"", b"", 0)


def test_control_requests_are_answered_before_the_first_prompt(host: HostProcess):
    answer = host.request("initialize", hooks=None)

    assert answer["subtype"] == "success"
    assert answer["response"]["claude_code_version"] == "2.1.329"


def test_an_unknown_control_request_is_an_error(host: HostProcess):
    answer = host.request("make_coffee")

    assert answer["error"] == "Unsupported control request subtype: make_coffee"
    assert answer["error_code"] == "unsupported_request"


def test_they_are_answered_during_a_delay(cli: FakeClaudeCLI):
    cli.add_message({"type": "result", "n": 0})
    cli.delay_message(0, 600_000)
    host = HostProcess(cli)
    try:
        host.prompt()
        assert host.request("interrupt")["response"] == {"still_queued": []}
    finally:
        host.process.kill()
        host.process.communicate()


def test_they_are_answered_while_it_hangs(cli: FakeClaudeCLI):
    cli.add_message({"type": "result", "n": 0})
    cli.hang_after_result()
    host = HostProcess(cli)
    try:
        host.prompt()
        assert host.line() == {"type": "result", "n": 0}
        assert host.request("set_model", model="haiku")["subtype"] == "success"
    finally:
        host.process.kill()
        host.process.communicate()


def test_the_end_of_input_ends_it_between_turns(host: HostProcess):
    host.prompt()

    output, _, code = host.end()

    assert [json.loads(line)["n"] for line in output.splitlines()] == [0, 0]
    assert code == 0


def test_a_prompt_too_many_is_explained(host: HostProcess):
    for _ in range(3):
        host.prompt()

    output, errors, code = host.end()

    assert len(output.splitlines()) == 4
    assert b"the script has no turn for it" in errors
    assert code == 70


def test_without_any_prompt_everything_plays_at_once(two_turns: FakeClaudeCLI):
    result = two_turns.run(ARGUMENTS)

    assert [json.loads(line)["n"] for line in result.stdout.splitlines()] == [0, 0, 1, 1]


def test_faults_hold_in_their_turn(two_turns: FakeClaudeCLI):
    two_turns.corrupt_stream(at_message=2, error_text="oops")
    two_turns.inject_api_retry(at_message=1, error_status=529, attempts=1)
    two_turns.inject_exit(at=3, code=5)
    host = HostProcess(two_turns)
    host.prompt()
    first = [host.line() for _ in range(3)]
    host.prompt()

    output, _, code = host.end()

    assert [line.get("subtype") for line in first] == ["init", "api_retry", "success"]
    assert output.splitlines()[0] == b"oops"
    assert code == 5
