"""
What an engine must be able to do: the whole vocabulary between the rules and the wire.

A decision is a tuple of these, carried out in order. An engine that can carry out each of them
behaves like every other engine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from api_simulator._core.values import dataclass

if TYPE_CHECKING:
    from api_simulator._core.gates import Gate
    from api_simulator._core.streams import SharedReader


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
class HalfClose:
    """Close the sending side only (FIN); what the client still sends is read and dropped."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Abort the connection (RST); what is still unsent is lost."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Do nothing more, with the connection open, until the client or the server ends it."""


@dataclass(frozen=True, slots=True)
class Pull:
    """
    Take pieces from the user's iterator and send each when it is there.

    Attributes:
        start: Returns a fresh iterator, plain (pulled on a worker thread, because it may block) or async, or a
            reader of an async one that others read too.

        frame: Turns a piece into wire bytes.

        pauses: Gives the pause before each piece after the first, in milliseconds.

        end: What is sent after the last piece.
    """

    start: Callable[[], Iterator[Any]] | Callable[[], AsyncIterator[Any]] | Callable[[], SharedReader]
    frame: Callable[[Any], bytes]
    pauses: Callable[[], int]
    end: bytes = b""


@dataclass(frozen=True, slots=True)
class Hold:
    """Wait at a gate until it opens."""

    gate: Gate


@dataclass(frozen=True, slots=True)
class AskResponder:
    """
    Call the user's function with the captured request; its answer decides the rest.

    A plain function is called on a worker thread, because it may block; a coroutine function
    runs on the engine's own loop.
    """

    responder: Callable[[Any], Any] | Callable[[Any], Awaitable[Any]]


Action: TypeAlias = SendBytes | Wait | Close | HalfClose | Reset | Hang | Pull | Hold | AskResponder
