"""Hooks of the host: which are called with what, and what their outputs do."""

from __future__ import annotations

from typing import Any

import pytest
from claude_agent_sdk import ClaudeSDKClient, HookMatcher, ResultMessage, SystemMessage, ToolResultBlock, UserMessage

from api_simulator.claude import FakeClaudeCLI
from tests.claude.sdk.conftest import MakeOptions, collect, of_type

pytestmark = pytest.mark.asyncio


class Hook:
    """A hook that gives one output and keeps what it was called with."""

    def __init__(self, **specific: Any) -> None:
        self.output = {"hookSpecificOutput": specific} if "hookEventName" in specific else specific
        self.calls: list[dict[str, Any]] = []
        self.tool_use_ids: list[str | None] = []

    async def __call__(self, data, tool_use_id, context):
        self.calls.append(data)
        self.tool_use_ids.append(tool_use_id)
        return self.output


def tool_results(messages) -> list[ToolResultBlock]:
    blocks = [block for message in of_type(messages, UserMessage) for block in message.content]
    return [block for block in blocks if isinstance(block, ToolResultBlock)]


@pytest.fixture(autouse=True)
def script(fake_claude: FakeClaudeCLI) -> None:
    fake_claude.answer(lambda prompt: bash())


def bash():
    from api_simulator.claude import Turn

    return Turn().tool("Bash", {"command": "touch a"}, result="ran").notification("Look here").text("Done.")


@pytest.mark.parametrize("decision", ["allow", "deny"])
async def test_pre_tool_use_decides_with_a_reason(options: MakeOptions, decision: str):
    hook = Hook(hookEventName="PreToolUse", permissionDecision=decision, permissionDecisionReason="Because I say so")

    messages = await collect("Go.", options(hooks={"PreToolUse": [HookMatcher(matcher="Bash", hooks=[hook])]}))

    (call,) = hook.calls
    assert (call["tool_name"], call["tool_input"]) == ("Bash", {"command": "touch a"})
    assert call["tool_use_id"] == hook.tool_use_ids[0] is not None
    (result,) = tool_results(messages)
    assert (result.content, bool(result.is_error)) == {
        "allow": ("ran", False),
        "deny": ("Because I say so", True),
    }[decision]


async def test_pre_tool_use_may_put_a_tool_off(options: MakeOptions):
    hook = Hook(hookEventName="PreToolUse", permissionDecision="defer", permissionDecisionReason="Later")

    messages = await collect("Go.", options(hooks={"PreToolUse": [HookMatcher(hooks=[hook])]}))

    (result,) = of_type(messages, ResultMessage)
    assert result.stop_reason == "tool_deferred"
    assert result.deferred_tool_use is not None
    assert (result.deferred_tool_use.name, tool_results(messages)) == ("Bash", [])


async def test_pre_tool_use_may_add_context(options: MakeOptions):
    hook = Hook(hookEventName="PreToolUse", permissionDecision="allow", additionalContext="It is a test")

    async with ClaudeSDKClient(options(hooks={"PreToolUse": [HookMatcher(matcher="Bash", hooks=[hook])]})) as client:
        await client.query("Go.")
        messages = [message async for message in client.receive_response()]

    assert len(hook.calls) == 1
    assert tool_results(messages)[0].content == "ran"


async def test_pre_tool_use_may_change_the_input(options: MakeOptions):
    before = Hook(hookEventName="PreToolUse", permissionDecision="allow", updatedInput={"command": "ls"})
    after = Hook()
    hooks = {"PreToolUse": [HookMatcher(hooks=[before])], "PostToolUse": [HookMatcher(hooks=[after])]}

    await collect("Go.", options(hooks=hooks))

    assert after.calls[0]["tool_input"] == {"command": "ls"}


async def test_the_matcher_chooses_the_tools(options: MakeOptions):
    other, both = Hook(), Hook()
    matchers = [HookMatcher(matcher="Write", hooks=[other]), HookMatcher(matcher="Write|Bash", hooks=[both])]

    await collect("Go.", options(hooks={"PreToolUse": matchers}))

    assert (len(other.calls), len(both.calls)) == (0, 1)


async def test_post_tool_use_gets_the_result_and_may_stop_the_run(options: MakeOptions):
    hook = Hook(continue_=False, stopReason="Enough", reason="Seen", systemMessage="Stopped")

    messages = await collect(
        "Go.", options(allowed_tools=["Bash"], hooks={"PostToolUse": [HookMatcher(matcher="Bash", hooks=[hook])]})
    )

    (call,) = hook.calls
    assert call["tool_response"] == "ran"
    assert call["tool_use_id"] == tool_results(messages)[0].tool_use_id
    (result,) = of_type(messages, ResultMessage)
    assert (result.terminal_reason, result.is_error) == ("hook_stopped", False)


async def test_several_events_have_each_their_own_fields(options: MakeOptions):
    events = ("UserPromptSubmit", "PreToolUse", "PostToolUse", "Notification", "Stop", "SessionStart")
    hook = Hook()

    await collect(
        "Go.", options(allowed_tools=["Bash"], hooks={event: [HookMatcher(hooks=[hook])] for event in events})
    )

    called = {call["hook_event_name"]: call for call in hook.calls}
    assert list(called) == ["UserPromptSubmit", "PreToolUse", "PostToolUse", "Notification", "Stop"]
    assert called["UserPromptSubmit"]["prompt"] == "Go."
    assert (called["Notification"]["message"], called["Notification"]["notification_type"]) == (
        "Look here",
        "permission_prompt",
    )
    assert called["Stop"]["last_assistant_message"] == "Done."
    assert all(call["session_id"] and call["transcript_path"] and call["cwd"] for call in hook.calls)


async def test_a_prompt_may_be_blocked(options: MakeOptions):
    hook = Hook(decision="block", reason="Not this one")

    messages = await collect("Go.", options(hooks={"UserPromptSubmit": [HookMatcher(hooks=[hook])]}))

    assert [m.subtype for m in of_type(messages, SystemMessage)] == ["init", "informational"]
    assert of_type(messages, ResultMessage)[0].num_turns == 0


async def test_hook_events_are_printed_when_asked_for(options: MakeOptions):
    hooks: dict[Any, Any] = {"PreToolUse": [HookMatcher(hooks=[Hook()])]}

    messages = await collect("Go.", options(allowed_tools=["Bash"], hooks=hooks, include_hook_events=True))

    subtypes = [message.data["subtype"] for message in messages if isinstance(message, SystemMessage)]
    assert subtypes == ["init", "hook_started", "hook_response"]
