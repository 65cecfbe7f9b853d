"""Transcripts: read by the SDK, resumed, forked, cut, mirrored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from claude_agent_sdk import (
    InMemorySessionStore,
    ResultError,
    ResultMessage,
    fork_session,
    get_session_messages,
    get_subagent_messages,
    list_sessions,
    list_subagents,
)

from api_simulator.claude import FakeClaudeCLI, Turn
from tests.claude.sdk.conftest import MakeOptions, collect, init_of, of_type

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def answering(fake_claude: FakeClaudeCLI) -> None:
    fake_claude.answer(lambda prompt: f"You said {prompt}")


async def session_of(prompt: str, options) -> str:
    (result,) = of_type(await collect(prompt, options), ResultMessage)
    return result.session_id


def texts(session_id: str, project: Path) -> list[str]:
    """Return what was said in a session, as the SDK reads it."""
    said = []
    for message in get_session_messages(session_id, directory=str(project)):
        content: Any = message.message["content"]
        said.append(content if isinstance(content, str) else content[0]["text"])
    return said


async def test_the_sdk_lists_and_reads_a_session(options: MakeOptions, project: Path):
    session = await session_of("one", options())

    (listed,) = list_sessions(directory=str(project))
    assert (listed.session_id, listed.first_prompt) == (session, "one")
    assert texts(session, project) == ["one", "You said one"]


async def test_nothing_is_written_when_nothing_shall_persist(options: MakeOptions, project: Path):
    await session_of("one", options(extra_args={"no-session-persistence": None}))

    assert list_sessions(directory=str(project)) == []


async def test_resuming_goes_on_in_the_same_session(options: MakeOptions, project: Path):
    first = await collect("one", options())
    session = of_type(first, ResultMessage)[0].session_id

    second = await collect("two", options(resume=session))

    assert of_type(second, ResultMessage)[0].session_id == session
    costs = [of_type(messages, ResultMessage)[0].total_cost_usd or 0 for messages in (first, second)]
    assert 0 < costs[0] < costs[1]
    assert texts(session, project) == ["one", "You said one", "two", "You said two"]


async def test_continuing_takes_the_last_session_of_the_folder(options: MakeOptions, project: Path):
    session = await session_of("one", options())

    assert await session_of("two", options(continue_conversation=True)) == session


async def test_a_fork_has_an_id_and_a_file_of_its_own(options: MakeOptions, project: Path):
    session = await session_of("one", options())

    fork = await session_of("two", options(resume=session, fork_session=True))

    assert fork != session
    assert texts(session, project) == ["one", "You said one"]
    assert texts(fork, project) == ["one", "You said one", "two", "You said two"]


async def test_a_copy_of_the_sdk_s_own_is_resumed(options: MakeOptions, project: Path):
    session = await session_of("one", options())

    copy = fork_session(session, directory=str(project)).session_id

    assert await session_of("two", options(resume=copy)) == copy
    assert texts(copy, project)[-1] == "You said two"


async def test_the_session_id_may_be_given(options: MakeOptions):
    wanted = "12345678-1234-4234-8234-123456789abc"

    assert await session_of("one", options(session_id=wanted)) == wanted


async def test_a_session_that_is_not_there_is_an_error(options: MakeOptions):
    with pytest.raises(ResultError, match="No conversation found with session ID"):
        await collect("hi", options(resume="00000000-0000-4000-8000-000000000000"))


class TestCutting:
    """A resume that drops a turn says which one it means."""

    @pytest_asyncio.fixture
    async def session(self, options: MakeOptions) -> str:
        session = await session_of("one", options())
        await session_of("two", options(resume=session))
        return session

    async def test_the_turn_that_was_meant_is_dropped(self, options: MakeOptions, project: Path, session: str):
        _, kept, dropped, _ = get_session_messages(session, directory=str(project))

        fork = await session_of(
            "three",
            options(resume=session, fork_session=True, resume_session_at=kept.uuid, resume_drops_turn=dropped.uuid),
        )

        assert texts(fork, project) == ["one", "You said one", "three", "You said three"]

    async def test_another_turn_is_refused(self, options: MakeOptions, project: Path, session: str):
        first, kept, *_ = get_session_messages(session, directory=str(project))

        with pytest.raises(Exception, match="Resume rejected by --resume-drops-turn:"):
            await collect(
                "three",
                options(resume=session, fork_session=True, resume_session_at=kept.uuid, resume_drops_turn=first.uuid),
            )


async def test_a_store_is_fed_by_the_mirror_and_resumed_from(
    fake_claude: FakeClaudeCLI, options: MakeOptions, home: Path
):
    """The SDK brings a stored session into a fresh configuration folder, with the user's settings."""
    store = InMemorySessionStore()
    (home / ".claude").mkdir()
    (home / ".claude" / "settings.json").write_text(json.dumps({"outputStyle": "user-style"}))
    session = await session_of("one", options(session_store=store))
    for transcript in fake_claude.session_log_dir().glob("*/*.jsonl"):
        transcript.unlink()

    messages = await collect("two", options(session_store=store, resume=session))

    assert of_type(messages, ResultMessage)[0].session_id == session
    assert init_of(messages)["output_style"] == "user-style"


async def test_a_store_is_fed_though_the_home_is_left_alone(options: MakeOptions, home: Path):
    """The fake writes elsewhere when the home is in use; the host is told where it expects the transcript."""
    store = InMemorySessionStore()
    (home / ".claude.json").write_text("{}")

    session = await session_of("one", options(session_store=store))

    assert not (home / ".claude").exists()
    assert await session_of("two", options(session_store=store, resume=session)) == session


class TestSubagents:
    """A sub-agent's messages name the call that began it."""

    @pytest.fixture(autouse=True)
    def script(self, fake_claude: FakeClaudeCLI) -> None:
        inner = Turn().tool("Bash", {"command": "ls"}, result="a.txt").text("Found a.txt")
        fake_claude.on_prompt("Delegate").subagent(inner, prompt="Look.").text("It found a.txt")

    async def test_they_are_in_a_file_of_their_own(self, options: MakeOptions, project: Path):
        messages = await collect("Delegate.", options())
        session = of_type(messages, ResultMessage)[0].session_id

        (agent,) = list_subagents(session, directory=str(project))
        found = get_subagent_messages(session, agent, directory=str(project))

        call = next(
            block.id for message in messages for block in getattr(message, "content", ()) if hasattr(block, "id")
        )
        assert {message.parent_tool_use_id for message in found} == {call}
        assert found[0].message["content"] == "Look."

    async def test_the_store_has_them_too(self, options: MakeOptions, project: Path):
        from claude_agent_sdk import get_subagent_messages_from_store, list_subagents_from_store

        store = InMemorySessionStore()
        session = await session_of("Delegate.", options(session_store=store))

        (agent,) = await list_subagents_from_store(store, session, directory=str(project))
        found = await get_subagent_messages_from_store(store, session, agent, directory=str(project))

        assert found
        assert all(message.parent_tool_use_id for message in found)
