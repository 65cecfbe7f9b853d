"""
What is known about a server's connections: opened, reused, still open.
"""

from __future__ import annotations

from collections.abc import Callable

from api_simulator._core.values import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionStats:
    """
    The connections of a server since its start or last reset.

    Attributes:
        opened: Accepted since then.

        open: Still open now: leaked, if the client should have closed all.

        requests: Requests received on them.

        reused: Requests that did not need a new connection, thanks to keep-alive.
    """

    opened: int
    open: int
    requests: int
    reused: int


class ConnectionLog:
    """
    Counts connections as an engine reports them; called with the simulation's lock held.

    Attributes:
        elsewhere: Asks an engine that counts by itself how many were opened since the last reset, and are open.
    """

    def __init__(self) -> None:
        self.elsewhere: Callable[[], tuple[int, int]] | None = None
        self._open: set[int] = set()
        self._opened = 0
        self._requests = 0
        self._reused = 0

    def opened(self, number: int) -> None:
        """Note a new connection."""
        self._open.add(number)
        self._opened += 1

    def closed(self, number: int) -> None:
        """Note the end of one."""
        self._open.discard(number)

    def used(self, index: int) -> None:
        """Note a request that was the *index*-th (from 0) on its connection."""
        self._requests += 1
        self._reused += index > 0

    def used_unseen(self, requests: int, reused: int) -> None:
        """Note requests that the journal will never see, and how many of them were not the first on a connection."""
        self._requests += requests
        self._reused += reused

    def reset(self) -> None:
        """Count anew; open connections stay open."""
        self._opened = self._requests = self._reused = 0

    def stats(self) -> ConnectionStats:
        """Return the counts."""
        # Those without a socket are noted here, whoever counts the others.
        opened, still_open = self.elsewhere() if self.elsewhere is not None else (0, 0)
        return ConnectionStats(self._opened + opened, len(self._open) + still_open, self._requests, self._reused)
