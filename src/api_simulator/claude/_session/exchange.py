"""
What a session gives to the process that runs it, and what it waits for.

A session is made of generators: each yields a :class:`Wait` and goes on with what came. So a turn can stand in
the middle of a tool's permission while other messages are answered, without a thread.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Record: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Emit:
    """Print a record, as the output format wants it."""

    record: Record


@dataclass(frozen=True, slots=True)
class RawLine:
    """Print bytes as they are."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Complain:
    """Write a line to standard error."""

    text: str


@dataclass(frozen=True, slots=True)
class Log:
    """Append records to a transcript; the path is relative to the folder of all transcripts."""

    path: str
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class CreateFile:
    """Write a file that a scripted tool writes, or that belongs to a transcript."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class AskTest:
    """Ask function *number* in the test process; the answer comes to :meth:`Session.answered`."""

    number: int
    question: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unexpected:
    """Nothing in the script fits; the text says what it has."""

    text: str


@dataclass(frozen=True, slots=True)
class Leave:
    """End the process with this exit code."""

    code: int


Output: TypeAlias = Emit | RawLine | Complain | Log | CreateFile | AskTest | Unexpected | Leave


@dataclass(slots=True)
class Wait:
    """
    What a generator waits for.

    Attributes:
        is_over: Whether it has come.

        value: What has come.
    """

    is_over: bool = False
    value: Any = None

    def come(self, value: Any = None) -> None:
        """Let the generator go on."""
        self.is_over, self.value = True, value


@dataclass(slots=True)
class Pause(Wait):
    """Time that passes; *until_ms* is set when the session begins to wait."""

    ms: float = 0
    until_ms: float = field(default=0)


@dataclass(slots=True)
class HostReply(Wait):
    """The host's answer to a control request; None if standard input ended before."""

    request_id: str = ""


Waits: TypeAlias = Generator[Wait, Any, Any]


class Interrupted(Exception):
    """The host, or SIGINT, ended the turn."""
