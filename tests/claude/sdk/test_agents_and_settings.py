"""Agents of the host, and what the program reads from files."""

from __future__ import annotations

from pathlib import Path

import pytest
from claude_agent_sdk import AgentDefinition, AssistantMessage, ClaudeSDKClient, Message, ResultMessage

from api_simulator.claude import FakeClaudeCLI
from tests.claude.sdk.conftest import MakeOptions, collect, init_of, of_type

pytestmark = pytest.mark.asyncio

AGENT = AgentDefinition(description="A test agent", prompt="Say so.", tools=["Read"], model="sonnet")


@pytest.fixture(autouse=True)
def answering(fake_claude: FakeClaudeCLI) -> None:
    fake_claude.answer(lambda prompt: f"You said {prompt}")


async def through_client(options) -> list[Message]:
    messages: list[Message] = []
    async with ClaudeSDKClient(options) as client:
        await client.query("hi")
        messages += [message async for message in client.receive_response()]
    return messages


async def through_query(options) -> list[Message]:
    return await collect("hi", options)


WAYS = pytest.mark.parametrize("run", [through_client, through_query])


@WAYS
async def test_an_agent_of_the_host_is_listed(run, options: MakeOptions):
    assert "test-agent" in init_of(await run(options(agents={"test-agent": AGENT})))["agents"]


@WAYS
async def test_many_large_agents_come_through(run, options: MakeOptions):
    """They go through standard input, so that no limit of the command line is touched."""
    agents = {f"agent-{number}": AgentDefinition(description="x" * 13_000, prompt="y" * 13_000) for number in range(20)}

    assert set(agents) <= set(init_of(await run(options(agents=agents)))["agents"])


async def test_an_agent_of_the_project_is_listed(project: Path, options: MakeOptions):
    folder = project / ".claude" / "agents"
    folder.mkdir(parents=True)
    (folder / "helper.md").write_text("---\nname: fs-agent\ndescription: From a file\ntools: Read\n---\n\nSay so.\n")

    messages = await collect("hi", options(setting_sources=["project"]))

    assert "fs-agent" in init_of(messages)["agents"]
    assert of_type(messages, AssistantMessage)
    assert of_type(messages, ResultMessage)


@pytest.fixture
def settings(project: Path) -> None:
    (project / ".claude" / "commands").mkdir(parents=True)
    (project / ".claude" / "settings.local.json").write_text('{"outputStyle": "local-style"}')
    (project / ".claude" / "commands" / "testcmd.md").write_text("---\ndescription: A command\n---\n\nDo it.\n")


@pytest.mark.parametrize(
    ("sources", "style", "has_command"),
    [
        (None, "local-style", True),
        (["user"], "default", False),
        ([], "default", False),
        (["user", "project"], "default", True),
        (["user", "project", "local"], "local-style", True),
    ],
)
async def test_settings_come_from_the_sources_asked_for(
    settings: None, options: MakeOptions, sources: list[str] | None, style: str, has_command: bool
):
    init = init_of(await collect("hi", options(setting_sources=sources)))

    assert init["output_style"] == style
    assert ("testcmd" in init["slash_commands"]) is has_command


async def test_the_user_s_settings_are_read_from_the_home(home: Path, options: MakeOptions):
    (home / ".claude").mkdir()
    (home / ".claude" / "settings.json").write_text('{"outputStyle": "user-style"}')

    assert init_of(await collect("hi", options()))["output_style"] == "user-style"
