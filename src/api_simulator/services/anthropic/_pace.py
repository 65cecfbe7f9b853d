"""
Move the events of an answer along the wire as a model does: a first token after a while, then so many a second.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from random import Random

from api_simulator._core.clock import Clock
from api_simulator._core.delays import Delay, DelayInput
from api_simulator._core.streams import PieceSource, StreamBody
from api_simulator.services.anthropic._content import Event

#: Long enough for every client to give up: a stream that stalls is ended by its client or with its server.
STALL_MS = 24 * 3600 * 1000


class TokenPace(Delay):
    """
    The pauses of one stream; each aims at the time at which its token is due, so that lateness does not add up.

    Args:
        clock: Where time comes from.

        tokens_per_s: The rate.

        jitter: By which share of the mean a gap may differ, 0 to 1.

    Attributes:
        stall_at: Before this piece (counted from 0) nothing more comes; None for never.
    """

    __slots__ = ("_clock", "_due_ns", "_gap_ns", "_jitter", "_next", "stall_at")

    def __init__(self, clock: Clock, tokens_per_s: float | None, jitter: float = 0.0) -> None:
        self._clock = clock
        self._gap_ns = 0.0 if tokens_per_s is None else 1e9 / tokens_per_s
        self._jitter = jitter
        self.stall_at: int | None = None
        self._next = 1
        self._due_ns: float | None = None

    def sample_ms(self, random: Random) -> int:
        """Return the pause before the next piece; asked when that pause begins."""
        now_ns = self._clock.now_ns()
        if self._due_ns is None:
            # The first token has just left.
            self._due_ns = float(now_ns)
        if self._next == self.stall_at:
            return STALL_MS
        self._next += 1
        self._due_ns += self._gap_ns * (1 + self._jitter * random.uniform(-1, 1) if self._jitter else 1)
        return max(0, math.ceil((self._due_ns - now_ns) / 1e6))


class TokenStream(StreamBody):
    """
    Events, of which all up to the next token go out together.

    Args:
        events: Gives those of one answer. A function, so that the journal, which keeps the answer, keeps no bytes.

        pace: Of one answer; None sends all at once.
    """

    content_type = "text/event-stream; charset=utf-8"

    def __init__(self, events: Callable[[], Iterable[Event]], pace: TokenPace | None) -> None:
        self._events = events
        self.every_ms: DelayInput = pace if pace is not None else 0
        # Made here, on the responder's thread, and not where the answer is sent, which is everybody's.
        self._ready = list(grouped(events())) if pace is None else None

    def source(self) -> PieceSource:
        """Start from the first event."""
        return self._pieces

    def known_pieces(self) -> Sequence[bytes] | None:
        """Return the pieces if none waits for its time: then they are one write."""
        if self.every_ms != 0:
            return None
        ready, self._ready = self._ready, None
        return ready if ready is not None else list(grouped(self._events()))

    async def _pieces(self) -> AsyncIterator[bytes]:
        # Async though it waits for nothing: the engine pulls it on its own loop, without a thread for each piece.
        for piece in grouped(self._events()):
            yield piece


class StalledStream(TokenStream):
    """Events after which nothing more comes, with the connection open."""

    def __init__(self, events: Callable[[], Iterable[Event]], pace: TokenPace) -> None:
        super().__init__(events, pace)
        self._pace = pace

    async def _pieces(self) -> AsyncIterator[bytes]:
        pieces = list(grouped(self._events()))
        self._pace.stall_at = len(pieces)
        for piece in pieces:
            yield piece
        # Never sent: the pause before it does not end.
        yield b"\n"


def grouped(events: Iterable[Event]) -> Iterator[bytes]:
    """Yield the bytes of *events* in pieces, each of which but the first begins with a token."""
    piece, has_token = b"", False
    for event, counted in events:
        if counted and has_token:
            yield piece
            piece = b""
        has_token = has_token or counted
        piece += event
    yield piece


def before(events: Iterable[Event], count: int, last: Event | None = None) -> Iterator[Event]:
    """Yield the first *count* of *events*, then *last*."""
    for place, event in enumerate(events):
        if place >= count:
            break
        yield event
    if last is not None:
        yield last
