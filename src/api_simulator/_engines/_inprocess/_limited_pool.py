"""
A client's connections to one server when there may be only so many: others wait for one, in order.

As httpcore's pool does: a connection is free again when the answer on it was read to its end, or left.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from api_simulator._engines._inprocess._connections import Connection, Pool
from api_simulator._engines._inprocess._sleeper import Bell, LoopBell
from api_simulator._engines._libraries import Library

if TYPE_CHECKING:
    from api_simulator._engines._inprocess._serving import InProcessServing


class _Turn:
    """A request that waits for a connection."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self.ring = ring
        self.connection: Connection | None = None


class LimitedPool(Pool):
    """
    At most so many connections.

    Args:
        serving: The server.

        limit: How many, 0 or more.
    """

    def __init__(self, serving: InProcessServing, limit: int) -> None:
        super().__init__(serving)
        self._limit = limit
        self._taken = 0
        self._waiting: deque[_Turn] = deque()
        # Reentrant: what is done with it held makes objects, and a collection of garbage may then end an abandoned
        # answer, which gives its connection back.
        self._lock = threading.RLock()

    def take(self) -> Connection | None:
        """Return the connection used last, or a new one; None if all are in use."""
        with self._lock:
            # Nobody overtakes: while others wait, all are in use.
            if self._taken >= self._limit:
                return None
            self._taken += 1
            return super().take()

    def give_back(self, connection: Connection) -> None:
        """Give it to whoever waits longest, or keep it."""
        with self._lock:
            if not self._waiting:
                self._taken -= 1
                super().give_back(connection)
                return
            turn = self._waiting.popleft()
            turn.connection = connection
        turn.ring()

    def end(self, connection: Connection) -> None:
        """Close one; whoever waits longest gets another."""
        super().end(connection)
        with self._lock:
            if not self._waiting:
                self._taken -= 1
                return
            turn = self._waiting.popleft()
            turn.connection = self.serving.connect()
        turn.ring()

    # What the waiting call

    def wait(self, library: Library, patience_s: float | None) -> Connection:
        """
        Block until a connection is free.

        Raises:
            library.module.PoolTimeout: If none is within so many seconds (None: however long it takes).
        """
        bell = Bell()
        turn = self._queue(bell.ring)
        until_ns = self._until_ns(patience_s)
        try:
            while turn.connection is None:
                self._check(library, until_ns)
                self.serving.sleeper.block(bell, until_ns)
                bell.silence()
        except BaseException:
            self._leave(turn)
            raise
        return turn.connection

    async def wait_async(self, library: Library, patience_s: float | None) -> Connection:
        """Wait as :meth:`wait` does, without blocking the loop."""
        bell = LoopBell()
        turn = self._queue(bell.ring)
        until_ns = self._until_ns(patience_s)
        try:
            while turn.connection is None:
                self._check(library, until_ns)
                await self.serving.sleeper.pause(bell, until_ns)
                bell.silence()
        except BaseException:
            self._leave(turn)
            raise
        return turn.connection

    def _queue(self, ring: Callable[[], None]) -> _Turn:
        turn = _Turn(ring)
        with self._lock:
            if self._taken < self._limit:
                # One has become free since it was asked for.
                self._taken += 1
                turn.connection = super().take()
            else:
                self._waiting.append(turn)
        return turn

    def _until_ns(self, patience_s: float | None) -> int | None:
        return None if patience_s is None else self.serving.sleeper.clock.now_ns() + int(patience_s * 1e9)

    def _check(self, library: Library, until_ns: int | None) -> None:
        if until_ns is not None and self.serving.sleeper.clock.now_ns() >= until_ns:
            # Without a text, as on the wire.
            raise library.module.PoolTimeout("")

    def _leave(self, turn: _Turn) -> None:
        with self._lock, contextlib.suppress(ValueError):
            self._waiting.remove(turn)
        if turn.connection is not None:
            # Given while the wait was ending.
            self.give_back(turn.connection)


def pool_for(serving: InProcessServing, limit: int | None) -> Pool:
    """Return a pool with so many connections at most; None is any number."""
    return Pool(serving) if limit is None or limit == sys.maxsize else LimitedPool(serving, limit)


def limit_of(transport: Any) -> int | None:
    """Return how many connections one of the libraries' own transports may have."""
    # Nothing public says it: the transport hands it to httpcore's pool, which keeps it so.
    limit = getattr(getattr(transport, "_pool", None), "_max_connections", None)
    return limit if isinstance(limit, int) else None
