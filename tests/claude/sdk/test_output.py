"""Partial messages, structured output, sub-agents."""

from __future__ import annotations

from typing import Any

import pytest
from claude_agent_sdk import (
    AssistantMessage,
    ClaudeSDKClient,
    HookMatcher,
    ResultError,
    ResultMessage,
    StreamEvent,
    TextBlock,
    ThinkingBlock,
)

from api_simulator.claude import FakeClaudeCLI, Turn
from tests.claude.sdk.conftest import MakeOptions, collect, of_type

pytestmark = pytest.mark.asyncio


class TestPartialMessages:
    @pytest.fixture(autouse=True)
    def script(self, fake_claude: FakeClaudeCLI) -> None:
        fake_claude.turn().thinking("Let me think of three.").text("One, two, three.", pieces=3)

    async def test_events_come_around_the_blocks(self, options: MakeOptions):
        async with ClaudeSDKClient(options(include_partial_messages=True)) as client:
            await client.query("Go.")
            messages = [message async for message in client.receive_response()]

        shown = [m.event["type"] if isinstance(m, StreamEvent) else type(m).__name__ for m in messages]
        block = ["content_block_start", "content_block_delta", "AssistantMessage", "content_block_stop"]
        told = [name for name, before in zip(shown, [None, *shown], strict=False) if name != before]
        expected = ["message_start", *block, *block, "message_delta", "message_stop", "ResultMessage"]
        assert [name for name in told if name != "SystemMessage"] == expected

    async def test_deltas_make_up_text_and_thinking(self, options: MakeOptions):
        messages = await collect("Go.", options(include_partial_messages=True))

        deltas = [
            m.event["delta"]
            for m in messages
            if isinstance(m, StreamEvent) and "index" in m.event and "delta" in m.event
        ]
        blocks = [block for message in of_type(messages, AssistantMessage) for block in message.content]
        assert "".join(delta.get("thinking", "") for delta in deltas) == "Let me think of three."
        assert "".join(delta.get("text", "") for delta in deltas) == "One, two, three."
        assert sum("text" in delta for delta in deltas) == 3
        assert [type(block) for block in blocks] == [ThinkingBlock, TextBlock]

    async def test_there_are_none_by_default(self, options: MakeOptions):
        messages = await collect("Go.", options())

        assert not of_type(messages, StreamEvent)
        assert len(of_type(messages, AssistantMessage)) == 2


SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}


class TestStructuredOutput:
    @pytest.mark.parametrize(
        "value",
        [
            {"answer": 4},
            {"analysis": {"words": 3, "items": [{"name": "a", "tags": ["x", "y"]}]}},
            {"framework": "pytest"},
        ],
        ids=["flat", "nested", "enum"],
    )
    async def test_it_is_in_the_result(self, fake_claude: FakeClaudeCLI, options: MakeOptions, value: dict[str, Any]):
        fake_claude.turn().structured_output(value)

        messages = await collect("Go.", options(output_format={"type": "json_schema", "schema": SCHEMA}))

        (result,) = of_type(messages, ResultMessage)
        assert (result.structured_output, result.is_error, result.subtype) == (value, False, "success")

    async def test_it_may_come_after_a_tool(self, fake_claude: FakeClaudeCLI, options: MakeOptions):
        fake_claude.turn().tool("Bash", {"command": "ls | wc -l"}, result="4").structured_output({"answer": 4})

        messages = await collect(
            "Count.",
            options(allowed_tools=["Bash"], output_format={"type": "json_schema", "schema": SCHEMA}),
        )

        assert of_type(messages, ResultMessage)[0].structured_output == {"answer": 4}

    async def test_five_wrong_ones_end_the_run(self, fake_claude: FakeClaudeCLI, options: MakeOptions):
        turn = fake_claude.turn()
        for _ in range(5):
            turn.structured_output({"answer": "four"}, problem="answer is not an integer")

        with pytest.raises(ResultError) as caught:
            await collect("Go.", options(output_format={"type": "json_schema", "schema": SCHEMA}))

        assert caught.value.subtype == "error_max_structured_output_retries"


def from_subagents(messages) -> list[str]:
    return [
        block.text
        for message in of_type(messages, AssistantMessage)
        for block in message.content
        if message.parent_tool_use_id and isinstance(block, TextBlock)
    ]


class TestSubagents:
    @pytest.fixture(autouse=True)
    def script(self, fake_claude: FakeClaudeCLI) -> None:
        fake_claude.turn().subagent(Turn().text("I looked.")).text("It looked.")

    @pytest.mark.parametrize(("forwarded", "texts"), [(False, []), (True, ["I looked."])])
    async def test_what_they_say_is_forwarded_when_asked_for(
        self, options: MakeOptions, forwarded: bool, texts: list[str]
    ):
        messages = await collect("Delegate.", options(forward_subagent_text=forwarded))

        assert from_subagents(messages) == texts


async def test_what_ends_in_the_background_wakes_the_model(fake_claude: FakeClaudeCLI, options: MakeOptions):
    """The second turn's hook is still served: a one-shot query waits for it."""
    asked = []

    async def hook(data, tool_use_id, context):
        asked.append(data["tool_name"])
        return {}

    afterwards = Turn().tool("Write", {"file_path": "out.txt"}).text("Finished.")
    fake_claude.turn().subagent(Turn().text("Done"), background=True, afterwards=afterwards).text("Launched.")

    messages = await collect(
        "Go.",
        options(permission_mode="acceptEdits", hooks={"PreToolUse": [HookMatcher(matcher="Write", hooks=[hook])]}),
    )

    first, second = of_type(messages, ResultMessage)
    assert (first.result, second.result) == ("Launched.", "Finished.")
    assert second.origin == {"kind": "task-notification"}
    assert asked == ["Write"]
