"""Whole runs by one call, as the Python SDK sees them."""

from __future__ import annotations

import pytest
from claude_agent_sdk import AssistantMessage, ResultError, ResultMessage, SystemMessage

from api_simulator.claude import FakeClaudeCLI
from tests.claude.sdk.conftest import MakeOptions, collect, of_type

pytestmark = pytest.mark.asyncio


async def test_a_failed_request_raises_an_error_that_carries_the_result(
    fake_claude: FakeClaudeCLI, options: MakeOptions
):
    fake_claude.credit_exhausted()

    with pytest.raises(ResultError) as caught:
        await collect("Go.", options())

    assert (caught.value.subtype, caught.value.api_error_status) == ("success", 400)
    assert caught.value.result == "Credit balance is too low"


async def test_retries_are_system_messages(fake_claude: FakeClaudeCLI, options: MakeOptions):
    fake_claude.overloaded(times=2, text="At last.")

    messages = await collect("Go.", options())

    assert [message.subtype for message in of_type(messages, SystemMessage)] == ["init", "api_retry", "api_retry"]
    assert of_type(messages, ResultMessage)[0].result == "At last."


async def test_structured_output_is_in_the_result(fake_claude: FakeClaudeCLI, options: MakeOptions):
    fake_claude.structured_output({"answer": 4})

    (result,) = of_type(await collect("Go.", options()), ResultMessage)

    assert result.structured_output == {"answer": 4}


async def test_a_sub_agents_messages_name_its_call(fake_claude: FakeClaudeCLI, options: MakeOptions):
    fake_claude.subagent("Found it.", text="Done.")

    messages = of_type(await collect("Go.", options()), AssistantMessage)

    (call,) = (block.id for block in messages[0].content if hasattr(block, "id"))
    assert [message.parent_tool_use_id for message in messages] == [None, call, None]
