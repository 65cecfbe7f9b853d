"""
What an engine must be able to do: the whole vocabulary between the rules and the wire.

A decision is a tuple of these, carried out in order. An engine that can carry out each of them
behaves like every other engine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class SendBytes:
    """Put these bytes on the wire, as they are."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """Let at least this many milliseconds pass before the next action."""

    milliseconds: int


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection in order (FIN) once everything before is sent."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Abort the connection (RST); what is still unsent is lost."""


@dataclass(frozen=True, slots=True)
class AskResponder:
    """
    Call the user's function with the captured request; its answer decides the rest.

    A plain function is called on a worker thread, because it may block; a coroutine function
    runs on the engine's own loop.
    """

    responder: Callable[[Any], Any] | Callable[[Any], Awaitable[Any]]


Action: TypeAlias = SendBytes | Wait | Close | Reset | AskResponder
