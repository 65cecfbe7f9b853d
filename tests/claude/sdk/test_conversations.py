"""One-shot, streamed and interactive conversations."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from claude_agent_sdk import (
    AssistantMessage,
    ClaudeSDKClient,
    ConversationResetMessage,
    ProcessError,
    ResultError,
    ResultMessage,
    StreamEvent,
    SystemMessage,
    TextBlock,
    UserMessage,
)

from api_simulator.claude import FakeClaudeCLI
from tests.claude.sdk.conftest import MakeOptions, collect, init_of, of_type

pytestmark = pytest.mark.asyncio


def said(messages) -> list[str]:
    blocks = [block for message in of_type(messages, AssistantMessage) for block in message.content]
    return [block.text for block in blocks if isinstance(block, TextBlock)]


async def test_one_prompt_has_one_answer(fake_claude: FakeClaudeCLI, options: MakeOptions):
    fake_claude.on_prompt("weather").text("Sunny.")

    messages = await collect("How is the weather?", options())

    assert [type(message) for message in messages] == [SystemMessage, AssistantMessage, ResultMessage]
    assert said(messages) == ["Sunny."]


async def test_the_program_is_found_on_the_path(fake_claude: FakeClaudeCLI, options: MakeOptions):
    fake_claude.turn().text("Found.")

    with fake_claude:
        messages = await collect("hi", options(cli_path=None))

    assert said(messages) == ["Found."]


async def test_every_prompt_of_a_stream_is_a_turn(fake_claude: FakeClaudeCLI, options: MakeOptions):
    fake_claude.answer(lambda prompt: f"{prompt.turn}: {prompt}")

    async def prompts():
        for text in ("one", "two"):
            yield {"type": "user", "message": {"role": "user", "content": text}}

    messages = await collect(prompts(), options())

    assert said(messages) == ["0: one", "1: two"]
    assert len(of_type(messages, ResultMessage)) == 2


async def test_what_adds_up_over_turns_and_what_does_not(fake_claude: FakeClaudeCLI, options: MakeOptions):
    fake_claude.turn().tool("Bash", {"command": "ls"}, result="a").text("One.")
    fake_claude.turn().text("Two.")

    async with ClaudeSDKClient(options()) as client:
        results = []
        for prompt in ("a", "b"):
            await client.query(prompt)
            results += of_type([message async for message in client.receive_response()], ResultMessage)

    first, second = results
    assert (first.num_turns, second.num_turns) == (2, 1)
    assert (second.total_cost_usd or 0) > (first.total_cost_usd or 0) > 0
    read = [usage["inputTokens"] for usage in (second.model_usage or {}).values()]
    assert (second.usage or {})["input_tokens"] < sum(read)
    assert first.session_id == second.session_id


async def test_an_interrupt_is_answered_and_the_session_goes_on(fake_claude: FakeClaudeCLI, options: MakeOptions):
    fake_claude.turn().text("word " * 1000, pieces=1000, gap_ms=50)
    fake_claude.turn().text("Still here.")

    async with ClaudeSDKClient(options(include_partial_messages=True)) as client:
        await client.query("Count.")
        async for message in client.receive_messages():
            if isinstance(message, StreamEvent) and message.event["type"] == "content_block_delta":
                break
        await client.interrupt()
        cut = [message async for message in client.receive_response()]
        await client.query("And now?")
        after = [message async for message in client.receive_response()]

    (result,) = of_type(cut, ResultMessage)
    assert (result.subtype, result.is_error) == ("error_during_execution", True)
    assert said(cut)[0].startswith("word")
    assert of_type(cut, UserMessage)[0].content == [TextBlock(text="[Request interrupted by user]")]
    assert said(after) == ["Still here."]


async def test_a_tool_that_runs_can_be_interrupted(fake_claude: FakeClaudeCLI, options: MakeOptions):
    fake_claude.turn().tool("Bash", {"command": "sleep 60"}, takes_ms=60_000)

    async with ClaudeSDKClient(options()) as client:
        await client.query("Sleep.")
        async for message in client.receive_messages():
            if isinstance(message, AssistantMessage):
                break
        await client.interrupt()
        cut = [message async for message in client.receive_response()]

    assert of_type(cut, ResultMessage)[0].terminal_reason == "aborted_tools"


async def test_mode_and_model_change_between_turns(fake_claude: FakeClaudeCLI, options: MakeOptions):
    fake_claude.answer(lambda prompt: f"{prompt.permission_mode} {prompt.model}")

    async with ClaudeSDKClient(options(model="claude-sonnet-5-5")) as client:

        async def ask() -> list[Any]:
            await client.query("hi")
            return [message async for message in client.receive_response()]

        before = await ask()
        await client.set_permission_mode("acceptEdits")
        await client.set_model("claude-haiku-4-5")
        changed = await ask()
        await client.set_permission_mode("default")
        await client.set_model(None)
        back = await ask()

    assert said(before) == ["default claude-sonnet-5-5"]
    assert said(changed) == ["acceptEdits claude-haiku-4-5"]
    assert init_of(changed)["permissionMode"] == "acceptEdits"
    assert said(back)[0].startswith("default claude-")


async def test_other_control_requests_are_answered(fake_claude: FakeClaudeCLI, options: MakeOptions):
    fake_claude.turn().text("Hi.")

    async with ClaudeSDKClient(options()) as client:
        info = await client.get_server_info()
        usage = await client.get_context_usage()
        status = await client.get_mcp_status()
        with pytest.raises(Exception, match="Server not found: nope"):
            await client.reconnect_mcp_server("nope")
        with pytest.raises(Exception, match="File rewinding is not enabled"):
            await client.rewind_files("some-id")

    assert info is not None
    assert {"commands", "output_style", "agents", "models", "pid"} <= set(info)
    assert usage["maxTokens"] > usage["totalTokens"] > 0
    assert status == {"mcpServers": []}


async def test_the_host_s_origin_comes_back_on_the_result(fake_claude: FakeClaudeCLI, options: MakeOptions):
    fake_claude.answer(lambda prompt: "Hi.")

    async def prompts():
        message = {"role": "user", "content": "hi"}
        yield {"type": "user", "message": message, "origin": {"kind": "human"}}
        yield {"type": "user", "message": message}

    first, second = of_type(await collect(prompts(), options()), ResultMessage)

    assert first.origin == {"kind": "human"}
    assert second.origin is None


async def test_clear_gives_the_session_another_id(fake_claude: FakeClaudeCLI, options: MakeOptions):
    fake_claude.answer(lambda prompt: "Hi.")

    async with ClaudeSDKClient(options()) as client:
        turns = []
        for prompt in ("one", "/clear", "two"):
            await client.query(prompt)
            turns.append([message async for message in client.receive_response()])

    before, cleared, after = turns
    (reset,) = of_type(cleared, ConversationResetMessage)
    old, new = (of_type(turn, ResultMessage)[0].session_id for turn in (before, after))
    assert (reset.session_id, reset.new_conversation_id) == (old, new)
    assert of_type(cleared, ResultMessage)[0].num_turns == 0


class TestErrors:
    async def test_a_failed_request_ends_in_an_error_with_its_payload(
        self, fake_claude: FakeClaudeCLI, options: MakeOptions
    ):
        fake_claude.turn().api_error("credit_exhausted")

        with pytest.raises(ResultError, match="Credit balance is too low") as caught:
            await collect("hi", options())

        assert (caught.value.subtype, caught.value.exit_code) == ("success", 1)
        assert (caught.value.api_error_status, caught.value.terminal_reason) == (400, "api_error")

    async def test_too_many_turns_are_an_error(self, fake_claude: FakeClaudeCLI, options: MakeOptions):
        fake_claude.turn().tool("Bash", {"command": "ls"}).text("Never said.")

        with pytest.raises(ResultError, match="Reached maximum number of turns") as caught:
            await collect("hi", options(max_turns=1))

        assert caught.value.subtype == "error_max_turns"

    async def test_a_spent_budget_is_an_error(self, fake_claude: FakeClaudeCLI, options: MakeOptions):
        fake_claude.turn().text("Dear.")

        with pytest.raises(ResultError, match="Reached maximum budget"):
            await collect("hi", options(max_budget_usd=0.0001))

    async def test_an_exit_without_result_is_a_process_error(self, fake_claude: FakeClaudeCLI, options: MakeOptions):
        lines: list[str] = []
        fake_claude.turn().stderr("Something broke").exit(3)

        with pytest.raises(ProcessError) as caught:
            await collect("hi", options(stderr=lines.append))

        assert caught.value.exit_code == 3
        assert lines == ["Something broke"]

    async def test_a_clean_run_says_nothing_on_stderr(self, fake_claude: FakeClaudeCLI, options: MakeOptions):
        lines: list[str] = []
        fake_claude.turn().text("Hi.")

        await collect("hi", options(stderr=lines.append, extra_args={"debug-to-stderr": None}))

        assert lines == []

    async def test_a_prompt_that_nothing_is_for_says_so(self, fake_claude: FakeClaudeCLI, options: MakeOptions):
        fake_claude.on_prompt("weather").text("Sunny.")
        lines: list[str] = []

        with pytest.raises(ProcessError):
            await collect("Something else", options(stderr=lines.append))

        assert "no turn of the script fits the prompt 'Something else'" in lines[0]
        with pytest.raises(Exception, match="on_prompt\\('weather'\\)"), fake_claude:
            pass


async def test_two_clients_at_once(fake_claude: FakeClaudeCLI, options: MakeOptions):
    fake_claude.answer(lambda prompt: str(prompt))

    answers = await asyncio.gather(collect("one", options()), collect("two", options()))

    assert [said(messages) for messages in answers] == [["one"], ["two"]]
