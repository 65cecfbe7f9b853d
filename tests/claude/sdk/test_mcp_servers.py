"""MCP servers that live in the host."""

from __future__ import annotations

from typing import Any

import pytest
from claude_agent_sdk import (
    ClaudeSDKClient,
    ResultMessage,
    ToolResultBlock,
    UserMessage,
    create_sdk_mcp_server,
    tool,
)

from api_simulator.claude import FakeClaudeCLI, Turn
from tests.claude.sdk.conftest import MakeOptions, collect, init_of, of_type

pytestmark = pytest.mark.asyncio


@pytest.fixture
def executed() -> list[str]:
    return []


@pytest.fixture
def server(executed: list[str]) -> Any:
    @tool("echo", "Echo the text", {"text": str})
    async def echo(given: dict[str, Any]) -> dict[str, Any]:
        executed.append(f"echo {given['text']}")
        return {"content": [{"type": "text", "text": f"Echo: {given['text']}"}]}

    @tool("greet", "Greet somebody", {"name": str})
    async def greet(given: dict[str, Any]) -> dict[str, Any]:
        executed.append(f"greet {given['name']}")
        return {"content": [{"type": "text", "text": f"Hello, {given['name']}!"}]}

    return create_sdk_mcp_server("test", "1.0.0", [echo, greet])


def results(messages) -> list[ToolResultBlock]:
    blocks = [block for message in of_type(messages, UserMessage) for block in message.content]
    return [block for block in blocks if isinstance(block, ToolResultBlock)]


async def test_a_tool_is_listed_called_and_its_result_used(
    fake_claude: FakeClaudeCLI, options: MakeOptions, server: Any, executed: list[str]
):
    fake_claude.turn().tool("mcp__test__echo", {"text": "hi"}).then(lambda prompt: prompt.results[-1]["content"])

    messages = await collect("Go.", options(mcp_servers={"test": server}, allowed_tools=["mcp__test__echo"]))

    init = init_of(messages)
    assert {"mcp__test__echo", "mcp__test__greet"} <= set(init["tools"])
    assert [(known["name"], known["status"]) for known in init["mcp_servers"]] == [("test", "connected")]
    assert executed == ["echo hi"]
    assert of_type(messages, ResultMessage)[0].result == "Echo: hi"


async def test_two_tools_in_sequence_through_the_client(
    fake_claude: FakeClaudeCLI, options: MakeOptions, server: Any, executed: list[str]
):
    fake_claude.turn().tool("mcp__test__echo", {"text": "a"}).tool("mcp__test__greet", {"name": "Bob"}).text("Done.")

    async with ClaudeSDKClient(options(mcp_servers={"test": server}, allowed_tools=["mcp__test"])) as client:
        await client.query("Go.")
        messages = [message async for message in client.receive_response()]
        status = await client.get_mcp_status()

    assert executed == ["echo a", "greet Bob"]
    assert of_type(messages, ResultMessage)[0].num_turns == 3
    assert status["mcpServers"][0]["status"] == "connected"


async def test_a_disallowed_tool_is_not_executed(
    fake_claude: FakeClaudeCLI, options: MakeOptions, server: Any, executed: list[str]
):
    fake_claude.turn().tool("mcp__test__greet", {"name": "Alice"}).tool("mcp__test__echo", {"text": "no"})

    messages = await collect(
        "Go.",
        options(
            mcp_servers={"test": server},
            allowed_tools=["mcp__test__greet"],
            disallowed_tools=["mcp__test__echo"],
        ),
    )

    assert executed == ["greet Alice"]
    assert "No such tool available: mcp__test__echo" in str(results(messages)[1].content)


async def test_without_a_rule_and_a_callback_a_tool_is_not_executed(
    fake_claude: FakeClaudeCLI, options: MakeOptions, server: Any, executed: list[str]
):
    fake_claude.turn().tool("mcp__test__echo", {"text": "no"})

    messages = await collect("Go.", options(mcp_servers={"test": server}))

    assert executed == []
    assert results(messages)[0].is_error


async def test_a_tool_that_fails_is_an_error_for_the_model(fake_claude: FakeClaudeCLI, options: MakeOptions):
    @tool("broken", "Raises", {})
    async def broken(given: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("it broke")

    fake_claude.answer(lambda prompt: Turn().tool("mcp__test__broken"))
    server = create_sdk_mcp_server("test", "1.0.0", [broken])

    messages = await collect("Go.", options(mcp_servers={"test": server}, allowed_tools=["mcp__test"]))

    (result,) = results(messages)
    assert result.is_error
    assert "it broke" in str(result.content)
