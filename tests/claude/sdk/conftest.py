"""The Python SDK of the real program, run against the fake: a home of its own, and ways to collect messages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from api_simulator.claude import FakeClaudeCLI

# Not imported here where it is not installed: then the modules that import it are skipped, each by name.
if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions, Message

MakeOptions = Callable[..., "ClaudeAgentOptions"]
MessageT = TypeVar("MessageT", bound="Message")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, where both SDK and fake look for transcripts."""
    place = tmp_path / "home"
    place.mkdir()
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    return place


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A working folder for the program."""
    place = tmp_path / "project"
    place.mkdir()
    return place


@pytest.fixture
def options(fake_claude: FakeClaudeCLI, project: Path) -> MakeOptions:
    """Options that point at the fake."""

    def make(**given: Any) -> ClaudeAgentOptions:
        from claude_agent_sdk import ClaudeAgentOptions

        return ClaudeAgentOptions(**{"cli_path": str(fake_claude.executable), "cwd": project, **given})

    return make


async def collect(prompt: Any, options: ClaudeAgentOptions) -> list[Message]:
    """Return all messages of one ``query()``."""
    from claude_agent_sdk import query

    return [message async for message in query(prompt=prompt, options=options)]


def of_type(messages: list[Message], kind: type[MessageT]) -> list[MessageT]:
    """Return the messages of one class, sub-classes not among them."""
    return [message for message in messages if type(message) is kind]


def init_of(messages: list[Message]) -> dict[str, Any]:
    """Return the data of the first ``system/init``."""
    from claude_agent_sdk import SystemMessage

    return next(m.data for m in messages if isinstance(m, SystemMessage) and m.subtype == "init")
