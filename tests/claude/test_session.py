"""The sans-IO part of a session: lines and times in, records out, without a process."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api_simulator.claude import Turn
from api_simulator.claude._session import arguments
from api_simulator.claude._session.exchange import AskTest, Complain, CreateFile, Emit, Leave, Log, Output, Unexpected
from api_simulator.claude._session.permissions import Permissions
from api_simulator.claude._session.project import front_matter
from api_simulator.claude._session.script import SessionScript
from api_simulator.claude._session.session import Session
from api_simulator.claude._session.surroundings import Surroundings

STREAM = ["--output-format", "stream-json", "--verbose", "--input-format", "stream-json"]


class Driver:
    """A session whose outputs are collected."""

    def __init__(
        self, *turns: Turn, arguments_: list[str] | None = None, environ: dict[str, str] | None = None
    ) -> None:
        around = Surroundings(cwd="/w", environ=environ or {}, projects="/projects", folder="-w")
        script = SessionScript(turns=[turn.moves for turn in turns])
        self.session = Session(script, arguments.parse([*STREAM, *(arguments_ or [])]), around)
        self.outputs: list[Output] = []
        self.session.begin()
        self.take()

    def take(self) -> list[Output]:
        taken = self.session.take()
        self.outputs += taken
        return taken

    def say(self, message: dict[str, Any] | bytes) -> list[dict[str, Any]]:
        self.session.hear(message if isinstance(message, bytes) else json.dumps(message).encode())
        return [output.record for output in self.take() if isinstance(output, Emit)]

    def prompt(self, text: str = "hi", **more: Any) -> list[dict[str, Any]]:
        return self.say({"type": "user", "message": {"role": "user", "content": text}, **more})

    def reply(self, request: dict[str, Any], response: Any, *, subtype: str = "success") -> list[dict[str, Any]]:
        inner = {"subtype": subtype, "request_id": request["request_id"], "response": response, "error": response}
        return self.say({"type": "control_response", "response": inner})

    def of(self, kind: type) -> list[Any]:
        return [output for output in self.outputs if isinstance(output, kind)]


def kinds(records: list[dict[str, Any]]) -> list[str]:
    return [record.get("subtype") or record["type"] for record in records]


def test_every_turn_has_its_own_init():
    driver = Driver(Turn().text("One."), Turn().text("Two."))

    assert kinds(driver.prompt()) == kinds(driver.prompt()) == ["init", "assistant", "success"]


def test_prompts_wait_for_the_turn_before_them():
    driver = Driver(Turn().wait(1000).text("One."), Turn().text("Two."))
    driver.prompt()

    assert driver.prompt() == []
    assert driver.session.wakes_at_ms == 1000
    driver.session.pass_time(1000)
    assert [record["result"] for record in _emitted(driver.take()) if record["type"] == "result"] == ["One.", "Two."]


def _emitted(outputs: list[Output]) -> list[dict[str, Any]]:
    return [output.record for output in outputs if isinstance(output, Emit)]


def test_a_text_comes_in_its_time():
    driver = Driver(Turn().text("abcd", pieces=4, gap_ms=10), arguments_=["--include-partial-messages"])
    driver.prompt()

    deltas = []
    for now_ms in (10, 20, 30, 40):
        driver.session.pass_time(now_ms)
        deltas.append([r for r in _emitted(driver.take()) if r.get("event", {}).get("type") == "content_block_delta"])

    assert [delta[0]["event"]["delta"]["text"] for delta in deltas] == ["a", "b", "c", "d"]


def test_the_end_of_input_leaves_a_running_turn_to_its_end():
    driver = Driver(Turn().wait(5).text("Done."))
    driver.prompt()
    driver.session.hear_end()
    assert driver.of(Leave) == []

    driver.session.pass_time(5)
    driver.take()

    assert driver.of(Leave) == [Leave(0)]


class TestQuestionsToTheHost:
    @pytest.fixture
    def asking(self) -> tuple[Driver, dict[str, Any]]:
        driver = Driver(
            Turn().tool("Write", {"file_path": "a"}, writes=True), arguments_=["--permission-prompt-tool", "stdio"]
        )
        *_, request = driver.prompt()
        assert request["request"]["subtype"] == "can_use_tool"
        return driver, request

    def test_the_turn_waits_for_the_answer(self, asking: tuple[Driver, dict[str, Any]]):
        driver, request = asking

        assert kinds(driver.reply(request, {"behavior": "allow"})) == ["user", "assistant", "success"]
        assert driver.of(CreateFile) == [CreateFile("a", "")]

    def test_other_requests_are_answered_meanwhile(self, asking: tuple[Driver, dict[str, Any]]):
        driver, _ = asking

        (answer,) = driver.say({"type": "control_request", "request_id": "1", "request": {"subtype": "mcp_status"}})

        assert answer["response"]["response"] == {"mcpServers": []}

    def test_an_interrupt_withdraws_the_question(self, asking: tuple[Driver, dict[str, Any]]):
        driver, request = asking

        records = driver.say({"type": "control_request", "request_id": "1", "request": {"subtype": "interrupt"}})

        assert kinds(records) == ["control_response", "control_cancel_request", "user", "error_during_execution"]
        assert records[1]["request_id"] == request["request_id"]

    def test_a_malformed_answer_is_told_to_the_model(self, asking: tuple[Driver, dict[str, Any]]):
        driver, request = asking

        told, *_ = driver.reply(request, {"behaviour": "allow"})

        assert "invalid permission result" in told["message"]["content"][0]["content"]

    def test_nobody_answers_after_the_end_of_input(self, asking: tuple[Driver, dict[str, Any]]):
        driver, _ = asking

        driver.session.hear_end()
        told = next(record for record in _emitted(driver.take()) if record["type"] == "user")

        assert told["message"]["content"][0]["content"] == (
            "Tool permission request failed: AbortError: Tool permission stream closed before response received"
        )
        assert driver.session.exit_code == 0


def test_a_question_after_the_end_of_input_is_not_waited_for():
    turn = Turn().wait(10).tool("Write", {"file_path": "a"})
    driver = Driver(turn, arguments_=["--permission-prompt-tool", "stdio"])
    driver.prompt()
    driver.session.hear_end()

    driver.session.pass_time(10)

    told = next(record for record in _emitted(driver.take()) if record["type"] == "user")
    assert "AbortError" in told["message"]["content"][0]["content"]
    assert driver.session.exit_code == 0


class TestWhatTheHostMayGetWrong:
    def test_a_line_that_is_no_json_ends_it(self):
        driver = Driver(Turn().text("Hi."))
        driver.say(b"this is not json")

        assert driver.of(Complain)[0].text == "Error parsing streaming input line (type=unknown, 16 chars): SyntaxError"
        assert driver.of(Leave) == [Leave(1)]

    def test_another_role_ends_it(self):
        driver = Driver(Turn().text("Hi."))
        driver.say({"type": "user", "message": {"role": "assistant", "content": "hi"}})

        assert driver.of(Complain)[0].text == "Error: Expected message role 'user', got 'assistant'"

    def test_unknown_types_and_blank_lines_are_passed_over(self):
        driver = Driver(Turn().text("Hi."))

        assert driver.say({"type": "keep_alive"}) == driver.say(b"  ") == driver.say({"type": "invented"}) == []

    def test_a_mode_that_does_not_exist(self):
        request = {"subtype": "set_permission_mode", "mode": "bogus"}
        (answer,) = Driver().say({"type": "control_request", "request_id": "1", "request": request})

        assert answer["response"]["error_code"] == "invalid_mode"

    def test_a_second_initialize_is_answered_again(self):
        driver = Driver()
        request = {"type": "control_request", "request_id": "1", "request": {"subtype": "initialize", "hooks": None}}

        assert kinds(driver.say(request)) == kinds(driver.say(request)) == ["control_response"]


def test_session_states_are_for_hosts_that_read_them():
    driver = Driver(Turn().text("Hi."), environ={"CLAUDE_CODE_SDK_READS_SESSION_STATE": "1"})

    records = driver.prompt()

    assert [record.get("state") for record in (records[0], records[-1])] == ["running", "idle"]


def test_a_prompt_with_an_id_is_followed_through_its_life():
    records = Driver(Turn().text("Hi.")).prompt(uuid="u-1")

    assert [record["state"] for record in records if record["type"] == "command_lifecycle"] == [
        "queued",
        "started",
        "completed",
    ]
    assert next(record for record in records if record["type"] == "result")["user_message_uuid"] == "u-1"


def test_the_mirror_comes_before_the_result():
    records = Driver(Turn().text("Hi."), arguments_=["--session-mirror"]).prompt()

    assert kinds(records) == ["init", "assistant", "transcript_mirror", "success"]


def test_no_turn_is_an_explained_end():
    driver = Driver()
    driver.prompt("hello")

    assert "no turn of the script fits the prompt 'hello'" in driver.of(Unexpected)[0].text
    assert driver.of(Leave) == [Leave(70)]


def test_nothing_is_logged_without_persistence():
    driver = Driver(Turn().text("Hi."), arguments_=["--no-session-persistence"])
    driver.prompt()

    assert driver.of(Log) == []
    assert driver.of(AskTest) == []


def test_compact_on_demand_has_no_request():
    records = Driver(Turn().text("Hi.")).prompt("/compact")

    expected = ["status", "status", "init", "compact_boundary", "user", "user", "success"]
    assert kinds(records) == expected
    assert records[-1]["num_turns"] == 0


def test_compaction_and_failures_have_their_records():
    driver = Driver(
        Turn().compaction().rate_limit_event().nudge().text("Done."),
        Turn().api_error("usage_limit", retries=0),
        Turn().background_task("sleep 1", output="slept").text("Started."),
    )

    assert kinds(driver.prompt()) == [
        "init", "status", "status", "compact_boundary", "user", "rate_limit_event", "user", "assistant", "success",
    ]  # fmt: skip
    assert kinds(driver.prompt()) == ["init", "rate_limit_event", "assistant", "success"]
    background = driver.prompt()
    assert [record.get("origin") for record in background if record["type"] == "result"] == [
        None,
        {"kind": "task-notification"},
    ]


@pytest.mark.parametrize(
    ("rules", "tool", "given", "behavior"),
    [
        ({}, "Read", {"file_path": "a"}, "allow"),
        ({}, "Write", {"file_path": "a"}, "ask"),
        ({}, "Bash", {"command": "ls -l"}, "allow"),
        ({}, "Bash", {"command": "echo hi > a"}, "ask"),
        ({}, "Bash", {"command": "git status"}, "allow"),
        ({}, "Bash", {"command": "git push"}, "ask"),
        ({"allow": ["Bash(git push:*)"]}, "Bash", {"command": "git push origin"}, "allow"),
        ({"allow": ["Bash(git push:*)"]}, "Bash", {"command": "git pushes"}, "ask"),
        ({"allow": ["Bash"], "deny": ["Bash(rm:*)"]}, "Bash", {"command": "rm a"}, "deny"),
        ({"mode": "bypassPermissions", "deny": ["Write"]}, "Write", {}, "deny"),
        ({"mode": "bypassPermissions"}, "Write", {}, "allow"),
        ({"mode": "acceptEdits"}, "Edit", {}, "allow"),
        ({"mode": "acceptEdits"}, "Bash", {"command": "touch a"}, "allow"),
        ({"mode": "dontAsk"}, "Write", {}, "deny"),
        ({"allow": ["mcp__calc"]}, "mcp__calc__add", {}, "allow"),
        ({"allow": ["mcp__calc__sub"]}, "mcp__calc__add", {}, "ask"),
        ({"ask": ["Read"]}, "Read", {}, "ask"),
        ({"allow": ["Write(src/*)"]}, "Write", {"file_path": "src/a.py"}, "allow"),
    ],
)
def test_who_may_run(rules: dict[str, Any], tool: str, given: dict[str, Any], behavior: str):
    assert Permissions(**rules).verdict(tool, given).behavior == behavior


def test_front_matter():
    assert front_matter('---\nname: a\ndescription: "b: c"\n---\ntext') == {"name": "a", "description": "b: c"}
    assert front_matter("no dashes") == front_matter("---\nname: open") == {}
