"""The permission callback: who is asked, and what comes of the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from claude_agent_sdk import (
    ClaudeSDKClient,
    PermissionResultAllow,
    PermissionResultDeny,
    PermissionUpdate,
    ResultError,
    ResultMessage,
    ToolResultBlock,
    UserMessage,
)

from api_simulator.claude import FakeClaudeCLI, Turn
from tests.claude.sdk.conftest import MakeOptions, collect, of_type

pytestmark = pytest.mark.asyncio


class Callback:
    """A permission callback that gives one answer and counts."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer or PermissionResultAllow()
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def __call__(self, tool, tool_input, context):
        self.asked.append((tool, tool_input))
        return self.answer


def results(messages) -> list[ToolResultBlock]:
    blocks = [block for message in of_type(messages, UserMessage) for block in message.content]
    return [block for block in blocks if isinstance(block, ToolResultBlock)]


def writing(path: Path) -> Turn:
    return Turn().tool("Write", {"file_path": str(path), "content": "hi"}, writes=True).text("Done.")


async def test_it_is_asked_for_a_tool_that_changes_something(
    fake_claude: FakeClaudeCLI, options: MakeOptions, project: Path
):
    callback = Callback()
    fake_claude.answer(lambda prompt: writing(project / "out.txt"))

    async with ClaudeSDKClient(options(can_use_tool=callback)) as client:
        await client.query("Write it.")
        messages = [message async for message in client.receive_response()]

    assert [tool for tool, _ in callback.asked] == ["Write"]
    assert (project / "out.txt").read_text() == "hi"
    assert not results(messages)[0].is_error


@pytest.mark.parametrize("stream", [False, True], ids=["string", "stream"])
async def test_a_one_shot_query_waits_for_the_answer(
    fake_claude: FakeClaudeCLI, options: MakeOptions, project: Path, stream: bool
):
    """With only a permission callback, the prompt a string or a stream that ends: standard input stays open."""
    callback = Callback()
    fake_claude.answer(lambda prompt: writing(project / "out.txt"))

    async def prompts():
        yield {"type": "user", "message": {"role": "user", "content": "Write it."}}

    messages = await collect(prompts() if stream else "Write it.", options(can_use_tool=callback))

    assert [tool for tool, _ in callback.asked] == ["Write"]
    assert (project / "out.txt").exists()
    assert not of_type(messages, ResultMessage)[0].is_error


@pytest.mark.filterwarnings("ignore:can_use_tool will not be invoked")  # which is what the test is about
@pytest.mark.parametrize(
    ("tool", "tool_input", "given"),
    [
        ("Bash", {"command": "git commit"}, {"allowed_tools": ["Bash"]}),
        ("Bash", {"command": "git commit -m x"}, {"allowed_tools": ["Bash(git commit:*)"]}),
        ("Read", {"file_path": "/etc/hosts"}, {}),
        ("Bash", {"command": "ls -l"}, {}),
        ("Write", {"file_path": "a"}, {"permission_mode": "acceptEdits"}),
        ("Write", {"file_path": "a"}, {"permission_mode": "bypassPermissions"}),
    ],
)
async def test_it_is_not_asked_for_what_is_allowed(
    fake_claude: FakeClaudeCLI, options: MakeOptions, tool: str, tool_input: dict[str, Any], given: dict[str, Any]
):
    callback = Callback()
    fake_claude.turn().tool(tool, tool_input, result="ran").text("Done.")

    messages = await collect("Go.", options(can_use_tool=callback, **given))

    assert callback.asked == []
    assert results(messages)[0].content == "ran"


async def test_a_denial_is_told_to_the_model_and_reported(
    fake_claude: FakeClaudeCLI, options: MakeOptions, project: Path
):
    fake_claude.answer(lambda prompt: writing(project / "out.txt"))

    messages = await collect("Write it.", options(can_use_tool=Callback(PermissionResultDeny(message="Not today"))))

    (denied,) = results(messages)
    assert (denied.content, denied.is_error) == ("Not today", True)
    assert [denial["tool_name"] for denial in of_type(messages, ResultMessage)[0].permission_denials or ()] == ["Write"]
    assert not (project / "out.txt").exists()


async def test_a_denial_may_end_the_run(fake_claude: FakeClaudeCLI, options: MakeOptions):
    fake_claude.turn().tool("Write", {"file_path": "a"}).text("Never said.")
    answer = PermissionResultDeny(message="Stop", interrupt=True)

    with pytest.raises(ResultError) as caught:
        await collect("Write it.", options(can_use_tool=Callback(answer)))

    assert caught.value.terminal_reason == "aborted_tools"


async def test_an_answer_may_change_the_input(fake_claude: FakeClaudeCLI, options: MakeOptions, project: Path):
    fake_claude.answer(lambda prompt: writing(project / "out.txt"))
    changed = {"file_path": str(project / "other.txt"), "content": "changed"}

    await collect("Go.", options(can_use_tool=Callback(PermissionResultAllow(updated_input=changed))))

    assert (project / "other.txt").read_text() == "changed"


async def test_an_answer_may_allow_what_follows(fake_claude: FakeClaudeCLI, options: MakeOptions):
    update = PermissionUpdate(type="setMode", mode="acceptEdits", destination="session")
    callback = Callback(PermissionResultAllow(updated_permissions=[update]))
    fake_claude.turn().tool("Write", {"file_path": "a"}).tool("Write", {"file_path": "b"})

    await collect("Go.", options(can_use_tool=callback))

    assert [tool_input["file_path"] for _, tool_input in callback.asked] == ["a"]


async def test_a_callback_that_raises_is_told_to_the_model(fake_claude: FakeClaudeCLI, options: MakeOptions):
    async def callback(tool, tool_input, context):
        raise RuntimeError("callback broke")

    fake_claude.turn().tool("Write", {"file_path": "a"})

    (failed,) = results(await collect("Go.", options(can_use_tool=callback)))

    assert failed.content == "Tool permission request failed: Error: callback broke"


async def test_without_anybody_to_ask_the_tool_does_not_run(fake_claude: FakeClaudeCLI, options: MakeOptions):
    fake_claude.turn().tool("Write", {"file_path": "a"}, result="ran")

    messages = await collect("Go.", options())

    assert results(messages)[0].is_error
    assert of_type(messages, ResultMessage)[0].permission_denials


async def test_no_prompts_at_all_means_no_question(fake_claude: FakeClaudeCLI, options: MakeOptions):
    callback = Callback()
    fake_claude.turn().tool("Write", {"file_path": "a"}, result="ran")

    messages = await collect("Go.", options(can_use_tool=callback, extra_args={"permission-prompts": "none"}))

    assert callback.asked == []
    assert results(messages)[0].is_error
