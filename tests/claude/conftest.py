"""A fake that is closed when its test is over, and messages to script."""

from collections.abc import Iterator
from typing import Any

import pytest

from api_simulator.claude import FakeClaudeCLI


@pytest.fixture
def cli() -> Iterator[FakeClaudeCLI]:
    fake = FakeClaudeCLI()
    yield fake
    fake.close()


@pytest.fixture
def scripted(cli: FakeClaudeCLI) -> FakeClaudeCLI:
    """A fake with four messages, numbered by ``n``; the last is the result."""
    for message in MESSAGES:
        cli.add_message(message)
    return cli


MESSAGES: list[dict[str, Any]] = [
    {"type": "system", "subtype": "init", "n": 0},
    {"type": "assistant", "message": {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]}, "n": 1},
    {"type": "user", "message": {"role": "user", "content": "again"}, "n": 2},
    {"type": "result", "subtype": "success", "n": 3},
]
